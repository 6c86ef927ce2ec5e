"""autograd, jax and mlx, as installed: what is known to be wrong, or otherwise, is found, and no more."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
import torch

from gradconform.engines import FunctionalEngine
from gradconform.engines.registry import find_engine
from gradconform.report.failure import summary

if TYPE_CHECKING:
    from tests.engines.conftest import Examples

EVERYWHERE = {
    "backward/elementary-functions": "conforms",
    "backward/long-chain": "conforms",
    "broadcasting/missing-dimensions": "conforms",
    "create-graph/third-derivative": "conforms",
    "autograd-grad/unused-input-beside-a-used-one": "as declared: unreached-inputs: zero",
    "operators/tanh/gradients": "conforms",
    "operators/matmul/vectors-gradients": "conforms",
    "points/where-replaces-nan": "conforms",
    "points/max-of-all-with-ties": "conforms",
    "points/norm-of-order-two-at-zero": "as declared: norm-at-zero: nan",
    "points/std-of-equal-values": "as declared: spread-of-equal-values: nan",
    "views/view-refuses-what-is-not-contiguous": "as declared: views: copies",
    "accumulation/two-branches": "provided by the shim: accumulation",
    "lifetimes/deep-chain": "provided by the shim: lifetimes",
}
OUT_OF_RANGE = (
    "y = x[5]: missing error: expected IndexError: index 5 is out of bounds for dimension 0 with size 2 "
    "(forward), got no error"
)
FOUND = {
    "autograd": EVERYWHERE
    | {
        "operators/relu": "as declared: relu-at-zero: half",
        "operators/maximum": "conforms",
        "kinks/clamp": "as declared: clamp-at-bounds: zero",
        "points/abs-at-zero-and-nan": "as declared: abs-at-nan: nan",
        "points/power-zero": "conforms",
        "points/median-of-an-even-count": "unsupported: VJP of median wrt argnums (0,) not defined",
        "points/leaky-relu-at-zero": "unsupported: operator nn.functional.leaky_relu",
        "points/prod-with-one-zero": "x.grad: value: expected [0.0, 6.0, 0.0], got [0.0, nan, 0.0]",
        "points/std-of-one-value": "x.grad: value: expected [nan], got [0.0]",
        "operators/where-broadcasts": (
            "z.backward(v): unexpected error: expected no error, got ValueError: non-broadcastable output "
            "operand with shape (2,1) doesn't match the broadcast shape (2,2) (backward)"
        ),
        "vector-jacobian-products/scalar-and-one-element-differ": (
            "a.backward(v): missing error: expected RuntimeError: Mismatch in shape: grad_output[0] has a "
            "shape of torch.Size([1]) and output[0] has a shape of torch.Size([]). (backward), got no error"
        ),
    },
    "jax": EVERYWHERE
    | {
        "operators/relu": "conforms",
        "operators/abs": "as declared: abs-at-zero: one",
        "operators/maximum": "conforms",
        "operators/where-broadcasts": "conforms",
        "kinks/clamp": "as declared: clamp-at-bounds: half",
        "points/abs-at-zero-and-nan": "as declared: abs-at-nan: minus-one, abs-at-zero: one",
        "points/leaky-relu-at-zero": "as declared: leaky-relu-at-zero: one",
        "points/power-zero-as-a-float": "as declared: zero-to-the-zero: nan-of-floats",
        "points/median-of-an-even-count": "as declared: median-of-an-even-count: mean",
        "indexing/out-of-range": OUT_OF_RANGE,
    },
    "mlx": EVERYWHERE
    | {
        "operators/relu": "conforms",
        "operators/abs": "conforms",
        "operators/maximum": "as declared: ties-between-tensors: second",
        "operators/where-broadcasts": "conforms",
        "kinks/clamp": "as declared: clamp-at-bounds: zero",
        "points/power-zero": "as declared: zero-to-the-zero: nan",
        "points/leaky-relu-at-zero": "as declared: leaky-relu-at-zero: one",
        "points/median-of-an-even-count": "as declared: median-of-an-even-count: mean",
        "indexing/out-of-range": OUT_OF_RANGE,
        # a result that is there twice loses one of its cotangents
        "backward/root-given-twice": "x.grad: value: expected [2.0], got [1.0]",
    },
}
COMPLEX = {
    "autograd": "unsupported: VJP of cumprod wrt argnums (0,) not defined",
    "jax": "as declared: complex-gradients: conjugate",
    # its rule for cumprod lacks the conjugate that its other rules have
    "mlx": "z.grad: value: expected [1.0-2.0j, 0.0+0.0j], got [1.0+2.0j, 0.0+0.0j]",
}


@pytest.fixture(params=FOUND)
def name(request: pytest.FixtureRequest) -> str:
    """The name of an engine that is installed."""
    name: str = request.param
    if find_spec(name) is None:
        pytest.skip(f"needs the extra {name}")
    return name


def test_what_is_known_is_found(examples: Examples, name: str) -> None:
    wanted = FOUND[name]
    found = examples(name, *wanted, dtype="float32")
    assert {scenario: summary(verdict) for scenario, verdict in found.items()} == wanted


def test_second_order_is_the_engines_own(examples: Examples, name: str) -> None:
    found = examples(name, "operators/tanh/second-order", "operators/mul/second-order", dtype="float64")
    assert {summary(verdict) for verdict in found.values()} == {"conforms"}


def test_complex_gradients(examples: Examples, name: str) -> None:
    found = examples(name, "points/complex-cumprod-with-a-zero", dtype="complex64")
    assert [*map(summary, found.values())] == [COMPLEX[name]]


def test_numbers_of_every_dtype_go_in_and_come_out(name: str) -> None:
    engine = find_engine(name)
    assert isinstance(engine, FunctionalEngine)
    for dtype in engine.dtypes:
        kind = getattr(torch, dtype)
        for tensor in (torch.tensor([[1, 0], [0, 1]]).to(kind).t(), torch.zeros(0, 2, dtype=kind)):
            back = engine.to_torch(engine.from_torch(tensor))
            assert (back.dtype, back.shape) == (kind, tensor.shape)
            assert torch.equal(back, tensor)
    odd = torch.tensor([float("nan"), float("inf"), -0.0, 1e-3])
    back = engine.to_torch(engine.from_torch(odd))
    assert torch.equal(back.view(torch.int32), odd.view(torch.int32))


def test_chains_of_twenty_thousand_steps(name: str) -> None:
    engine = find_engine(name)
    x = engine.from_torch(torch.ones(1), requires_grad=True)
    y, add = x, engine.operation("add")
    for _ in range(2_000 if name == "jax" else 20_000):  # jax takes a millisecond for each
        y = add(y, x)
    engine.backward(y)
    expected = 2_001.0 if name == "jax" else 20_001.0
    assert engine.to_torch(engine.get(x, "grad")).tolist() == [expected]


def test_jax_lets_go_of_what_it_compiled() -> None:
    jax = pytest.importorskip("jax", reason="needs the extra jax")
    engine = find_engine("jax")
    assert isinstance(engine, FunctionalEngine)
    double = jax.jit(lambda x: x * 2)
    double(engine.array_of(torch.ones(3)))
    assert double._cache_size() == 1
    for _ in range(100):
        engine.reset()
    assert double._cache_size() == 0
