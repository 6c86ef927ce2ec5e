"""A program that is run on an engine while it is being written, statement by statement.

Whoever writes it sees the live tensors and chooses what comes next. A statement that raises stands in the
program under `raises`, so that whatever is written runs to its end.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager

from gradconform.engines.base import Engine, Handle
from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.compile import Compiler, Environment, drop_temporaries, phase_of
from gradconform.execution.interpreter import make_inputs
from gradconform.execution.quick import Machine, Quick
from gradconform.program.names import is_temporary
from gradconform.program.steps import Argument, Expect, Input, Program, Step, Within, body_of, flatten
from gradconform.trace import RECORDED


class Stepwise:
    """A program under way: its inputs and statements so far, and what they have made.

    environment: the live names. statements: how many there are. Open blocks are part of the program once they
    are closed.
    """

    def __init__(self, engine: Engine, device: str = "cpu") -> None:
        self.engine = engine
        self.device = device
        self.environment: Environment = {}
        self.inputs: list[Input] = []
        self.statements = 0
        self._machine = Machine(engine)
        self._compiler = Compiler(engine, self._machine, device)
        self._bodies: list[list[Step]] = [[]]
        self._count = 0

    def tensors(self) -> Iterator[tuple[str, Handle]]:
        """The live tensors by name, the oldest first."""
        is_tensor = self.engine.is_tensor
        return (
            (name, value)
            for name, value in self.environment.items()
            if is_tensor(value) and not is_temporary(name)
        )

    def input(self, item: Input) -> Handle:
        """Adds an input, which is live at once. Raises Unsupported and AdapterError."""
        self.inputs.append(item)
        self.environment.update(made := make_inputs((item,), self.engine, self.device))
        return made[item.name]

    def do(self, *steps: Step) -> Exception | None:
        """Runs the steps of one statement; what they raise is caught, in the program too, and returned.

        Raises Unsupported and AdapterError.
        """
        number, step = self._count, steps[0]
        self.statements += 1
        try:
            for step in steps:
                self._compiler.do(number, step, self.environment)
                number += 1 + sum(1 for _ in flatten(body_of(step)))
        except (AdapterError, Unsupported):
            raise
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is an observation
            if self._machine.raised is not error:  # no step of a body raised it
                self._machine.where = number, phase_of(step)
            place, phase = self._machine.where
            if place >= self._count:  # under `raises` the steps of this statement have numbers one higher
                self._machine.where = place + 1, phase
            self._machine.caught.append(self._machine.seen(error))
            drop_temporaries(self.environment)
            self._write(Expect(named(error), steps))
            return error
        self._write(*steps)
        return None

    @contextmanager
    def block(self, mode: str, *arguments: Argument) -> Iterator[None]:
        """Whatever is done meanwhile stands in a block with this mode of the engine; it must not be empty."""
        self._bodies.append([])
        self._count += 1
        with self.engine.mode(mode)(*arguments):
            yield
        body = tuple(self._bodies.pop())
        self._bodies[-1].append(Within(mode, arguments, body))

    def _write(self, *steps: Step) -> None:
        self._bodies[-1].extend(steps)
        self._count += sum(1 for _ in flatten(steps))

    @property
    def program(self) -> Program:
        """What is written so far."""
        return Program(tuple(self.inputs), tuple(self._bodies[0]))

    def finish(self) -> Quick:
        """How the run has ended, as a `Runner` gives it for the program."""
        grad_enabled = self.engine.is_grad_enabled()
        if grad_enabled is not True:
            self.engine.reset()
        if self._machine.log:
            self.environment[RECORDED] = self._machine.log
        return Quick(self.environment, None, tuple(self._machine.caught), grad_enabled)


def named(error: BaseException) -> str:
    """The class that `raises` can name: the nearest one of Python's own."""
    for kind in type(error).__mro__:
        name: str = kind.__name__
        if getattr(builtins, name, None) is kind:
            return name
    raise TypeError(f"{type(error).__name__} is no exception")
