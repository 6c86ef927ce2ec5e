"""The fast path: a program run without looking at anything before its end, and compared bit for bit.

Only equality is decided here. Whatever is not equal in every bit is run again by the interpreter and judged by
the oracle.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gradconform.engines.base import Engine, Handle
from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.compile import Block, Compiler, Environment
from gradconform.execution.interpreter import make_inputs
from gradconform.program.steps import Fact, Program, is_temporary
from gradconform.trace import Phase


@dataclass(slots=True)
class Quick:
    """A finished run: the live names, and where and how it raised, if it did (step, phase, class)."""

    environment: Environment
    error: tuple[int, Phase, str] | None = None


class _Machine:
    """Runs steps without observing; facts are not looked at."""

    __slots__ = ("caught", "where")

    def __init__(self) -> None:
        self.where: tuple[int, Phase] = (-1, "forward")
        self.caught: list[tuple[int, Phase, str] | None] = []

    def execute(self, block: Block, environment: Environment) -> None:
        number, phase = -1, "forward"
        entered = self.where
        try:
            for number, phase, step in block:  # noqa: B007 - read where a step raises
                step(environment)
        except Exception:
            if self.where is entered:
                self.where = (number, phase)  # type: ignore[assignment]
            raise

    def expect(self, number: int, block: Block, environment: Environment) -> None:
        try:
            self.execute(block, environment)
        except (AdapterError, Unsupported):
            raise
        except Exception as error:
            self.caught.append((*self.where, type(error).__name__))
            self.where = (-1, "forward")
        else:
            self.caught.append(None)

    def look(self, number: int, step: Fact, environment: Environment) -> None:
        return


def run_quick(program: Program, engine: Engine, device: str = "cpu") -> Quick:
    """Runs a program with no observation at all. Raises Unsupported and AdapterError, as the interpreter does."""
    machine = _Machine()
    environment = make_inputs(program, engine, device)
    block = Compiler(engine, machine, device).block(program.steps)
    try:
        machine.execute(block, environment)
    except (AdapterError, Unsupported):
        engine.reset()
        raise
    except Exception as error:
        engine.reset()
        return Quick(environment, (*machine.where, type(error).__name__))
    return Quick(environment)


def equal(a: Quick, engine_a: Engine, b: Quick, engine_b: Engine) -> bool:
    """Whether two finished runs agree in every bit of every live tensor and gradient, and in their errors.

    False says nothing but "look closer".
    """
    if a.error != b.error or a.environment.keys() != b.environment.keys():
        return False
    for name, value in a.environment.items():
        if is_temporary(name):
            continue
        other = b.environment[name]
        if engine_a.is_tensor(value):
            if not (engine_b.is_tensor(other) and _same(value, engine_a, other, engine_b)):
                return False
            if not engine_a.get(value, "is_leaf"):  # reading .grad of a non-leaf warns; the interpreter looks there
                continue
            grad, other_grad = engine_a.get(value, "grad"), engine_b.get(other, "grad")
            if grad is None or other_grad is None:
                if grad is not other_grad:
                    return False
            elif not _same(grad, engine_a, other_grad, engine_b):
                return False
    return True


def _same(a: Handle, engine_a: Engine, b: Handle, engine_b: Engine) -> bool:
    if engine_a.get(a, "requires_grad") != engine_b.get(b, "requires_grad"):
        return False
    x, y = engine_a.to_torch(a), engine_b.to_torch(b)
    if x.dtype != y.dtype:
        return False
    # torch.equal holds nan unequal to itself; where both are nan the runs agree.
    return torch.equal(x, y) or (x.shape == y.shape and bool(((x == y) | ((x != x) & (y != y))).all()))
