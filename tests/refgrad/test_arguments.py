"""What is given to operations: what is no tensor, dimensions that are not there, `out=`, operators of aten;
and whether the gradients that come back are objects and memory of their own. Compared with torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import refgrad as rg

PROGRAMS = {
    "a number for a tensor": "torch.atan2(torch.ones(2), 2)",
    "a number for the first tensor": "torch.hypot(2, torch.ones(2))",
    "none among tensors": "torch.cat([torch.ones(1), None])",
    "a running sum along no dimension": "torch.logcumsumexp(torch.ones(2, 3), 3)",
    "a product along no dimension": "torch.prod(torch.ones(2), -3)",
    "a running product of a number": """
        print(torch.cumprod(torch.tensor(2.), -1))
        torch.cumsum(torch.tensor(2.), 1)
        """,
    "parts of a number": "torch.unbind(torch.tensor(1.), 0)",
    "moves of other numbers": "torch.movedim(torch.ones(2, 3), (0, 1), (0,))",
    "a source twice": "torch.movedim(torch.ones(2, 3), (0, -2), (0, 1))",
    "a destination twice": "torch.movedim(torch.ones(2, 3), (0, 1), (0, -2))",
    "a move from nowhere": "torch.movedim(torch.ones(2, 3), 2, 0)",
    "a number moved": "print(torch.movedim(torch.tensor(1.), 0, -1))",
    "a start in a tensor": "print(torch.narrow(torch.arange(6.).view(2, 3), 1, torch.tensor(1), 2))",
    "starts in a tensor": "torch.narrow(torch.ones(2, 3), 1, torch.tensor([1]), 2)",
    "a start that is no integer": "torch.narrow(torch.ones(2, 3), 1, torch.tensor(1.), 2)",
    "a diagonal of a number": "torch.diag(torch.tensor(1.))",
    "a diagonal of a cube": "torch.diag(torch.ones(1, 1, 1))",
    "a table that is no matrix": "torch.nn.functional.embedding(torch.tensor([0]), torch.ones(3))",
    "bounds in disorder": "torch.nn.functional.rrelu(torch.ones(2), 0.3, 0.1)",
    "out is resized": """
        o = torch.empty(0)
        print(torch.amax(torch.arange(6.).view(2, 3), 1, out=o) is o, o, o._version)
        """,
    "several outs": """
        values, places = torch.empty(0), torch.empty(0, dtype=torch.int64)
        found = torch.kthvalue(torch.tensor([3., 1., 2.]), 2, out=(values, places))
        print(found.values is values, found.indices is places, values, places, values._version)
        """,
    "out of another dtype": """
        o = torch.ones(1, dtype=torch.int64)
        torch.gather(torch.ones(2), 0, torch.tensor([0]), out=o)
        """,
    "out is an operand": "x = torch.ones(3); torch.take(x, torch.tensor([0, 1, 2]), out=x)",
    "out lies on itself": """
        o = torch.zeros(1).expand(2)
        torch.index_select(torch.ones(3), 0, torch.tensor([0, 1]), out=o)
        """,
    "out for one of several that requires grad": "torch.cat([leaf([1.]), torch.ones(1)], out=torch.empty(2))",
    "out, an empty operand that is resized": """
        x = torch.empty(0)
        try:
            torch.cat([x, torch.ones(2, 3)], out=x)
        except RuntimeError as error:
            print(str(error)[:40])
        print(x.shape)
        """,
    "as_strided_": """
        x = leaf([1., 2., 3., 4., 5., 6.])
        y = x * 1
        print(y.as_strided_((2, 2), (1, 2), 1) is y, y, y._version, type(y.grad_fn).__name__)
        (y * y).sum().backward()
        print(x.grad)
        """,
    "as_strided_ of a view": """
        x = leaf([1., 2., 3., 4., 5., 6.])
        y = x * 1
        v = y.view(2, 3)
        v.as_strided_((3,), (2,))
        v.mul_(10)
        print(y, v, v._base is y)
        y.sum().backward()
        print(x.grad)
        """,
    "as_strided_ of a leaf": "leaf([1., 2.]).as_strided_((1,), (1,))",
    "a slice of a dimension that is not there": "torch.ops.aten.slice(torch.ones(2), 1)",
    "a slice of a number": "torch.ops.aten.slice(torch.tensor(1.))",
    "a copy that is asked for": "x = leaf([1.]); print(x.to(torch.float32, False, True).is_leaf)",
    "no copy that is asked for": "x = leaf([1.]); print(x.to(torch.float32, True, False) is x)",
    "a number summed to its size": "print(type(leaf(2.).sum_to_size(()).grad_fn).__name__)",
    "the gradient of a part, minus zero": """
        x = leaf([1., 2.])
        g, = torch.autograd.grad(x.split(1), [x], [torch.tensor([-0.]), torch.tensor([-0.])])
        print(g)
        """,
    "the gradient of a bias": """
        x, w, b = leaf([1., 2.]), leaf([[1., 0.], [0., 1.]]), leaf([1., 1.])
        y = torch.nn.functional.linear(x, w, b)
        v = torch.ones(2)
        g, = torch.autograd.grad(y, b, v)
        print(g is v, g.data_ptr() == v.data_ptr(), type(y.grad_fn).__name__)
        y = torch.nn.functional.layer_norm(x, (2,), b, b)
        g, = torch.autograd.grad(y, b, v)
        print(g is v, g.data_ptr() == v.data_ptr())
        """,
    "the gradient of what was scattered": """
        x, s = leaf([1., 2., 3.]), leaf([5., 6.])
        y = torch.as_strided_scatter(x, s, (2,), (2,), 0)
        v = torch.tensor([1., 2., 3.])
        g, = torch.autograd.grad(y, s, v)
        print(g, g.data_ptr() == v.data_ptr(), g.stride())
        """,
    "a row by a number": """
        w = leaf([[1., 2.], [3., 4.]])
        y = torch.nn.functional.embedding(torch.tensor(1), w)
        print(y, y.data_ptr() == w[1].data_ptr(), y._base is None)
        """,
    "the order in which gradients add up": """
        torch.manual_seed(0)
        F = torch.nn.functional
        x = torch.rand(4, 4, requires_grad=True)
        for function in (
            lambda x: torch.trapezoid(x, x),
            lambda x: torch.cumulative_trapezoid(x, x),
            lambda x: torch.diff(x, 2),
            lambda x: F.kl_div(x, x, reduction="sum", log_target=True),
            lambda x: F.poisson_nll_loss(x, x, reduction="sum"),
            lambda x: F.cosine_similarity(x, x),
            lambda x: torch.tensordot(x, x, ([1, 0], [0, 1])),
            lambda x: torch.tensordot(x, x, 1),
            lambda x: torch.linalg.multi_dot([x, x, x]),
        ):
            y = function(x)
            steps, seen = [y.grad_fn], {}
            while steps:
                node = steps.pop()
                if node is not None and "Accumulate" not in node.name():
                    seen[node] = None
                    steps += [edge for edge, _ in node.next_functions]
            order = sorted(seen, key=lambda node: node._sequence_nr())
            for node in order:
                print(node.name(), [edge in seen and order.index(edge) for edge, _ in node.next_functions])
        """,
    "gradients of what was broadcast": """
        w = leaf([[1.], [2.]])
        w.masked_select(torch.tensor([True, False])).backward(torch.tensor([1., 10.]))
        print(w.grad)
        x, y = leaf([[0., 1.], [2., 4.]]), leaf([[[1., 1.]], [[3., 1.]]])
        torch.cdist(x, y, 1.0).sum().backward()
        print(x.grad, y.grad)
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(name: str, same: Callable[[str], str]) -> None:
    same(PROGRAMS[name])


