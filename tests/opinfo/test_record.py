"""Calls of torch become the steps that a person would have written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gradconform.opinfo.record import Recorder, Recording, Unrecordable
from gradconform.program.check import check
from gradconform.program.json_form import from_json, to_json
from gradconform.program.render import program_text

X = torch.tensor([[1.0, 2.0], [3.0, 4.0]])


def recorded(call: Callable[[Any], Any]) -> Recording:
    recording = Recording()
    x = recording.input("x", X, requires_grad=True)
    with Recorder(recording):
        call(x)
    return recording


def text(call: Callable[[Any], Any]) -> str:
    program = recorded(call).program()
    assert check(program) == ()
    assert program_text(from_json(to_json(program))) == program_text(program)
    return program_text(program)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (torch.exp, "y = exp(x)"),
        (torch.Tensor.exp, "y = exp(x)"),
        (lambda x: x + 2, "y = x + 2"),
        (lambda x: 2 - x, "y = 2 - x"),
        (lambda x: torch.add(x, x, alpha=2), "y = add(x, x, alpha=2)"),
        (lambda x: x[0, 1:], "y = x[0, 1:]"),
        (lambda x: x.mT, "y = x.mT"),
        (lambda x: x.sum(0, dtype=torch.float64), "y = x.sum(0, dtype=float64)"),
        (lambda x: x.clone().mul_(x), "y = x.clone()\ny1 = y.mul_(x)"),
        (lambda x: torch.baddbmm(x[None], x[None], x[None]), None),
        (lambda x: torch.nn.functional.linear(x, x), "y = nn.functional.linear(x, x)"),
        (lambda x: x.contiguous(memory_format=torch.contiguous_format), None),
        (lambda x: x.reshape(x.shape[0] * 2), "y = x.reshape(4)"),
        (lambda x: x.where(x > 1, x), "y = x > 1\ny1 = x.where(y, x)"),
        (torch.linalg.qr, "y_0, y_1 = linalg.qr(x)"),
        (lambda x: torch.mm(x, x), "y = mm(x, x)"),
        (lambda x: torch.cartesian_prod(x[0], x[1]), "y = x[0]\ny1 = x[1]\ny2 = cartesian_prod(y, y1)"),
        (torch.Tensor.tolist, ""),
        (lambda x: x * torch.ones(2), "y = x * constant"),
    ],
)
def test_a_call_is_a_step(call: Callable[[Any], Any], expected: str | None) -> None:
    found = text(call)
    assert expected is None or found == expected


def test_lists_in_lists_are_taken_apart() -> None:
    lstm = torch.nn.LSTM(2, 3)
    weights = [one.detach() for one in lstm.parameters()]
    start = (torch.zeros(1, 3), torch.zeros(1, 3))

    def call(x: Any) -> Any:
        return torch.func.functional_call(
            lstm, dict(zip(dict(lstm.named_parameters()), weights, strict=True)), (x, start)
        )

    program = recorded(call).program()
    assert check(program) == ()


def test_what_is_random_is_drawn_now_where_it_touches_nothing() -> None:
    recording = recorded(lambda x: x * torch.rand(2))
    program = recording.program()
    assert [item.name for item in program.inputs] == ["x", "constant"]
    assert len(program.steps) == 1


def test_layouts_are_kept() -> None:
    recording = Recording()
    for tensor, layout in (
        (X.mT, "transposed"),
        (torch.arange(6.0)[1::2], "strided"),
        (torch.arange(3.0).expand(2, 3), "expanded"),
        (X, "contiguous"),
    ):
        made = recording.input("x", tensor, requires_grad=False)
        assert recording.inputs[-1].layout == layout
        assert torch.equal(made, tensor)
        assert made.stride() == tensor.stride()


def test_a_call_that_is_refused_is_written_down_as_it_was_made() -> None:
    recording = Recording()
    x = recording.input("x", X, requires_grad=False)
    recorder = Recorder(recording)
    with pytest.raises(RuntimeError), recorder:
        x @ torch.ones(3)
    assert recorder.refused is not None
    assert recorder.refused.operator == "Tensor.matmul"  # type: ignore[union-attr]
    assert recording.steps == []


@pytest.mark.parametrize(
    "call",
    [
        torch.Tensor.to_sparse,
        lambda x: torch.stack([x, torch.ones(2, 2, device="meta")]),
        lambda x: torch.searchsorted(x, x, sorter=X.to_sparse()),
    ],
)
def test_what_programs_have_no_words_for_is_said(call: Callable[[Any], Any]) -> None:
    with pytest.raises(Unrecordable):
        recorded(call)
