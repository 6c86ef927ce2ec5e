"""A trace whose numbers lie on a device, brought to the CPU, where all comparisons are made.

While a program runs, what is looked at is copied on its device, which nobody waits for. All of it comes back
when the program is over, in one copy of each dtype; `TensorSeen.device` still tells where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from gradconform.engines.bulk import brought_home
from gradconform.trace import Seen, StateSeen, TensorSeen, Trace


def at_home(trace: Trace) -> Trace:
    """The same trace with every number that there is on the CPU. Values on `meta` have none, and stay."""
    away = {id(seen): seen for seen in _tensors(trace)}
    values = brought_home([seen.value for seen in away.values()])
    home = dict(zip(away, values, strict=True))
    return mapped(trace, lambda seen: replace(seen, value=home[id(seen)]))


def mapped(trace: Trace, change: Callable[[TensorSeen], TensorSeen]) -> Trace:
    """The trace with something changed about each tensor that it shows, its gradient first left as it is and
    then changed too."""

    def tensor(seen: TensorSeen) -> TensorSeen:
        changed = change(seen)
        return replace(changed, grad=tensor(seen.grad)) if isinstance(seen.grad, TensorSeen) else changed

    def each(seen: Seen) -> Seen:
        match seen:
            case TensorSeen():
                return tensor(seen)
            case tuple():
                return tuple(map(each, seen))
            case _:
                return seen

    def state(one: StateSeen) -> StateSeen:
        return replace(one, live={name: each(seen) for name, seen in one.live.items()})

    facts: Mapping[int, tuple[tuple[Seen, ...], ...]] = {
        number: tuple(tuple(map(each, shown)) for shown in runs) for number, runs in trace.facts.items()
    }
    return replace(trace, states=tuple(map(state, trace.states)), facts=facts)


def _tensors(trace: Trace) -> Iterator[TensorSeen]:
    """Every tensor that a trace shows, gradients too."""
    for state in trace.states:
        for seen in state.live.values():
            yield from _within(seen)
    for runs in trace.facts.values():
        for shown in runs:
            for seen in shown:
                yield from _within(seen)


def _within(seen: Seen) -> Iterator[TensorSeen]:
    match seen:
        case TensorSeen(grad=grad):
            yield seen
            yield from _within(grad)
        case tuple():
            for one in seen:
                yield from _within(one)
