"""The base for imperative engines by tables, over the little engine beside these tests."""

from __future__ import annotations

import operator
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from gradconform.engines import Engine, TorchLikeEngine, Unsupported
from gradconform.engines.base import Handle
from gradconform.engines.by_table import TableEngine
from gradconform.engines.method_like import methods, renamed
from gradconform.engines.torch import TorchEngine
from gradconform.execution.interpreter import run
from gradconform.program.steps import Input
from gradconform.trace import UNSEEN, TensorSeen, Trace

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

X = Input("x", torch.tensor([1.0, 2.0]), True)
V = Input("v", torch.tensor([3.0, 5.0]))


class Small(TableEngine):
    """The little engine, by tables; a backward cannot take a cotangent with three elements."""

    def __init__(self, small: Any, **options: Any) -> None:
        super().__init__(
            small,
            tensor=small.Tensor,
            name="small",
            operators={
                "add": operator.add,
                "mul": operator.mul,
                "exp": small.exp,
                "sum": lambda input: input.sum(),
                "ones_like": small.ones_like,
            },
            dtypes={"float32": "single"},
            attributes={"grad": operator.attrgetter("grad"), "dtype": lambda handle: "single"},
            modes={"no_grad": small.no_grad},
            **options,
        )

    def made(self, tensor: torch.Tensor, *, requires_grad: bool) -> Handle:
        return self.module.tensor(tensor.numpy(), requires_grad)

    def declared(self, handle: Handle, *, requires_grad: bool) -> Handle:
        handle.requires_grad = requires_grad
        return handle

    def run_backward(self, root: Handle, gradient: Handle | None) -> None:
        root.backward(gradient)

    def lacks(self, error: Exception) -> bool:
        return "requires grad" in str(error)


@pytest.fixture
def by_table(small: TorchLikeEngine) -> Small:
    """The little engine by tables."""
    return Small(small.module)


def seen(trace: Trace, name: str) -> TensorSeen:
    found = trace.states[-1].live[name]
    assert isinstance(found, TensorSeen)
    return found


def test_what_stands_in_the_tables_runs(program: MakeProgram, by_table: Engine) -> None:
    text = """
a = ones_like(x, requires_grad=True)
with no_grad():
    c = exp(x)
y = (x * c + a) * v
y.backward(ones_like(y))
n = 1
n += 2
"""
    bound = program(text, X, V)
    expected, got = run(bound, TorchEngine()), run(bound, by_table)
    assert got.error is None
    assert got.states[-1].live["n"] == 3
    for name in ("a", "c", "x", "y"):
        mine, theirs = seen(got, name), seen(expected, name)
        torch.testing.assert_close(mine.value, theirs.value)
        if theirs.is_leaf and theirs.requires_grad:
            assert isinstance(mine.grad, TensorSeen)
            assert isinstance(theirs.grad, TensorSeen)
            torch.testing.assert_close(mine.grad.value, theirs.grad.value)
        else:  # of the others the engine may have gradients that torch does not keep
            assert mine.grad is UNSEEN
        assert (mine.requires_grad, mine.is_leaf, mine.has_grad_fn) == (UNSEEN, UNSEEN, UNSEEN)


def test_a_program_that_reads_the_gradient_of_another_tensor_gets_it(
    program: MakeProgram, by_table: Engine
) -> None:
    trace = run(program("y = x * 2\ng = y.grad", X), by_table)
    assert trace.states[-1].live["g"] is None


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("y = sqrt(x)", "operator sqrt"),
        ("y = x.sum(dim=0)", "operator sum (got an unexpected keyword argument 'dim')"),
        ("x += 1", "operator add_"),
        ("y = x.t()", "operator t"),
        ("y = ones_like(x, dtype=float64)", "dtype float64"),
        ("y = tensor(1.0, dtype=float32) * tensor([x, x])", "tensor() of tensors"),
        ("y = tensor([1], dtype=int64)", "dtype int64"),
        ("with enable_grad():\n    y = x * 2", "enable_grad"),
        ("(x * 2).backward(v, retain_graph=True)", "retain_graph=True"),
        ("(x * 2).backward(v, create_graph=True)", "create_graph"),
        ("(x * 2).backward(v, inputs=[x])", "backward(inputs=...)"),
        ("autograd.backward([x * 2], [v])", "autograd.backward"),
        ("(g,) = autograd.grad(x * 2, [x], v)", "autograd.grad"),
        ("(g,) = autograd.grad(x * 2, [x], v, allow_unused=True)", "grad(allow_unused=...)"),
        ("(g,) = autograd.grad([x * 2, x * 3], [x], [v, v])", "grad() of several outputs"),
        ("y = x.is_leaf", "attribute is_leaf"),
        ("x.grad = v", "writing attribute grad"),
        ("del x.grad", "deleting attribute grad"),
        (
            "v.sum().backward()",
            "backward needs a root that requires grad, and a gradient unless it is a scalar",
        ),
    ],
)
def test_what_stands_in_no_table_is_unsupported(
    program: MakeProgram, by_table: Engine, text: str, feature: str
) -> None:
    with pytest.raises(Unsupported) as lack:
        run(program(text, X, V), by_table)
    assert str(lack.value) == feature


