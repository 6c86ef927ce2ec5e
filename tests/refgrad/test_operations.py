"""Every operation against torch: values, nodes, gradients, second order; all dtypes, broadcasting, in-place
forms.

A case is one function of (namespace, *tensors); the same function runs on refgrad and on torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

import refgrad as rg

Function = Callable[..., Any]
REAL = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
COMPLEX = (torch.complex128, torch.complex64)


@dataclass(frozen=True, slots=True)
class Case:
    """One operation: how it is called, on what shapes, and with which dtypes."""

    name: str
    run: Function
    shapes: tuple[tuple[int, ...], ...] = ((2, 3),)
    domain: str = "any"
    dtypes: tuple[torch.dtype, ...] = REAL + COMPLEX

    def __str__(self) -> str:
        return self.name

    def inputs(self, dtype: torch.dtype, seed: int = 0) -> list[torch.Tensor]:
        """Return torch tensors for this case: reproducible, and inside its domain."""
        generator = torch.Generator().manual_seed(seed)
        made = []
        for shape in self.shapes:
            wide = torch.complex128 if dtype.is_complex else torch.float64
            value = torch.randn(shape, generator=generator, dtype=wide)
            if self.domain == "positive":
                value = value.abs() + 0.5 if not dtype.is_complex else value + 3
            elif self.domain == "away from zero":
                value = value + torch.sgn(value)
            made.append(value.to(dtype))
        return made


def unary(name: str, domain: str = "any", dtypes: tuple[torch.dtype, ...] = REAL + COMPLEX) -> Case:
    """A function of one tensor."""
    return Case(name, lambda lib, x: getattr(lib, name)(x), domain=domain, dtypes=dtypes)


PAIR = ((2, 3), (2, 3))
BROADCAST = ((2, 1, 3), (4, 1))

MATMUL: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3, 4)),
    ((2, 4, 3), (3,)),
    ((2, 4, 3), (3, 2)),
    ((3,), (2, 3, 4)),
    ((2, 3), (4, 3, 2)),
    ((2, 1, 2, 3), (3, 3, 2)),
    ((5, 2, 3), (5, 3, 2)),
]
IN_PLACE = (
    *("neg", "exp", "log", "sqrt", "rsqrt", "reciprocal", "sin", "cos", "tan", "tanh", "sigmoid", "square"),
    *("expm1", "log1p", "sgn"),
)


def in_place(name: str) -> Function:
    """Return a function that applies an in-place method to an intermediate result, and goes on with it."""
    return lambda _, x: getattr(x * 1, name)() * x


CASES = [
    *(unary(name) for name in ("neg", "exp", "expm1", "sin", "cos", "tanh", "sigmoid", "square")),
    unary("clone"),
    unary("conj"),
    *(unary(name, "positive") for name in ("log", "log1p", "sqrt", "rsqrt", "tan")),
    *(unary(name, "away from zero") for name in ("reciprocal", "abs", "sgn")),
    *(unary(name, "away from zero", REAL) for name in ("relu", "sign", "floor", "ceil", "trunc", "round")),
    Case("+", lambda _, x, y: x + y, PAIR),
    Case("-", lambda _, x, y: x - y, PAIR),
    Case("*", lambda _, x, y: x * y, PAIR),
    Case("/", lambda _, x, y: x / y, PAIR, "away from zero"),
    Case("+ broadcast", lambda _, x, y: x + y, BROADCAST),
    Case("- broadcast", lambda _, x, y: x - y, BROADCAST),
    Case("* broadcast", lambda _, x, y: x * y, BROADCAST),
    Case("/ broadcast", lambda _, x, y: x / y, BROADCAST, "away from zero"),
    Case("* 0-d", lambda _, x, y: x * y, ((2, 3), ())),
    Case("x + 2", lambda _, x: x + 2),
    Case("x - 0.1", lambda _, x: x - 0.1),
    Case("x * 2.1", lambda _, x: x * 2.1),
    Case("x / 3", lambda _, x: x / 3),
    Case("2 + x", lambda _, x: 2 + x),
    Case("0.3 - x", lambda _, x: 0.3 - x),
    Case("1.7 * x", lambda _, x: 1.7 * x),
    Case("2 / x", lambda _, x: 2 / x, domain="away from zero"),
    Case("x * 0", lambda _, x: x * 0),
    Case("x * True", lambda _, x: x * True),
    Case("x * 1j", lambda _, x: x * 1j, dtypes=(torch.float64, torch.float32, *COMPLEX)),
    Case("1j - x", lambda _, x: 1j - x, dtypes=(torch.float64, torch.float32, *COMPLEX)),
    Case("add alpha", lambda lib, x, y: lib.add(x, y, alpha=0.5), BROADCAST),
    Case("sub alpha", lambda lib, x, y: lib.sub(x, y, alpha=2), BROADCAST),
    Case("rsub", lambda lib, x, y: lib.rsub(x, y, alpha=3), BROADCAST),
    Case("x ** 2", lambda _, x: x**2),
    Case("x ** 3", lambda _, x: x**3),
    Case("x ** 0", lambda _, x: x**0),
    Case("x ** 1", lambda _, x: x**1),
    Case("x ** -1.5", lambda _, x: x**-1.5, domain="positive"),
    Case("2 ** x", lambda _, x: 2**x),
    Case("0.5 ** x", lambda _, x: 0.5**x),
    Case("x ** y", lambda _, x, y: x**y, PAIR, "positive"),
    Case("x ** y broadcast", lambda _, x, y: x**y, BROADCAST, "positive"),
    Case("maximum", lambda lib, x, y: lib.maximum(x, y), BROADCAST, dtypes=REAL),
    Case("minimum", lambda lib, x, y: lib.minimum(x, y), BROADCAST, dtypes=REAL),
    Case("x % 2", lambda _, x: x % 2, dtypes=REAL),
    Case("x % y", lambda _, x, y: x % y, PAIR, "away from zero", REAL),
    Case("fmod number", lambda lib, x: lib.fmod(x, 0.7), dtypes=REAL),
    Case("fmod", lambda lib, x, y: lib.fmod(x, y), PAIR, "away from zero", REAL),
    *(
        Case(
            f"mse_loss {name}",
            lambda lib, x, y, name=name: lib.nn.functional.mse_loss(x, y, reduction=name),
            PAIR,
            dtypes=REAL,
        )
        for name in ("none", "mean", "sum")
    ),
    Case("where", lambda lib, x, y: lib.where(x.abs() > 0.7, x, y), BROADCAST),
    Case("where number", lambda lib, x: lib.where(x.abs() > 0.7, x, 0.25)),
    Case("where number first", lambda lib, x: lib.where(x.abs() > 0.7, 1.5, x)),
    Case("Tensor.where", lambda _, x, y: x.where(x.abs() > 0.7, y), PAIR),
    Case("masked_fill", lambda _, x: x.masked_fill(x.abs() > 0.7, 3.0)),
    Case("sum", lambda _, x: x.sum()),
    Case("sum dim", lambda _, x: x.sum(0)),
    Case("sum dim=None", lambda _, x: x.sum(dim=None)),
    Case("sum keepdim", lambda _, x: x.sum(-1, keepdim=True)),
    Case("sum dims", lambda _, x: x.sum((0, 2)), ((2, 3, 4),)),
    Case("sum dims keepdim", lambda _, x: x.sum(dim=(-1, 0), keepdim=True), ((2, 3, 4),)),
    Case("sum 0-d", lambda _, x: x.sum(0), ((),)),
    Case("sum dtype", lambda _, x: x.sum(dtype=torch.float64), dtypes=REAL),
    Case("mean", lambda _, x: x.mean()),
    Case("mean dim", lambda lib, x: lib.mean(x, 1)),
    Case("mean dims keepdim", lambda _, x: x.mean((0, 2), True), ((2, 3, 4),)),
    Case("mean dtype", lambda _, x: x.mean(1, dtype=torch.float64), dtypes=REAL),
    Case("mm", lambda _, x, y: x.mm(y), ((2, 3), (3, 4))),
    Case("mv", lambda lib, x, y: lib.mv(x, y), ((2, 3), (3,))),
    Case("dot", lambda lib, x, y: lib.dot(x, y), ((3,), (3,))),
    Case("bmm", lambda lib, x, y: lib.bmm(x, y), ((2, 3, 4), (2, 4, 2))),
    *(Case(f"matmul {left}{right}", lambda _, x, y: x @ y, (left, right)) for left, right in MATMUL),
    Case("view", lambda _, x: x.view(3, 2)),
    Case("view -1", lambda _, x: x.view(-1)),
    Case("reshape view", lambda _, x: x.reshape(6)),
    Case("reshape copy", lambda _, x: x.t().reshape(6)),
    Case("flatten", lambda lib, x: lib.flatten(x, 1), ((2, 3, 4),)),
    Case("t", lambda _, x: x.t()),
    Case("T", lambda _, x: x.T),
    Case("mH", lambda _, x: x.mH),
    Case("transpose", lambda lib, x: lib.transpose(x, 0, -1), ((2, 3, 4),)),
    Case("permute", lambda _, x: x.permute(2, 0, 1), ((2, 3, 4),)),
    Case("unsqueeze", lambda _, x: x.unsqueeze(-1)),
    Case("squeeze", lambda _, x: x.squeeze(), ((2, 1, 3, 1),)),
    Case("squeeze dim", lambda _, x: x.squeeze(-1), ((2, 1, 3, 1),)),
    Case("squeeze dims", lambda _, x: x.squeeze((1, 3)), ((2, 1, 3, 1),)),
    Case("squeeze nothing", lambda _, x: x.squeeze(0)),
    Case("expand", lambda _, x: x.expand(4, 2, 3), ((2, 1),)),
    Case("expand_as", lambda _, x, y: x.expand_as(y) * y, ((3,), (2, 3))),
    Case("narrow", lambda _, x: x.narrow(1, 1, 2)),
    Case("select", lambda _, x: x.select(-1, 1)),
    Case("x[0]", lambda _, x: x[0]),
    Case("x[-1, 1:]", lambda _, x: x[-1, 1:]),
    Case("x[:, ::2]", lambda _, x: x[:, ::2]),
    Case("x[..., None, 1]", lambda _, x: x[..., None, 1]),
    Case("x[...]", lambda _, x: x[...]),
    Case("x[:]", lambda _, x: x[:]),
    Case("x[None]", lambda _, x: x[None]),
    Case("x[True]", lambda _, x: x[True]),
    Case("x[False]", lambda _, x: x[False]),
    Case("x[[0, 0, 1]]", lambda _, x: x[[0, 0, 1]]),
    Case("x[[1, 0], [2, 2]]", lambda _, x: x[[1, 0], [2, 2]]),
    Case("x[:, [2, 0, 2]]", lambda _, x: x[:, [2, 0, 2]]),
    Case("x[tensor]", lambda lib, x: x[lib.tensor([1, 1, 0])]),
    Case("x[0-d tensor]", lambda lib, x: x[lib.tensor(1)]),
    Case("x[0, tensor]", lambda lib, x: x[0, lib.tensor([2, 1])]),
    Case("x[mask]", lambda _, x: x[x.abs() > 0.6]),
    Case("x[tensor, None, tensor]", lambda lib, x: x[lib.tensor([1, 0]), None, lib.tensor([2, 2])]),
    Case("iteration", lambda _, x: sum(row * row.sum() for row in x)),
    Case("unbind", lambda lib, x: lib.unbind(x, 1)[2] * 2),
    Case("split", lambda lib, x: lib.split(x, [1, 2], 1)[1]),
    Case("chunk", lambda _, x: x.chunk(2, 1)[0] * x.chunk(2, 1)[0]),
    Case("cat", lambda lib, x, y: lib.cat([x, y, x], 1), ((2, 3), (2, 1))),
    Case("stack", lambda lib, x, y: lib.stack([x, y, x], -1), PAIR),
    Case("real", lambda _, x: x.real * 2),
    Case("imag", lambda _, x: x.imag * 2, dtypes=COMPLEX),
    Case("double", lambda _, x: x.double(), dtypes=REAL),
    Case("half", lambda _, x: x.half(), dtypes=REAL),
    Case("cdouble", lambda _, x: x.cdouble() if hasattr(x, "cdouble") else x.to(torch.complex128)),
    Case("contiguous", lambda _, x: x.t().contiguous()),
    Case("softplus by hand", lambda _, x: (x.exp() + 1).log(), domain="positive"),
    Case("in place", lambda _, x: x.clone().mul_(2).add_(1).pow_(2)),
    *(Case(f"{name}_", in_place(f"{name}_"), domain="positive") for name in IN_PLACE),
    Case("abs_", lambda _, x: (x - 0.1).abs_() * x, dtypes=REAL),
    Case("relu_", lambda _, x: (x - 0.1).relu_() * x, dtypes=REAL),
    Case("in place unary chain", lambda _, x: (x * 1).neg_().sin_().cos_().exp_()),
    Case(
        "in place tensors",
        lambda _, x, y: x.clone().add_(y, alpha=2).mul_(y).div_(y).sub_(y),
        PAIR,
        "positive",
    ),
    Case("in place broadcast", lambda _, x, y: x.clone().mul_(y).sub_(y), ((2, 3), (3,))),
    Case("zero_ and fill_", lambda _, x: (x * 2).zero_() + (x * 3).fill_(4) + x),
    Case("fill_ tensor", lambda _, x, y: (x * 2).fill_(y) * x, ((2, 3), ())),
    Case("copy_", lambda _, x, y: (x * 2).copy_(y) * x, ((2, 3), (3,))),
    Case("masked_fill_", lambda _, x: (x * 2).masked_fill_(x.abs() > 0.7, 1.5)),
]


def assign(key: Any) -> Function:
    """Return a function that assigns its second tensor to a part of a copy of its first."""

    def run(lib: Any, x: Any, y: Any) -> Any:
        out = x * 2
        out[key(lib, x)] = y * 3
        return out * x

    return run


CASES += [
    Case("x[0] = y", assign(lambda *_: 0), ((2, 3), (3,))),
    Case("x[:, 1:] = y", assign(lambda *_: (slice(None), slice(1, None))), ((2, 3), (2, 1))),
    Case("x[...] = y", assign(lambda *_: ...), ((2, 3), (1, 1, 3))),
    Case("x[[1, 0]] = y", assign(lambda *_: [1, 0]), ((2, 3), (3,))),
    Case("x[mask] = y", assign(lambda _, x: x.abs() > 0.7), ((2, 3), ())),
    Case("x[1, tensor] = y", assign(lambda lib, _: (1, lib.tensor([2, 0]))), ((2, 3), (2,))),
]


def views(write: Callable[[Any, Any, Any], Any]) -> Function:
    """Return a function that writes through views of a copy, and uses the copy."""

    def run(lib: Any, x: Any, y: Any) -> Any:
        base = x.clone()
        other = write(lib, base, y)
        return base * x if other is None else base.sum() * other

    return run


def _keep(view: Any, _: Any) -> Any:
    """Return a view that was taken before a write."""
    return view


def _chain(_: Any, b: Any, y: Any) -> Any:
    v = b[:, 1:]
    b.mul_(2)
    v.add_(y[:, :2])
    v.pow_(2)
    return v


def _fill(lib: Any, x: Any) -> Any:
    out = lib.zeros(2, 3, dtype=x.dtype)
    out[0] = x[1]
    out[1].copy_(x[0] * 2)
    return out * x


CASES += [
    Case("b[0].mul_", views(lambda _, b, y: (b[0].mul_(y[0]), None)[1]), PAIR),
    Case("b.t()[0].mul_", views(lambda _, b, y: (b.t()[0].mul_(y.t()[1]), None)[1]), PAIR),
    Case(
        "view of view",
        views(lambda _, b, y: (b.view(3, 2)[1:].view(-1).add_(y[:1, :1].view(1)), None)[1]),
        PAIR,
    ),
    Case("base, then its view", views(lambda _, b, y: _keep(b[0], b.mul_(y))), PAIR),
    Case("two views of one place", views(lambda _, b, y: _keep(b[0], b[0].mul_(y[0]))), PAIR),
    Case("write base and views", views(_chain), PAIR),
    Case("view of an expanded base", views(lambda _, b, y: _keep(b.expand(2, 2, 3), b.mul_(y))), PAIR),
    Case("b[0] += y", views(lambda _, b, y: b.__setitem__(0, b[0].__iadd__(y[0]))), PAIR),
    Case("plain base", _fill),
    Case("real part written", lambda _, x: _write_real(x), dtypes=COMPLEX),
]


def _write_real(x: Any) -> Any:
    out = x.clone()
    out.real.mul_(3)
    return out


def leaves(lib: Any, inputs: list[torch.Tensor]) -> list[Any]:
    """Return fresh leaves that require grad, on copies of the inputs."""
    copies = [value.clone() for value in inputs]
    return [(lib.from_torch(value) if lib is rg else value).requires_grad_() for value in copies]


def plain(value: Any) -> Any:
    """Return a result of either library as a torch tensor without history."""
    return value.to_torch() if isinstance(value, rg.Tensor) else value.detach()


def assert_same(mine: Any, theirs: Any, what: str) -> None:
    """Compare dtype, shape and values; the tolerance is torch.testing's own for the dtype."""
    assert (mine is None) == (theirs is None), what
    if mine is not None:
        got, expected = plain(mine).resolve_conj(), plain(theirs).resolve_conj()
        torch.testing.assert_close(got, expected, equal_nan=True, msg=lambda text: f"{what}: {text}")


