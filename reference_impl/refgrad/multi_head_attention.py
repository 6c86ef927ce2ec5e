"""`refgrad.nn.functional.multi_head_attention_forward`: torch's composition, with torch's signature.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
"""

from __future__ import annotations

import math
import warnings

import torch

from .attention import scaled_dot_product_attention
from .dropouts import dropout
from .functional import linear
from .matrix_products import baddbmm
from .multiple import cat
from .padding import pad
from .reductions import softmax
from .shapes import bmm, mean
from .tensor import Tensor

__all__ = ["multi_head_attention_forward"]


def multi_head_attention_forward(  # noqa: PLR0917 - torch's signature
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Return attention of several heads and, if `need_weights`, its weights; None otherwise.

    query [L, N, E], key [S, N, E] and value [S, N, E], or all of them without N, give [L, N, E] and
    [N, L, S], or [N, heads, L, S] unless `average_attn_weights`. The masks `key_padding_mask` [N, S] and
    `attn_mask` [L, S] or [N * heads, L, S] are added, or say, if they are boolean, what is left out. Raises
    AssertionError or RuntimeError, as torch does, for shapes that do not fit.
    """
    _check(query, key, value, key_padding_mask, attn_mask, num_heads)
    batched = query.ndim == 3
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, size = query.shape
    if key_padding_mask is not None and attn_mask is not None and key_padding_mask.dtype != attn_mask.dtype:
        warnings.warn(
            "Support for mismatched key_padding_mask and attn_mask is deprecated. Use same type for both "
            "instead.",
            stacklevel=2,
        )
    padding = _added(key_padding_mask, "key_padding_mask", query.dtype)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    hinted = is_causal and padding is None and not need_weights
    mask = None if hinted else _added(attn_mask, "attn_mask", query.dtype)
    if size != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {size}")
    if size % num_heads:
        raise AssertionError(f"embed_dim {size} not divisible by num_heads {num_heads}")
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias, separate)
    mask = _of_heads(mask, length, key.shape[0], batch * num_heads)
    extra = int(add_zero_attn)
    if _given(bias_k, bias_v, static_k, static_v):
        k, v = (
            cat([one, bias.repeat(1, batch, 1)])
            for one, bias in ((k, bias_k), (v, bias_v))
            if bias is not None
        )
        extra += 1
    heads, width = batch * num_heads, size // num_heads
    q = q.view(length, heads, width).transpose(0, 1)
    k = _split_or(static_k, k, heads, width, "static_k")
    v = _split_or(static_v, v, heads, width, "static_v")
    if add_zero_attn:
        nothing = Tensor._of(q._data.new_zeros(heads, 1, width))
        k, v = cat([k, nothing], 1), cat([v, nothing], 1)
    if extra:
        mask = None if mask is None else pad(mask, (0, extra))
        padding = None if padding is None else pad(padding, (0, extra))
    mask = _merged(mask, padding, batch, num_heads, k.shape[1])
    rate = dropout_p if training else 0.0
    if need_weights:
        if is_causal and mask is None:
            raise AssertionError("FIXME: is_causal not implemented for need_weights")
        made, weights = _attended(q, k, v, mask, rate, batch)
        weights = mean(weights, 1) if average_attn_weights else weights
    else:
        made, weights = _fused(q, k, v, mask, rate, is_causal and padding is None, batch), None
    out = linear(made.reshape(length * batch, size), out_proj_weight, out_proj_bias).view(length, batch, -1)
    if not batched:
        out, weights = out.squeeze(1), None if weights is None else weights.squeeze(0)
    return out, weights


def _attended(  # noqa: PLR0917 - what attention is made of
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, rate: float, batch: int
) -> tuple[Tensor, Tensor]:
    """Return attention [L, N * heads, E / heads] and its weights [N, heads, L, S]."""
    q, k = q * math.sqrt(1.0 / q.shape[2]), k.transpose(-2, -1)
    weights = softmax(bmm(q, k) if mask is None else baddbmm(mask, q, k), -1)
    if rate > 0:
        weights = dropout(weights, rate, True)
    return bmm(weights, v).transpose(0, 1), weights.view(batch, -1, *weights.shape[1:])


def _fused(  # noqa: PLR0917 - what attention is made of
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, rate: float, is_causal: bool, batch: int
) -> Tensor:
    """Return attention [L, N, heads, E / heads] by the function that may choose the fused kernel."""
    if mask is not None:
        mask = mask.unsqueeze(0) if mask.shape[0] == 1 else mask.view(batch, -1, mask.shape[1], k.shape[1])
    q, k, v = (one.view(batch, -1, *one.shape[1:]) for one in (q, k, v))
    return scaled_dot_product_attention(q, k, v, mask, rate, is_causal).permute(2, 0, 1, 3)


def _check(  # noqa: PLR0917 - what is checked
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    num_heads: int,
) -> None:
    """Raise torch's AssertionError for numbers of dimensions that do not fit together."""
    rank = query.ndim
    if rank not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {rank}-D query tensor"
        )
    what = f"For {'batched (3-D)' if rank == 3 else 'unbatched (2-D)'} `query`, expected"
    if not key.ndim == value.ndim == rank:
        raise AssertionError(
            f"{what} `key` and `value` to be {rank}-D but found {key.ndim}-D and {value.ndim}-D tensors "
            "respectively"
        )
    if key_padding_mask is not None and key_padding_mask.ndim != rank - 1:
        raise AssertionError(
            f"{what} `key_padding_mask` to be `None` or {rank - 1}-D but found {key_padding_mask.ndim}-D "
            "tensor instead"
        )
    if attn_mask is not None and attn_mask.ndim not in (2, 3):
        raise AssertionError(
            f"{what} `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.ndim}-D tensor instead"
        )
    if attn_mask is not None and rank == 2 and attn_mask.ndim == 3:
        expected = (num_heads, query.shape[0], key.shape[0])
        if attn_mask.shape != expected:
            raise AssertionError(
                f"Expected `attn_mask` shape to be {expected} but got {tuple(attn_mask.shape)}"
            )


