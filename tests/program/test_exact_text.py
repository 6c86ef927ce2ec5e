"""Programs as text that gives every bit of them back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

import pytest
import torch

from gradconform.errors import GradconformError, SpecError
from gradconform.program.bind import Draw, bind
from gradconform.program.exact_text import ExactText, exact_text, read_exact
from gradconform.program.json_form import to_json
from gradconform.program.parse import Template
from gradconform.program.steps import Apply, Backward, Input, Layout, Program, Ref
from gradconform.program.vocabulary import DTYPES

if TYPE_CHECKING:
    from tests.conftest import MakeProgram


def without_lines(value: object) -> object:
    if isinstance(value, dict):
        return {key: without_lines(each) for key, each in value.items() if key != "line"}
    return [without_lines(each) for each in value] if isinstance(value, list) else value


def test_the_whole_corpus_comes_back(corpus_draws: Mapping[str, tuple[Template, Draw]]) -> None:
    for name, (template, draw) in corpus_draws.items():
        program = bind(template, draw)
        text = exact_text(program)
        assert text is not None, name
        again = read_exact(text, program.scenario)
        assert without_lines(to_json(again)) == without_lines(to_json(program)), name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", get_args(Layout))
def test_inputs_of_every_dtype_shape_and_layout(program: MakeProgram, dtype: str, layout: Layout) -> None:
    kind = getattr(torch, dtype)
    grows = kind.is_floating_point or kind.is_complex
    special = [0.1, -0.0, float("inf"), float("nan"), 2.0, -1e-30] if grows else [1, 0, 1, 1, 0, 1]
    for data in (
        torch.tensor(special, dtype=kind).expand(2, 6).contiguous(),
        torch.tensor(special[0], dtype=kind),
        torch.empty((0, 3), dtype=kind),
        torch.empty((2, 0), dtype=kind),
    ):
        made = program("y = x + x", Input("x", data, grows, layout))
        text = exact_text(made)
        assert text is not None
        (again,) = read_exact(text, made.scenario).inputs
        assert (again.layout, again.requires_grad, again.data.dtype) == (layout, grows, kind)
        assert again.data.shape == data.shape
        assert torch.equal(again.data.view(-1).view(torch.uint8), data.view(-1).view(torch.uint8))


def test_what_a_person_reads(program: MakeProgram) -> None:
    x = Input("x", torch.tensor([1.0, -0.0]), requires_grad=True)
    e = Input("e", torch.empty(0, 3), layout="strided")
    text = exact_text(program("y = (x * 2).to(float64)\nz = e.sum()\ny.sum().backward()", x, e))
    assert text is not None
    assert dict(text.inputs) == {
        "x": "tensor([1.0, -0.0], dtype=float32, requires_grad=True)",
        "e": "tensor([], dtype=float32, layout=strided, shape=[0, 3])",
    }
    assert text.program == "y = (x * 2).to(float64)\nz = e.sum()\ny.sum().backward()"


def test_one_text_for_several_dtypes(program: MakeProgram) -> None:
    texts = []
    for dtype in ("float32", "float64"):
        x = Input("x", torch.tensor([1.0], dtype=getattr(torch, dtype)), requires_grad=True)
        texts.append(exact_text(program(f"y = x.to({dtype})\nassert y.dtype == {dtype}", x), dtype))
    assert texts[0] == texts[1]
    assert texts[0] is not None
    assert "float" not in "".join((*texts[0].inputs.values(), texts[0].program))
    assert read_exact(texts[0], "a/b", "float64").inputs[0].data.dtype == torch.float64


def test_a_dtype_in_a_message_is_not_the_tests_dtype(program: MakeProgram) -> None:
    made = program("with raises(RuntimeError, match='float32'):\n    fail(RuntimeError)")
    assert exact_text(made) is not None
    assert exact_text(made, "float32") is None


def test_what_no_text_gives_back() -> None:
    x = Input("x", torch.ones(1), requires_grad=True)
    recorded = Program((x,), (Apply("y", "torch.baddbmm", (Ref("x"),)), Backward((Ref("y"),))), "a/b")
    assert exact_text(recorded) is None
    payload = torch.tensor([0x7FC00001], dtype=torch.int32).view(torch.float32)
    assert exact_text(Program((Input("x", payload),), (), "a/b")) is None


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("tensor([1.0], dtype=float33)", "'float33' is no dtype"),
        ("tensor([1.0])", "its dtype is missing"),
        ("tensor([1.0], dtype=dtype)", "'dtype' is no dtype"),
        ("tensor([1.0], dtype=float32, grad=True)", "a tensor has no option 'grad'"),
        ("tensor([1.0], dtype=float32, requires_grad=1)", "requires_grad is True or False"),
        ("tensor([1.0], dtype=float32, layout=odd)", "layout is one of contiguous"),
        ("tensor([1.0, [2.0]], dtype=float32)", "these numbers make no tensor"),
        ("tensor([open('x')], dtype=float32)", "open('x') is no number"),
        ("tensor([1.0], dtype=float32, shape=[0])", "a shape stands with [] alone"),
        ("tensor([], dtype=float32, shape=[3])", "a shape stands with [] alone"),
        ("zeros(2)", "this is no tensor"),
        ("tensor([", "this is no expression"),
    ],
)
def test_inputs_that_are_none(expression: str, says: str) -> None:
    with pytest.raises(GradconformError) as found:
        read_exact(ExactText({"x": expression}, "y = x + x"), "a/b")
    assert str(found.value).startswith(f"input x: {says}")


def test_statements_that_are_none() -> None:
    with pytest.raises(SpecError, match="unknown name 'z'"):
        read_exact(ExactText({}, "y = z + z"), "a/b")
    with pytest.raises(GradconformError, match="keyword"):
        read_exact(ExactText({"for": "tensor([1.0], dtype=float32)"}, "y = 1"), "a/b")
