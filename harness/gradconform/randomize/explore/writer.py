"""One random program under way.

Torch runs each statement when it is written, so that a move sees the live tensors: their shapes, dtypes and
numbers decide what can come next. The simplest choice is always to leave something out, or what was made
last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING, TypeVar

from gradconform.engines.torch import TorchEngine
from gradconform.execution.stepwise import Stepwise
from gradconform.program.names import is_temporary, refs, targets
from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Class,
    Get,
    Grad,
    Input,
    Invoke,
    Mutate,
    Options,
    Set,
    Step,
    Within,
    body_of,
)
from gradconform.randomize.chooser import Chooser
from gradconform.randomize.values import SIMPLE, fill

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
Shape = tuple[int, ...]
Feature = tuple[str, ...]
"""Something of a program's structure: ("verb", "mul"), ("pair", "exp", "sum"), ("fan-out", "3")."""

MAX_NUMBERS = 64
"""Elements of a tensor of a random program, unless an operator of the table asks for more."""

SHAPES: tuple[Shape, ...] = ((3,), (1,), (2, 3), (3, 3), (), (2, 1), (2, 2, 3), (1, 3), (4,), (0, 2))
_DOMAINS = ("real", "positive", "ties", "dyadic", "distinct", "nonzero", "kinks", "special")


@dataclass(frozen=True, slots=True)
class Profile:
    """What programs are made of. dtypes: those of the leaves. steps: the fewest and most statements of a
    program, give or take what its last move adds.
    banned: the words of the language that the engine does not have. seen: how many programs had a feature
    so far; what is rare is chosen more often."""

    dtypes: tuple[str, ...] = ("float32", "float64", "complex128")
    steps: tuple[int, int] = (3, 40)
    banned: frozenset[str] = frozenset()
    seen: Mapping[Feature, int] = field(default_factory=dict)


class Writer:
    """Writes one program. Raises Unsupported where torch itself lacks something.

    constants: the names of tensors that did not require grad when they were made.
    """

    def __init__(self, chooser: Chooser, profile: Profile, engine: TorchEngine, device: str = "cpu") -> None:
        self.chooser = chooser
        self.profile = profile
        self.run = Stepwise(engine, device)
        self.dtype = chooser.choice(profile.dtypes)
        self.shape = chooser.choice(SHAPES)
        self.features: set[Feature] = set()
        self.spent: set[str] = set()
        self.made_by: dict[str, str] = {}
        self.constants: set[str] = set()
        self.uses: Counter[str] = Counter()
        self.depths: dict[str, int] = {}
        self._numbers: Counter[str] = Counter()

    # choosing

    def one_in(self, number: int) -> bool:
        """True once in so many times; simplest is False."""
        return self.chooser.below(number) == number - 1

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, which are in the order of their making; the latest are likelier, and the very
        latest is simplest."""
        number = self.chooser.below(len(options) + 3)
        return options[-1 - (number if number < 3 else number - 3) % len(options)]

    def rarer(self, kind: str, options: Sequence[str]) -> str:
        """One of the names, none of them banned: of two, that which fewer programs had so far."""
        banned = self.profile.banned
        if banned:
            options = [name for name in options if name not in banned] or options
        first, second = self.chooser.choice(options), self.chooser.choice(options)
        seen = self.profile.seen
        return second if seen.get((kind, second), 0) < seen.get((kind, first), 0) else first

    # what is live

    def live(self, wanted: Callable[[torch.Tensor], bool] = lambda _: True) -> list[str]:
        """The live tensors of which this is true, the oldest first."""
        return [name for name, tensor in self.run.tensors() if wanted(tensor)]

    def numeric(self) -> list[str]:
        """Those that are real or complex."""
        return self.live(is_inexact)

    def tracked(self) -> list[str]:
        """Those that require grad and whose graph is there; where there are none, any that require grad."""
        found = self.live(lambda tensor: tensor.requires_grad)
        return [name for name in found if name not in self.spent] or found

    def __getitem__(self, name: str) -> torch.Tensor:
        tensor: torch.Tensor = self.run.environment[name]
        return tensor

    def new(self, letter: str = "v") -> str:
        """A name that is new."""
        number = self._numbers[letter]
        self._numbers[letter] += 1
        return f"{letter}{number}"

    def temporary(self) -> str:
        """A name for what is used once."""
        return self.new("_")

    # writing

    def leaf(self, dtype: str = "", *, requires_grad: bool = True) -> str:
        """A new input, of the program's dtype if no other is given."""
        chooser, shape = self.chooser, self.shape
        values = _DOMAINS[max(chooser.below(16) - 8, 0)]
        seed = chooser.seed() if chooser.below(4) else chooser.below(SIMPLE)
        layout = "contiguous"
        if len(shape) > 1 and chooser.below(4) == 3:
            layout = chooser.choice(("transposed", "strided"))
        data = fill(values, shape, dtype or self.dtype, seed)
        return self.input(data, requires_grad=requires_grad and is_inexact(data), layout=layout)

    def input(self, data: torch.Tensor, *, requires_grad: bool, layout: str = "contiguous") -> str:
        """A new input with these numbers."""
        name = self.new("x")
        self.run.input(Input(name, data, requires_grad, layout))  # type: ignore[arg-type]
        self.depths[name] = 0
        return name

    def apply(self, operator: str, *arguments: Argument, **options: Argument) -> str:
        """`v = operator(...)`: the name of the result, or "" where torch refuses it."""
        target = self.new()
        return target if self.do(Apply(target, operator, arguments, options)) else ""

    def unpacked(self, names: tuple[str, ...], operator: str, *arguments: Argument) -> bool:
        """`v0, v1 = operator(...)`."""
        return self.do(Apply(names, operator, arguments))

    def write(self, operator: str, *arguments: Argument, **options: Argument) -> bool:
        """An in-place operation."""
        return self.do(Mutate("", operator, arguments, options))

    def do(self, *steps: Step) -> bool:
        """Runs the steps of one statement; whether they raised nothing. Where they do, the statement stands
        in the program under `raises`. What the engine does not have is left out."""
        if self.profile.banned and not self.profile.banned.isdisjoint(w for s in steps for w in words_of(s)):
            return False
        error = self.run.do(*steps)
        self.note(steps, error)
        return error is None

    def note(self, steps: Iterable[Step], error: Exception | None) -> None:
        """What a statement adds to the structure of the program."""
        for step in steps:
            verb = verb_of(step)
            self.features.add(("verb", verb))
            depth = 0
            for name in read_by(step):
                if is_temporary(name):
                    continue
                self.uses[name] += 1
                depth = max(depth, self.depths.get(name, 0))
                if name in self.made_by:
                    self.features.add(("pair", self.made_by[name], verb))
            for name in targets(step):
                self.made_by[name] = verb
                self.depths[name] = depth + 1
                if not getattr(self.run.environment.get(name), "requires_grad", True):
                    self.constants.add(name)
        if error is not None:
            self.features.add(("error", verb_of(list(steps)[-1]), type(error).__name__))

    def summary(self) -> set[Feature]:
        """What the program has covered."""
        deepest = max(self.depths.values(), default=0)
        widest = max(self.uses.values(), default=0)
        return {
            *self.features,
            ("depth", bucket(deepest)),
            ("fan-out", bucket(widest)),
            ("dtype", self.dtype),
        }


