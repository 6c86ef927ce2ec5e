"""Where an engine runs programs: in this process, or in one of its own.

A session knows nothing of an engine but what its host tells: the trace of a program, or why there is none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from traceback import extract_tb
from typing import Self

import torch

from gradconform.engines.base import Engine
from gradconform.engines.capabilities import Capabilities, undeclared
from gradconform.errors import AdapterError, GradconformError, Unsupported
from gradconform.execution.interpreter import Detail, run
from gradconform.execution.observe import in_words
from gradconform.program.steps import Program
from gradconform.trace import Trace


class Lost(Exception):  # noqa: N818 - how a run of a program ends, and no error of the harness
    """A program took the engine's process down, or should have. reason: how, for a person."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class OutOfTime(Exception):  # noqa: N818 - how a run of a program ends, and no error of the harness
    """A program did not end within the limit. seconds: the limit."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"{seconds:g} s")


class Host(ABC):
    """Runs programs on one engine. A context manager: at its end the engine's process, if it has one, ends.

    name: the engine's. version: the engine's, where it is known. torch_errors: whether the engine means to
    raise torch's exception classes. engine: the engine itself where it lives in this process, for what wants
    to run it without looking. details: how often it can look at a run; at its end always. seconds, memory:
    what a program may take, and the GiB that it may hold; None: there is no limit.
    policies: the conventions that it declares. composed: the operators that its adapter makes of others, and
    of which. features: what the engine declares that it has; None: it does not say. As `Engine` has them.
    """

    name: str
    version: str | None = None
    torch_errors: bool
    engine: Engine | None = None
    details: tuple[Detail, ...] = tuple(Detail)
    seconds: float | None = None
    memory: float | None = None
    policies: Mapping[str, str] = {}
    composed: Mapping[str, str] = {}
    features: Capabilities | None = None

    def detail(self, wanted: Detail) -> Detail:
        """How often a run is looked at, on torch too, where it is wanted so often."""
        return wanted if wanted in self.details else Detail.END

    @abstractmethod
    def run(self, program: Program, device: str, detail: Detail) -> Trace:
        """The trace of a program, its errors included.

        Raises Unsupported where the engine lacks something that the program needs, AdapterError where its
        adapter breaks its contract, Lost and OutOfTime where the program costs the engine's process.
        """

    def apart(self) -> Host:
        """A host of the same engine that a program cannot take this process down with: this one, where the
        engine has a process of its own. It ends with this one.

        Raises as making it does: EngineError where the engine cannot be started there.
        """
        return self

    def try_all(self) -> None:
        """From here on the engine is asked for what it does not declare, too."""
        self.features = None

    def close(self) -> None:  # noqa: B027 - a host without a process has nothing to end
        """Ends the engine's process."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class InProcess(Host):
    """An engine in this process. isolated: makes a host of the same engine in a process of its own."""

    engine: Engine

    def __init__(self, engine: Engine, isolated: Callable[[], Host] | None = None) -> None:
        self.engine = engine
        self._isolated = isolated
        self._apart: Host | None = None
        self.name = engine.name
        self.torch_errors = engine.torch_errors
        self.policies, self.composed, self.features = engine.policies, engine.composed, engine.features
        found = getattr(engine, "version", None) or getattr(
            getattr(engine, "module", None), "__version__", None
        )
        self.version = None if found is None else str(found)

    def run(self, program: Program, device: str, detail: Detail) -> Trace:
        require_declared(program, self.features)
        default = torch.get_default_dtype()
        try:
            return run(program, self.engine, device, detail)
        except (GradconformError, Unsupported, KeyboardInterrupt):
            raise
        except Exception as error:
            raise AdapterError(
                f"engine {self.name}: the adapter failed with {in_words(error)}{_last_place(error)}; "
                "raise gradconform.engines.Unsupported for what the engine does not have"
            ) from error
        except BaseException as error:  # what is no Exception is meant to end the process
            raise Lost(in_words(error)) from error
        finally:
            torch.set_default_dtype(default)  # an engine that changes it must not change the oracle

    def apart(self) -> Host:
        if self._apart is None and self._isolated is not None:
            self._apart = self._isolated()
        return self._apart or self

    def close(self) -> None:
        if self._apart is not None:
            self._apart.close()


def require_declared(program: Program, features: Capabilities | None) -> None:
    """Raises Unsupported for the first thing that a program needs and an engine does not declare."""
    lacks = undeclared(program, features) if features is not None else ()
    if lacks:
        raise Unsupported(str(lacks[0]))


def _last_place(error: BaseException) -> str:
    """Where an exception was raised, for a message."""
    frames = extract_tb(error.__traceback__)
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