def node_names(result: Any) -> list[str]:
    """Return the names of the nodes along the first edges."""
    names, node = [], result.grad_fn
    while node is not None:
        names.append(node.name())
        node = next((following for following, _ in node.next_functions if following is not None), None)
    return names


def pairs(*dtypes: torch.dtype) -> list[Any]:
    """Every case with each of its dtypes, or with those among `dtypes`."""
    return [
        pytest.param(case, dtype, id=f"{case.name}-{str(dtype).removeprefix('torch.')}")
        for case in CASES
        for dtype in case.dtypes
        if not dtypes or dtype in dtypes
    ]


def cotangent(result: torch.Tensor) -> torch.Tensor:
    """Return a cotangent that is not symmetric and not one."""
    generator = torch.Generator().manual_seed(7)
    wide = torch.complex128 if result.is_complex() else torch.float64
    return torch.randn(result.shape, generator=generator, dtype=wide).to(result.dtype)


@pytest.mark.parametrize(("case", "dtype"), pairs())
def test_value_and_gradients(case: Case, dtype: torch.dtype) -> None:
    inputs = case.inputs(dtype)
    ours, theirs = leaves(rg, inputs), leaves(torch, inputs)
    mine, expected = case.run(rg, *ours), case.run(torch, *theirs)
    assert_same(mine, expected, "value")
    assert mine.requires_grad == expected.requires_grad
    assert mine.is_leaf == expected.is_leaf
    assert mine.is_contiguous() == expected.is_contiguous()
    v = cotangent(expected.detach())
    kept = v.clone()
    mine.backward(rg.from_torch(v))
    expected.backward(v)
    assert torch.equal(v, kept), "the cotangent was changed"
    for index, (leaf, other) in enumerate(zip(ours, theirs, strict=True)):
        assert_same(leaf.grad, other.grad, f"gradient {index}")
        if other.grad is not None:
            assert leaf.grad.stride() == other.grad.stride()


