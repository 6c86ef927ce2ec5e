"""Inputs, outputs and vectors of the functional API: their checks, and torch's messages.

Source: torch/autograd/functional.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch

from . import autograd
from .tensor import Tensor

Tensors = tuple[Tensor, ...]
Stage = Literal["back", "back_trick", "double_back", "double_back_trick"]

_INDEPENDENT: dict[Stage, str] = {
    "back": (
        "The output of the user-provided function is independent of input {}. This is not allowed in strict "
        "mode."
    ),
    "back_trick": (
        "The gradient with respect to the input is independent of entry {} in the grad_outputs when using "
        "the double backward trick to compute forward mode gradients. This is not allowed in strict mode."
    ),
    "double_back": (
        "The jacobian of the user-provided function is independent of input {}. This is not allowed in "
        "strict mode."
    ),
    "double_back_trick": (
        "The hessian of the user-provided function is independent of entry {} in the grad_jacobian. This is "
        "not allowed in strict mode as it prevents from using the double backward trick to replace forward "
        "mode AD."
    ),
}
_CONSTANT = {
    "outputs": (
        "Output {} of the user-provided function does not require gradients. The outputs must be computed in "
        "a differentiable manner from the input when running in strict mode."
    ),
    "grad_inputs": (
        "The gradient with respect to input {} is independent of the inputs of the user-provided function. "
        "This is not allowed in strict mode."
    ),
    "jacobian": (
        "While computing the hessian, found that the jacobian of the user-provided function with respect to "
        "input {} is independent of the input. This is not allowed in strict mode. You should ensure that "
        "your function is twice differentiable and that the jacobian depends on the inputs (this would be "
        "violated by a linear function for example)."
    ),
    "hessian": (
        "The hessian of the user-provided function with respect to input {} is independent of the input. "
        "This is not allowed in strict mode. You should ensure that your function is thrice differentiable "
        "and that the hessian depends on the inputs."
    ),
}


def as_tuple(value: Any, what: str, name: str) -> tuple[bool, Tensors]:
    """Return whether `value` is a tuple, and it as one; raise TypeError unless it holds tensors alone."""
    many = isinstance(value, tuple)
    values = value if many else (value,)
    for index, element in enumerate(values):
        if not isinstance(element, Tensor):
            where = f"the value at index {index}" if many else f"the given {what}"
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but {where} has "
                f"type {type(element)}."
            )
    return many, values


def prepared(inputs: Any, name: str, graph: bool) -> tuple[bool, Tensors]:
    """Return new tensors for `inputs`: with their history if it is wanted, leaves otherwise."""
    many, values = as_tuple(inputs, "inputs", name)
    return many, tuple(renewed(value, graph, leaf=True) for value in values)


def renewed(value: Tensor, graph: bool, leaf: bool) -> Tensor:
    """Return a new tensor for `value`: with its history if `graph`, as one that requires grad if `leaf`."""
    if graph and value.requires_grad:
        return value.view_as(value)
    made = value.detach()
    return made.requires_grad_() if leaf else made


def outputs_of(outputs: Any, name: str) -> tuple[bool, Tensors]:
    """Return whether a function returned several outputs, and these; raise TypeError for other things."""
    return as_tuple(outputs, "outputs of the user-provided function", name)


def vectors_for(v: Any, name: str, like: Tensors, many: bool, graph: bool) -> Tensors:
    """Return `v` as new tensors, after its checks: one for each of `like`, of its shape."""
    _, given = as_tuple(v, "v", name)
    vectors = tuple(renewed(value, graph, leaf=False) for value in given)
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


def tangents_for(v: Any, name: str, points: Tensors, many: bool, graph: bool) -> Tensors | None:
    """Return the vectors for the inputs; None stands for one, for a single input of one element."""
    if v is not None:
        return vectors_for(v, name, points, many, graph)
    if len(points) != 1 or points[0].numel() != 1:
        raise RuntimeError(
            "The vector v can only be None if the input to the user-provided function is a single Tensor "
            "with a single element."
        )
    return None


def slope_of(  # noqa: PLR0917 - the arguments of vhp and hvp
    func: Callable[..., Any], inputs: Any, v: Any, graph: bool, strict: bool, name: str
) -> tuple[bool, Tensors, Tensors | None, Tensors, Sequence[Tensor | None]]:
    """Return what vhp and hvp go on from: the inputs, the vectors, the output and its gradient, recorded."""
    many, points = prepared(inputs, name, graph)
    vectors = tangents_for(v, name, points, many, graph)
    several, outputs = outputs_of(func(*points), name)
    require_grad(outputs, "outputs", strict)
    scalar(outputs, several, name)
    slope = gradients(outputs, points, None, create_graph=True)
    require_grad(slope, "jacobian", strict)
    return many, points, vectors, outputs, slope


def scalar(outputs: Tensors, several: bool, name: str) -> Tensor:
    """Return the one output, of one element; raise RuntimeError for any others."""
    if several:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {name} should contain a single element"
        )
    return outputs[0]


def check_strategy(strategy: str, hint: str | None) -> None:
    """Raise AssertionError for a strategy that there is not."""
    if strategy not in {"forward-mode", "reverse-mode"}:
        message = 'Expected strategy to be either "forward-mode" or "reverse-mode".'
        raise AssertionError(message if hint is None else f"{message} {hint}")


def require_grad(values: Any, what: str, strict: bool) -> None:
    """Raise RuntimeError in strict mode for a value that depends on no input."""
    if not strict:
        return
    for index, value in enumerate((values,) if isinstance(values, Tensor) else values):
        if value is None:
            raise RuntimeError(_INDEPENDENT["back"].format(index))
        if not value.requires_grad:
            raise RuntimeError(_CONSTANT[what].format(index))


def gradients(
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


def filled(grads: Sequence[Tensor | None], like: Tensors, strict: bool, graph: bool, stage: Stage) -> Tensors:
    """Return the gradients with zeros for those that are missing; in strict mode that raises RuntimeError."""
    filled = []
    for index, (grad, other) in enumerate(zip(grads, like, strict=True)):
        if grad is None and strict:
            raise RuntimeError(_INDEPENDENT[stage].format(index))
        if grad is not None and strict and graph and not grad.requires_grad:
            what = "hessian" if "double" in stage else "jacobian"
            raise RuntimeError(
                f"The {what} of the user-provided function is independent of input {index}. This is not "
                "allowed in strict mode when create_graph=True."
            )
        filled.append(zero_like(other) if grad is None else grad)
    return tuple(filled)


def zero_like(like: Tensor) -> Tensor:
    """Return zeros of the shape and dtype of `like`."""
    return Tensor._of(torch.zeros_like(like._data))


def zeros_like(like: Tensors) -> Tensors:
    """Return leaves of zeros that require grad, one for each tensor of `like`."""
    return tuple(zero_like(value).requires_grad_() for value in like)


def given_back(values: Tensors, many: bool, graph: bool) -> Any:
    """Return results as the user gets them: alone or as a tuple, without history unless it is wanted."""
    results = values if graph else tuple(value.detach() for value in values)
    return results if many else results[0]
