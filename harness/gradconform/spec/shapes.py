"""Shapes as a spec writes them: `any`, `scalar`, `[N, 3]`, `[N, M] with N>=2`, `broadcastable(x)`.

    shape  = "any" ["nonempty"] | "scalar" | "broadcastable(" name ")" | dims ["with" bound {"," bound}]
    dims   = "[" [size {"," size}] "]"       size  = number | SYMBOL
    bound  = SYMBOL (">=" | "<=") number     SYMBOL = a name that starts with a capital letter

A symbol stands for the same size in every variable of a scenario. Sizes are bounded here, before anything is
allocated: MAX_RANK dimensions, MAX_SIZE in one of them, MAX_ELEMENTS in all tensors of a scenario.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_RANK = 8
MAX_SIZE = 4096
MAX_ELEMENTS = 1_000_000
DRAWN_SIZE = 4
"""A size without an upper bound is drawn up to this number, or its lower bound where that is larger."""

Bounds = Mapping[str, tuple[int | None, int | None]]


@dataclass(frozen=True, slots=True)
class AnyShape:
    """Every shape, of every rank; with `nonempty`, no size is zero."""

    nonempty: bool = False

    def __str__(self) -> str:
        return "any nonempty" if self.nonempty else "any"


@dataclass(frozen=True, slots=True)
class DimsShape:
    """A fixed rank; each dimension is a number or a symbol. bounds: (low, high) of symbols, None if open."""

    dims: tuple[int | str, ...]
    bounds: Bounds = field(default_factory=dict)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols, each once, in the order of the text."""
        return tuple(dict.fromkeys(dim for dim in self.dims if isinstance(dim, str)))

    def __str__(self) -> str:
        limits = [
            f"{symbol}{sign}{bound}"
            for symbol, pair in self.bounds.items()
            for sign, bound in zip((">=", "<="), pair, strict=True)
            if bound is not None
        ]
        return f"[{', '.join(map(str, self.dims))}]" + (f" with {', '.join(limits)}" if limits else "")


@dataclass(frozen=True, slots=True)
class BroadcastableShape:
    """Every shape that broadcasts with that of variable `to`; the result may be larger than either."""

    to: str

    def __str__(self) -> str:
        return f"broadcastable({self.to})"


Shape = AnyShape | DimsShape | BroadcastableShape


class ShapeError(ValueError):
    """A shape that cannot be read. `offset` counts characters of the text from 0."""

    def __init__(self, message: str, offset: int, hint: str = "") -> None:
        self.offset = offset
        self.hint = hint
        super().__init__(message)


def parse_shape(text: str) -> Shape:
    """Reads a shape. Raises ShapeError with the offset of the first character that is wrong."""
    return _Parser(text).shape()


def largest_sizes(shape: DimsShape) -> tuple[int, ...]:
    """The sizes of the largest tensor that is drawn from the shape."""

    def size(dim: int | str) -> int:
        if isinstance(dim, int):
            return dim
        low, high = shape.bounds.get(dim, (None, None))
        return max(low or 0, DRAWN_SIZE) if high is None else high

    return tuple(map(size, shape.dims))


_TOKEN = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_]\w*)|(?P<number>\d+)|(?P<sign>>=|<=|[\[\](),])|(?P<end>$)|(?P<other>.))"
)
_FORMS = 'write any, any nonempty, scalar, "[N, 3]", "[N, M] with N>=2, M<=4" or broadcastable(x)'


class _Parser:
    """Recursive descent over the tokens; `at` is the offset of the current one."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.next_offset = 0
        self.advance()

    def advance(self) -> None:
        match = _TOKEN.match(self.text, self.next_offset)
        assert match is not None and match.lastgroup is not None  # noqa: PT018, S101 - the pattern ends in `.`
        self.kind, self.token = match.lastgroup, match[match.lastgroup]
        self.at, self.next_offset = match.start(match.lastgroup), match.end()

    def shape(self) -> Shape:
        shape: Shape
        match self.token:
            case "any":
                self.advance()
                shape = AnyShape(nonempty=self.skip("nonempty"))
            case "scalar":
                self.advance()
                shape = DimsShape(())
            case "broadcastable":
                self.advance()
                self.expect("(")
                shape = BroadcastableShape(self.word("the name of a tensor variable"))
                self.expect(")")
            case "[":
                shape = self.dims()
            case _:
                raise ShapeError(f"{self.found()} is no shape", self.at, _FORMS)
        if self.kind != "end":
            raise ShapeError(f"{self.found()} after the shape {str(shape)!r}", self.at, _FORMS)
        return shape

    def dims(self) -> DimsShape:
        self.expect("[")
        dims: list[int | str] = []
        while not self.skip("]"):
            if dims:
                self.expect(",")
            dims.append(self.number() if self.kind == "number" else self.symbol())
            if len(dims) > MAX_RANK:
                raise ShapeError(
                    f"more than {MAX_RANK} dimensions", self.at, f"a tensor has at most {MAX_RANK}"
                )
        return DimsShape(tuple(dims), self.with_bounds(dims) if self.skip("with") else {})

    def with_bounds(self, dims: list[int | str]) -> Bounds:
        bounds: dict[str, tuple[int | None, int | None]] = {}
        while True:
            at = self.at
            symbol = self.symbol()
            if symbol not in dims:
                raise ShapeError(
                    f"{symbol} is bounded, and is no dimension of this shape", at, f"it has {dims}"
                )
            low, high = bounds.get(symbol, (None, None))
            if self.skip(">="):
                low = max(self.number(), low or 0)
            elif self.skip("<="):
                number = self.number()
                high = number if high is None else min(number, high)
            else:
                raise ShapeError(f"expected >= or <= after {symbol}, found {self.found()}", self.at)
            if low is not None and high is not None and low > high:
                raise ShapeError(f"no {symbol} is at least {low} and at most {high}", at)
            bounds[symbol] = (low, high)
            if not self.skip(","):
                return bounds

    def number(self) -> int:
        if self.kind != "number":
            raise ShapeError(f"expected a number, found {self.found()}", self.at)
        at, digits = self.at, self.token
        # The length is looked at first: reading a number of a million digits is slow.
        if len(digits) > 9 or int(digits) > MAX_SIZE:
            raise ShapeError(
                f"size {digits[:12]} is too large", at, f"a dimension has at most {MAX_SIZE} elements"
            )
        self.advance()
        return int(digits)

    def symbol(self) -> str:
        if self.kind == "word" and not self.token[0].isupper():
            raise ShapeError(
                f"{self.token!r} is no size", self.at, "a symbol starts with a capital letter: N"
            )
        return self.word("a number or a symbol such as N")

    def word(self, what: str) -> str:
        if self.kind != "word":
            raise ShapeError(f"expected {what}, found {self.found()}", self.at)
        word = self.token
        self.advance()
        return word

    def expect(self, token: str) -> None:
        if not self.skip(token):
            raise ShapeError(f"expected {token!r}, found {self.found()}", self.at, _FORMS)

    def skip(self, token: str) -> bool:
        found = self.token == token
        if found:
            self.advance()
        return found

    def found(self) -> str:
        return repr(self.token) if self.token else "the end"
