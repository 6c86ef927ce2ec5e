"""Whether a program makes sense: a table of rules keyed by step type, run right after a program is built.

What passes can be run, written out and read back: names have a value where they are used, temporaries are
used once and in the order in which they were made (so that they can be put back into expressions), calls fit
their signatures, and nothing that is known beforehand asks for more memory than a scenario may have.
Arithmetic on plain Python values, which no engine bounds, is kept to what cannot grow without bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from keyword import iskeyword
from typing import Any, get_args

from gradconform.errors import did_you_mean
from gradconform.program import vocabulary as words
from gradconform.program.check_facts import check_fact
from gradconform.program.kinds import (
    LIST,
    NUMBER,
    OF_ATTRIBUTES,
    PLAIN,
    SHAPE,
    TENSOR,
    WHAT,
    Kind,
    arithmetic,
    of_constant,
)
from gradconform.program.sizes import SIZED, size_error
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
    Input,
    Invoke,
    Items,
    Layout,
    Let,
    Mutate,
    Options,
    Program,
    Ref,
    Set,
    Slice,
    Step,
    Within,
)

MAX_DEPTH = 64
"""How deep bodies, lists and expressions may be nested."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong with a program: the number of its step (-1: an input), its line, and why."""

    step: int
    line: int
    message: str

    def __str__(self) -> str:
        return f"step {self.step}: {self.message}" if self.step >= 0 else self.message


def check(program: Program) -> tuple[str, ...]:
    """Everything that is wrong with a program, in order; nothing for one that can be run."""
    return tuple(map(str, flaws(program)))


def flaws(program: Program) -> tuple[Flaw, ...]:
    """As `check`, with the number and the line of each step."""
    checking = Checking()
    for item in program.inputs:
        _input(checking, item)
    checking.block(program.steps)
    return tuple(checking.found)


class Checking:
    """What is known at one point of a program: the names that have a value, each with its kind, and the
    temporaries that wait for their use, oldest first."""

    __slots__ = ("depth", "found", "kinds", "line", "number", "taken", "waiting")

    def __init__(self) -> None:
        self.found: list[Flaw] = []
        self.kinds: dict[str, Kind] = {}
        self.waiting: list[str] = []
        self.taken: list[str] = []
        self.number = -1
        self.line = 0
        self.depth = 0

    def report(self, message: str, hint: str = "") -> None:
        """One more flaw of the current step."""
        self.found.append(Flaw(self.number, self.line, f"{message}; {hint}" if hint else message))

    def unknown(self, what: str, word: object, known: Iterable[str]) -> None:
        """A word that the language does not have."""
        self.report(f"unknown {what} {word!r}", did_you_mean(str(word), known))

    def block(self, steps: tuple[Step, ...]) -> None:
        """The steps of a program or of a body."""
        if self.depth > MAX_DEPTH:
            self.report(f"bodies are nested more than {MAX_DEPTH} deep")
            return
        self.depth += 1
        for step in steps:
            self.number += 1
            self.line = step.line
            RULES[type(step)](self, step)
            if self.waiting:
                self.settle(step)
        if self.waiting:
            self.unused()
        self.depth -= 1

    def settle(self, step: Step) -> None:
        """A step that is no part of a larger expression ends a statement; no temporary outlives it."""
        target = getattr(step, "target", "")
        if not (isinstance(target, str) and target[:1] == "_"):
            self.unused()

    def unused(self) -> None:
        """Reports the temporaries that wait in vain."""
        for name in self.waiting:
            self.report(f"temporary '{name}' is never used")
            self.kinds.pop(name, None)
        self.waiting.clear()

    # reading

    def read(self, argument: Argument) -> Kind:
        """The kind of an argument, whose names must have a value."""
        if type(argument) is Ref:
            name = argument.name
            kind = self.kinds.get(name)
            if kind is None:
                self.undefined(name)
                return TENSOR
            if name[0] == "_":
                self.taken.append(name)
            return kind
        if type(argument) is Items:
            kinds = {self.read(item) for item in argument.items} if nested(argument) < MAX_DEPTH else {PLAIN}
            return LIST if kinds <= {TENSOR} else PLAIN
        if type(argument) is Slice or argument is ...:
            self.report("slices and ... stand in an index only")
        return of_constant(argument)

    def index(self, argument: Argument) -> None:
        """As `read`, for what stands between brackets."""
        if isinstance(argument, Items) and argument.kind == "tuple":
            for item in argument.items:
                self.index_item(item)
        else:
            self.index_item(argument)

    def index_item(self, argument: Argument) -> None:
        """One part of an index."""
        if isinstance(argument, Slice):
            for part in (argument.start, argument.stop, argument.step):
                self.read(part)
        elif argument is not ...:
            self.read(argument)

    def undefined(self, name: str) -> None:
        """A name without a value; temporaries have been used already."""
        if name[:1] == "_":
            self.report(f"temporary '{name}' is used without a value, or twice")
        else:
            self.report(f"name '{name}' has no value here", did_you_mean(name, self.kinds))

    def take(self) -> None:
        """Forgets the temporaries that the step has read; they must be the latest, in order."""
        taken = self.taken
        if not taken:
            return
        if self.waiting[-len(taken) :] == taken:
            del self.waiting[-len(taken) :]
        else:
            self.report(f"temporaries {', '.join(taken)} are not used in the order in which they were made")
            self.waiting = [name for name in self.waiting if name not in taken]
        for name in taken:
            self.kinds.pop(name, None)
        taken.clear()

    def arguments(self, arguments: tuple[Argument, ...], options: Options) -> list[Kind]:
        """The kinds of the positional arguments; reads the others too."""
        kinds: list[Kind] = []
        for argument in arguments:
            # Inlined for speed: most arguments are names of tensors.
            if type(argument) is Ref and argument.name[:1] != "_" and self.kinds.get(argument.name) == TENSOR:
                kinds.append(TENSOR)
            else:
                kinds.append(self.read(argument))
        if options:
            for argument in options.values():
                self.read(argument)
        if self.taken:
            self.take()
        return kinds

    # writing

    def assign(self, target: object, kind: Kind) -> None:
        """Gives a value to the target of a step."""
        if isinstance(target, tuple):
            for name in target:
                if _is_name(name, temporaries=False):
                    self.kinds[name] = kind
                else:
                    self.report(f"{name!r} cannot name one of several results")
        elif target:
            if not _is_name(target, temporaries=True):
                self.report(f"{target!r} cannot be a name")
                return
            name = str(target)
            if name[0] == "_":
                if name in self.kinds:
                    self.report(f"temporary '{name}' is made again before it is used")
                self.waiting.append(name)
            self.kinds[name] = kind

    def fits(self, name: str, signature: str, arguments: tuple[Argument, ...], options: Options) -> None:
        """Reports a call that does not fit a signature."""
        why = words.arity_error(signature, len(arguments), tuple(options))
        if why or (options and "input" in options):
            self.report(f"call of '{name}' does not fit its signature: {why or 'input stands first'}")


