"""`refgrad.autograd.functional`: Jacobians, Hessians and products with them, of a function at a point.

Inputs and outputs are a tensor or a tuple of tensors. The function is called with new tensors, so that what
it captured from outside does not count as an input, and neither `.grad` nor flags of the inputs change.
Results have a history only with `create_graph`. With `strict` an output that does not depend on an input is
an error; otherwise it counts as zero.

    vjp, jacobian, vhp     backward
    jvp, hvp               backward twice: the vector-Jacobian product is linear in the vector, and its own
                           vector-Jacobian product is the Jacobian-vector product
    vectorize              all rows of a Jacobian at once, or all columns, in forward mode

Source: https://docs.pytorch.org/docs/stable/autograd.html#functional-higher-level-api and
torch/autograd/functional.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch

from . import autograd, forward_ad
from .func.batching import for_each
from .functional_arguments import (
    Tensors,
    as_tuple,
    check_strategy,
    filled,
    given_back,
    gradients,
    outputs_of,
    prepared,
    require_grad,
    scalar,
    slope_of,
    tangents_for,
    vectors_for,
    zero_like,
    zeros_like,
)
from .grad_mode import enable_grad, is_grad_enabled, set_grad_enabled
from .multiple import stack
from .tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Strategy = Literal["forward-mode", "reverse-mode"]


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return the outputs of `func` and the product of `v`, which has their shapes, with the Jacobian.

    `v` may be left out for a single output of one element. Raises RuntimeError and TypeError as torch does.
    """
    with enable_grad():
        many, points = prepared(inputs, "vjp", create_graph)
        several, outputs = outputs_of(func(*points), "vjp")
        require_grad(outputs, "outputs", strict)
        if v is not None:
            v = vectors_for(v, "vjp", outputs, several, create_graph)
        elif len(outputs) != 1 or outputs[0].numel() != 1:
            raise RuntimeError(
                "The vector v can only be None if the user-provided function returns a single Tensor with a "
                "single element."
            )
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = filled(gradients(outputs, points, v, create_graph), points, strict, create_graph, "back")
    return given_back(outputs, several, create_graph), given_back(product, many, create_graph)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return the outputs of `func` and the product of the Jacobian with `v`, which has the inputs' shapes.

    `v` may be left out for a single input of one element.
    """
    with enable_grad():
        many, points = prepared(inputs, "jvp", create_graph)
        v = tangents_for(v, "jvp", points, many, create_graph)
        several, outputs = outputs_of(func(*points), "jvp")
        require_grad(outputs, "outputs", strict)
        # The product with a cotangent is linear in it, so its value is of no account.
        cotangents = zeros_like(outputs)
        linear = gradients(outputs, points, cotangents, create_graph=True)
        require_grad(linear, "grad_inputs", strict)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = filled(
            gradients(linear, cotangents, v, create_graph), outputs, strict, create_graph, "back_trick"
        )
    return given_back(outputs, several, create_graph), given_back(product, several, create_graph)


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return the output of `func`, a single element, and the product of `v` with the Hessian."""
    with enable_grad():
        many, points, v, outputs, slope = slope_of(func, inputs, v, create_graph, strict, "vhp")
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = filled(
            gradients(slope, points, v, create_graph), points, strict, create_graph, "double_back"
        )
    return given_back(outputs, False, create_graph), given_back(product, many, create_graph)


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return the output of `func`, a single element, and the product of the Hessian with `v`."""
    with enable_grad():
        many, points, v, outputs, slope = slope_of(func, inputs, v, create_graph, strict, "hvp")
        cotangents = zeros_like(points)
        linear = gradients(slope, points, cotangents, create_graph=True)
        require_grad(slope, "hessian", strict)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = filled(
            gradients(linear, cotangents, v, create_graph), points, strict, create_graph, "double_back_trick"
        )
    return given_back(outputs, False, create_graph), given_back(product, many, create_graph)


def jacobian(  # noqa: PLR0917 - torch's signature
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: Strategy = "reverse-mode",
) -> Any:
    """Return the Jacobian of `func`: for each output and input a tensor of the shape of the output followed
    by that of the input.

    One output and one input give the tensor itself, otherwise there are tuples, over the outputs outside
    and over the inputs inside. Raises RuntimeError, TypeError, NotImplementedError and AssertionError as
    torch does.
    """
    check_strategy(
        strategy,
        'Hint: If your function has more outputs than inputs, "forward-mode" tends to be more performant. '
        'Otherwise, prefer to use "reverse-mode".',
    )
    if strategy == "forward-mode":
        return _columns(func, inputs, create_graph, strict, vectorize)
    with enable_grad():
        many, points = prepared(inputs, "jacobian", create_graph)
        several, outputs = outputs_of(func(*points), "jacobian")
        require_grad(outputs, "outputs", strict)
        if vectorize and strict:
            raise RuntimeError(
                "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported "
                "together. Please either set `strict=False` or `vectorize=False`."
            )
        rows = _rows_at_once if vectorize else _rows
        found = [rows(outputs, place, points, strict, create_graph) for place in range(len(outputs))]
    table = tuple(given_back(row, many, create_graph) for row in found)
    return table if several else table[0]


def hessian(  # noqa: PLR0917 - torch's signature
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: Strategy = "reverse-mode",
) -> Any:
    """Return the Hessian of `func`, which returns a single element: the Jacobian of its gradient.

    For one input it is a tensor of its shape twice, for a tuple of inputs a tuple of tuples of tensors.
    """
    as_tuple(inputs, "inputs", "hessian")
    check_strategy(outer_jacobian_strategy, None)

    def single(*points: Tensor) -> Tensor:
        several, outputs = outputs_of(func(*points), "hessian")
        require_grad(outputs, "outputs", strict)
        return scalar(outputs, several, "hessian").squeeze()

    def slope(*points: Tensor) -> Any:
        if outer_jacobian_strategy == "forward-mode":
            points = tuple(point.requires_grad_() for point in points)
        found = jacobian(single, points, create_graph=True)
        require_grad(found, "jacobian", strict)
        return found

    table = jacobian(
        slope,
        inputs,
        create_graph=create_graph,
        strict=strict,
        vectorize=vectorize,
        strategy=outer_jacobian_strategy,
    )
    if isinstance(inputs, tuple):
        return table
    return table[0] if isinstance(table, tuple) else table


# --- Jacobians, row by row, all rows at once, or all columns at once ---


def _rows(outputs: Tensors, place: int, points: Tensors, strict: bool, graph: bool) -> Tensors:
    """Return the Jacobian of one output with respect to each input, one backward for each of its elements."""
    output = outputs[place]
    rows: list[list[Tensor]] = [[] for _ in points]
    for element in range(output.numel()):
        grads = gradients((output.reshape(-1)[element],), points, None, graph, keep=True)
        for index, (grad, point) in enumerate(zip(grads, points, strict=True)):
            if grad is None and strict:
                raise RuntimeError(
                    f"Output {place} of the user-provided function is independent of input {index}. This is "
                    "not allowed in strict mode."
                )
            if grad is not None and strict and graph and not grad.requires_grad:
                raise RuntimeError(
                    f"The jacobian of the user-provided function is independent of input {place}. This is "
                    "not allowed in strict mode when create_graph=True."
                )
            rows[index].append(zero_like(point) if grad is None else grad)
    return tuple(stack(row).view(output.shape + point.shape) for row, point in zip(rows, points, strict=True))


def _rows_at_once(outputs: Tensors, place: int, points: Tensors, strict: bool, graph: bool) -> Tensors:  # noqa: ARG001
    """Return what `_rows` returns, by one backward over a batch of cotangents."""
    output = outputs[place]
    if output._node is None:
        return tuple(zero_like(point).expand(output.shape + point.shape) for point in points)
    basis = Tensor._of(torch.eye(output.numel(), dtype=output.dtype, device=output.device))
    grads = autograd.grad(
        output,
        points,
        basis.view(output.numel(), *output.shape),
        retain_graph=True,
        create_graph=graph,
        allow_unused=True,
        is_grads_batched=True,
    )
    return tuple(
        zero_like(point).expand(output.shape + point.shape)
        if grad is None
        else grad.reshape(output.shape + point.shape)
        for grad, point in zip(grads, points, strict=True)
    )


def _columns(func: Callable[..., Any], inputs: Any, graph: bool, strict: bool, vectorize: bool) -> Any:
    """Return the Jacobian, computed in forward mode over a batch of tangents."""
    for refused, name in ((graph, "create_graph=True"), (strict, "strict=True")):
        if refused:
            raise (NotImplementedError if graph else RuntimeError)(
                f'torch.autograd.functional.jacobian: `{name}` and `strategy="forward-mode"` are not '
                f"supported together (yet). Please either set `{name.replace('True', 'False')}` or "
                '`strategy="reverse-mode"`.'
            )
    many, points = as_tuple(inputs, "inputs", "jacobian")
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for "
            "`vectorize=True`."
        )
    seen: list[Any] = []

    def product(*tangents: Tensor) -> Tensors:
        with forward_ad.dual_level():
            duals = [
                forward_ad.make_dual(point, tangent) for point, tangent in zip(points, tangents, strict=True)
            ]
            several, outputs = outputs_of(func(*duals), "jacobian")
            parts = [forward_ad.unpack_dual(output) for output in outputs]
            seen[:] = [several, [tuple(output.shape) for output in outputs]]
            return tuple(zero_like(part.primal) if part.tangent is None else part.tangent for part in parts)

    sizes = [point.numel() for point in points]
    columns = for_each(product)(*_basis(points))
    several, shapes = seen
    table = []
    for column, shape in zip(columns, shapes, strict=True):
        blocks = column.movedim(0, -1).split(sizes, -1)
        row = [block.reshape(*shape, *point.shape) for block, point in zip(blocks, points, strict=True)]
        table.append(tuple(row) if many else row[0])
    return tuple(table) if several else table[0]


def _basis(points: Tensors) -> list[Tensor]:
    """Return the unit vectors of all inputs taken together, as batches of tensors of their shapes."""
    total, start, batches = sum(point.numel() for point in points), 0, []
    for point in points:
        size = point.numel()
        rows = torch.zeros(total, size, dtype=point.dtype, device=point.device)
        rows[start : start + size] = torch.eye(size, dtype=point.dtype, device=point.device)
        batches.append(Tensor._of(rows.view(total, *point.shape)))
        start += size
    return batches
