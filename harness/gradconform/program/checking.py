"""The state of a check: what is known at one point of a program, and what has been found wrong so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from keyword import iskeyword
from typing import Any

from gradconform.errors import did_you_mean
from gradconform.program import vocabulary as words
from gradconform.program.kinds import LIST, PLAIN, TENSOR, Kind, of_constant
from gradconform.program.sizes import SIZED
from gradconform.program.steps import Argument, Expect, Items, Options, Ref, Slice, Step, Warns, Within

MAX_DEPTH = 64
"""How deep bodies, lists and expressions may be nested."""

Rules = Mapping[type[Step], Callable[["Checking", Any], None]]
"""What checks each type of step."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong with a program: the number of its step (-1: an input), its line, and why."""

    step: int
    line: int
    message: str

    def __str__(self) -> str:
        return f"step {self.step}: {self.message}" if self.step >= 0 else self.message


class Checking:
    """What is known at one point of a program: the names that have a value, each with its kind, and the
    temporaries that wait for their use, oldest first.

    function: whether this is in the body of a definition. contexts: the names that stand for the context of a
    custom function there.
    """

    __slots__ = (
        "contexts",
        "depth",
        "found",
        "function",
        "kinds",
        "line",
        "number",
        "rules",
        "taken",
        "waiting",
    )

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.found: list[Flaw] = []
        self.kinds: dict[str, Kind] = {}
        self.waiting: list[str] = []
        self.taken: list[str] = []
        self.number = -1
        self.line = 0
        self.depth = 0
        self.function = False
        self.contexts: frozenset[str] = frozenset()

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
            self.rules[type(step)](self, step)
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
                if is_name(name, temporaries=False):
                    self.kinds[name] = kind
                else:
                    self.report(f"{name!r} cannot name one of several results")
        elif target:
            if not is_name(target, temporaries=True):
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


def form_of(name: str, effect_is_write: bool, count: int, keywords: tuple[str, ...]) -> tuple[str, str]:
    """What is wrong with the form of an operator's call, or ""; and how the rest of it is checked."""
    return _form_of(words.OPERATORS.get(name) or words.of_torch(name), name, effect_is_write, count, keywords)


@lru_cache(maxsize=4096)
def _form_of(  # by the row, since tables may be learned after a call was checked
    row: words.Operator | None, name: str, effect_is_write: bool, count: int, keywords: tuple[str, ...]
) -> tuple[str, str]:
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


@lru_cache(maxsize=4096)
def is_name(name: object, *, temporaries: bool) -> bool:
    """Whether a program may call something by this name."""
    if not isinstance(name, str) or not name.isascii():
        return False
    if name[:1] == "_":
        return temporaries and name[1:].isdigit()
    return name.isidentifier() and not iskeyword(name) and name not in words.RESERVED


def apart(step: Step) -> bool:
    """Whether a step is a block that what stands around it must not get into."""
    return isinstance(step, Expect | Warns) or (isinstance(step, Within) and step.mode in words.THREADS)


def nested(argument: Argument) -> int:
    """How deep lists are nested."""
    depth, level = 0, [argument]
    while level and depth <= MAX_DEPTH:
        level = [item for outer in level if isinstance(outer, Items) for item in outer.items]
        depth += 1
    return depth