@lru_cache(maxsize=4096)
def _is_name(name: object, *, temporaries: bool) -> bool:
    if not isinstance(name, str) or not name.isascii():
        return False
    if name[:1] == "_":
        return temporaries and name[1:].isdigit()
    return name.isidentifier() and not iskeyword(name) and name not in words.RESERVED


def nested(argument: Argument) -> int:
    """How deep lists are nested."""
    depth, level = 0, [argument]
    while level and depth <= MAX_DEPTH:
        level = [item for outer in level if isinstance(outer, Items) for item in outer.items]
        depth += 1
    return depth


@lru_cache(maxsize=4096)
def _call(name: str, effect_is_write: bool, count: int, keywords: tuple[str, ...]) -> tuple[str, str]:
    """What is wrong with the form of an operator's call, or ""; and how the rest of it is checked."""
    row = words.OPERATORS.get(name)
    if row is None:
        hint = did_you_mean(name, words.OPERATORS)
        return f"unknown operator '{name}'" + (f"; {hint}" if hint else ""), ""
    if (row.effect == "write") is not effect_is_write:
        return f"'{name}' is {'not ' if effect_is_write else ''}an in-place operation", ""
    why = words.call_error(row, count, keywords)
    if why:
        return f"call of '{name}' does not fit its signature: {why}", ""
    if row.symbol:
        return "", row.symbol if row.symbol.startswith("[]") else "arithmetic"
    if name in SIZED:
        return "", "sized"
    if row.method:
        return "", "method"
    return "", row.effect


def _input(checking: Checking, item: Input) -> None:
    if not _is_name(item.name, temporaries=False):
        checking.report(f"{item.name!r} cannot name an input")
    if item.name in checking.kinds:
        checking.report(f"two inputs are called '{item.name}'")
    if item.layout not in _LAYOUTS:
        checking.unknown("layout", item.layout, _LAYOUTS)
    if item.requires_grad and not (item.data.is_floating_point() or item.data.is_complex()):
        checking.report(f"input '{item.name}' is neither real nor complex and cannot require grad")
    checking.kinds[item.name] = TENSOR


_LAYOUTS = get_args(Layout)


