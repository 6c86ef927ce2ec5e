"""`refgrad.autograd.functional`: Jacobians, Hessians and products with them, of a function at a point.

Inputs and outputs are a tensor or a tuple of tensors. The function is called with new tensors, so that what it
captured from outside does not count as an input, and neither `.grad` nor flags of the inputs change. Results have a
history only with `create_graph`. With `strict` an output that does not depend on an input is an error; otherwise it
counts as zero.

    vjp, jacobian, vhp     backward
    jvp, hvp               backward twice: the vector-Jacobian product is linear in the vector, and its own
                           vector-Jacobian product is the Jacobian-vector product
    vectorize              all rows of a Jacobian at once, by `func.vmap`; or all columns, in forward mode

Source: https://docs.pytorch.org/docs/stable/autograd.html#functional-higher-level-api and
torch/autograd/functional.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch

from . import autograd, forward_ad
from .func.batching import vmap
from .grad_mode import enable_grad, is_grad_enabled, set_grad_enabled
from .multiple import stack
from .tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = tuple[Tensor, ...]
Stage = Literal["back", "back_trick", "double_back", "double_back_trick"]
Strategy = Literal["forward-mode", "reverse-mode"]

_INDEPENDENT: dict[Stage, str] = {
    "back": "The output of the user-provided function is independent of input {}. This is not allowed in strict mode.",
    "back_trick": (
        "The gradient with respect to the input is independent of entry {} in the grad_outputs when using the double "
        "backward trick to compute forward mode gradients. This is not allowed in strict mode."
    ),
    "double_back": (
        "The jacobian of the user-provided function is independent of input {}. This is not allowed in strict mode."
    ),
    "double_back_trick": (
        "The hessian of the user-provided function is independent of entry {} in the grad_jacobian. This is not "
        "allowed in strict mode as it prevents from using the double backward trick to replace forward mode AD."
    ),
}
_CONSTANT = {
    "outputs": (
        "Output {} of the user-provided function does not require gradients. The outputs must be computed in a "
        "differentiable manner from the input when running in strict mode."
    ),
    "grad_inputs": (
        "The gradient with respect to input {} is independent of the inputs of the user-provided function. This is "
        "not allowed in strict mode."
    ),
    "jacobian": (
        "While computing the hessian, found that the jacobian of the user-provided function with respect to input {} "
        "is independent of the input. This is not allowed in strict mode. You should ensure that your function is "
        "twice differentiable and that the jacobian depends on the inputs (this would be violated by a linear "
        "function for example)."
    ),
    "hessian": (
        "The hessian of the user-provided function with respect to input {} is independent of the input. This is not "
        "allowed in strict mode. You should ensure that your function is thrice differentiable and that the hessian "
        "depends on the inputs."
    ),
}


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return the outputs of `func` and the product of `v`, which has their shapes, with the Jacobian.

    `v` may be left out for a single output of one element. Raises RuntimeError and TypeError where torch does.
    """
    with enable_grad():
        many, points = _prepared(inputs, "vjp", create_graph)
        several, outputs = _outputs(func(*points), "vjp")
        _require_grad(outputs, "outputs", strict)
        if v is not None:
            v = _vectors(v, "vjp", outputs, several, create_graph)
        elif len(outputs) != 1 or outputs[0].numel() != 1:
            raise RuntimeError(
                "The vector v can only be None if the user-provided function returns a single Tensor with a single "
                "element."
            )
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = _filled(_gradients(outputs, points, v, create_graph), points, strict, create_graph, "back")
    return _given_back(outputs, several, create_graph), _given_back(product, many, create_graph)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return the outputs of `func` and the product of the Jacobian with `v`, which has the shapes of the inputs.

    `v` may be left out for a single input of one element.
    """
    with enable_grad():
        many, points = _prepared(inputs, "jvp", create_graph)
        v = _tangents(v, "jvp", points, many, create_graph)
        several, outputs = _outputs(func(*points), "jvp")
        _require_grad(outputs, "outputs", strict)
        # The product with a cotangent is linear in it, so its value is of no account.
        cotangents = _zeros(outputs)
        linear = _gradients(outputs, points, cotangents, create_graph=True)
        _require_grad(linear, "grad_inputs", strict)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = _filled(
            _gradients(linear, cotangents, v, create_graph), outputs, strict, create_graph, "back_trick"
        )
    return _given_back(outputs, several, create_graph), _given_back(product, several, create_graph)


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return the output of `func`, a single element, and the product of `v` with the Hessian."""
    with enable_grad():
        many, points, v, outputs, slope = _slope(func, inputs, v, create_graph, strict, "vhp")
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = _filled(
            _gradients(slope, points, v, create_graph), points, strict, create_graph, "double_back"
        )
    return _given_back(outputs, False, create_graph), _given_back(product, many, create_graph)


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return the output of `func`, a single element, and the product of the Hessian with `v`."""
    with enable_grad():
        many, points, v, outputs, slope = _slope(func, inputs, v, create_graph, strict, "hvp")
        cotangents = _zeros(points)
        linear = _gradients(slope, points, cotangents, create_graph=True)
        _require_grad(slope, "hessian", strict)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = _filled(
            _gradients(linear, cotangents, v, create_graph), points, strict, create_graph, "double_back_trick"
        )
    return _given_back(outputs, False, create_graph), _given_back(product, many, create_graph)


def jacobian(  # noqa: PLR0917 - torch's signature
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: Strategy = "reverse-mode",
) -> Any:
    """Return the Jacobian of `func`: for each output and input a tensor of the shape of the output followed by that
    of the input.

    One output and one input give the tensor itself, otherwise there are tuples, over the outputs outside and over
    the inputs inside. Raises RuntimeError, TypeError, NotImplementedError and AssertionError where torch does.
    """
    _check_strategy(
        strategy,
        'Hint: If your function has more outputs than inputs, "forward-mode" tends to be more performant. Otherwise, '
        'prefer to use "reverse-mode".',
    )
    if strategy == "forward-mode":
        return _columns(func, inputs, create_graph, strict, vectorize)
    with enable_grad():
        many, points = _prepared(inputs, "jacobian", create_graph)
        several, outputs = _outputs(func(*points), "jacobian")
        _require_grad(outputs, "outputs", strict)
        if vectorize and strict:
            raise RuntimeError(
                "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. "
                "Please either set `strict=False` or `vectorize=False`."
            )
        rows = _rows_at_once if vectorize else _rows
        found = [rows(outputs, place, points, strict, create_graph) for place in range(len(outputs))]
    table = tuple(_given_back(row, many, create_graph) for row in found)
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
    _as_tuple(inputs, "inputs", "hessian")
    _check_strategy(outer_jacobian_strategy, None)

    def single(*points: Tensor) -> Tensor:
        several, outputs = _outputs(func(*points), "hessian")
        _require_grad(outputs, "outputs", strict)
        return _scalar(outputs, several, "hessian").squeeze()

    def slope(*points: Tensor) -> Any:
        if outer_jacobian_strategy == "forward-mode":
            points = tuple(point.requires_grad_() for point in points)
        found = jacobian(single, points, create_graph=True)
        _require_grad(found, "jacobian", strict)
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
        grads = _gradients((output.reshape(-1)[element],), points, None, graph, keep=True)
        for index, (grad, point) in enumerate(zip(grads, points, strict=True)):
            if grad is None and strict:
                raise RuntimeError(
                    f"Output {place} of the user-provided function is independent of input {index}. This is not "
                    "allowed in strict mode."
                )
            if grad is not None and strict and graph and not grad.requires_grad:
                raise RuntimeError(
                    f"The jacobian of the user-provided function is independent of input {place}. This is not "
                    "allowed in strict mode when create_graph=True."
                )
            rows[index].append(_zero(point) if grad is None else grad)
    return tuple(stack(row).view(output.shape + point.shape) for row, point in zip(rows, points, strict=True))


def _rows_at_once(outputs: Tensors, place: int, points: Tensors, strict: bool, graph: bool) -> Tensors:  # noqa: ARG001
    """Return what `_rows` returns, by one backward over a batch of cotangents."""
    output = outputs[place]
    if output._node is None:
        return tuple(_zero(point).expand(output.shape + point.shape) for point in points)
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
        _zero(point).expand(output.shape + point.shape)
        if grad is None
        else grad.reshape(output.shape + point.shape)
        for grad, point in zip(grads, points, strict=True)
    )


def _columns(func: Callable[..., Any], inputs: Any, graph: bool, strict: bool, vectorize: bool) -> Any:
    """Return the Jacobian, computed in forward mode over a batch of tangents."""
    for refused, name in ((graph, "create_graph=True"), (strict, "strict=True")):
        if refused:
            raise (NotImplementedError if graph else RuntimeError)(
                f'torch.autograd.functional.jacobian: `{name}` and `strategy="forward-mode"` are not supported together '
                f'(yet). Please either set `{name.replace("True", "False")}` or `strategy="reverse-mode"`.'
            )
    many, points = _as_tuple(inputs, "inputs", "jacobian")
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
            several, outputs = _outputs(func(*duals), "jacobian")
            parts = [forward_ad.unpack_dual(output) for output in outputs]
            seen[:] = [several, [tuple(output.shape) for output in outputs]]
            return tuple(_zero(part.primal) if part.tangent is None else part.tangent for part in parts)

    sizes = [point.numel() for point in points]
    columns = vmap(product)(*_basis(points))
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


# --- inputs, outputs and vectors ---


def _as_tuple(value: Any, what: str, name: str) -> tuple[bool, Tensors]:
    """Return whether `value` is a tuple, and it as one; raise TypeError unless it holds nothing but tensors."""
    many = isinstance(value, tuple)
    values = value if many else (value,)
    for index, element in enumerate(values):
        if not isinstance(element, Tensor):
            where = f"the value at index {index}" if many else f"the given {what}"
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but {where} has type "
                f"{type(element)}."
            )
    return many, values


def _prepared(inputs: Any, name: str, graph: bool) -> tuple[bool, Tensors]:
    """Return new tensors for `inputs`: with their history if it is wanted, leaves otherwise."""
    many, values = _as_tuple(inputs, "inputs", name)
    return many, tuple(_renewed(value, graph, leaf=True) for value in values)


def _renewed(value: Tensor, graph: bool, leaf: bool) -> Tensor:
    if graph and value.requires_grad:
        return value.view_as(value)
    made = value.detach()
    return made.requires_grad_() if leaf else made


def _outputs(outputs: Any, name: str) -> tuple[bool, Tensors]:
    return _as_tuple(outputs, "outputs of the user-provided function", name)


def _vectors(v: Any, name: str, like: Tensors, many: bool, graph: bool) -> Tensors:
    """Return `v` as new tensors, after its checks: one for each of `like`, of its shape."""
    _, given = _as_tuple(v, "v", name)
    vectors = tuple(_renewed(value, graph, leaf=False) for value in given)
    if len(vectors) != len(like):
        if many:
            raise RuntimeError(
                f"v is a tuple of invalid length: should be {len(like)} but got {len(vectors)}."
            )
        raise RuntimeError("The given v should contain a single Tensor.")
    for index, (value, other) in enumerate(zip(vectors, like, strict=True)):
        if value.shape != other.shape:
            entry = f"Entry {index} in " if many else ""
            raise RuntimeError(f"{entry}v has invalid size: should be {other.shape} but got {value.shape}.")
    return vectors


def _tangents(v: Any, name: str, points: Tensors, many: bool, graph: bool) -> Tensors | None:
    """Return the vectors for the inputs; None stands for one, for a single input of one element."""
    if v is not None:
        return _vectors(v, name, points, many, graph)
    if len(points) != 1 or points[0].numel() != 1:
        raise RuntimeError(
            "The vector v can only be None if the input to the user-provided function is a single Tensor with a "
            "single element."
        )
    return None


def _slope(  # noqa: PLR0917 - the arguments of vhp and hvp
    func: Callable[..., Any], inputs: Any, v: Any, graph: bool, strict: bool, name: str
) -> tuple[bool, Tensors, Tensors | None, Tensors, Sequence[Tensor | None]]:
    """Return what vhp and hvp go on from: the inputs, the vectors, the output and its gradient, recorded."""
    many, points = _prepared(inputs, name, graph)
    vectors = _tangents(v, name, points, many, graph)
    several, outputs = _outputs(func(*points), name)
    _require_grad(outputs, "outputs", strict)
    _scalar(outputs, several, name)
    slope = _gradients(outputs, points, None, create_graph=True)
    _require_grad(slope, "jacobian", strict)
    return many, points, vectors, outputs, slope


def _scalar(outputs: Tensors, several: bool, name: str) -> Tensor:
    """Return the one output, of one element; raise RuntimeError for any others."""
    if several:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {name} should contain a single element"
        )
    return outputs[0]


def _check_strategy(strategy: str, hint: str | None) -> None:
    if strategy not in {"forward-mode", "reverse-mode"}:
        message = 'Expected strategy to be either "forward-mode" or "reverse-mode".'
        raise AssertionError(message if hint is None else f"{message} {hint}")


def _require_grad(values: Any, what: str, strict: bool) -> None:
    """Raise RuntimeError in strict mode for a value that depends on no input."""
    if not strict:
        return
    for index, value in enumerate((values,) if isinstance(values, Tensor) else values):
        if value is None:
            raise RuntimeError(_INDEPENDENT["back"].format(index))
        if not value.requires_grad:
            raise RuntimeError(_CONSTANT[what].format(index))


def _gradients(
    outputs: Sequence[Tensor | None],
    points: Tensors,
    cotangents: Tensors | None,
    create_graph: bool,
    keep: bool | None = None,
) -> Sequence[Tensor | None]:
    """Return the gradients of those outputs that have any; None where nothing arrives."""
    given = cotangents or (None,) * len(outputs)
    pairs = [
        (output, cotangent)
        for output, cotangent in zip(outputs, given, strict=True)
        if output is not None and output.requires_grad
    ]
    if not pairs:
        return (None,) * len(points)
    return autograd.grad(  # type: ignore[no-any-return]
        [output for output, _ in pairs],
        points,
        [cotangent for _, cotangent in pairs],
        retain_graph=keep,
        create_graph=create_graph,
        allow_unused=True,
    )


def _filled(
    grads: Sequence[Tensor | None], like: Tensors, strict: bool, graph: bool, stage: Stage
) -> Tensors:
    """Return the gradients with zeros for those that are missing; in strict mode that raises RuntimeError."""
    filled = []
    for index, (grad, other) in enumerate(zip(grads, like, strict=True)):
        if grad is None and strict:
            raise RuntimeError(_INDEPENDENT[stage].format(index))
        if grad is not None and strict and graph and not grad.requires_grad:
            what = "hessian" if "double" in stage else "jacobian"
            raise RuntimeError(
                f"The {what} of the user-provided function is independent of input {index}. This is not allowed in "
                "strict mode when create_graph=True."
            )
        filled.append(_zero(other) if grad is None else grad)
    return tuple(filled)


def _zero(like: Tensor) -> Tensor:
    return Tensor._of(torch.zeros_like(like._data))


def _zeros(like: Tensors) -> Tensors:
    return tuple(_zero(value).requires_grad_() for value in like)


def _given_back(values: Tensors, many: bool, graph: bool) -> Any:
    """Return results as the user gave or gets them: alone or as a tuple, without history unless it is wanted."""
    results = values if graph else tuple(value.detach() for value in values)
    return results if many else results[0]
