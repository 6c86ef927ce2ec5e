"""Finds as scenarios: what is written can be read, torch keeps it, and the numbers are the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gradconform.engines.torch import TorchEngine
from gradconform.execution.host import InProcess
from gradconform.execution.interpreter import Detail, run
from gradconform.exploration.scenarios import scenario_text
from gradconform.plan import Settings
from gradconform.program.bind import bind
from gradconform.program.library import load_library
from gradconform.program.steps import Apply, Backward, Expect, Input, Program, Ref
from gradconform.randomize import draws
from gradconform.randomize.direct import DirectChooser
from gradconform.randomize.explore.generate import write
from gradconform.randomize.explore.writer import Profile
from gradconform.session import Session
from gradconform.trace import TensorSeen

TORCH = TorchEngine()
INPUTS = {
    "plain": Input("x", torch.tensor([1.5, -2.0, 0.1]), True),
    "scalar": Input("x", torch.tensor(0.1, dtype=torch.float64), True),
    "tiny": Input("x", torch.tensor([5e-324, 1e-05, 1e300], dtype=torch.float64), True),
    "special": Input("x", torch.tensor([float("nan"), float("-inf"), -0.0]), True),
    "complex": Input("x", torch.tensor([1 - 2j, complex(-0.0, 1e-7)], dtype=torch.complex128), True),
    "transposed": Input("x", torch.arange(6.0).reshape(2, 3), True, "transposed"),
    "bfloat16": Input("x", torch.tensor([1.0, 0.3], dtype=torch.bfloat16), True),
    "of no elements": Input("x", torch.empty(0, 2), True),
    "of many dimensions": Input("x", torch.arange(16.0).reshape(2, 2, 2, 2), True),
    "integers": Input("x", torch.tensor([1, -2])),
    "truth": Input("x", torch.tensor([True, False])),
}


def read(text: str, folder: Path) -> Program:
    """The documented example of the scenario."""
    path = folder / "find.yaml"
    path.write_text(text, encoding="utf-8")
    (template,) = load_library((path,))
    return bind(template, draws.example(template.scenario, template.scenario.dtypes[0]))


def numbers(program: Program) -> dict[str, torch.Tensor]:
    """The numbers of all that is live at the end."""
    live = run(program, TORCH, "cpu", Detail.END).states[-1].live
    return {name: seen.value for name, seen in live.items() if isinstance(seen, TensorSeen)}


def bits(value: torch.Tensor) -> torch.Tensor:
    """What a tensor holds, byte by byte."""
    return value.reshape(-1).contiguous().view(torch.uint8)


def text_of(program: Program) -> str:
    return scenario_text("explored/some", 'It says "so".', program, Session(InProcess(TORCH), Settings()))


@pytest.mark.parametrize("item", INPUTS.values(), ids=INPUTS)
def test_inputs_come_back_bit_for_bit(item: Input, tmp_path: Path) -> None:
    program = Program((item,), (Apply("y", "clone", (Ref("x"),)),))
    again = read(text_of(program), tmp_path)
    mine, theirs = numbers(program)["y"], numbers(again)["y"]
    assert mine.dtype == theirs.dtype
    assert mine.shape == theirs.shape
    assert torch.equal(bits(mine), bits(theirs))
    kept = next((made for made in again.inputs if made.name == "x"), None)
    if kept is not None:
        assert kept.layout == item.layout
        assert kept.requires_grad == item.requires_grad


def test_what_further_draws_would_break_is_fixed(tmp_path: Path) -> None:
    """The backward raises for these numbers alone: others have no zero to divide by."""
    item = Input("x", torch.tensor([1.0, 2.0]), True)
    steps = (Apply("y", "linalg.inv", (Ref("m"),)),)
    singular = Input("m", torch.ones(2, 2), True)
    program = Program(
        (item, singular),
        (Expect("RuntimeError", steps), Apply("s", "sum", (Ref("x"),)), Backward((Ref("s"),))),
    )
    text = text_of(program)
    assert "fixed: " in text
    assert "let:" not in text
    assert numbers(read(text, tmp_path))["x"].tolist() == [1.0, 2.0]


def test_random_programs_can_be_written_as_scenarios(tmp_path: Path) -> None:
    for number in range(12):
        program = write(DirectChooser(number), Profile(steps=(2, 8)), TORCH).program
        theirs = numbers(read(text_of(program), tmp_path))
        for name, value in numbers(program).items():
            assert torch.equal(value.nan_to_num(7.0), theirs[name].nan_to_num(7.0)), (number, name)