SHOW = """\
def show(f, *leaves):
    y = f(*leaves)
    v = torch.ones_like(y).requires_grad_()
    grads = torch.autograd.grad(y, leaves, v, create_graph=True)
    for one in grads:
        print(one is v, one.is_leaf, one.data_ptr() == v.data_ptr())
        print(type(one.grad_fn).__name__, one.tolist())
    again = torch.autograd.grad(grads[0], v, torch.ones_like(grads[0]), allow_unused=True)[0]
    print(again.tolist())
"""

GRADIENTS = {
    "a slice of everything": "lambda x: torch.ops.aten.slice.Tensor(x, 0), leaf([1., 2.])",
    "a number that was expanded": "lambda x: x.expand(()), leaf(2.)",
    "a number beside a vector": "lambda x: x * torch.ones(1), leaf(2.)",
    "the sum of a number": "lambda x: x.sum(), leaf(2.)",
    "the only part": "lambda x: x.split(2)[0], leaf([1., 2.])",
    "a part": "lambda x: x.split(1)[1], leaf([1., 2.])",
    "one index": "lambda x: x.unbind(1)[1], leaf([[1., 2.], [3., 4.]])",
    "the only joined": "lambda x: torch.cat([x]), leaf([1., 2.])",
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_are_objects_where_torchs_are(name: str, same: Callable[[str], str]) -> None:
    same(f"{SHOW}show({GRADIENTS[name]})")


Call = Callable[[Any], Any]

REFUSED: dict[str, tuple[type[Exception], Call]] = {
    "two numbers": (TypeError, lambda m: m.pow(2, 3)),
    "a number before a tensor": (TypeError, lambda m: m.fmod(2, m.ones(2))),
    "a sign for a number": (TypeError, lambda m: m.copysign(2, m.ones(2))),
    "the larger of a number": (TypeError, lambda m: m.max(2, m.ones(2))),
    "the largest of numbers": (TypeError, lambda m: m.max(2, 3)),
    "a condition that is a number": (TypeError, lambda m: m.where(2, m.ones(2))),
    "a number where a condition and two are needed": (TypeError, lambda m: m.where(m.ones(2), 3)),
    "a choice of one": (TypeError, lambda m: m.where(m.ones(2) > 0, m.ones(2))),
    "a product of what lies in another order": (
        RuntimeError,
        lambda m: m.kron(m.ones(1, 2), m.linalg.inv(m.eye(2))),
    ),
    "batches of a number": (
        RuntimeError,
        lambda m: m.native_batch_norm(m.ones(()), None, None, None, None, True, 0.1, 1e-5),
    ),
    "half of a number": (RuntimeError, lambda m: m.nn.functional.glu(m.ones(()), -3)),
    "an image of no dimensions": (
        NotImplementedError,
        lambda m: m.nn.functional.interpolate(m.ones(()), 4, mode="linear"),
    ),
    "a size that is missing": (TypeError, lambda m: m.ones(()).expand()),
    "dimensions that are missing": (TypeError, lambda m: m.ones(()).permute()),
    "places of a copy": (RuntimeError, lambda m: m.narrow_copy(m.ones(2), 1, 0, 1)),
    "a bias of another dtype": (
        RuntimeError,
        lambda m: m.nn.functional.conv1d(m.ones(1, 1, 3), m.ones(1, 1, 2), m.ones(1, dtype=m.float64)),
    ),
    "a kernel of another rank": (
        RuntimeError,
        lambda m: m.nn.functional.conv2d(m.ones(1, 1, 3, 3), m.ones(1, 2, 2), padding="same"),
    ),
    "fewer than no windows": (
        RuntimeError,
        lambda m: m.nn.functional.adaptive_avg_pool2d(m.ones(1, 2, 2), (-1, 0)),
    ),
    "a step of nothing": (RuntimeError, lambda m: m.ops.aten.slice(m.ones(2), 0, 0, 2, 0)),
    "a size and factors": (
        RuntimeError,
        lambda m: m.ops.aten._upsample_bilinear2d_aa(m.ones(1, 1, 2, 2), [3, 3], False, [1.0, 1.0]),
    ),
    "a policy that there is not": (ValueError, lambda m: m.nn.LinearCrossEntropyOptions(acc_policy="x")),
    "chunks of nothing": (ValueError, lambda m: m.nn.LinearCrossEntropyOptions(batch_chunk_size=0)),
    "another method": (
        ValueError,
        lambda m: m.nn.LinearCrossEntropyOptions(chunking_method="aspect_ratio:0"),
    ),
    "integers to add in": (ValueError, lambda m: m.nn.LinearCrossEntropyOptions(acc_dtype=m.int64)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse(name: str) -> None:
    """With the same class; torch tells the signatures that it has, and counts differently."""
    kind, call = REFUSED[name]
    for module in (torch, rg):
        with pytest.raises(kind):
            call(module)


def test_the_operand_that_is_no_tensor_is_named() -> None:
    with pytest.raises(
        TypeError, match=r"atan2\(\): argument 'other' \(position 2\) must be Tensor, not str"
    ):
        rg.atan2(rg.ones(1), "1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"not Tensor; wrap torch tensors with refgrad\.from_torch"):
        rg.atan2(rg.ones(1), torch.ones(1))  # type: ignore[arg-type]


def test_an_error_of_a_kernel_is_no_error_of_operands() -> None:
    """Attributes are missed for other reasons too."""

    class Sizes(tuple[int, ...]):
        __slots__ = ()

        def __iter__(self) -> Any:
            raise AttributeError("of its own")

    with pytest.raises(AttributeError, match="of its own"):
        rg.ones(2).expand(Sizes((2,)))


def test_an_operator_takes_the_overload_that_fits() -> None:
    x = rg.arange(16.0).view(1, 1, 4, 4)
    aten: Any = rg.ops.aten  # type: ignore[attr-defined]
    by_size = aten._upsample_bilinear2d_aa(x, [2, 2], False)
    assert by_size.tolist() == aten._upsample_bilinear2d_aa.vec(x, None, False, [0.5, 0.5]).tolist()
    assert (
        aten._upsample_bilinear2d_aa(x, [2, 2], False, scales_h=None, scales_w=None).tolist()
        == by_size.tolist()
    )
    with pytest.raises(TypeError, match="no overload"):
        aten._upsample_bilinear2d_aa(x)


def test_distances_as_a_module() -> None:
    x, y = torch.tensor([[1.0, 2.0], [3.0, 5.0]]), torch.tensor([[0.0, 2.0], [3.0, 1.0]])
    expected = torch.nn.PairwiseDistance(p=1, keepdim=True)(x, y)
    got = rg.nn.PairwiseDistance(p=1, keepdim=True)(rg.from_torch(x), rg.from_torch(y))
    assert torch.equal(got.to_torch(), expected)
