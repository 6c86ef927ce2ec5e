"""Transforms that differentiate backward: grad, grad_and_value, vjp and jacrev.

Source: https://docs.pytorch.org/docs/stable/func.api.html and torch/_functorch/eager_transforms.py
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from refgrad.grad_mode import is_grad_enabled
from refgrad.tensor import Tensor
from refgrad.transform_state import transform

from .arguments import Argnums, basis, chosen, replaced
from .batching import vmap
from .tracking import depends_on_outside, frame, gradients, only_tensors, with_aux
from .trees import flatten


def grad(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return the function that computes the gradient of `func`, whose result is a 0-d tensor.

    The gradient is that of the positional argument `argnums`, or a tuple of those of several; arguments may
    be trees of tensors. With `has_aux`, `func` returns a pair, and the gradient comes with the second part.
    Nothing is added to `.grad` anywhere. Raises RuntimeError for another result, ValueError for arguments
    that are no tensors.
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapper


def grad_and_value(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return the function that computes a pair: what `grad` returns, and the value of `func`.

    With `has_aux` the value is the pair that `func` returned.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with frame() as run:
            inputs = run.track(chosen(args, argnums))
            output, aux = func(*replaced(args, argnums, inputs), **kwargs), None
            if has_aux:
                output, aux = with_aux(output, "grad_and_value(f)(*args)")
            _check_scalar(output)
            leaves, structure = flatten(inputs)
            found = gradients(
                [output], leaves, [None], create_graph=run.recording and depends_on_outside(output)
            )
        found = run.settle(found)
        value = run.settle((output, aux) if has_aux else output)
        return structure.build(found), value

    return wrapper


def _check_scalar(output: Any) -> None:
    name = "grad_and_value(f)(*args)"
    if not isinstance(output, Tensor):
        raise RuntimeError(f"{name}: Expected f(*args) to return a Tensor, got {type(output)}")  # noqa: TRY004 - torch's class
    if output.ndim != 0:
        raise RuntimeError(
            f"{name}: Expected f(*args) to return a scalar Tensor, got tensor with {output.ndim} dims. Maybe "
            "you wanted to use the vjp or jacrev APIs instead?"
        )


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return `func(*primals)` and the function that takes cotangents of its outputs to those of the primals.

    The second takes a tree like the outputs and returns a tuple with one element for each primal; it may be
    called again and again. With `has_aux`, `func` returns a pair, and its second part is returned as well.
    """
    with frame() as run:
        inputs = run.track(primals)
        outputs, aux = func(*inputs), None
        if has_aux:
            outputs, aux = with_aux(outputs, "vjp(f, *primals)")
        values = only_tensors(outputs, "vjp(f, *primals): expected f(*primals) to return only tensors")
    leaves, structure = flatten(inputs)
    expected = flatten(outputs)[1]
    outside = run.recording and depends_on_outside(*values)

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:  # noqa: ARG001 - torch's signature
        given, found = flatten(cotangents)
        if found != expected:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to "
                f"the function. cotangents: {found}, primal output: {expected}"
            )
        graph = is_grad_enabled() if create_graph is None else create_graph
        graph = graph and (outside or any(cotangent.requires_grad for cotangent in given))
        with run.asking():
            grads = gradients(values, leaves, given, create_graph=graph)
        return structure.build(run.settle(grads))

    if has_aux:
        return run.settle(outputs), pull, run.settle(aux)
    return run.settle(outputs), pull


def jacrev(
    func: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[..., Any]:
    """Return the function that computes the Jacobian of `func`, backward.

    For each output and each of the arguments `argnums` it is a tensor of the shape of the output followed by
    that of the argument: a tree like the outputs, of trees like the arguments. `chunk_size` limits how many
    rows are computed at once.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        picked = chosen(args, argnums)

        def only(*given: Any) -> Any:
            return func(*replaced(args, argnums, given[0]), **kwargs)

        outputs, pull, *aux = vjp(only, picked, has_aux=has_aux)
        values, structure = flatten(outputs)
        inputs, within = flatten(picked)
        with transform():
            (rows,) = vmap(lambda *cotangents: pull(structure.build(cotangents)), chunk_size=chunk_size)(
                *basis(values)
            )
        table: list[list[Tensor]] = [[] for _ in values]
        for row, source in zip(flatten(rows)[0], inputs, strict=True):
            for blocks, value, block in zip(
                table, values, row.split([value.numel() for value in values]), strict=True
            ):
                blocks.append(block.view(value.shape + source.shape))
        jacobian = structure.build([within.build(blocks) for blocks in table])
        return (jacobian, *aux) if has_aux else jacobian

    return wrapper
