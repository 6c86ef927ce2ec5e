"""Writing a program out again: a step's text, the whole program, and a script that runs on plain torch.

Temporaries are put back where they are used, so that what comes out reads like what an author would have
written. The text of a checked program, parsed and bound again, gives the same steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gradconform.program.inputs_text import input_text
from gradconform.program.literals import ATOM, PRECEDENCE, SIGN, Text, constant, enclosed, infix
from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
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
    Ref,
    Set,
    Slice,
    Step,
    Within,
    is_temporary,
    targets,
)
from gradconform.program.vocabulary import OPERATORS

RAISED_BY_FAIL = "raised by the program itself"
"""The message of what `fail(Error)` raises."""


class Renderer:
    """Writes steps as text, in the order of the program.

    prefix: stands before the module's own names (`torch.`). device: given to factories where it is no CPU.
    """

    def __init__(self, prefix: str = "", device: str = "cpu", *, facts: bool = True) -> None:
        self.prefix = prefix
        self.device = device
        self.facts = facts
        self._pending: dict[str, Text] = {}

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
            case Within(body=body) | Expect(body=body) if not (self.prefix and isinstance(step, Expect)):
                yield indent + self.header(step)
                yield from self.lines(body, indent + "    ")
            case Expect():
                yield from self.caught(step, indent)
            case Fact() if not self.facts:
                return
            case _ if _temporary(step):
                self._pending[targets(step)[0]] = self.value(step)
            case _:
                yield indent + self.line(step)

    def header(self, step: Within | Expect) -> str:
        """The first line of a step with a body."""
        if isinstance(step, Within):
            return f"with {self.prefix}{step.mode}({self.arguments(step.arguments, {})}):"
        options = (("phase", step.phase), ("match", step.match))
        given = "".join(f", {name}={value!r}" for name, value in options if value)
        return f"with raises({step.error}{given}):"

    def caught(self, step: Expect, indent: str) -> Iterator[str]:
        """`raises` in plain Python."""
        yield f"{indent}try:"
        yield from self.lines(step.body, indent + "    ")
        yield f"{indent}except Exception as _error:"
        first_line = 'str(_error).partition("\\n")[0]'
        yield f'{indent}    print("expected {step.error}, got", type(_error).__name__ + ":", {first_line})'
        yield f"{indent}else:"
        yield f'{indent}    print("expected {step.error}, got no error")'

    def line(self, step: Step) -> str:
        """The one line of a step without a body."""
        match step:
            case Fact(text=text):
                return text
            case Fail(error):
                return f'raise {error}("{RAISED_BY_FAIL}")' if self.prefix else f"fail({error})"
            case Delete(name):
                return f"del {name}"
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
            return f"{owner}.{name}({self.arguments(arguments[1:], options)})", ATOM
        module = "numpy." if name == "asarray" else self.prefix
        return f"{module if self.prefix else ''}{name}({self.arguments(arguments, options)})", ATOM

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
    if isinstance(step, Within | Expect):
        return renderer.header(step)
    return f"{targets(step)[0]} = {renderer.value(step)[0]}" if _temporary(step) else renderer.line(step)


def step_texts(program: Program) -> tuple[str, ...]:
    """The text of each step by its number, with temporaries put back into the expressions that use them."""
    renderer = Renderer()
    texts = []
    for _, step in program.walk():
        if isinstance(step, Within | Expect):
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


def torch_script(
    program: Program,
    device: str = "cpu",
    shown: tuple[str, ...] = (),
    remarks: Mapping[str, str] | None = None,
) -> str:
    """A script that runs the program on plain torch and prints the places in `shown`, each with its remark.

    Places of names that have no value at the end of the program are left out.
    """
    body = list(Renderer("torch.", device, facts=False).lines(program.steps))
    lines = ["import torch"]
    if any("numpy." in line for line in body):
        lines.append("import numpy")
    lines += ["", *(f"{item.name} = {input_text(item, device)}" for item in program.inputs), *body]
    live = {"torch", *(item.name for item in program.inputs)}
    for _, step in program.walk():
        live |= set(targets(step))
        if isinstance(step, Delete):
            live.discard(step.name)
    for place in shown:
        if place.partition(".")[0] in live:
            remark = (remarks or {}).get(place, "")
            lines.append(f"print({place})" + (f"  # {remark}" if remark else ""))
    return "\n".join(lines) + "\n"
