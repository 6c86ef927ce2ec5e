"""The volume loop: programs run on torch and on one engine with no look before the end, and compared.

It only tells sameness, for thousands of programs a second. What it does not find the same is to be run again
by the interpreter and judged by the oracle, which may find that the rounding alone differs.
"""

from __future__ import annotations

import warnings

import torch

from gradconform.engines.base import Engine
from gradconform.engines.torch import TorchEngine
from gradconform.execution.quick import Quick, Runner, equal, outline
from gradconform.program.script import SEED
from gradconform.program.steps import Program


class Pair:
    """Torch and an engine, side by side."""

    def __init__(self, engine: Engine, device: str = "cpu") -> None:
        self.torch = TorchEngine()
        self.engine = engine
        self._expected, self._got = Runner(self.torch, device), Runner(engine, device)

    def agree(self, program: Program, expected: Quick | None = None) -> bool:
        """Whether both end a program with the same: every number of every live value, gradient and log entry,
        their flags, which are one object or share memory, what was raised and warned of, and the grad mode.

        expected: torch's finished run of the program, where there is one. Facts are not looked at.
        Raises Unsupported and AdapterError, as the interpreter does.
        """
        steps = outline(program)
        if steps.plain and expected is None:
            # They draw no random numbers and seldom warn: what is set up below takes as long as two of them.
            expected = self._expected.run(steps)
            if equal(expected, self.torch, self._got.run(steps), self.engine):
                return True
            expected = None
        default, numbers = torch.get_default_dtype(), torch.get_rng_state()
        try:
            with warnings.catch_warnings():
                # They are no answer to a program that does not ask for them.
                warnings.simplefilter("ignore")
                if expected is None:
                    torch.default_generator.manual_seed(SEED)
                    expected = self._expected.run(steps)
                torch.default_generator.manual_seed(SEED)
                return equal(expected, self.torch, self._got.run(steps), self.engine)
        finally:
            torch.set_rng_state(numbers)
            torch.set_default_dtype(default)
