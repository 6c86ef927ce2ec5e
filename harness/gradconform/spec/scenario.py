"""A scenario as the rest of gradconform sees it: frozen values, each with its place in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from gradconform.errors import Place
from gradconform.spec.dtypes import DEFAULT_DTYPES
from gradconform.spec.shapes import BroadcastableShape, Shape

Thing = TypeVar("Thing")

Number = bool | int | float | complex
Nested = Number | tuple["Nested", ...]
"""A literal tensor: a number, or equally long tuples of literals, one level for each dimension."""


@dataclass(frozen=True, slots=True)
class TensorDomain:
    """`{tensor: SHAPE, ...}`: a tensor of any shape that fits.

    dtype: `any` (the case's), `floating`, `complex` (its counterparts) or a name: see `resolve_dtype`.
    values: real, positive, nonzero, distinct, ties, kinks, special, dyadic or `domain(f)`.
    layout: contiguous, transposed, strided, expanded or any.
    """

    shape: Shape
    dtype: str
    values: str
    layout: str
    requires_grad: bool
    example: Nested
    place: Place


@dataclass(frozen=True, slots=True)
class LikeDomain:
    """`{like: x}` or `{like: f(x)}`: a tensor of the shape of variable `of`, or of `operator` applied to it.

    operator: an elementwise operator variable, whose result has its argument's shape, or None.
    dtype: as in TensorDomain; where the file gives none it is that of `of`.
    """

    of: str
    operator: str | None
    dtype: str
    values: str
    layout: str
    requires_grad: bool
    example: Nested
    place: Place


@dataclass(frozen=True, slots=True)
class IntegerDomain:
    """`{integer: 1..5}`: both ends are in the domain."""

    low: int
    high: int
    example: int
    place: Place


@dataclass(frozen=True, slots=True)
class BooleanDomain:
    """`{boolean: any}`."""

    example: bool
    place: Place


@dataclass(frozen=True, slots=True)
class ChoiceDomain:
    """`{choice: [no_grad, enable_grad]}`: one of these words or numbers."""

    options: tuple[str | int | float | bool, ...]
    example: str | int | float | bool
    place: Place


@dataclass(frozen=True, slots=True)
class OperatorDomain:
    """`{operator: unary}`: every operator of the vocabulary that is of this kind."""

    kind: Literal["unary", "binary"]
    example: str
    place: Place


Domain = TensorDomain | LikeDomain | IntegerDomain | BooleanDomain | ChoiceDomain | OperatorDomain


@dataclass(frozen=True, slots=True)
class Source:
    """Where a behaviour is documented: a document and its cells, a page of the documentation, a remark."""

    document: str | None = None
    cells: tuple[str, ...] = ()
    docs: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ProgramText:
    """The text of a program and where it starts: `line` and `column` (from 1) of its first character.

    derived: the text stands in no file; all of it has the place of the row that it comes from.
    """

    text: str
    file: str
    line: int
    column: int
    derived: bool = False

    def place(self, line: int, column: int) -> Place:
        """The place in the file of a position as `ast` has it: line from 1, column in UTF-8 bytes from 0."""
        if self.derived:
            return Place(self.file, self.line, self.column)
        # ast's own line breaks: str.splitlines breaks at form feeds and separators too.
        lines = self.text.split("\n")
        text = lines[line - 1] if 0 < line <= len(lines) else ""
        characters = len(text.encode()[:column].decode(errors="ignore"))
        return Place(self.file, self.line + line - 1, self.column + characters)


SHARING = 4
"""A scenario that is derived from a row of a table takes one draw of so many that are asked for."""


DEVICES: Mapping[str, str] = {"other": "another device than the CPU", "cpu": "the CPU"}
"""What a scenario may need of the device that it runs on, in words."""


def will_do(device: str, need: str | None) -> bool:
    """Whether a device is what a scenario needs: a key of `DEVICES`, or None for any device."""
    return need is None or (need == "cpu") == (device.partition(":")[0] == "cpu")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One documented behaviour.

    level: 1 (a first scalar engine) to 6 (a full one). aliases: former ids. dtypes: those of its cases.
    fixed: why it has no free variable, where it says so. torch: the oldest PyTorch that behaves so, where
    an older one is supported too. device: what it needs of the device that it runs on, a key of `DEVICES`.
    let: the free variables in the order of the file. place: that of the id.
    """

    id: str
    feature: str
    says: str
    level: int
    text: ProgramText
    place: Place
    aliases: tuple[str, ...] = ()
    source: Source = field(default_factory=Source)
    dtypes: tuple[str, ...] = DEFAULT_DTYPES
    let: Mapping[str, Domain] = field(default_factory=dict)
    fixed: str | None = None
    torch: str | None = None
    device: str | None = None

    def draws(self, asked: int) -> int:
        """How many random draws it takes where so many are asked for of each scenario. Those that are derived
        from one row of a table reach the same rules, and share them."""
        return -(-asked // SHARING) if self.text.derived else asked

    def share(self, things: Sequence[Thing], turn: int) -> Sequence[Thing]:
        """What it takes of things that do not depend on chance: all, or, derived from a row, one of so many,
        others for another turn."""
        return things[turn % SHARING :: SHARING] if self.text.derived else things


@dataclass(frozen=True, slots=True)
class Operator:
    """A row of an operator table, as far as it is a word of the step language.

    in_place: the text of the in-place form, or None. place: where the row stands. torch: the oldest PyTorch
    that has it, where an older one is supported too.
    """

    name: str
    signature: str
    view: bool
    method: bool
    in_place: str | None
    place: Place
    torch: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What is left of a scenario that has problems: enough to look for more of them in its program.

    let: the variables that are right. broken: the others by name, with the key that says what they are
    (`tensor`, `operator`, ...), or "" where they have none.
    """

    id: str
    text: ProgramText
    let: Mapping[str, Domain]
    broken: Mapping[str, str]
    place: Place


def domain_operator(values: str) -> str | None:
    """The operator variable `f` of `values: domain(f)`; None for the other kinds of values."""
    return values[len("domain(") : -1] if values.startswith("domain(") else None


def within(values: str) -> tuple[float, float] | None:
    """The bounds of `values: within(low, high)`; None for the other kinds of values."""
    if not values.startswith("within("):
        return None
    low, _, high = values[len("within(") : -1].partition(", ")
    return float(low), float(high)


def references(domain: Domain) -> tuple[str, ...]:
    """The variables that must be drawn before this one, in the order in which the domain names them."""
    named: list[str | None] = []
    match domain:
        case TensorDomain(shape=BroadcastableShape(to), values=values):
            named = [to, domain_operator(values)]
        case TensorDomain(values=values):
            named = [domain_operator(values)]
        case LikeDomain(of=of, operator=operator, values=values):
            named = [operator, of, domain_operator(values)]
    return tuple(dict.fromkeys(name for name in named if name is not None))


def in_order(let: Mapping[str, Domain]) -> tuple[str, ...]:
    """The variables, each after those that it refers to, otherwise in the order of the file.

    References are known and free of cycles in every scenario that was loaded.
    """
    order: dict[str, None] = {}

    def visit(name: str) -> None:
        if name not in order:
            for other in references(let[name]):
                visit(other)
            order[name] = None

    for name in let:
        visit(name)
    return tuple(order)
