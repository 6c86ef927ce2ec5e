"""Which scenarios a person means: ids, globs of ids, features and levels. Imports no torch, as `list`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar

from gradconform.errors import UsageError, did_you_mean

T = TypeVar("T")

_LEVEL = re.compile(r"level:(\d)(?:-(\d))?")


class Selectable(Protocol):
    """What a selector looks at: a scenario, or its row of the index."""

    @property
    def id(self) -> str: ...

    @property
    def feature(self) -> str: ...

    @property
    def level(self) -> int: ...

    @property
    def aliases(self) -> Sequence[str]: ...


def chosen_by(
    selectors: Sequence[str], things: tuple[T, ...], scenario: Callable[[T], Selectable]
) -> tuple[T, ...]:
    """The things whose scenario any of the selectors takes: all, where there are none.

    Raises UsageError for a selector that takes none of them, with the nearest that would.
    """
    if not selectors:
        return things
    scenarios = [scenario(thing) for thing in things]
    for selector in selectors:
        if not any(takes(selector, one) for one in scenarios):
            known = [word for one in scenarios for word in (one.id, one.feature, *one.aliases)]
            hint = did_you_mean(selector, known) or "`gradconform list` shows ids, features and levels"
            raise UsageError(f"'{selector}' selects no scenario; {hint}")
    return tuple(
        thing
        for thing, one in zip(things, scenarios, strict=True)
        if any(takes(selector, one) for selector in selectors)
    )


def takes(selector: str, scenario: Selectable) -> bool:
    """Whether a selector takes a scenario: its id, a glob of ids, its feature or its level."""
    level = _LEVEL.fullmatch(selector)
    if level:
        return int(level[1]) <= scenario.level <= int(level[2] or level[1])
    names = (scenario.id, scenario.feature, *scenario.aliases)
    return selector in names or any(fnmatchcase(name, selector) for name in names)
