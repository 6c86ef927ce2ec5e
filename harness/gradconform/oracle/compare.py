"""Trace against trace: the first observation in which an engine differs from torch.

States are walked in the order of execution and names in the order of the program, values before gradients, so
that a cause comes before what follows from it. What one of the two does not show (`UNSEEN`) is not compared.
Only the differences of the first step that shows any are kept; later ones may follow from them.

Numbers beyond the tolerance are no differences yet: they are handed on as misses, for the second opinions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradconform.errors import AdapterError
from gradconform.oracle.failures import error_differences
from gradconform.oracle.labels import Identities, sharing_differences, tensor_pairs
from gradconform.oracle.policy import compared
from gradconform.oracle.spots import NumericMiss, Spot, numbers
from gradconform.oracle.text import describe, dtype_name
from gradconform.oracle.tolerance import Miss
from gradconform.trace import UNSEEN, Seen, StateSeen, TensorSeen, Trace, Unseen
from gradconform.verdict import Divergence, Outcome

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two traces of one program have shown.

    divergences: all differences of the first step that shows any (their `source` is still empty). misses: the
    numbers beyond the tolerance up to that step, in order. accepted: how many of the other numbers each stage
    accepted.
    """

    divergences: tuple[Divergence, ...]
    misses: tuple[NumericMiss, ...]
    accepted: Counter[Outcome]


def compare(expected: Trace, got: Trace, *, torch_errors: bool = True) -> Comparison:
    """Compares torch's trace with the engine's; both must come from one program, looked at equally often.

    torch_errors: whether the engine means to raise torch's exception classes.
    Raises AdapterError where the engine's trace stops short without an error.
    """
    walk = _Walk()
    found = [*error_differences(expected, got, torch_errors=torch_errors), *walk.states(expected, got)]
    if not found:
        found += _runs(expected, got)
    first = min((difference.step for difference in found), default=None)
    return Comparison(
        tuple(difference for difference in found if difference.step == first),
        tuple(miss for miss in walk.misses if first is None or miss.step <= first),
        walk.accepted,
    )


