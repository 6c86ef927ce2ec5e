"""Writing a program out again: a step's text, and the whole program.

Temporaries are put back where they are used, so that what comes out reads like what an author would have
written. The text of a checked program, parsed and bound again, gives the same steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gradconform.program.literals import ATOM, PRECEDENCE, SIGN, Text, constant, enclosed, infix
from gradconform.program.names import is_temporary, targets
from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Call,
    Class,
    Decorator,
    Define,
    Delete,
    Expect,
    Fact,
    Fail,
    Get,
    Grad,
    Invoke,
    Items,
    Let,
    Mutate,
    Program,
    Record,
    Ref,
    Return,
    Set,
    Slice,
    Step,
    Unset,
    Warns,
    Watch,
    Within,
    Yield,
    body_of,
)
from gradconform.program.vocabulary import OPERATORS

HOLDERS = (Within, Expect, Warns, Define, Class)
"""Steps that hold others."""


class Renderer:
    """Writes steps as text, in the order of the program.

    prefix: stands before the module's own names (`torch.`). device: given to factories where it is no CPU.
    """

    def __init__(self, prefix: str = "", device: str = "cpu", *, facts: bool = True) -> None:
        self.prefix = prefix
        self.device = device
        self.facts = facts
        self._pending: dict[str, Text] = {}
        self._methods: set[int] = set()

    # statements

    def lines(self, steps: tuple[Step, ...], indent: str = "") -> Iterator[str]:
        """The lines of some steps and of their bodies."""
        written = False
        for step in steps:
            for line in self.statement(step, indent):
                written = True
                yield line
        if indent and not written:
            yield f"{indent}pass"

    def statement(self, step: Step, indent: str = "") -> Iterator[str]:
        """The lines of one step; none for a temporary, which stands where it is used."""
        match step:
            case Within() | Expect() | Warns() | Define() | Class():
                yield from self.block(step, indent)
            case Fact() if not self.facts:
                return
            case _ if _temporary(step):
                self._pending[targets(step)[0]] = self.value(step)
            case _:
                yield indent + self.line(step)

    def block(self, step: Step, indent: str) -> Iterator[str]:
        """A step that holds others, and what it holds."""
        yield from (indent + line for line in self.header(step).split("\n"))
        yield from self.lines(body_of(step), indent + "    ")

    def header(self, step: Step) -> str:
        """What stands above the body of a step: one line, and one for each decorator."""
        match step:
            case Within(mode, arguments, _, options, target):
                name = f" as {target}" if target else ""
                return f"with {self.prefix}{mode}({self.arguments(arguments, options)}){name}:"
            case Expect() | Warns():
                given = [("match", step.match)]
                word, kind = ("raises", step.error) if isinstance(step, Expect) else ("warns", step.category)
                if isinstance(step, Expect):
                    given.insert(0, ("phase", step.phase or ""))
                further = "".join(f", {name}={value!r}" for name, value in given if value)
                return f"with {word}({kind}{further}):"
            case Define(target):
                above = "@staticmethod\n" if id(step) in self._methods else ""
                above += "".join(f"@{self.decorator(one)}\n" for one in step.decorators)
                return f"{above}def {target}({', '.join(self.parameters(step))}):"
            case Class(target, base, methods):
                self._methods.update(map(id, methods))
                return f"class {target}({self.prefix}{base}):"
            case _:
                raise TypeError(f"a {type(step).__name__} step has no body")

    def parameters(self, step: Define) -> Iterator[str]:
        """The parameters of a definition, with their defaults."""
        for name in step.parameters:
            yield f"{name}={self.text(step.defaults[name])}" if name in step.defaults else name
        if step.variadic:
            yield f"*{step.variadic}"

    def decorator(self, one: Decorator) -> str:
        """What stands behind the `@`."""
        call = f"({self.arguments(one.arguments, one.options)})" if one.called else ""
        return f"{self.prefix}{one.name}{call}"

    def line(self, step: Step) -> str:
        """The one line of a step without a body."""
        match step:
            case Fact(text=text):
                return text
            case Fail(error):
                return f"fail({error})"
            case Return(value):
                return f"return {self.text(value)}"
            case Yield(target, value):
                return f"{target} = yield {self.text(value)}" if target else f"yield {self.text(value)}"
            case Record(value):
                return f"record({self.text(value)})"
            case Delete(name):
                return f"del {name}"
            case Unset(name, attribute):
                return f"del {self.owner(name)}.{attribute}"
            case Set(name, attribute, value):
                text = self.text(value)
                return f"{self.owner(name)}.{attribute} = {text}"
            case Mutate(_, "setitem", (owner, index, value)):
                text = self.text(value)
                return f"{self.operand(owner, ATOM)}[{self.index(index)}] = {text}"
            case Mutate(target, name, (Ref(changed), value)) if target == changed and not step.options:
                if OPERATORS[name].symbol:
                    return f"{target} {OPERATORS[name].symbol} {self.text(value)}"
        text = self.value(step)[0]
        match targets(step):
            case ():
                return text
            case (name,) if isinstance(getattr(step, "target", ""), tuple):
                return f"({name},) = {text}"
            case names:
                return f"{', '.join(names)} = {text}"

    # expressions

    def value(self, step: Step) -> Text:
        """The right-hand side of a step that has one."""
        match step:
            case Apply(_, name, arguments, options) | Mutate(_, name, arguments, options):
                return self.call(name, arguments, options)
            case Backward(arguments, options, True):
                return f"{self.prefix}autograd.backward({self.arguments(arguments, options)})", ATOM
            case Backward((root, *rest), options):
                owner = self.operand(root, ATOM)
                return f"{owner}.backward({self.arguments(tuple(rest), options)})", ATOM
            case Grad(_, arguments, options):
                return f"{self.prefix}autograd.grad({self.arguments(arguments, options)})", ATOM
            case Invoke(_, name, method, arguments, options):
                return f"{self.owner(name)}.{method}({self.arguments(arguments, options)})", ATOM
            case Call(_, name, arguments, options):
                return f"{self.owner(name)}({self.arguments(arguments, options)})", ATOM
            case Watch(_, name):
                return f"watch({name})", ATOM
            case Get(_, name, attribute):
                return f"{self.owner(name)}.{attribute}", ATOM
            case Let(_, value):
                return self.expression(value)
            case _:
                raise TypeError(f"a {type(step).__name__} step has no value")

    def call(self, name: str, arguments: tuple[Argument, ...], options: Mapping[str, Argument]) -> Text:
        """An operator in Python's own notation, as a method, or as a function."""
        row = OPERATORS[name]
        if row.symbol == "[]":
            owner = self.operand(arguments[0], ATOM)
            return f"{owner}[{self.index(arguments[1])}]", ATOM
        if name == "neg":
            return f"-{self.operand(arguments[0], SIGN)}", SIGN
        if row.symbol in PRECEDENCE:
            left = self.expression(arguments[0])
            return infix(row.symbol, left, self.expression(arguments[1]))
        if self.device != "cpu" and row.effect == "factory":
            options = {"device": self.device, **options}
        if row.method:
            owner = self.operand(arguments[0], ATOM)
            return f"{owner}.{row.word}({self.arguments(arguments[1:], options)})", ATOM
        return f"{self.function(row.word)}({self.arguments(arguments, options)})", ATOM

    def function(self, name: str) -> str:
        """How an operator is called that is written as a function."""
        return self.prefix + name

    def arguments(self, arguments: tuple[Argument, ...], options: Mapping[str, Argument]) -> str:
        """What stands between the parentheses of a call."""
        positional = [self.text(argument) for argument in arguments]
        return ", ".join((*positional, *(f"{name}={self.text(value)}" for name, value in options.items())))

    def operand(self, argument: Argument, rank: int) -> str:
        """An argument, in parentheses where it binds less tightly than `rank`."""
        return enclosed(self.expression(argument), rank)

    def owner(self, name: str) -> str:
        """What a method or an attribute belongs to."""
        return self.operand(Ref(name), ATOM)

    def text(self, argument: Argument) -> str:
        """An argument where anything may stand."""
        return self.expression(argument)[0]

    def index(self, argument: Argument) -> str:
        """What stands between brackets."""
        if isinstance(argument, Items) and argument.kind == "tuple" and argument.items:
            return ", ".join(map(self.part, argument.items)) + ("," if len(argument.items) == 1 else "")
        return self.part(argument)

    def part(self, argument: Argument) -> str:
        """One part of an index."""
        if not isinstance(argument, Slice):
            return self.text(argument)
        given = (argument.start, argument.stop, argument.step)
        parts = ["" if part is None else self.text(part) for part in given]
        return ":".join(parts[: 3 if argument.step is not None else 2])

    def expression(self, argument: Argument) -> Text:
        """An argument with its precedence; a temporary is taken out of those that wait for their use."""
        match argument:
            case Ref(name):
                return self._pending.pop(name, (name, ATOM))
            case Items(items, kind):
                inner = ", ".join(map(self.text, items))
                if kind == "list":
                    return f"[{inner}]", ATOM
                return f"({inner}{',' if len(items) == 1 else ''})", ATOM
            case _:
                return constant(argument, self.prefix)


def _temporary(step: Step) -> bool:
    return any(map(is_temporary, targets(step)))


def step_text(step: Step) -> str:
    """One line for a step on its own; temporaries keep their names."""
    renderer = Renderer()
    if isinstance(step, HOLDERS):
        return renderer.header(step).rpartition("\n")[2]
    return f"{targets(step)[0]} = {renderer.value(step)[0]}" if _temporary(step) else renderer.line(step)


def step_texts(program: Program) -> tuple[str, ...]:
    """The text of each step by its number, with temporaries put back into the expressions that use them."""
    renderer = Renderer()
    texts = []
    for _, step in program.walk():
        if isinstance(step, HOLDERS):
            texts.append(renderer.header(step))
        elif _temporary(step):
            text = renderer.value(step)
            renderer._pending[targets(step)[0]] = text
            texts.append(text[0])
        else:
            texts.append(renderer.line(step))
    return tuple(texts)


def program_text(program: Program, *, facts: bool = True) -> str:
    """The program in the step language, without its inputs."""
    return "\n".join(Renderer(facts=facts).lines(program.steps))
