"""Paddle and TensorFlow, as installed: what is known to be wrong, or otherwise, is found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from gradconform.engines import FunctionalEngine, Unsupported
from gradconform.engines.namesakes import by_name
from gradconform.execution.interpreter import run
from gradconform.program.layouts import fresh
from gradconform.program.steps import Input, Layout
from gradconform.program.vocabulary import OPERATORS

if TYPE_CHECKING:
    from tests.conftest import MakeProgram
    from tests.engines.conftest import Answer, Answers, Installed

PADDLE: dict[str, Answer] = {
    **dict.fromkeys(
        (
            "backward/elementary-functions",
            "broadcasting/missing-dimensions",
            "graph/leaf-flags",
            "hooks/in-order-of-registration",
            "hooks/replaces-the-gradient",
            "operators/gather/gradients",
            "operators/matmul/vectors-gradients",
            "operators/tanh/gradients",
            "grad-modes/mode-is-reported",
        ),
        "conforms",
    ),
    # wrong gradients
    "points/prod-with-one-zero": ("value", "x.grad", "[0.0, nan, 0.0]"),
    "operators/unfold/gradients": (
        "value",
        "x.grad",
        "[[1.0, -2.0, 0.5], [3.0, 0.25, -1.0], [2.0, 1.5, -0.5]]",
    ),
    "operators/masked_fill/tensor-gradients": ("value", "w.grad", "0.0"),
    "operators/lerp/tensor-gradients": ("grad is None", "w.grad", "None"),
    # a gradient that is added to is a new tensor
    "accumulation/assigned-gradient": ("value", "g", "[10.0, 20.0]"),
    "backward/several-elements-need-a-gradient": ("missing error", "y.backward()", "no error"),
    "backward/retained-gradients-accumulate": ("value", "h.grad", "[1.0]"),
    **dict.fromkeys(
        (
            "points/abs-at-zero-and-nan",
            "points/atan2-at-the-origin",
            "points/leaky-relu-at-zero",
            "points/median-of-an-even-count",
            "points/std-of-equal-values",
        ),
        "declared",
    ),
    # asked for by its own words
    "in-place/copied-value-gets-the-gradient": "operator copy_ (of another shape or dtype)",
    "in-place/buffer-used-again": "conforms",
    "operators/nan_to_num/gradients": "conforms",
    "operators/fft.fftshift/dim-gradients": "conforms",
    "graph/conversion-to-python-numbers": "conforms",
    "operators/linalg.eigvals/gradients": "operator linalg.eigvals",
    "lifetimes/leaves": "watching tensors",
    "zeroing/assigning-none": "a tensor without memory",
    "create-graph/third-derivative": "grad: (Unavailable) The Op pow_triple_grad doesn't have any grad op",
    "operators/linalg.norm/matrix-gradients": "operator linalg.norm",
}

TENSORFLOW: dict[str, Answer] = {
    **dict.fromkeys(
        (
            "backward/elementary-functions",
            "broadcasting/missing-dimensions",
            "create-graph/third-derivative",
            "operators/gather/gradients",
            "operators/matmul/vectors-gradients",
            "operators/tanh/gradients",
            "points/clamp-at-numbers",
            "views/squeeze-keeps-larger-dimensions",
        ),
        "conforms",
    ),
    # wrong gradients
    "points/cumprod-with-one-zero": ("value", "x.grad", "[1.0, 0.0, 0.0]"),
    "points/xlogy-at-zero": ("value", "x.grad", "[0.0, 0.0, -inf]"),
    "create-graph/product-with-zeros": ("value", "h", "[0.0, 0.0, 0.0]"),
    # what a branch that is not taken has is hidden
    "points/where-keeps-an-infinite-slope": ("value", "x.grad", "[0.0, 0.25]"),
    "points/where-before-an-infinite-slope": ("dtype", "y", "bool"),
    "vector-jacobian-products/scalar-and-one-element-differ": ("missing error", "a.backward(v)", "no error"),
    **dict.fromkeys(
        (
            "operators/maximum",
            "points/abs-at-zero-and-nan",
            "points/atan2-at-the-origin",
            "points/max-along-a-dimension-with-ties",
            "points/norm-of-order-two-at-zero",
            "points/power-zero",
            "points/relu-at-nan-and-infinity",
        ),
        "declared",
    ),
    "accumulation/two-branches": "accumulation",
    "operators/std/whole-gradients": "operator std (the spread of a sample)",
}


def test_paddle(answers: Answers) -> None:
    assert answers("paddle", *PADDLE) == PADDLE


def test_tensorflow(answers: Answers) -> None:
    assert answers("tensorflow", *TENSORFLOW) == TENSORFLOW


def test_the_norm_of_a_matrix_by_its_order(answers: Answers) -> None:
    # In float32: the matrix that the scenario adds is of the default dtype, and TensorFlow promotes nothing.
    name = "operators/linalg.norm/matrix-gradients"
    assert answers("tensorflow", name, dtype="float32") == {name: "conforms"}


@pytest.mark.parametrize("name", ["paddle", "tensorflow"])
@pytest.mark.parametrize(
    "dtype",
    [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex128, torch.int64, torch.bool],
)
def test_numbers_cross_in_every_dtype(name: str, dtype: torch.dtype, installed: Installed) -> None:
    engine = installed(name)
    for data in (torch.tensor([[1, 0], [2, 3]]).t(), torch.tensor(1), torch.zeros(0, 2)):
        tensor = data.to(dtype)
        back = engine.to_torch(engine.from_torch(tensor))
        assert back.dtype == dtype
        assert torch.equal(back, tensor)


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("y = x.std(correction=2)", "operator std(correction=...)"),
        ("y = x.median(0)", "operator median (too many positional arguments)"),
        ("y = nn.functional.dropout(x)", "operator nn.functional.dropout"),
        ("x.backward(inputs=[x])", "operator backward(inputs=...)"),
        ("y = x.grad_fn", "attribute grad_fn"),
    ],
)
def test_paddle_lacks(text: str, feature: str, installed: Installed, program: MakeProgram) -> None:
    with pytest.raises(Unsupported) as lack:
        run(program(text), installed("paddle"))
    assert str(lack.value) == feature


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "strided", "expanded"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex128, torch.bool])
def test_leaves_of_paddle_lie_as_the_program_says(
    layout: Layout, dtype: torch.dtype, installed: Installed
) -> None:
    for data in (torch.ones(3, 2), torch.ones(3), torch.tensor(1), torch.ones(0, 2)):
        tensor = fresh(Input("x", data.to(dtype), requires_grad=dtype != torch.bool, layout=layout), "cpu")
        engine = installed("paddle")
        leaf = engine.from_torch(tensor, requires_grad=dtype != torch.bool)
        assert leaf.is_leaf
        assert leaf.stop_gradient == (dtype == torch.bool)
        assert torch.equal(engine.to_torch(leaf), data.to(dtype))
        assert tensor.numel() == 0 or leaf.strides == list(tensor.stride())


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("y = x.half().nan_to_num()", "operator nan_to_num (paddle.float16)"),
        ("y = x.half().max(dim=0)", "max: Non-CUDA GPU placed Tensor"),
        ("y = x.fill_(x[0])", "fill_: The type of 'value'  must be int or float"),
        ("y = nn.functional.layer_norm(x, (2,))", "nn.functional.layer_norm: (InvalidArgument)"),
        ("y = nn.functional.nll_loss(x, tensor(0))", "nn.functional.nll_loss: Expected 2 or more"),
        ("y = nn.functional.adaptive_avg_pool2d(x.view(1, 1, 2), 1)", "nn.functional.adaptive_avg_pool2d"),
        ("y = baddbmm(x, x.view(1, 1, 2), x.view(1, 2, 1))", "baddbmm: The dimension of input should be"),
        ("w = watch(x)", "watching tensors"),
    ],
)
def test_paddle_says_that_it_lacks(
    text: str, feature: str, installed: Installed, program: MakeProgram
) -> None:
    with pytest.raises(Unsupported) as lack:
        run(program(text), installed("paddle"))
    assert str(lack.value).startswith(feature)


def test_an_array_may_be_two_primals(installed: Installed) -> None:
    """A tape tells tensors apart by their identity."""
    engine = installed("tensorflow")
    assert isinstance(engine, FunctionalEngine)
    three, one = (engine.array_of(torch.tensor([number])) for number in (3.0, 1.0))
    found = engine.vjp(lambda a, b: [a * b * b], [three, three], [one])
    assert [engine.tensor_of(each).item() for each in found] == [9.0, 18.0]


def test_arguments_go_by_their_names() -> None:
    def own(
        x: object, num_or_sections: int = 1, axis: int = 9, *, keepdim: bool = False
    ) -> tuple[object, ...]:
        return x, num_or_sections, axis, keepdim

    split = by_name(own, "split", ["input, split_size, dim=0"])
    with pytest.raises(Unsupported, match=r"operator split\(split_size=\.\.\.\)"):
        split("x", 2)
    total = by_name(own, "sum", ["input, dim=None, keepdim=False, *, dtype=None", "input, *dims"])
    assert total("x", -1, True) == ("x", 1, -1, True)
    assert total("x", dtype=None) == ("x", 1, 9, False)
    assert total("x", 0, 1, 2) == ("x", 1, [0, 1, 2], False)
    with pytest.raises(Unsupported, match="dtype"):
        total("x", dtype="float64")
    # torch's default goes with a call that says nothing of it
    assert by_name(own, "cross", ["input, *, dim=-1"])("x") == ("x", 1, -1, False)


def test_a_word_may_be_taught_more(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of their own read the operator tables when a program needs them."""
    engine, x = installed("paddle"), torch.tensor([[1.0, 3.0]])
    taught = OPERATORS["quantile"]
    monkeypatch.setitem(OPERATORS, "quantile", replace(taught, further=""))
    assert engine.operation("quantile")(engine.from_torch(x), 0.5).item() == 2.0
    monkeypatch.setitem(OPERATORS, "quantile", taught)
    assert engine.operation("quantile")(engine.from_torch(x), 0.5, dim=0).tolist() == [1.0, 3.0]
