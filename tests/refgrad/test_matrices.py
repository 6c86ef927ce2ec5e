"""Factorisations and linear systems: conventions, errors and flags that operator samples do not reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import refgrad as rg

A = [[2.0, 1.0, 0.5], [0.3, 3.0, 1.0], [1.0, 0.2, 4.0]]


PACKAGES: tuple[Any, Any] = (torch, rg)
OURS: Any = rg


def _pair(data: Any, dtype: torch.dtype = torch.float64) -> tuple[Any, Any]:
    theirs = torch.tensor(data, dtype=dtype)
    return theirs.requires_grad_(), rg.from_torch(theirs.detach().clone()).requires_grad_()


def _gradients(function: Callable[..., Any], *data: Any, dtype: torch.dtype = torch.float64) -> None:
    """Compare value and gradients of `function(package, tensor, ...)`, which returns one tensor."""
    pairs = [_pair(one, dtype) for one in data]
    found = []
    for place, package in enumerate(PACKAGES):
        operands = [one[place] for one in pairs]
        result = function(package, *operands)
        found.append([result, *package.autograd.grad(result.sum(), operands, allow_unused=True)])
    for theirs, mine in zip(*found, strict=True):
        assert (theirs is None) == (mine is None)
        if theirs is not None:
            torch.testing.assert_close(mine.to_torch(), theirs.detach(), equal_nan=True)


def _class_of(call: Callable[[], Any]) -> type[BaseException] | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - any error of torch's is compared
        return type(error)
    return None


@pytest.mark.parametrize(
    "call",
    [
        lambda p, zeros, _: p.linalg.inv(zeros),
        lambda p, zeros, _: p.linalg.solve(zeros, zeros),
        lambda p, zeros, _: p.linalg.cholesky(zeros),
        lambda p, zeros, _: p.linalg.lu_factor(zeros),
        lambda p, zeros, _: p.linalg.inv_ex(zeros, check_errors=True),
        lambda p, _, wide: p.linalg.det(wide),
        lambda p, _, wide: p.linalg.eigh(wide),
        lambda p, _, wide: p.linalg.cond(wide, 1),
        lambda p, zeros, _: p.linalg.cond(zeros, 3),
        lambda p, zeros, _: p.linalg.tensorinv(zeros, 0),
        lambda p, _, wide: p.linalg.tensorinv(wide, 1),
        lambda p, _, wide: p.pca_lowrank(wide, q=7),
        lambda p, _, wide: p.pca_lowrank(wide, niter=-1),
    ],
)
def test_errors_are_of_torchs_class(call: Callable[..., Any]) -> None:
    expected = _class_of(lambda: call(torch, torch.zeros(2, 2), torch.ones(2, 3)))
    assert expected is not None
    assert _class_of(lambda: call(rg, rg.zeros(2, 2), rg.ones(2, 3))) is expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, x: p.linalg.eigh(x)[1], "linalg_eigh_backward"),
        (lambda p, x: p.linalg.eig(x)[1], "linalg_eig_backward"),
        (lambda p, x: p.linalg.svd(x)[0], "svd_backward"),
        (lambda p, x: p.linalg.svd(x)[2], "svd_backward"),
    ],
)
def test_gradients_that_depend_on_phases_are_refused(call: Callable[..., Any], message: str) -> None:
    for package, x in zip(PACKAGES, _pair(A, torch.complex128), strict=True):
        vectors = call(package, x + x.mH)
        with pytest.raises(RuntimeError, match=message):
            (vectors * 1j).real.sum().backward()
        vectors = call(package, x + x.mH)
        vectors.abs().sum().backward()
        assert x.grad is not None


def test_qr_refuses_what_has_no_derivative() -> None:
    for package, x in zip(PACKAGES, _pair(A), strict=True):
        with pytest.raises(RuntimeError, match="mode='r'"):
            package.linalg.qr(x, "r")[1].sum().backward()
        with pytest.raises(RuntimeError, match="nrows > ncols"):
            package.linalg.qr(x[:, :2], "complete")[0].sum().backward()


@pytest.mark.parametrize("data", [[[1.0, 2.0], [2.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]], [[3.0]], [[0.0]]])
def test_determinants_at_and_beside_singular_matrices(data: Any) -> None:
    _gradients(lambda p, x: p.linalg.det(x), data)
    if len(data) > 1:
        _gradients(lambda p, x: p.autograd.grad(p.linalg.det(x), x, create_graph=True)[0].sin(), data)


def test_second_derivatives_of_a_batch_with_a_singular_matrix() -> None:
    def slope(package: Any, x: Any) -> Any:
        return package.autograd.grad(package.linalg.det(x).sum(), x, create_graph=True)[0].sin()

    _gradients(slope, [A, [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.5, 1.0, -1.0]]])


def test_the_logarithm_of_a_singular_matrix() -> None:
    for package, x in zip(PACKAGES, _pair([[1.0, 2.0], [2.0, 4.0]]), strict=True):
        sign, logarithm = package.linalg.slogdet(x)
        assert (sign.item(), logarithm.item()) == (0.0, -float("inf"))
        assert package.isfinite(package.autograd.grad(logarithm, x)[0]).sum() == 0
    assert OURS.logdet(rg.from_torch(torch.diag(torch.tensor([-1.0, 2.0])))).isnan()


@pytest.mark.parametrize(
    "call",
    [
        lambda p, x, b: p.linalg.solve(x, b),
        lambda p, x, b: p.linalg.solve(x, b[0]),
        lambda p, x, b: p.linalg.solve(x, b.mT, left=False),
        lambda p, x, b: p.linalg.solve_triangular(x, b, upper=True),
        lambda p, x, b: p.linalg.lstsq(x, b)[0],
        lambda p, x, b: p.cholesky_solve(b, x.tril()),
        lambda p, x, b: p.linalg.tensorsolve(x[0], b[0, :, 0]),
    ],
)
def test_batches_broadcast(call: Callable[..., Any]) -> None:
    right = [[[1.0], [2.0], [-1.0]]]
    _gradients(call, [A, A], right)


def test_a_right_hand_side_of_vectors_is_told_by_its_shape() -> None:
    for package, x, b in zip(PACKAGES, _pair([A, A]), _pair([[1.0, 2.0, 3.0]] * 2), strict=True):
        assert tuple(package.linalg.solve(x, b).shape) == (2, 3)
        assert tuple(package.linalg.lstsq(x, b).solution.shape) == (2, 3)


@pytest.mark.parametrize("driver", ["gels", "gelsy"])
def test_residuals_of_least_squares(driver: str) -> None:
    tall = [*A, [1.0, 1.0, 1.0]]
    for package, x, b in zip(PACKAGES, _pair(tall), _pair([[1.0], [2.0], [3.0], [5.0]]), strict=True):
        found = package.linalg.lstsq(x, b, driver=driver)
        assert [part.requires_grad for part in found] == [True, True, False, False]
        assert found.residuals.numel() == (1 if driver == "gels" else 0)
    if driver == "gels":
        _gradients(
            lambda p, x, b: p.linalg.lstsq(x, b, driver="gels").residuals, tall, [[1.0], [2.0], [3.0], [5.0]]
        )


def test_flags_and_names_of_nodes() -> None:
    calls: dict[str, Callable[[Any, Any], Any]] = {
        "lu": lambda p, x: p.linalg.lu(x),
        "lu_factor": lambda p, x: p.linalg.lu_factor_ex(x),
        "slogdet": lambda p, x: p.linalg.slogdet(x),
        "eig": lambda p, x: p.linalg.eig(x),
        "eigh": lambda p, x: p.linalg.eigh(x),
        "svd": lambda p, x: p.linalg.svd(x),
        "det": lambda p, x: (p.linalg.det(x), p.linalg.inv(x), p.linalg.solve(x, x), p.linalg.pinv(x)),
        "cholesky": lambda p, x: (p.linalg.cholesky(x @ x.mT),),
        "unpack": lambda p, x: p.lu_unpack(*p.linalg.lu_factor(x)),
        "exp": lambda p, x: (p.linalg.matrix_exp(x),),
    }
    for name, call in calls.items():
        described = []
        for package, x in zip(PACKAGES, _pair(A), strict=True):
            described.append(
                [
                    (part.requires_grad, part.grad_fn and part.grad_fn.name(), part.output_nr)
                    for part in call(package, x)
                ]
            )
        assert described[0] == described[1], name


@pytest.mark.parametrize("p", [None, 2, -2, "nuc", 1, "fro"])
def test_condition_numbers(p: Any) -> None:
    for package, x in zip(PACKAGES, _pair(A), strict=True):
        if p in {1, "fro"}:
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                package.linalg.cond(x, p).backward()
    if p not in {1, "fro"}:
        _gradients(lambda package, x: package.linalg.cond(x, p), A)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 4, 4)])
@pytest.mark.parametrize("less", [False, True])
def test_approximations_of_low_rank_draw_as_torch_does(shape: tuple[int, ...], less: bool) -> None:
    data = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def approximation(package: Any, x: Any) -> Any:
        torch.manual_seed(0)
        u, s, v = package.svd_lowrank(x, q=2, M=x * 0.5 if less else None)
        return (u * s.unsqueeze(-2)) @ v.mH

    _gradients(approximation, data.tolist())


def test_a_real_matrix_has_a_real_gradient_through_complex_eigenvalues() -> None:
    turn = [[1.0, -2.0], [1.5, 0.5]]
    _gradients(lambda p, x: p.linalg.eigvals(x).imag.abs(), turn)
    _gradients(lambda p, x: p.linalg.eig(x)[1].abs(), turn)


def test_older_names() -> None:
    x = _pair(A)[1]
    u, s, v = x.svd()
    torch.testing.assert_close(((u * s) @ v.mT).to_torch(), x.detach().to_torch())
    u, s, v = OURS.svd(x, compute_uv=False)
    assert [part.requires_grad for part in (u, s, v)] == [False, True, False]
    assert not v.any()
    factors, pivots, info = OURS.lu(x, get_infos=True)
    assert (pivots.dtype, info.item()) == (torch.int32, 0)
    with pytest.raises(NotImplementedError, match="out="):
        OURS.lu(x, out=(factors, pivots))
