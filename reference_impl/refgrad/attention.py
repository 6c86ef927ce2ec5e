"""Attention and bilinear forms of `refgrad.nn.functional`, with torch's signatures.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#attention-mechanisms, and
transformers/attention.cpp in aten/src/ATen/native
"""

from __future__ import annotations

import math

import torch

from .arrangement import repeat_interleave
from .complex_support import refuse_complex
from .dropouts import dropout
from .loss_arguments import data_of
from .ops import apply
from .optional import optional
from .shapes import matmul, reshape, transpose
from .tensor import Tensor

__all__ = ["bilinear", "scaled_dot_product_attention"]

TORCH = ("_log_softmax_backward_data", "_safe_softmax", "_softmax_backward_data", "bilinear")

_HALF = (torch.float16, torch.bfloat16)


def _softmax_backward_data(grad_output: Tensor, output: Tensor, dim: int, input_dtype: torch.dtype) -> Tensor:
    """Return the gradient of the input of a softmax along `dim` with the result `output`."""
    return apply("softmax_backward_data", grad_output, output, dim, input_dtype)


def _log_softmax_backward_data(
    grad_output: Tensor, output: Tensor, dim: int, input_dtype: torch.dtype
) -> Tensor:
    """Return the gradient of the input of a log_softmax along `dim` with the result `output`."""
    return apply("log_softmax_backward_data", grad_output, output, dim, input_dtype)


def _safe_softmax(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Return the softmax along `dim`, and 0 where all there is is minus infinity."""
    return apply("safe_softmax", input, dim, dtype)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return sum_ij x1[..., i] w[o, i, j] x2[..., j] + bias: [..., I], [..., J], [O, I, J], [O] to [..., O].

    Raises RuntimeError for shapes that do not fit, and for complex numbers where it would be recorded: torch
    has no derivative of it there.
    """
    if input1.ndim != input2.ndim:
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}")
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError("bilinear(): input batch dimensions do not match")
    refuse_complex("_trilinear", input1, input2, weight)
    left, right = (reshape(value, (-1, value.shape[-1])) for value in (input1, input2))
    made = reshape(apply("trilinear", left, right, weight), (*input1.shape[:-1], weight.shape[0]))
    return made if bias is None else made + bias


def scaled_dot_product_attention(  # noqa: PLR0917 - torch's signature
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return softmax(scale * query @ key.T + mask) @ value: [..., L, E], [..., S, E], [..., S, V] to
    [..., L, V].

    `attn_mask` is added, or, if it is boolean, says what may be attended to; a row without anything gives 0.
    `is_causal` is the mask of what comes before. `scale` is 1 / sqrt(E) by default. With `enable_gqa` each
    head of key and value serves several of the query. Where torch chooses its fused kernel so does this, and
    it is differentiated once: torch has no derivative of the backward. Raises RuntimeError for dtypes and
    shapes that do not fit and for a mask together with `is_causal`.
    """
    _check(query, key, value, attn_mask)
    differentiable_mask = attn_mask is not None and attn_mask.requires_grad
    parts = query._data, key._data, value._data
    fused = not differentiable_mask and torch._fused_sdp_choice(
        *parts, data_of(attn_mask), dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
    )
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        added = torch.zeros(attn_mask.shape, dtype=query.dtype, device=query.device)
        attn_mask = Tensor._of(added.masked_fill(~attn_mask._data, -math.inf))
    if fused:
        found, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            *parts, dropout_p, is_causal, attn_mask=data_of(attn_mask), scale=scale
        )
        return apply(
            "flash_attention",
            query,
            key,
            value,
            optional(attn_mask),
            Tensor._of(sums),
            is_causal,
            scale,
            found,
        )
    dtype = query.dtype
    if dtype in _HALF:  # as torch does, products are summed up in single precision
        query, key, value = query.float(), key.float(), value.float()
        attn_mask = None if attn_mask is None else attn_mask.float()
    return _composed(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa).to(dtype)


def _composed(  # noqa: PLR0917 - the arguments of attention
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    dropout_p: float,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool,
) -> Tensor:
    """Return attention by torch's composition (`_scaled_dot_product_attention_math`)."""
    if is_causal:
        if mask is not None:
            raise RuntimeError(
                "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
            )
        before = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
        added = torch.zeros(before.shape, dtype=query.dtype, device=query.device)
        mask = Tensor._of(added.masked_fill(~before, -math.inf))
    if enable_gqa:
        times = query.shape[-3] // key.shape[-3]
        key, value = (repeat_interleave(one, times, -3) for one in (key, value))
    # Both factors are scaled before they are multiplied, which is more stable.
    size = query.shape[-1]
    by = (1 / math.sqrt(size) if size else math.inf) if scale is None else scale
    root = math.sqrt(abs(by))
    products = matmul(query * math.copysign(root, by), transpose(key, -2, -1) * root)
    weights = _safe_softmax(products if mask is None else products + mask, -1)
    return matmul(dropout(weights, dropout_p, True) if dropout_p > 0 else weights, value)


def _check(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
    """Raise torch's RuntimeError for arguments of attention that do not fit together."""
    if not query.dtype == key.dtype == value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{query.dtype} key.dtype: {key.dtype} and value.dtype: {value.dtype} instead."
        )
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim}, key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if mask is not None and mask.dtype not in (torch.bool, query.dtype):
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{mask.dtype} and  query.dtype: {query.dtype} instead."
        )
