"""Rows with several results: one node, numbered outputs, and what is saved of them."""

from __future__ import annotations

import ast
import gc
import weakref
from typing import Any

import pytest
import torch

import refgrad as rg
from refgrad import forward_ad
from refgrad.generate import source
from refgrad.rules.registry import NON_DIFFERENTIABLE, TABLE, RuleError, check, rule
from refgrad.saved_hooks import saved_tensors_hooks

GOOD: dict[str, Any] = {
    "grad_fn": "TestBackward0",
    "tensors": "self",
    "outputs": "values indices",
    "forward": "self.sort()",
    "self": "grad_values * indices",
    "indices": NON_DIFFERENTIABLE,
    "saves": "indices",
}
A = [[2.0, 1.0, 0.5], [0.3, 3.0, 1.0], [1.0, 0.2, 4.0]]


def _matrix() -> tuple[torch.Tensor, rg.Tensor]:
    theirs = torch.tensor(A, dtype=torch.float64, requires_grad=True)
    return theirs, rg.from_torch(theirs.detach().clone()).requires_grad_()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"self": "grad * indices"}, "uses 'grad'"),
        ({"self": "grad_values * result * indices"}, "uses 'result'"),
        ({"self": "grad_values * grad_indices * indices"}, "uses 'grad_indices'"),
        ({"saves": "values"}, "saves says"),
        ({"values": NON_DIFFERENTIABLE, "self": "indices"}, "no gradient comes from any"),
        ({"indices": "grad"}, "no tensor 'indices' to state anything for"),
        ({"outputs": "values self", "saves": "", "self": "grad_values"}, "'self', which is something else"),
        ({"outputs": "values", "self": "grad_values", "indices": None, "saves": ""}, "needs no name"),
        ({"elementwise": True}, "elementwise is for an operation of one result"),
    ],
)
def test_a_bad_row_is_refused(change: dict[str, Any], complaint: str) -> None:
    row = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(RuleError, match=complaint):
        rule("a row of the tests", **row)
    assert "a row of the tests" not in TABLE


def test_one_class_for_each_set_of_inputs() -> None:
    for row in TABLE.values():
        if row.outputs:
            assert check(row) == []
            classes = [node for node in ast.parse(source(row)).body if isinstance(node, ast.ClassDef)]
            tensors = len(row.differentiable)
            # Of several tensors the empty set too: views that were not recorded.
            assert len(classes) == 2**tensors - (tensors == 1)


def test_the_outputs_share_a_node_and_have_numbers() -> None:
    _, x = _matrix()
    q, r = rg.linalg.qr(x)
    assert q.grad_fn is r.grad_fn
    assert (q.output_nr, r.output_nr) == (0, 1)
    assert q.grad_fn.name() == "LinalgQrBackward0"
    assert q.grad_fn.next_functions[0][0].variable is x
    assert torch.equal(q.grad_fn._saved_Q.to_torch(), q.to_torch())
    assert q.grad_fn._saved_R.grad_fn is q.grad_fn
    assert q.grad_fn._saved_R.output_nr == 1


@pytest.mark.parametrize("used", [(0,), (1,), (0, 1)])
def test_a_gradient_arrives_at_some_of_the_outputs(used: tuple[int, ...]) -> None:
    theirs, x = _matrix()
    for results in (torch.linalg.qr(theirs), rg.linalg.qr(x)):
        total = sum((results[index] * results[index].sin()).sum() for index in used)
        total.backward()
    torch.testing.assert_close(x.grad.to_torch(), theirs.grad)  # type: ignore[union-attr]


def test_nothing_is_recorded_without_need() -> None:
    x = rg.from_torch(torch.tensor(A))
    assert not any(part.requires_grad for part in rg.linalg.qr(x))
    with rg.no_grad():
        assert not any(part.requires_grad for part in rg.linalg.qr(x.requires_grad_()))
    with rg.inference_mode():
        assert all(part.is_inference() for part in rg.linalg.qr(x))


def test_a_saved_result_that_was_written_to_is_noticed() -> None:
    for package, x in zip((torch, rg), _matrix(), strict=True):
        q, r = package.linalg.qr(x)
        with package.no_grad():
            r.mul_(2)
        with pytest.raises(RuntimeError, match=r"which is output 1 of .*Qr.*is at version 1;"):
            q.sum().backward()


def test_a_second_backward_finds_nothing_saved() -> None:
    _, x = _matrix()
    q, r = rg.linalg.qr(x)
    q.sum().backward(retain_graph=True)
    r.sum().backward()
    with pytest.raises(RuntimeError, match="a second time"):
        q.sum().backward()


