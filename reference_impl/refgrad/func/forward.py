"""Transforms that differentiate forward: jvp, jacfwd, linearize; and hessian.

Each `jvp` opens a level of its own (`refgrad.levels`), so they nest.
Source: https://docs.pytorch.org/docs/stable/func.api.html and torch/_functorch/eager_transforms.py
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from refgrad import levels
from refgrad.forward_ad import apart, dual
from refgrad.grad_mode import is_grad_enabled
from refgrad.tensor import Tensor
from refgrad.transform_state import transform

from .arguments import Argnums, basis, chosen, replaced
from .batching import vmap
from .reverse import jacrev
from .tracking import depends_on_outside, frame, gradients, only_tensors, with_aux
from .trees import flatten

_JVP = "jvp(f, primals, tangents)"


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """Return `func(*primals)` and the Jacobian-vector product with `tangents`, a tuple like `primals`.

    With `has_aux`, `func` returns a pair, and its second part is returned as well. With `strict` an output
    that does not depend on the inputs raises RuntimeError; otherwise its tangent is zero. Raises RuntimeError
    and ValueError where torch does.
    """
    given, structure = _checked_primals(primals)
    vectors, found = flatten(tangents)
    if found != structure:
        raise RuntimeError(
            f"{_JVP}: Expected primals and tangents to have the same python structure. For example, if "
            "primals is a tuple of 3 tensors, tangents also must be. Got primals with structure "
            f"{structure} and tangents with structure {found}"
        )
    only_tensors(tangents, f"{_JVP}: Expected tangents to contain only tensors")
    with transform():
        level = levels.enter()
        try:
            duals = [dual(value, vector, level) for value, vector in zip(given, vectors, strict=True)]
            outputs, aux = func(*structure.build(duals)), None
            if has_aux:
                outputs, aux = with_aux(outputs, _JVP)
            values = only_tensors(outputs, f"{_JVP}: expected f(*primals) to return only tensors")
            parts = [apart(value, level) for value in values]
            if has_aux:
                leaves, within = flatten(aux)
                aux = within.build([apart(leaf, level).primal for leaf in leaves])
        finally:
            levels.leave(level)
    products = []
    for part in parts:
        if part.tangent is None and strict:
            raise RuntimeError(
                "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. "
                "This is not allowed with strict=True."
            )
        products.append(
            Tensor._of(torch.zeros_like(part.primal._data)) if part.tangent is None else part.tangent
        )
    shape = flatten(outputs)[1]
    results = (shape.build([part.primal for part in parts]), shape.build(products))
    return (*results, aux) if has_aux else results


def _checked_primals(primals: Any) -> tuple[list[Tensor], Any]:
    """Return the tensors in `primals` and its structure, after torch's checks."""
    if not isinstance(primals, tuple):
        raise RuntimeError(  # noqa: TRY004 - torch's class
            f"{_JVP}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    given, structure = flatten(primals)
    if not given:
        raise RuntimeError(f"{_JVP}: Expected primals to contain at least one Tensor.")
    only_tensors(primals, f"{_JVP}: Expected primals to contain only tensors")
    return given, structure


def jacfwd(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """Return the function that computes the Jacobian of `func`, forward; what it returns is what that of
    `jacrev` does.

    `randomness` says what random operations inside do, as in `vmap`.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        picked = chosen(args, argnums)
        inputs, within = flatten(picked)
        seen: list[Any] = []

        def push(*tangents: Tensor) -> Any:
            outputs, products, *aux = jvp(
                lambda given: func(*replaced(args, argnums, given), **kwargs),
                (picked,),
                (within.build(tangents),),
                has_aux=has_aux,
            )
            values, structure = flatten(outputs)
            seen[:] = [structure, [tuple(value.shape) for value in values]]
            return (tuple(flatten(products)[0]), *aux)

        in_dims = (0,) * len(inputs)
        out_dims = (0, None) if has_aux else (0,)
        columns, *aux = vmap(push, in_dims, out_dims, randomness)(*basis(inputs))
        structure, shapes = seen
        sizes = [source.numel() for source in inputs]
        table = [
            within.build(
                [
                    block.reshape(shape + tuple(source.shape))
                    for block, source in zip(column.movedim(0, -1).split(sizes, -1), inputs, strict=True)
                ]
            )
            for column, shape in zip(columns, shapes, strict=True)
        ]
        jacobian = structure.build(table)
        return (jacobian, *aux) if has_aux else jacobian

    return wrapper


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """Return the function that computes the Hessian of `func`: forward over backward."""
    return jacfwd(jacrev(func, argnums), argnums)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Return `func(*primals)` and the function that takes tangents, one for each primal, to those of the
    outputs.

    `func` runs once: its vector-Jacobian product is recorded, and transposed for each call.
    """
    with frame() as run:
        inputs = run.track(primals)
        outputs = func(*inputs)
        values = only_tensors(outputs, "linearize(f, *primals): expected f(*primals) to return only tensors")
    leaves, expected = flatten(inputs)
    structure = flatten(outputs)[1]
    outside = run.recording and depends_on_outside(*values)

    def push(*tangents: Any) -> Any:
        given, found = flatten(tangents)
        if found != expected:
            raise RuntimeError(
                f"Expected the tangents {found} to have the same argspec as the primals {expected}"
            )
        for index, (tangent, leaf) in enumerate(zip(given, leaves, strict=True)):
            if tangent.shape != leaf.shape:
                raise RuntimeError(
                    f"tangent:{index} with shape {tangent.shape} in flattened pytree doesn't match the shape "
                    f"{leaf.shape} of the corresponding primal."
                )
        graph = is_grad_enabled() and (outside or any(tangent.requires_grad for tangent in given))
        with run.asking(), frame() as again:
            cotangents = again.track([Tensor._of(torch.zeros_like(value._data)) for value in values])
            linear = gradients(values, leaves, cotangents, create_graph=True)
            products = gradients(linear, cotangents, given, create_graph=graph)
        return structure.build(run.settle(again.settle(products)))

    return run.settle(outputs), push
