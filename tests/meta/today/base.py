"""What a check of today is: a way to hold one function of an engine against something."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from gradconform.engines.base import Engine
from gradconform.engines.torch import TorchEngine

from .functions import Function


@dataclass(frozen=True, slots=True)
class Check:
    """A check of today.

    says: what it does. functions: those that it goes through. ways: the settings that it has for a function,
    the strictest first. complaint: what it says of a function in such a setting on an engine, "" where it is
    content; what the engine raises is its failure too.
    """

    name: str
    says: str
    functions: Callable[[], Iterable[Function]]
    ways: Callable[[Function], Iterable[Any]]
    complaint: Callable[[Function, Any, Engine], str]

    def way(self, function: Function) -> Any:
        """The strictest setting in which torch itself passes; None where there is none: at a kink, or where a
        function is random or has no derivative."""
        torch = TorchEngine()
        return next((way for way in self.ways(function) if not self.heard(function, way, torch)), None)

    def heard(self, function: Function, way: Any, engine: Engine) -> str:
        """What is said of a function of an engine, exceptions included."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return self.complaint(function, way, engine)
            except Exception as error:  # noqa: BLE001 - whatever an engine raises is what its user would see
                text = str(error).strip().partition("\n")[0]
                return f"{type(error).__name__}: {text}"
