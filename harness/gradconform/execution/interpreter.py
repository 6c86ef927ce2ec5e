"""Running one program on one engine, and tracing what can be seen of it."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from enum import Enum
from typing import Any

import torch

from gradconform.engines.base import Engine
from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.compile import Block, Compiler, Environment, drop_temporaries
from gradconform.execution.home import at_home
from gradconform.execution.kernels import exactly
from gradconform.execution.limits import Budget, LimitExceeded
from gradconform.execution.meta import require_runnable
from gradconform.execution.observe import Observer, message_of
from gradconform.program.layouts import fresh
from gradconform.program.script import SEED
from gradconform.program.steps import (
    Backward,
    Call,
    Class,
    Define,
    Expect,
    Fact,
    Grad,
    Input,
    Invoke,
    Mutate,
    Program,
    Set,
    Step,
    Unset,
    Watch,
    Within,
    body_of,
    flatten,
)
from gradconform.program.vocabulary import THREADS
from gradconform.trace import ErrorSeen, Phase, Seen, StateSeen, Trace, WarningSeen

CHANGING = (Backward, Call, Expect, Grad, Invoke, Mutate, Set, Unset)
"""Steps that can change state without making a new tensor; all live names are looked at after each. Threads
can too. Nothing is looked at inside of functions and threads, which an engine runs when it likes."""


class Detail(Enum):
    """How often a run is looked at: at the end, wherever state can change, or after every step."""

    END = "end"
    CHANGES = "changes"
    STEPS = "steps"


Looks = Detail | frozenset[int]
"""How often, or after which steps by their numbers; a run is looked at at its end in any case."""


def run(program: Program, engine: Engine, device: str = "cpu", detail: Looks = Detail.CHANGES) -> Trace:
    """The trace of a program on an engine, its errors included.

    Raises Unsupported where the engine lacks something that the program needs, and AdapterError where the
    adapter breaks its contract.
    """
    require_runnable(program, device)
    with exactly():
        return _Run(program, engine, device, detail).trace()


def make_inputs(inputs: tuple[Input, ...], engine: Engine, device: str) -> Environment:
    """A program's inputs as the engine's own tensors, in new memory.

    Raises Unsupported and AdapterError.
    """
    environment: Environment = {}
    for item in inputs:
        try:
            handle = engine.from_torch(fresh(item, device), requires_grad=item.requires_grad)
        except (AdapterError, Unsupported):
            raise
        except Exception as error:
            kind = str(item.data.dtype).removeprefix("torch.")
            raise AdapterError(
                f"engine {engine.name}: from_torch failed for input '{item.name}' ({kind}, shape "
                f"{tuple(item.data.shape)}): {type(error).__name__}: {error}; raise "
                "gradconform.engines.Unsupported for what the engine does not have"
            ) from error
        if not engine.is_tensor(handle):
            raise AdapterError(
                f"engine {engine.name}: from_torch gave {handle!r:.60} for input '{item.name}', which "
                "is_tensor says is none; expected a tensor of the engine's own"
            )
        environment[item.name] = handle
    return environment


class _Run:
    def __init__(self, program: Program, engine: Engine, device: str, detail: Looks) -> None:
        self.program = program
        self.engine = engine
        self.device = device
        self.observer = Observer(engine)
        self.log = self.observer.log
        self.budget = Budget()
        self.states: list[StateSeen] = []
        self.facts: dict[int, list[tuple[Seen, ...]]] = {}
        self.caught: dict[int, ErrorSeen | None] = {}
        self.warnings: dict[int, tuple[WarningSeen, ...]] = {}
        self._raised: dict[int, tuple[BaseException, int, Phase]] = {}
        self._watched = frozenset(
            number for number, step in _course(program.steps) if _is_watched(number, step, detail)
        )
        steps = [step for _, step in program.walk()]
        self._last = len(steps) - 1
        # A cycle must not be broken by chance while the program asks whether something is still there.
        self._collects = not any(isinstance(step, Watch) for step in steps)

    def trace(self) -> Trace:
        """Runs the program and looks."""
        self.engine.reset()
        error = None
        environment: Environment = {}
        collecting, numbers = gc.isenabled(), torch.get_rng_state()
        # A program that draws numbers while it runs draws the same ones on each engine that uses torch's.
        torch.default_generator.manual_seed(SEED)
        # A long program is compiled to a hundred thousand functions, none of them garbage.
        gc.disable()
        try:
            environment |= make_inputs(self.program.inputs, self.engine, self.device)
            block = Compiler(self.engine, self, self.device).block(self.program.steps)
            if collecting and self._collects:
                gc.enable()
            try:
                with warnings.catch_warnings():
                    # They are no answer to a program that does not ask for them.
                    warnings.simplefilter("ignore")
                    self.execute(block, environment)
            except (AdapterError, Unsupported):
                raise
            except Exception as raised:  # noqa: BLE001 - whatever an engine raises is an observation
                error = self._seen(raised)
            self.states.append(self.observer.state(self._last, environment))
        finally:
            self.engine.reset()
            # A hook that sees the tensor it hangs on would keep both alive (`Quick.forget`).
            environment.clear()
            torch.set_rng_state(numbers)
            if collecting:
                gc.enable()
        facts = {number: tuple(runs) for number, runs in self.facts.items()}
        trace = Trace(self.engine.name, tuple(self.states), facts, self.caught, self.warnings, error)
        return at_home(trace) if self.observer.away else trace

    def execute(self, block: Block, environment: Environment) -> None:
        """The steps of the program or of a body."""
        self.budget.enter(len(block))
        try:
            for number, phase, step in block:
                try:
                    step(environment)
                except Exception as error:
                    # The innermost step is the one that raised it; what a hook raises belongs to the backward
                    # that runs the hook.
                    _, innermost, inner = self._raised.get(id(error), (error, number, phase))
                    self._raised[id(error)] = error, innermost, "backward" if phase == "backward" else inner
                    raise
                if number in self._watched:
                    self.states.append(self.observer.state(number, environment))
        finally:
            self.budget.leave()

    def expect(self, number: int, block: Block, environment: Environment) -> None:
        """The body of `raises`: what it raises is noted, and the program goes on."""
        self.caught[number] = None
        try:
            self.execute(block, environment)
        except (AdapterError, Unsupported, LimitExceeded):
            raise
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is an observation
            self.caught[number] = self._seen(error)
            drop_temporaries(environment)

    def warned(self, number: int, block: Block, environment: Environment) -> None:
        """The body of `warns`: what it warns of is noted."""
        with warnings.catch_warnings(record=True) as caught, self.engine.every_warning():
            warnings.simplefilter("always")
            self.execute(block, environment)
        self.warnings[number] = tuple(
            WarningSeen(_classes(one.category), message_of(one.message))  # type: ignore[arg-type]
            for one in caught
        )

    def entry(self, value: Any) -> Seen:
        """What the log keeps of a value: what can be seen of it now."""
        return self.observer.entry(value)

    def look(self, number: int, step: Fact, environment: dict[str, Any]) -> None:
        """Notes what the places of a fact show."""
        self.facts.setdefault(number, []).append(self.observer.places(step.places, environment))

    def _seen(self, error: Exception) -> ErrorSeen:
        _, number, phase = self._raised.get(id(error), (error, -1, "forward"))
        self._raised.clear()  # their tracebacks hold the engine's tensors
        return ErrorSeen(number, phase, _classes(type(error)), message_of(error))


def _classes(kind: type) -> tuple[str, ...]:
    return tuple(each.__name__ for each in kind.__mro__ if each is not object)


def _is_watched(number: int, step: Step, detail: Looks) -> bool:
    if isinstance(detail, frozenset):
        return number in detail
    return detail is Detail.STEPS or (detail is Detail.CHANGES and _changes(step))


def _changes(step: Step) -> bool:
    return isinstance(step, CHANGING) or (isinstance(step, Within) and step.mode in THREADS)


def _course(steps: tuple[Step, ...], number: int = -1) -> Iterator[tuple[int, Step]]:
    """Steps with their numbers, without those that run in functions and threads."""
    for step in steps:
        number += 1
        yield number, step
        body = body_of(step)
        if not isinstance(step, Define | Class) and not (isinstance(step, Within) and step.mode in THREADS):
            yield from _course(body, number)
        number += sum(1 for _ in flatten(body))
