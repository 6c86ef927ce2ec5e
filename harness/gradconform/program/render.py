"""Writing a program out again: a step's text, the whole program, and a script that runs on plain torch.

Temporaries are put back where they are used, so that what comes out reads like what an author would have written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Delete,
    Dtype,
    Expect,
    Fact,
    Fail,
    Get,
    Grad,
    Input,
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

if TYPE_CHECKING:
    import torch

# Python's precedence, as far as the language has operators; a higher number binds tighter.
COMPARISON, SUM, PRODUCT, SIGN, POWER, ATOM = range(6)
PRECEDENCE = {
    "+": SUM,
    "-": SUM,
    "*": PRODUCT,
    "/": PRODUCT,
    "@": PRODUCT,
    "**": POWER,
    "==": COMPARISON,
    "!=": COMPARISON,
    "<": COMPARISON,
    "<=": COMPARISON,
    ">": COMPARISON,
    ">=": COMPARISON,
}

Text = tuple[str, int]
"""An expression's text with its precedence."""


class Renderer:
    """Writes steps as text. `prefix` stands before the module's own names (`torch.`), and `device` is given to
    factories where it is not the CPU."""

    def __init__(self, prefix: str = "", device: str = "cpu", *, facts: bool = True) -> None:
        self.prefix = prefix
        self.device = device
        self.facts = facts
        self._pending: dict[str, Text] = {}

    def lines(self, steps: tuple[Step, ...], indent: str = "") -> Iterator[str]:
        before = len(self._pending)
        written = False
        for step in steps:
            for line in self.statement(step, indent):
                written = True
                yield line
        # A temporary that nobody used was a call for its effect alone (it may raise).
        for name in list(self._pending)[before:]:
            written = True
            yield f"{indent}{self._pending.pop(name)[0]}"
        if indent and not written:
            yield f"{indent}pass"

    def statement(self, step: Step, indent: str = "") -> Iterator[str]:
        match step:
            case Within(mode, arguments, body):
                yield f"{indent}with {self.prefix}{mode}({self.arguments(arguments, {})}):"
                yield from self.lines(body, indent + "    ")
            case Expect():
                yield from self.expected(step, indent)
            case Fact(_, _, _, text):
                if self.facts:
                    yield f"{indent}{text}"
            case Fail(error):
                yield f"{indent}fail({error})" if not self.prefix else f"{indent}raise {error}()"
            case Delete(name):
                yield f"{indent}del {name}"
            case Set(name, attribute, value):
                yield f"{indent}{self.owner(name)}.{attribute} = {self.text(value)}"
            case _:
                yield from self.assignment(step, indent)

    def expected(self, step: Expect, indent: str) -> Iterator[str]:
        options = "".join(
            f", {name}={value!r}" for name, value in (("phase", step.phase), ("match", step.match)) if value
        )
        if not self.prefix:
            yield f"{indent}with raises({step.error}{options}):"
            yield from self.lines(step.body, indent + "    ")
            return
        yield f"{indent}try:"
        yield from self.lines(step.body, indent + "    ")
        yield f"{indent}except {step.error} as error:"
        yield f'{indent}    print("{step.error}, as expected:", str(error).splitlines()[0])'
        yield f"{indent}else:"
        yield f'{indent}    print("no error; expected a {step.error}")'

    def assignment(self, step: Step, indent: str) -> Iterator[str]:
        text, precedence = self.value(step)
        names = targets(step)
        if isinstance(step, Mutate) and OPERATORS[step.operator].symbol == "[]=":
            owner, index, value = step.arguments
            yield f"{indent}{self.operand(owner, ATOM)}[{self.index(index)}] = {self.text(value)}"
        elif len(names) == 1 and is_temporary(names[0]):
            self._pending[names[0]] = (text, precedence)
        elif isinstance(step, Mutate) and step.arguments[0] == Ref(step.target):
            yield f"{indent}{self.augmented(step)}"
        elif isinstance(step, Apply | Grad) and isinstance(step.target, tuple):
            left = ", ".join(step.target) if len(step.target) > 1 else f"({step.target[0]},)"
            yield f"{indent}{left} = {text}"
        elif names:
            yield f"{indent}{names[0]} = {text}"
        else:
            yield f"{indent}{text}"

    def augmented(self, step: Mutate) -> str:
        symbol = OPERATORS[step.operator].symbol
        if symbol and not step.options:
            return f"{step.target} {symbol} {self.text(step.arguments[1])}"
        return f"{step.target} = {self.value(step)[0]}"

    def value(self, step: Step) -> Text:
        """The right-hand side of a step that has one."""
        match step:
            case Apply(_, name, arguments, options) | Mutate(_, name, arguments, options):
                return self.call(name, arguments, options)
            case Backward(arguments, options, True):
                return f"{self.prefix}autograd.backward({self.arguments(arguments, options)})", ATOM
            case Backward(arguments, options):
                root = self.operand(arguments[0], ATOM)
                return f"{root}.backward({self.arguments(arguments[1:], options)})", ATOM
            case Grad(_, arguments, options):
                return f"{self.prefix}autograd.grad({self.arguments(arguments, options)})", ATOM
            case Invoke(_, name, method, arguments, options):
                return f"{self.owner(name)}.{method}({self.arguments(arguments, options)})", ATOM
            case Get(_, name, attribute):
                return f"{self.owner(name)}.{attribute}", ATOM
            case Let(_, value):
                return self.text(value), ATOM
            case _:
                raise TypeError(f"{type(step).__name__} is no assignment")

    def call(self, name: str, arguments: tuple[Argument, ...], options: Mapping[str, Argument]) -> Text:
        row = OPERATORS[name]
        if row.symbol == "[]":
            return f"{self.operand(arguments[0], ATOM)}[{self.index(arguments[1])}]", ATOM
        if name == "neg" and not options:
            return f"-{self.operand(arguments[0], SIGN)}", SIGN
        if row.symbol in PRECEDENCE and not options and len(arguments) == 2:
            rank = PRECEDENCE[row.symbol]
            left = self.operand(arguments[0], rank + (row.symbol == "**" or rank == COMPARISON))
            right = self.operand(arguments[1], rank + (row.symbol != "**"))
            return f"{left} {row.symbol} {right}", rank
        if self.device != "cpu" and row.effect == "factory":
            options = {**options, "device": self.device}
        if row.method and arguments:
            rest = self.arguments(arguments[1:], options)
            return f"{self.operand(arguments[0], ATOM)}.{name}({rest})", ATOM
        if name == "asarray":
            return f"{'numpy.' if self.prefix else ''}asarray({self.arguments(arguments, options)})", ATOM
        return f"{self.prefix}{name}({self.arguments(arguments, options)})", ATOM

    def arguments(self, arguments: tuple[Argument, ...], options: Mapping[str, Argument]) -> str:
        named = (f"{name}={self.text(value)}" for name, value in options.items())
        return ", ".join((*map(self.text, arguments), *named))

    def operand(self, argument: Argument, rank: int) -> str:
        text, precedence = self.expression(argument)
        return f"({text})" if precedence < rank else text

    def owner(self, name: str) -> str:
        return self.operand(Ref(name), ATOM)

    def text(self, argument: Argument) -> str:
        return self.expression(argument)[0]

    def index(self, argument: Argument) -> str:
        match argument:
            case Items(items, "tuple") if items:
                return ", ".join(map(self.index, items)) + ("," if len(items) == 1 else "")
            case Slice(start, stop, step):
                parts = ["" if part is None else self.text(part) for part in (start, stop, step)]
                return ":".join(parts[: 3 if step is not None else 2])
            case _:
                return self.text(argument)

    def expression(self, argument: Argument) -> Text:
        match argument:
            case Ref(name):
                return self._pending.pop(name, (name, ATOM))
            case Dtype(name):
                return f"{self.prefix}{name}", ATOM
            case Items(items, kind):
                inner = ", ".join(map(self.text, items))
                if kind == "list":
                    return f"[{inner}]", ATOM
                return f"({inner}{',' if len(items) == 1 else ''})", ATOM
            case Slice():
                return f"slice({self.index(argument)})", ATOM
            case bool() | None | str():
                return repr(argument), ATOM
            case float() if argument != argument or argument in (float("inf"), float("-inf")):
                return f'float("{argument}")', ATOM
            case int() | float():
                return repr(argument), ATOM if argument >= 0 else SIGN
            case complex():
                return repr(argument), ATOM
            case _:
                return "...", ATOM