class _Walk:
    """One pass over two traces; gathers the misses, and what is accepted, on its way."""

    def __init__(self) -> None:
        self.misses: list[NumericMiss] = []
        self.accepted: Counter[Outcome] = Counter()
        self._identities = Identities()
        self._compared: set[tuple[int | Unseen, int | Unseen]] = set()
        self._step = -1

    def states(self, expected: Trace, got: Trace) -> Iterator[Divergence]:
        stop = _parting(expected, got)
        for ours, theirs in zip(expected.states, got.states, strict=False):
            if stop is not None and max(ours.step, theirs.step) >= stop:
                return
            if ours.step != theirs.step:
                raise AdapterError(
                    f"engine {got.engine}: its trace shows a state after step {theirs.step} where torch's "
                    f"shows one after step {ours.step}; both must be looked at after the same steps"
                )
            self._step = ours.step
            self._compared.clear()
            different = [*self.state(ours, theirs)]
            yield from different
            if different:
                return
        if stop is None and len(expected.states) != len(got.states):
            raise AdapterError(
                f"engine {got.engine}: its trace has {len(got.states)} states where torch's has "
                f"{len(expected.states)}, and no error that would explain it"
            )

    def state(self, expected: StateSeen, got: StateSeen) -> Iterator[Divergence]:
        for gradients in (False, True):
            for name, seen in expected.live.items():
                if name in got.live:
                    yield from self.seen(Spot(name), seen, got.live[name], gradients=gradients)
                elif not gradients:
                    yield self.difference("missing name", Spot(name), describe(seen), "no such name")
        for name in got.live:
            if name not in expected.live:
                yield self.difference("extra name", Spot(name), "no such name", describe(got.live[name]))
        yield from self.plain("grad mode", Spot("is_grad_enabled()"), expected.grad_enabled, got.grad_enabled)
        yield from self._identities.differences(self._step, tensor_pairs(expected, got))
        yield from sharing_differences(self._step, tensor_pairs(expected, got))

    def seen(self, spot: Spot, expected: Seen, got: Seen, *, gradients: bool) -> Iterator[Divergence]:
        """The differences of two observed values themselves, or of the gradients that hang on them."""
        if expected is UNSEEN or got is UNSEEN:
            return
        match expected, got:
            case TensorSeen(), TensorSeen():
                look = self.gradient if gradients else self.tensor
                yield from look(spot, expected, got)
            case tuple(), tuple():
                if len(expected) != len(got) and not gradients:
                    yield self.difference("length", spot, str(len(expected)), str(len(got)))
                for index, (a, b) in enumerate(zip(expected, got, strict=False)):
                    yield from self.seen(spot.then(index), a, b, gradients=gradients)
            case _ if not gradients:
                yield from self.other(spot, expected, got)

    def tensor(self, spot: Spot, expected: TensorSeen, got: TensorSeen) -> Iterator[Divergence]:
        pair = (expected.identity, got.identity)
        if UNSEEN not in pair:
            if pair in self._compared:  # one object under two names is one difference
                return
            self._compared.add(pair)
        ours, theirs = expected.value, got.value
        properties = (
            ("shape", list(ours.shape), list(theirs.shape)),
            ("dtype", dtype_name(ours.dtype), dtype_name(theirs.dtype)),
            ("device", expected.device, got.device),
        )
        different = False
        for what, a, b in properties:
            if a != b:
                different = True
                yield self.difference(what, spot, str(a), str(b))
        if not different:
            self.value(spot, ours, theirs)
        for what in ("requires_grad", "is_leaf", "has_grad_fn"):
            yield from self.plain(what, spot, getattr(expected, what), getattr(got, what))

    def gradient(self, spot: Spot, expected: TensorSeen, got: TensorSeen) -> Iterator[Divergence]:
        spot = spot.then("grad")
        for gradients in (False, True):
            yield from self.seen(spot, expected.grad, got.grad, gradients=gradients)

    def value(self, spot: Spot, expected: torch.Tensor, got: torch.Tensor) -> None:
        """Numbers of one shape and dtype: a stage accepts them, or they are a miss."""
        result = compared(expected, got)
        if isinstance(result, Miss):
            self.misses.append(NumericMiss(spot, self._step, expected, got, result))
        else:
            self.accepted[result] += 1

    def other(self, spot: Spot, expected: Seen, got: Seen) -> Iterator[Divergence]:
        """Values of which at least one is no tensor. A bool is no int, and an int no float."""
        ours, theirs = numbers(expected), numbers(got)
        if expected is None or got is None:
            if expected is not got:
                what = spot.path[-1] if spot.path else "value"
                negation = "not " if expected is None else ""
                yield self.difference(f"{what} is {negation}None", spot, describe(expected), describe(got))
        elif type(expected) is not type(got):
            yield self.difference("type", spot, describe(expected), describe(got))
        elif ours is not None and theirs is not None:
            self.value(spot, ours, theirs)
        else:
            yield from self.plain("value", spot, expected, got)

    def plain(self, what: str, spot: Spot, expected: Seen, got: Seen) -> Iterator[Divergence]:
        if expected is not UNSEEN and got is not UNSEEN and expected != got:
            yield self.difference(what, spot, describe(expected), describe(got))

    def difference(self, what: str, spot: Spot, expected: str, got: str) -> Divergence:
        return Divergence(what, str(spot), self._step, "", expected, got)


def _runs(expected: Trace, got: Trace) -> Iterator[Divergence]:
    """Facts in functions that the engine calls more or less often than torch."""
    for number in sorted({*expected.facts, *got.facts}):
        ours, theirs = (len(trace.facts.get(number, ())) for trace in (expected, got))
        if ours != theirs:
            yield Divergence(
                "number of calls", f"step {number}", number, "", f"run {ours} times", f"run {theirs} times"
            )


def _parting(expected: Trace, got: Trace) -> int | None:
    """The first step at which one of the two raised and the other did not; None where they go together.

    From there on they have taken different ways, and their states are no longer of one program.
    """
    pairs = [(theirs, got.caught[block]) for block, theirs in expected.caught.items() if block in got.caught]
    pairs.append((expected.error, got.error))
    steps = [
        min(error.step for error in pair if error is not None)
        for pair in pairs
        if any(pair) and (pair[0] is None or pair[1] is None or pair[0].step != pair[1].step)
    ]
    return min(steps, default=None)
