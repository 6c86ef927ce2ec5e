"""The volume loop: programs run on torch and on one engine with no look before the end, and compared.

It only tells sameness, for thousands of programs a second. What it does not find the same is to be run again
by the interpreter and judged by the oracle, which may find that the rounding alone differs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence

import torch

from gradconform.engines.base import Engine
from gradconform.engines.torch import TorchEngine
from gradconform.errors import Unsupported
from gradconform.execution.quick import Quick, Runner, all_equal, equal, outline
from gradconform.program.script import SEED
from gradconform.program.steps import Program
from gradconform.randomize.chooser import Choices
from gradconform.randomize.direct import DirectChooser

BLOCK = 8
"""Programs that are drawn, run and compared together: each of these is quicker where nothing else comes
between, and more of them would no longer fit into the processor's caches."""


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
        if expected is None and self._plainly_agree([program]):
            return True
        steps = outline(program)
        default, numbers = torch.get_default_dtype(), torch.get_rng_state()
        try:
            with warnings.catch_warnings():
                # They are no answer to a program that does not ask for them.
                warnings.simplefilter("ignore")
                own = expected is None
                if expected is None:
                    torch.default_generator.manual_seed(SEED)
                    expected = self._expected.run(steps)
                torch.default_generator.manual_seed(SEED)
                got = self._got.run(steps)
                try:
                    return equal(expected, self.torch, got, self.engine)
                finally:
                    got.forget()
                    if own:
                        expected.forget()
        finally:
            torch.set_rng_state(numbers)
            torch.set_default_dtype(default)

    def differing(self, programs: Sequence[Program]) -> list[int]:
        """The places of those programs on which the two do not agree, or which one of them does not support.

        Raises AdapterError.
        """
        try:
            if self._plainly_agree(programs):
                return []
        except Unsupported:
            pass
        return [place for place, program in enumerate(programs) if self._differs(program)]

    def _differs(self, program: Program) -> bool:
        try:
            return not self.agree(program)
        except Unsupported:
            return True

    def _plainly_agree(self, programs: Sequence[Program]) -> bool:
        """Whether all programs are of plain steps and the two agree on them. Such steps draw no random
        numbers and seldom warn: to prepare for either takes as long as two of them."""
        outlines = [outline(program) for program in programs]
        if not all(one.plain for one in outlines):
            return False
        expected, got = [*map(self._expected.run, outlines)], [*map(self._got.run, outlines)]
        return all_equal(expected, self.torch, got, self.engine)


def search(
    pair: Pair, draw: Callable[[DirectChooser], Program], chooser: DirectChooser, programs: int
) -> Iterator[tuple[Choices, Program]]:
    """Draws so many programs, each from choices of its own, and gives those on which the two do not agree.

    Raises AdapterError.
    """
    for first in range(0, programs, BLOCK):
        choosers = [chooser.fresh() for _ in range(min(BLOCK, programs - first))]
        drawn = [draw(one) for one in choosers]
        for place in pair.differing(drawn):
            yield choosers[place].choices, drawn[place]
