"""Running one program on one engine, and tracing what can be seen of it."""

from __future__ import annotations

from enum import Enum
from typing import Any

from gradconform.engines.base import Engine
from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.compile import Block, Compiler, Environment, drop_temporaries
from gradconform.execution.observe import Observer, message_of
from gradconform.program.layouts import fresh
from gradconform.program.steps import Backward, Expect, Fact, Grad, Input, Invoke, Mutate, Program, Set
from gradconform.trace import ErrorSeen, Phase, Seen, StateSeen, Trace

CHANGING = (Backward, Expect, Grad, Invoke, Mutate, Set)
"""Steps that can change state without making a new tensor; all live names are looked at after each."""


class Detail(Enum):
    """How often a run is looked at: at the end, wherever state can change, or after every step."""

    END = "end"
    CHANGES = "changes"
    STEPS = "steps"


def run(program: Program, engine: Engine, device: str = "cpu", detail: Detail = Detail.CHANGES) -> Trace:
    """The trace of a program on an engine, its errors included.

    Raises Unsupported where the engine lacks something that the program needs, and AdapterError where the
    adapter breaks its contract.
    """
    return _Run(program, engine, device, detail).trace()


def make_inputs(inputs: tuple[Input, ...], engine: Engine, device: str) -> Environment:
    """A program's inputs as the engine's own tensors, in new memory.

    Raises Unsupported and AdapterError.
    """
    environment: Environment = {}
    for item in inputs:
        try:
            environment[item.name] = engine.from_torch(fresh(item, device), requires_grad=item.requires_grad)
        except (AdapterError, Unsupported):
            raise
        except Exception as error:
            kind = str(item.data.dtype).removeprefix("torch.")
            raise AdapterError(
                f"engine {engine.name}: from_torch failed for input '{item.name}' ({kind}, shape "
                f"{tuple(item.data.shape)}): {type(error).__name__}: {error}; raise "
                "gradconform.engines.Unsupported for what the engine does not have"
            ) from error
    return environment


class _Run:
    def __init__(self, program: Program, engine: Engine, device: str, detail: Detail) -> None:
        self.program = program
        self.engine = engine
        self.device = device
        self.observer = Observer(engine)
        self.states: list[StateSeen] = []
        self.facts: dict[int, tuple[Seen, ...]] = {}
        self.caught: dict[int, ErrorSeen | None] = {}
        self._raised: BaseException | None = None
        self._where: tuple[int, Phase] = (-1, "forward")
        steps = [step for _, step in program.walk()]
        self._watched = frozenset(
            number
            for number, step in enumerate(steps)
            if detail is Detail.STEPS or (detail is Detail.CHANGES and isinstance(step, CHANGING))
        )
        self._last = len(steps) - 1

    def trace(self) -> Trace:
        """Runs the program and looks."""
        self.engine.reset()
        error = None
        try:
            environment = make_inputs(self.program.inputs, self.engine, self.device)
            block = Compiler(self.engine, self, self.device).block(self.program.steps)
            try:
                self.execute(block, environment)
            except (AdapterError, Unsupported):
                raise
            except Exception as raised:  # noqa: BLE001 - whatever an engine raises is an observation
                error = self._seen(raised)
            self.states.append(self.observer.state(self._last, environment))
        finally:
            self.engine.reset()
        return Trace(self.engine.name, tuple(self.states), self.facts, self.caught, error)

    def execute(self, block: Block, environment: Environment) -> None:
        """The steps of the program or of a body."""
        for number, phase, step in block:
            try:
                step(environment)
            except Exception as error:
                if self._raised is not error:  # the innermost step is the one that raised it
                    self._raised, self._where = error, (number, phase)
                raise
            if number in self._watched:
                self.states.append(self.observer.state(number, environment))

    def expect(self, number: int, block: Block, environment: Environment) -> None:
        """The body of `raises`: what it raises is noted, and the program goes on."""
        self.caught[number] = None
        try:
            self.execute(block, environment)
        except (AdapterError, Unsupported):
            raise
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is an observation
            self.caught[number] = self._seen(error)
            drop_temporaries(environment)

    def look(self, number: int, step: Fact, environment: dict[str, Any]) -> None:
        """Notes what the places of a fact show."""
        self.facts[number] = tuple(self.observer.place(place, environment) for place in step.places)

    def _seen(self, error: Exception) -> ErrorSeen:
        number, phase = self._where
        self._raised = None  # its traceback holds the engine's tensors
        classes = tuple(kind.__name__ for kind in type(error).__mro__ if kind is not object)
        return ErrorSeen(number, phase, classes, message_of(error))