def _operation(checking: Checking, step: Apply | Mutate) -> None:
    name, arguments = step.operator, step.arguments
    wrong, rest = _call(name, type(step) is Mutate, len(arguments), tuple(step.options))
    result = TENSOR
    if rest == "[]":
        result = _item(checking, *arguments)
    elif rest == "[]=":
        _set_item(checking, *arguments)
    else:
        kinds = checking.arguments(arguments, step.options)
        if rest == "arithmetic":
            if any(kinds):
                literals = sum(type(argument) is not Ref for argument in arguments)
                wrong, result = arithmetic(name, kinds, literals)
        elif rest == "sized":
            wrong = size_error(name, arguments, step.options)
        if rest in {"method", "sized"} and words.OPERATORS[name].method and kinds[0] != TENSOR:
            wrong = f"'{name}' is called on {WHAT[kinds[0]]}"
        if rest and words.OPERATORS[name].effect == "plain":
            result = PLAIN if name == "tolist" else NUMBER
    if wrong:
        checking.report(wrong)
    checking.assign(step.target, result)


def _set_item(checking: Checking, owner: Argument, position: Argument, value: Argument) -> None:
    checking.read(value)
    checking.read(owner)
    checking.index(position)
    checking.take()


def _item(checking: Checking, owner: Argument, position: Argument) -> Kind:
    kind = checking.read(owner)
    checking.index(position)
    checking.take()
    if kind == NUMBER:
        checking.report("a number has no items")
    if kind == SHAPE:
        return SHAPE if isinstance(position, Slice) else NUMBER
    if kind == LIST:
        return LIST if isinstance(position, Slice) else TENSOR
    return kind


def _invoke(checking: Checking, step: Invoke) -> None:
    checking.read(Ref(step.object))
    checking.arguments(step.arguments, step.options)
    row = words.METHODS_OF_OBJECTS.get(step.method)
    if row is None:
        checking.unknown("method", step.method, words.METHODS_OF_OBJECTS)
    else:
        checking.fits(step.method, row.signature, step.arguments, step.options)
    checking.assign(step.target, TENSOR)


def _backward(checking: Checking, step: Backward) -> None:
    signature = words.AUTOGRAD_BACKWARD if step.function else words.BACKWARD
    checking.fits("backward", signature, step.arguments, step.options)
    checking.arguments(step.arguments, step.options)


def _grad(checking: Checking, step: Grad) -> None:
    checking.fits("autograd.grad", words.AUTOGRAD_GRAD, step.arguments, step.options)
    checking.arguments(step.arguments, step.options)
    checking.assign(step.target, TENSOR if isinstance(step.target, tuple) else LIST)


def _get(checking: Checking, step: Get) -> None:
    kind = checking.read(Ref(step.object))
    checking.take()
    if kind != TENSOR:
        checking.report(f"attribute '{step.attribute}' of {WHAT[kind]}")
    if step.attribute not in words.ATTRIBUTES:
        checking.unknown("attribute", step.attribute, words.ATTRIBUTES)
    checking.assign(step.target, OF_ATTRIBUTES.get(step.attribute, TENSOR))


def _set(checking: Checking, step: Set) -> None:
    checking.read(step.value)
    checking.read(Ref(step.object))
    checking.take()
    if step.attribute not in words.WRITABLE:
        checking.report(
            f"attribute '{step.attribute}' cannot be assigned", f"assignable: {', '.join(words.WRITABLE)}"
        )


def _let(checking: Checking, step: Let) -> None:
    kind = checking.read(step.value)
    checking.take()
    checking.assign(step.target, kind)


def _delete(checking: Checking, step: Delete) -> None:
    if step.name[:1] == "_" or checking.kinds.pop(step.name, None) is None:
        checking.undefined(step.name)


def _within(checking: Checking, step: Within) -> None:
    checking.arguments(step.arguments, {})
    if step.mode not in words.MODES:
        checking.unknown("mode", step.mode, words.MODES)
    else:
        checking.fits(step.mode, words.MODES[step.mode], step.arguments, {})
    checking.block(step.body)


def _expect(checking: Checking, step: Expect) -> None:
    if step.error not in words.ERRORS:
        checking.unknown("error class", step.error, words.ERRORS)
    if step.phase not in {None, "forward", "backward"}:
        checking.report(f"{step.phase!r} is no phase", "there are 'forward' and 'backward'")
    before = dict(checking.kinds)
    checking.block(step.body)
    after = checking.kinds
    # Nobody knows how far the body runs: what it names first may not exist, what it deletes may.
    checking.kinds = {name: max(kind, after[name]) for name, kind in before.items() if name in after}


def _fail(checking: Checking, step: Fail) -> None:
    if step.error not in words.ERRORS:
        checking.unknown("error class", step.error, words.ERRORS)


def _fact(checking: Checking, step: Fact) -> None:
    for wrong in check_fact(step, checking.kinds):
        checking.report(wrong)


RULES: dict[type[Step], Callable[[Checking, Any], None]] = {
    Apply: _operation,
    Mutate: _operation,
    Invoke: _invoke,
    Backward: _backward,
    Grad: _grad,
    Get: _get,
    Set: _set,
    Let: _let,
    Delete: _delete,
    Within: _within,
    Expect: _expect,
    Fail: _fail,
    Fact: _fact,
}
"""One rule for each type of step."""