def test_inputs_that_the_engine_has_no_dtype_or_device_for(by_table: Engine) -> None:
    with pytest.raises(Unsupported, match="dtype float64"):
        by_table.from_torch(torch.ones(1, dtype=torch.float64))
    with pytest.raises(Unsupported, match="device meta"):
        by_table.from_torch(torch.ones(1, device="meta"))


def test_an_engine_whose_graphs_stay_may_be_asked_to_keep_them(
    program: MakeProgram, small: TorchLikeEngine
) -> None:
    engine = Small(small.module, retains=True, records=True)
    run(program("(x * v).backward(v, retain_graph=True, create_graph=True)", X, V), engine)
    with pytest.raises(Unsupported, match="retain_graph=False"):
        run(program("(x * v).backward(v, retain_graph=False)", X, V), engine)


def test_names_of_dtypes_are_torch_s(program: MakeProgram, by_table: Engine) -> None:
    trace = run(program("assert x.dtype == float32", X), by_table)
    assert trace.facts[0] == (("float32",),)


def test_arguments_by_other_names() -> None:
    call = renamed(
        lambda input, axis=None, keepdims=False: (input, axis, keepdims), dim="axis", keepdim="keepdims"
    )
    assert call(1, dim=2, keepdim=True) == call(1, 2, True) == (1, 2, True)


class Words:
    """Answers with what it was asked."""

    def min(self, axis: int | None = None, keepdim: bool = False) -> tuple[str, int | None, bool]:
        return "least", axis, keepdim

    def argmin(self, axis: int, keepdim: bool) -> tuple[str, int, bool]:
        return "place", axis, keepdim

    def softmax(self, axis: int = -1) -> tuple[str, int]:
        return "softmax", axis


def test_methods_with_torch_s_names() -> None:
    table = methods(torch.Tensor)
    x = torch.tensor([[1.0, 4.0], [9.0, 2.0]])
    assert torch.equal(table["exp"](x), x.exp())
    assert torch.equal(table["sum"](x, dim=0, keepdim=True), x.sum(0, True))
    assert torch.equal(table["mm"](x, x), x @ x)
    assert "nn.functional.relu6" not in table  # torch's tensors have no such method


def test_methods_that_call_a_dimension_an_axis() -> None:
    table, words = methods(Words, dim="axis"), Words()
    assert table["nn.functional.softmax"](words, dim=1) == ("softmax", 1)
    assert table["min"](words) == ("least", None, False)
    assert table["min"](words, dim=1) == (("least", 1, False), ("place", 1, False))


def test_the_adapter_of_the_manual_runs(
    program: MakeProgram, small: TorchLikeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2].joinpath("docs", "adapters.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (block,) = (text for text in blocks if "tensor=mine.Tensor" in text)
    mine: Any = ModuleType("mine")
    mine.Tensor, mine.no_grad = small.module.Tensor, small.module.no_grad
    mine.float32, mine.float64 = np.dtype("float32"), np.dtype("float64")
    mine.nn = SimpleNamespace(softmax=small.module.exp)
    monkeypatch.setitem(sys.modules, "mine", mine)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - our own manual
    bound = program("y = (x * v + x).sum()\ny.backward()\nwith no_grad():\n    z = x * 2", X, V)
    expected, got = run(bound, TorchEngine()), run(bound, names["Mine"]())
    for name in ("y", "z"):
        torch.testing.assert_close(seen(got, name).value, seen(expected, name).value)
    mine_grad, grad = seen(got, "x").grad, seen(expected, "x").grad
    assert isinstance(mine_grad, TensorSeen)
    assert isinstance(grad, TensorSeen)
    torch.testing.assert_close(mine_grad.value, grad.value)