def step_text(step: Step) -> str:
    """One line for a step on its own; temporaries keep their names."""
    if isinstance(step, Within | Expect):
        return next(iter(Renderer().statement(step))).strip()
    names = targets(step)
    if len(names) == 1 and is_temporary(names[0]):
        return f"{names[0]} = {Renderer().value(step)[0]}"
    return "".join(Renderer().statement(step))


def step_texts(program: Program) -> tuple[str, ...]:
    """The text of each step by its number, with temporaries put back into the expressions that use them."""
    renderer = Renderer()
    texts = []
    for _, step in program.walk():
        names = targets(step)
        if isinstance(step, Within | Expect):
            texts.append(next(iter(renderer.statement(step))).strip())
        elif len(names) == 1 and is_temporary(names[0]):
            list(renderer.statement(step))
            texts.append(renderer._pending.get(names[0], ("", ATOM))[0])
        else:
            texts.append(" ".join(line.strip() for line in renderer.statement(step)))
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
    """A script that runs the program on plain torch and prints the places in `shown`, each with its remark."""
    body = "\n".join(Renderer("torch.", device, facts=False).lines(program.steps))
    needs_numpy = "numpy.asarray(" in body
    lines = ["import torch", *(["import numpy"] if needs_numpy else []), ""]
    lines += [f"{item.name} = {input_text(item, device)}" for item in program.inputs]
    lines.append(body)
    for place in shown:
        remark = (remarks or {}).get(place, "")
        lines.append(f"print({place})" + (f"  # {remark}" if remark else ""))
    return "\n".join(lines) + "\n"