@pytest.mark.parametrize(("case", "dtype"), pairs(torch.float64, torch.complex128))
def test_second_order(case: Case, dtype: torch.dtype) -> None:
    inputs = case.inputs(dtype, seed=1)
    results = []
    for lib in (rg, torch):
        values = leaves(lib, inputs)
        out = case.run(lib, *values)
        v = cotangent(plain(out))
        given = (lib.from_torch(v) if lib is rg else v).requires_grad_()
        first = lib.autograd.grad(out, values, given, create_graph=True, allow_unused=True)
        used = [grad for grad in first if grad is not None and grad.requires_grad]
        weights = [cotangent(plain(grad)) for grad in used]
        given_weights = [lib.from_torch(w) if lib is rg else w for w in weights]
        second = lib.autograd.grad(used, [*values, given], given_weights, allow_unused=True) if used else ()
        results.append((first, [grad.requires_grad for grad in first if grad is not None], second))
    (mine, mine_flags, mine_second), (theirs, flags, second) = results
    assert mine_flags == flags
    for index, (got, expected) in enumerate(zip(mine, theirs, strict=True)):
        assert_same(got, expected, f"first order {index}")
    assert len(mine_second) == len(second)
    for index, (got, expected) in enumerate(zip(mine_second, second, strict=True)):
        assert_same(got, expected, f"second order {index}")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64], ids=["float32", "complex64"])