def test_the_graph_goes_with_its_results() -> None:
    _, x = _matrix()
    gc.disable()
    try:
        q, r = rg.linalg.qr(x)
        node = weakref.ref(q.grad_fn)
        del q
        assert node() is not None
        del r
        assert node() is None
    finally:
        gc.enable()


def test_hooks_see_the_gradients_of_all_outputs() -> None:
    seen: dict[str, list[Any]] = {"torch": [], "refgrad": []}
    for name, package, x in zip(seen, (torch, rg), _matrix(), strict=True):
        log = seen[name]
        q, r = package.linalg.qr(x)
        r.retain_grad()
        r.register_hook(lambda grad, log=log: log.append(("tensor", grad.shape)))
        node = q.grad_fn
        node.register_prehook(lambda grads, log=log: log.append(("pre", [part is None for part in grads])))
        node.register_hook(lambda inputs, outputs, log=log: log.append(("post", len(inputs), len(outputs))))
        r.sum().backward(retain_graph=True)
        (q.sum() + r.sum()).backward()
        log.append(r.grad.tolist())
    assert seen["torch"] == seen["refgrad"]
    assert ("pre", [True, False]) in seen["refgrad"]


def test_hooks_for_saved_tensors_keep_the_results() -> None:
    packed: list[tuple[int, ...]] = []

    def pack(tensor: rg.Tensor) -> rg.Tensor:
        packed.append(tuple(tensor.shape))
        return tensor * 1

    theirs, x = _matrix()
    with saved_tensors_hooks(pack, lambda kept: kept):
        q, r = rg.linalg.qr(x)
    assert packed == [(3, 3), (3, 3)]
    first = rg.autograd.grad((q * r).sum(), x, create_graph=True)[0]
    second = rg.autograd.grad(first.sin().sum(), x)[0]
    tq, tr = torch.linalg.qr(theirs)
    expected = torch.autograd.grad((tq * tr).sum(), theirs, create_graph=True)[0]
    torch.testing.assert_close(first.to_torch(), expected.detach())
    torch.testing.assert_close(second.to_torch(), torch.autograd.grad(expected.sin().sum(), theirs)[0])


def test_the_gradient_of_an_output_can_be_asked_for() -> None:
    for package, x in zip((torch, rg), _matrix(), strict=True):
        q, r = package.linalg.qr(x)
        to_r = package.autograd.grad((r * 3).sum() + q.sum(), r)[0]
        assert to_r.tolist() == [[3.0] * 3] * 3


def test_the_node_can_be_called() -> None:
    _, x = _matrix()
    q, r = rg.linalg.qr(x)
    given = rg.ones_like(r)
    expected = rg.autograd.grad(r, x, given, retain_graph=True)[0]
    assert torch.equal(q.grad_fn(None, given).to_torch(), expected.to_torch())
    with pytest.raises(TypeError, match="expected 2 arguments, got 1"):
        q.grad_fn(given)


def test_tangents_of_all_outputs() -> None:
    theirs, x = _matrix()
    direction = torch.tensor([[1.0, 0.0, 2.0], [0.5, 1.0, 0.0], [0.0, 1.0, 1.0]], dtype=torch.float64)
    expected = torch.func.jvp(torch.linalg.qr, (theirs.detach(),), (direction,))[1]
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x.detach(), rg.from_torch(direction))
        found: list[Any] = [forward_ad.unpack_dual(part).tangent for part in rg.linalg.qr(dual)]
        volume: Any = forward_ad.unpack_dual(rg.linalg.qr(dual).R.diagonal().abs().log().sum()).tangent
    for mine, theirs_part in zip(found, expected, strict=True):
        torch.testing.assert_close(mine.to_torch(), theirs_part)
    slope = torch.linalg.inv(theirs.detach()).mT.mul(direction).sum()  # of log |det A|
    torch.testing.assert_close(volume.to_torch(), slope)


def test_tangents_of_a_gradient() -> None:
    theirs, x = _matrix()
    direction = torch.ones(3, 3, dtype=torch.float64)

    def gradient(package: Any) -> Any:
        return package.func.grad(lambda value: (package.linalg.qr(value)[0] * value).sum())

    expected = torch.func.jvp(gradient(torch), (theirs.detach(),), (direction,))[1]
    found = rg.func.jvp(gradient(rg), (x.detach(),), (rg.from_torch(direction),))[1]
    torch.testing.assert_close(found.to_torch(), expected)
