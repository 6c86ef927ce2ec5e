"""Attention: the derivatives of softmax by name, the fused kernel, and bilinear forms."""

from __future__ import annotations

from typing import Any

import torch

from .formulas import formula, kernel
from .registry import NON_DIFFERENTIABLE, NOT_IMPLEMENTED, rule

T = Any
_aten = torch.ops.aten


@formula
def softmax_twice(grad: T, grad_output: T, output: T, dim: int) -> T:
    """Return the gradient of the derivative of softmax by the result of softmax."""
    of_output = (output * grad_output).sum(dim, keepdim=True) * grad
    return grad_output * grad - of_output - grad_output * (grad * output).sum(dim, keepdim=True)


# The derivatives of softmax and log_softmax, which torch offers by name. `dtype` is that of their input.
kernel("softmax_backward_data", _aten._softmax_backward_data.default)
rule(
    "softmax_backward_data",
    grad_fn="SoftmaxBackwardDataBackward0",
    tensors="grad_output output",
    args="dim dtype",
    forward="softmax_backward_data(grad_output, output, dim, dtype)",
    grad_output="softmax_backward_data(grad.to(grad_output_dtype), output, dim, dtype)",
    output="softmax_twice(grad.to(grad_output_dtype), grad_output, output, dim)",
    saves="grad_output output",
)
kernel("log_softmax_backward_data", _aten._log_softmax_backward_data.default)
rule(
    "log_softmax_backward_data",
    grad_fn="LogSoftmaxBackwardDataBackward0",
    tensors="grad_output output",
    args="dim dtype",
    forward="log_softmax_backward_data(grad_output, output, dim, dtype)",
    grad_output="grad.to(output_dtype) - (grad.to(output_dtype) * output.exp()).sum(dim, keepdim=True)",
    output="-grad_output.sum(dim, keepdim=True) * grad.to(output_dtype) * output.exp()",
    saves="grad_output output",
)


# Rows of minus infinities give 0 and not nan.
kernel("safe_softmax", torch._safe_softmax)
rule(
    "safe_softmax",
    grad_fn="SafeSoftmaxBackward0",
    tensors="self",
    args="dim dtype",
    forward="safe_softmax(self, dim, dtype)",
    self="softmax_backward_data(grad, result, dim, self_dtype)",
    saves="result",
)

# --- the fused kernel ---

_BACKWARD = "_scaled_dot_product_flash_attention_for_cpu_backward"


def _fused_backward(  # noqa: PLR0917 - what attention is made of
    grad: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    out: torch.Tensor,
    sums: torch.Tensor,
    is_causal: bool,
    scale: float | None,
    which: int,
) -> torch.Tensor:
    """Return the gradient of the query (0), the key (1) or the value (2)."""
    made: tuple[torch.Tensor, ...] = getattr(_aten, _BACKWARD)(
        grad, query, key, value, out, sums, 0.0, is_causal, attn_mask=mask, scale=scale
    )
    return made[which]


_GRADIENT = f"{_BACKWARD}(grad, query, key, value, mask, result, sums, is_causal, scale, {{}})"
kernel(_BACKWARD, _fused_backward)
# `found` is what the kernel found, and `sums` the logarithms of the sums of exponentials. torch's table has
# no derivative of the backward.
rule(
    "flash_attention",
    grad_fn="ScaledDotProductFlashAttentionForCpuBackward0",
    tensors="query key value mask sums",
    args="is_causal scale found",
    forward="found",
    query=_GRADIENT.format(0),
    key=_GRADIENT.format(1),
    value=_GRADIENT.format(2),
    mask=NON_DIFFERENTIABLE,
    sums=NON_DIFFERENTIABLE,
    saves="query key value mask sums result",
)
rule(
    _BACKWARD,
    grad_fn="torch::autograd::NotImplemented",
    tensors="grad_output query key value mask found sums",
    args="is_causal scale which",
    forward=f"{_BACKWARD}(grad_output, query, key, value, mask, found, sums, is_causal, scale, which)",
    grad_output=NOT_IMPLEMENTED,
    query=NOT_IMPLEMENTED,
    key=NOT_IMPLEMENTED,
    value=NOT_IMPLEMENTED,
    mask=NON_DIFFERENTIABLE,
    found=NOT_IMPLEMENTED,
    sums=NON_DIFFERENTIABLE,
    saves="",
)

# --- products of three ---

kernel("trilinear", torch.nn.functional.bilinear)


@formula
def other_factor(value: T, weight: T, dim: int) -> T:
    """Return sum_j w[o, i, j] x[b, j] as [b, o, i], where j is dimension `dim` of `weight`."""
    matrices = weight.transpose(dim, 2)
    rows = matrices.reshape(matrices.shape[0] * matrices.shape[1], matrices.shape[2])
    return value.matmul(rows.t()).reshape(value.shape[0], matrices.shape[0], matrices.shape[1])


@formula
def outer_products(left: T, right: T) -> T:
    """Return the outer product of each two rows, flattened."""
    products = left.unsqueeze(2) * right.unsqueeze(1)
    return products.reshape(left.shape[0], left.shape[1] * right.shape[1])


# sum_ij x1[b, i] w[o, i, j] x2[b, j]
rule(
    "trilinear",
    grad_fn="TrilinearBackward0",
    tensors="x1 x2 weight",
    forward="trilinear(x1, x2, weight)",
    x1="(grad.unsqueeze(2) * other_factor(x2, weight, 2)).sum(1)",
    x2="(grad.unsqueeze(2) * other_factor(x1, weight, 1)).sum(1)",
    weight="grad.t().matmul(outer_products(x1, x2)).reshape(weight_shape)",
    saves="x1 x2 weight",
    sparing=True,
)