def input_text(item: Input, device: str = "cpu") -> str:
    """A torch expression that makes an input, in its layout."""
    from gradconform.program.layouts import fresh

    laid_out = fresh(item, "cpu")
    dtype = str(item.data.dtype)
    place = "" if device == "cpu" else f", device={device!r}"
    flag = ", requires_grad=True" if item.requires_grad else ""
    if laid_out.is_contiguous():
        return f"torch.tensor({numbers(item.data)}, dtype={dtype}{place}{flag})" + _reshaped(item.data)
    size, stride = tuple(laid_out.shape), laid_out.stride()
    made = f"torch.empty_strided({size}, {stride}, dtype={dtype}{place})"
    if any(step == 0 and length > 1 for step, length in zip(stride, size, strict=True)):
        narrow = laid_out[tuple(slice(0, 1) if step == 0 else slice(None) for step in stride)]
        made = f"torch.tensor({numbers(narrow)}, dtype={dtype}{place}).expand({size})"
    else:
        made = f"{made}.copy_(torch.tensor({numbers(item.data)}))"
    return made + (".requires_grad_()" if item.requires_grad else "")


def numbers(tensor: torch.Tensor) -> str:
    """A tensor's numbers as a literal that gives the same bits back in its dtype."""

    def write(value: object) -> str:
        if isinstance(value, list):
            return f"[{', '.join(map(write, value))}]"
        if isinstance(value, complex):
            return f"complex({write(value.real)}, {write(value.imag)})"
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
            return f'float("{value}")'
        return repr(value)

    return write(tensor.tolist())


def _reshaped(data: torch.Tensor) -> str:
    """`tensor([])` and `tensor([[]])` lose the sizes behind the first empty one."""
    return f".reshape({tuple(data.shape)})" if data.numel() == 0 and data.ndim > 1 else ""
