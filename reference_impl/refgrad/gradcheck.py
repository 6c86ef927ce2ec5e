"""`gradcheck` and `gradgradcheck`: derivatives held against finite differences, with torch's signatures and
messages.

The numerical Jacobian is made of central differences, one element of one input at a time; the analytical one
of backward calls, one element of one output at a time, or of tangents in forward mode. A complex output is
checked as two real ones, its real and its imaginary part. The gradient of a real u with respect to a complex
z = x + iy is du/dx + i du/dy. With `fast_mode` both Jacobians are compared in one random direction only.

Source: https://docs.pytorch.org/docs/stable/notes/gradcheck.html and torch/autograd/gradcheck.py
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import torch

from . import autograd
from .accumulate import edge_of
from .backward import Capture, execute
from .jacobians import (
    GradcheckError,
    backward_jacobian,
    compared,
    forward_jacobian,
    numerical_jacobian,
    requires,
)
from .pointwise import imag, real
from .tensor import Tensor

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

Tensors = tuple[Tensor, ...]
DOUBLE = frozenset((torch.float64, torch.complex128))


@dataclass(frozen=True, slots=True)
class _Settings:
    eps: float
    atol: float
    rtol: float
    nondet_tol: float
    fast: bool


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Return True if the gradients of `func` at `inputs`, those that require grad, agree with finite
    differences.

    `func` returns a tensor or a tuple of tensors. `eps` is the step, `atol` and `rtol` are the tolerances.
    Raises GradcheckError where they do not agree, or returns False without `raise_exception`; ValueError if
    no input requires grad, RuntimeError for inputs whose elements share memory.
    """
    del masked, check_grad_dtypes  # every tensor is strided, and gradients get the dtype of their input
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    settings = _Settings(eps, atol, rtol, nondet_tol, fast_mode)
    given = inputs if isinstance(inputs, tuple) else tuple(inputs) if isinstance(inputs, list) else (inputs,)
    try:
        _check_inputs(given)
        for part, note in (
            (real, ""),
            (imag, "While considering the imaginary part of complex outputs only, "),
        ):
            _check_part(func, given, part, note, settings, check_forward_ad, check_backward_ad)
        if check_backward_ad:
            _check_zero(func, given)
            if check_batched_grad:
                _check_batched(func, given)
            if check_undefined_grad:
                _check_undefined(func, given)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Return True if the gradients of the gradients of `func` agree with finite differences; see `gradcheck`.

    `grad_outputs` are the cotangents at which they are checked, random ones if they are left out.
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    given = inputs if isinstance(inputs, tuple) else tuple(inputs) if isinstance(inputs, list) else (inputs,)
    if grad_outputs is None:
        cotangents = tuple(_random_like(output).requires_grad_() for output in _outputs(func(*given)))
        if gen_non_contig_grad_outputs:
            cotangents = tuple(_apart(cotangent) for cotangent in cotangents)
    else:
        cotangents = grad_outputs if isinstance(grad_outputs, tuple) else (grad_outputs,)
    count = len(cotangents)

    def slope(*args: Any) -> Tensors:
        points = tuple(
            point.requires_grad_() if requires(point) and point.is_leaf else point
            for point in args[: len(args) - count]
        )
        wanted = [point for point in points if requires(point)]
        outputs = _outputs(func(*points))
        grads = autograd.grad(outputs, wanted, args[-count:], create_graph=True, allow_unused=True)
        return tuple(grad for grad in grads if grad is not None)

    return gradcheck(
        slope,
        given + cotangents,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        fast_mode=fast_mode,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        masked=masked,
    )


# --- inputs and outputs ---


def _check_inputs(inputs: Sequence[Any]) -> None:
    """Raise ValueError or RuntimeError for inputs that cannot be checked, and warn of those that will hardly
    pass.
    """
    if not any(requires(value) for value in inputs):
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have "
            "requires_grad=True."
        )
    for index, value in enumerate(inputs):
        if not requires(value):
            continue
        if value.dtype not in DOUBLE:
            warnings.warn(
                f"Input #{index} requires gradient and is not a double precision floating point or complex. "
                "This check will likely fail if all the inputs are not of double precision floating point "
                "or complex. ",
                stacklevel=3,
            )
        if any(stride == 0 and size > 1 for stride, size in zip(value.stride(), value.shape, strict=True)):
            raise RuntimeError(
                f"The {index}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                "non-overlapping to be able to compute the numerical gradients correctly. You should call "
                ".contiguous on the input before passing it to gradcheck."
            )


def _outputs(result: Any) -> Tensors:
    """Return the outputs that require grad."""
    values = result if isinstance(result, tuple) else tuple(result) if isinstance(result, list) else (result,)
    return tuple(value for value in values if requires(value))


def _random_like(value: Tensor) -> Tensor:
    return Tensor._of(torch.rand_like(value._data))


def _apart(value: Tensor) -> Tensor:
    """Return a leaf with the numbers of `value` that is not contiguous."""
    wide = torch.empty((*value.shape, 2), dtype=value.dtype, device=value.device)[..., 0]
    return Tensor._of(wide.copy_(value._data)).requires_grad_()


# --- the checks ---