def test_on_device(dtype: torch.dtype, device: str) -> None:
    failed = []
    for case in CASES:
        if dtype not in case.dtypes:
            continue
        inputs = [value.to(device) for value in case.inputs(dtype)]
        ours, theirs = leaves(rg, inputs), leaves(torch, inputs)
        mine, expected = case.run(On(rg, device), *ours), case.run(On(torch, device), *theirs)
        v = cotangent(expected.detach().cpu()).to(device)
        try:
            assert mine.device == expected.device
            assert mine.device.type == device
            assert_same(mine, expected, "value")
            mine.backward(rg.from_torch(v))
            expected.backward(v)
            for leaf, other in zip(ours, theirs, strict=True):
                assert_same(leaf.grad, other.grad, "gradient")
        except AssertionError as error:
            failed.append(f"{case.name}: {error}")
    assert not failed


class On:
    """A namespace whose factories make tensors on one device."""

    def __init__(self, lib: Any, device: str) -> None:
        self.lib = lib
        self.device = device

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.lib, name)
        if name in ("zeros", "tensor"):
            return lambda *args, **kwargs: found(*args, device=self.device, **kwargs)
        return found


# torch has two nodes where refgrad has one (real, imag), and one where refgrad has two: CopySlices holds the
# node of the write in torch, and has an edge to it here.
_OTHER_NODES = {"real", "imag", "mH", "plain base"}


@pytest.mark.parametrize("case", [case for case in CASES if torch.float64 in case.dtypes], ids=str)
def test_names_of_nodes(case: Case) -> None:
    inputs = case.inputs(torch.float64)
    mine, theirs = (case.run(lib, *leaves(lib, inputs)) for lib in (rg, torch))
    if case.name not in _OTHER_NODES:
        assert node_names(mine) == node_names(theirs)
        assert repr(mine).replace("refgrad.", "") == repr(theirs)