def bucket(number: int) -> str:
    """A number, coarsely: 0 to 8 as they are, and what is more by powers of two."""
    if number <= 8:
        return str(number)
    low = 1 << ((number - 1).bit_length() - 1)
    return f"{low + 1}-{2 * low}"


def verb_of(step: Step) -> str:
    """What a step is called in a coverage report: its operator, method or kind."""
    match step:
        case Apply() | Mutate():
            return step.operator
        case Invoke():
            return step.method
        case Backward():
            return "autograd.backward" if step.function else "backward"
        case Grad():
            return "autograd.grad"
        case Get() | Set():
            return f"{type(step).__name__.lower()} {step.attribute}"
        case Within():
            return step.mode
        case Class():
            return step.base
        case _:
            return type(step).__name__.lower()


def words_of(step: Step) -> Iterator[str]:
    """What an engine may lack of a step: its verb, with the options that it is given; and what stands in its
    body."""
    options: Options = getattr(step, "options", {})
    yield f"{verb_of(step)} {' '.join(sorted(options))}".strip()
    for inner in body_of(step):
        yield from words_of(inner)


def read_by(step: Step) -> Iterable[str]:
    """The names that a step reads as arguments."""
    arguments: tuple[Argument, ...] = getattr(step, "arguments", ())
    options: Options = getattr(step, "options", {})
    for argument in (*arguments, *options.values()):
        yield from refs(argument)


def is_inexact(tensor: torch.Tensor) -> bool:
    """Whether a tensor is real or complex."""
    return tensor.dtype.is_floating_point or tensor.dtype.is_complex


def is_leaf(tensor: torch.Tensor) -> bool:
    """Whether a tensor is a leaf; a view counts as none.

    Torch is not asked about views: it would bring the node of one whose base was written up to date, and the
    program would then run otherwise than without anybody looking.
    """
    return not tensor._is_view() and tensor.is_leaf


def name_of(dtype: torch.dtype) -> str:
    """Torch's name of a dtype."""
    return str(dtype).removeprefix("torch.")


def peak(tensor: torch.Tensor) -> float:
    """The largest magnitude in a tensor; infinite where it has nan, 0 where it is empty."""
    if not tensor.numel():
        return 0.0
    largest = float(tensor.detach().abs().amax())
    return float("inf") if isnan(largest) else largest


def lowest(tensor: torch.Tensor) -> float:
    """The lowest real number of a tensor; nan where it has nan, infinite where it is empty."""
    return float(tensor.detach().amin()) if tensor.numel() else float("inf")


def broadcast(left: torch.Tensor, right: torch.Tensor) -> Shape | None:
    """The shape that two tensors broadcast to, or None. (Torch's own function takes as long as a program.)"""
    one, other = left.shape, right.shape
    if one == other:
        return tuple(one)
    if len(one) < len(other):
        one, other = other, one
    sizes = list(one)
    for place in range(1, len(other) + 1):
        size, wanted = sizes[-place], other[-place]
        if size == 1:
            sizes[-place] = wanted
        elif wanted not in (1, size):
            return None
    return tuple(sizes)


def overlaps(tensor: torch.Tensor) -> bool:
    """Whether several elements of the tensor may have one place in memory."""
    if tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
        return True
    return any(stride == 0 and size > 1 for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