def _check_part(  # noqa: PLR0917 - what `gradcheck` is asked
    func: Callable[..., Any],
    inputs: Tensors,
    part: Callable[[Tensor], Tensor],
    note: str,
    settings: _Settings,
    forward: bool,
    backward: bool,
) -> None:
    """Check the real or the imaginary part of the outputs; only complex ones have the latter."""

    def values(*args: Any) -> Tensors:
        found = _outputs(func(*args))
        if part is imag:
            found = tuple(output for output in found if output.dtype.is_complex)
        return tuple(part(output) if output.dtype.is_complex else output for output in found)

    wanted = [value for value in inputs if requires(value)]
    outputs = values(*inputs)
    if not outputs and part is imag:
        return
    numerical = [numerical_jacobian(func, inputs, value, part, settings.eps) for value in wanted]
    if not outputs:
        if any(bool((column != 0).any()) for columns in numerical for column in columns):
            raise GradcheckError("Numerical gradient for function expected to be zero")
        return
    # What does not require grad has differences too, which nothing is held against.
    tracked = [requires(output) for output in compared(func(*inputs), part)]
    numerical = [[*compress(columns, tracked)] for columns in numerical]
    if backward:
        analytical = [backward_jacobian(output, wanted, settings.nondet_tol) for output in outputs]
        _compare(analytical, numerical, settings, f"{note}Jacobian mismatch")
    if forward:
        _compare(
            forward_jacobian(values, inputs, len(outputs)),
            numerical,
            settings,
            f"{note}Jacobian computed with forward mode mismatch",
        )


def _compare(
    analytical: list[list[torch.Tensor]], numerical: list[list[torch.Tensor]], settings: _Settings, what: str
) -> None:
    """Raise GradcheckError where the two Jacobians differ; in fast mode they are compared along random
    vectors.
    """
    for place, row in enumerate(analytical):
        for index, found in enumerate(row):
            expected = numerical[index][place]
            if found.numel() == 0:
                continue
            one, other = found, expected.to(found.dtype)
            if settings.fast:
                along = torch.rand(found.shape[0], dtype=found.dtype)
                across = torch.rand(found.shape[1], dtype=found.dtype)
                one, other = along @ one @ across, along @ other @ across
            if not torch.allclose(one, other, settings.rtol, settings.atol):
                raise GradcheckError(
                    f"{what} for output {place} with respect to input "
                    f"{index},\nnumerical:{expected}\nanalytical:{found}\n"
                )


# --- further properties of backward ---


def _check_zero(func: Callable[..., Any], inputs: Tensors) -> None:
    """Raise GradcheckError unless gradients are zero where the cotangents are."""
    wanted = [value for value in inputs if requires(value)]
    outputs = _outputs(func(*inputs))
    if not outputs:
        return
    cotangents = [Tensor._of(torch.zeros_like(output._data)) for output in outputs]
    grads = autograd.grad(outputs, wanted, cotangents, allow_unused=True)
    if any(grad is not None and bool((grad._data != 0).any()) for grad in grads):
        raise GradcheckError("backward not multiplied by grad_output")


def _check_batched(func: Callable[..., Any], inputs: Tensors) -> None:
    """Raise GradcheckError unless a batch of cotangents gives the gradients of each of them."""
    wanted = [value for value in inputs if requires(value)]
    for output in _outputs(func(*inputs)):
        batch = Tensor._of(torch.rand((2, *output.shape), dtype=output.dtype, device=output.device))
        each = [
            autograd.grad(output, wanted, vector, retain_graph=True, allow_unused=True) for vector in batch
        ]
        together = autograd.grad(
            output, wanted, batch, retain_graph=True, allow_unused=True, is_grads_batched=True
        )
        for grads, found in zip(zip(*each, strict=True), together, strict=True):
            if found is not None and not torch.allclose(
                torch.stack([grad._data for grad in grads]), found._data
            ):
                raise GradcheckError(
                    "For output: the batched gradient is not the gradient of each of the batch"
                )


def _check_undefined(func: Callable[..., Any], inputs: Tensors) -> None:
    """Raise GradcheckError unless backward can do without gradients of outputs, of all and of each one."""
    wanted = [edge for value in inputs if requires(value) and (edge := edge_of(value)) is not None]
    count = len(_outputs(func(*inputs)))
    missing = [set(range(count)), *({place} for place in range(count) if count > 1)]
    for places in missing:
        outputs = _outputs(func(*inputs))
        roots = [
            (edge, None if place in places else torch.zeros_like(output._data))
            for place, output in enumerate(outputs)
            if (edge := edge_of(output)) is not None
        ]
        capture = Capture({edge: {0: None} for edge in wanted})
        try:
            execute(roots, keep=False, graph=False, capture=capture)
        except RuntimeError as error:
            raise GradcheckError(
                'Expected backward function to handle undefined output grads. Please look at "Notes about '
                'undefined output gradients" in "tools/autograd/derivatives.yaml"'
            ) from error
        grads = [grad for found in capture.wanted.values() for grad in found.values()]
        if any(grad is not None and bool((grad != 0).any()) for grad in grads):
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are undefined or "
                "zero. Please "
                'look at "Notes about undefined output gradients" in "tools/autograd/derivatives.yaml"'
            )