def _added(mask: Tensor | None, name: str, dtype: torch.dtype) -> Tensor | None:
    """Return a mask that is added: minus infinity where a boolean one is true."""
    if mask is None or mask.dtype.is_floating_point:
        return mask
    if mask.dtype != torch.bool:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    zeros = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
    return Tensor._of(zeros.masked_fill(mask._data, -math.inf))


def _projected(  # noqa: PLR0917 - what is projected
    query: Tensor,
    key: Tensor,
    value: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    separate: tuple[Tensor | None, ...] | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return query, key and value, each mapped by its part of `weight` [3 E, E] or one of `separate`."""
    if separate is None:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        if key is value:
            return _together(query, key, weight, bias)
        separate = weight.chunk(3)
    elif key.shape[:2] != value.shape[:2]:
        raise AssertionError(
            f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
        )
    biases: tuple[Tensor | None, ...] = (None, None, None) if bias is None else bias.chunk(3)
    made = []
    for name, one, by, offset in zip("qkv", (query, key, value), separate, biases, strict=True):
        if by is None:
            raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
        if by.shape != (query.shape[-1], one.shape[-1]):
            raise AssertionError(
                f"expecting weights shape of {(query.shape[-1], one.shape[-1])}, but got {tuple(by.shape)}"
            )
        made.append(linear(one, by, offset))
    return made[0], made[1], made[2]


def _together(
    query: Tensor, key: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return query, key and value by one product where they are the same tensor, by two where only key and
    value are.

    Source: `_in_projection_packed` in torch/nn/functional.py.
    """
    if query is key:
        parts = _parts(linear(query, weight, bias), 3)
        return parts[0], parts[1], parts[2]
    size = query.shape[-1]
    first, others = weight.split([size, 2 * size])
    offset, offsets = (None, None) if bias is None else bias.split([size, 2 * size])
    projected = linear(query, first, offset)
    parts = _parts(linear(key, others, offsets), 2)
    return projected, parts[0], parts[1]


def _parts(projected: Tensor, count: int) -> Tensor:
    """Return a product [..., count * E] as [count, ..., E]."""
    size = projected.shape[-1] // count
    parts = projected.unflatten(-1, (count, size)).unsqueeze(0).transpose(0, -2).squeeze(-2)
    return parts.contiguous()


def _of_heads(mask: Tensor | None, length: int, source: int, heads: int) -> Tensor | None:
    """Return an attention mask in three dimensions; raise RuntimeError for other shapes than [L, S] and
    [heads, L, S].
    """
    if mask is None:
        return None
    expected = (length, source) if mask.ndim == 2 else (heads, length, source)
    if mask.shape != expected:
        raise RuntimeError(
            f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {expected}."
        )
    return mask.unsqueeze(0) if mask.ndim == 2 else mask


def _given(
    bias_k: Tensor | None, bias_v: Tensor | None, static_k: Tensor | None, static_v: Tensor | None
) -> bool:
    """Whether there are biases for key and value; raise AssertionError for one alone or a static one."""
    if (bias_k is None) != (bias_v is None):
        there, missing = ("bias_k", "bias_v") if bias_v is None else ("bias_v", "bias_k")
        raise AssertionError(f"{there} is set but {missing} is None")
    if bias_k is not None and (static_k is not None or static_v is not None):
        raise AssertionError(f"bias cannot be added to static {'value' if static_k is None else 'key'}.")
    return bias_k is not None


def _merged(
    mask: Tensor | None, padding: Tensor | None, batch: int, num_heads: int, source: int
) -> Tensor | None:
    """Return the sum of both masks, [N * heads, 1 or L, S]."""
    if padding is None:
        return mask
    if padding.shape != (batch, source):
        raise AssertionError(
            f"Expected key_padded_mask.shape to be {(batch, source)}, but got {tuple(padding.shape)}"
        )
    of_heads = padding.view(batch, 1, 1, source).expand(-1, num_heads, -1, -1)
    padding = of_heads.reshape(batch * num_heads, 1, source)
    return padding if mask is None else mask + padding


def _split_or(static: Tensor | None, value: Tensor, heads: int, width: int, name: str) -> Tensor:
    """Return `value` [S, N, E] as [heads, S, width], or what is given in its place."""
    if static is None:
        return value.view(value.shape[0], heads, width).transpose(0, 1)
    for dim, expected in ((0, heads), (2, width)):
        if static.shape[dim] != expected:
            raise AssertionError(f"expecting {name}.size({dim}) of {expected}, but got {static.shape[dim]}")
    return static
