"""Identity and shared memory, compared as relations: the labels themselves mean nothing outside their
trace."""

from __future__ import annotations

from collections.abc import Iterator

from gradconform.oracle.spots import Spot
from gradconform.trace import Seen, StateSeen, TensorSeen, Unseen
from gradconform.verdict import Divergence

Pair = tuple[Spot, TensorSeen, TensorSeen]


class Relation:
    """Pairs labels of two traces and tells the first pair that does not fit: same must go with same."""

    def __init__(self) -> None:
        self._pairs: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._first: tuple[dict[int, str], dict[int, str]] = ({}, {})

    def fits(self, place: str, expected: int, got: int) -> tuple[str, str] | None:
        """None where both labels are new or belong together; otherwise, for torch and for the engine, the
        place at which the label was first seen, or an empty text for a new one."""
        forth, back = self._pairs
        known = tuple(first.get(label, "") for first, label in zip(self._first, (expected, got), strict=True))
        if forth.get(expected) == got and back.get(got) == expected:
            return None
        agree = expected not in forth and got not in back
        forth.setdefault(expected, got)
        back.setdefault(got, expected)
        for first, label in zip(self._first, (expected, got), strict=True):
            first.setdefault(label, place)
        return None if agree else (known[0], known[1])


class Identities:
    """Which names and gradients are the same object, over a whole run."""

    def __init__(self) -> None:
        self._relation = Relation()

    def differences(self, step: int, pairs: Iterator[Pair]) -> Iterator[Divergence]:
        for spot, expected, got in pairs:
            if isinstance(expected.identity, Unseen) or isinstance(got.identity, Unseen):
                continue
            misfit = self._relation.fits(f"{spot} after step {step}", expected.identity, got.identity)
            if misfit:
                texts = (f"the same object as {first}" if first else "a new object" for first in misfit)
                yield _divergence("identity", spot, step, texts)


def sharing_differences(step: int, pairs: Iterator[Pair]) -> Iterator[Divergence]:
    """Which tensors of one state share memory. Tensors without elements share none."""
    relation = Relation()
    for spot, expected, got in pairs:
        if (
            isinstance(expected.storage, Unseen)
            or isinstance(got.storage, Unseen)
            or not expected.value.numel()
        ):
            continue
        misfit = relation.fits(str(spot), expected.storage, got.storage)
        if misfit:
            texts = (f"shares memory with {first}" if first else "memory of its own" for first in misfit)
            yield _divergence("shared memory", spot, step, texts)


def tensor_pairs(expected: StateSeen, got: StateSeen) -> Iterator[Pair]:
    """The tensors that both states show, values before gradients, in the order of the names."""
    common = [(Spot(name), seen, got.live[name]) for name, seen in expected.live.items() if name in got.live]
    for gradients in (False, True):
        for spot, a, b in common:
            yield from _pairs(spot, a, b, gradients=gradients)


def _pairs(spot: Spot, a: Seen, b: Seen, *, gradients: bool) -> Iterator[Pair]:
    if isinstance(a, tuple) and isinstance(b, tuple):
        for index, (x, y) in enumerate(zip(a, b, strict=False)):
            yield from _pairs(spot.then(index), x, y, gradients=gradients)
    elif isinstance(a, TensorSeen) and isinstance(b, TensorSeen):
        if not gradients:
            yield spot, a, b
            return
        below = spot.then("grad")
        yield from _pairs(below, a.grad, b.grad, gradients=False)
        if isinstance(a.grad, TensorSeen) and isinstance(b.grad, TensorSeen):
            yield from _pairs(below, a.grad, b.grad, gradients=True)


def _divergence(what: str, spot: Spot, step: int, texts: Iterator[str]) -> Divergence:
    expected, got = texts
    return Divergence(what, str(spot), step, "", expected, got)
