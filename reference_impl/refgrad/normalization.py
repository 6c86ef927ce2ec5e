"""Normalisation over layers, groups of channels, instances and batches, with torch's signatures.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#normalization-functions
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from .ops import apply
from .optional import optional
from .pooling import avg_pool2d, avg_pool3d
from .rules.normalization import Geometry
from .shapes import mean
from .tensor import Tensor

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]
TORCH = (
    "_native_batch_norm_legit",
    "native_batch_norm",
    "native_group_norm",
    "native_layer_norm",
    "rms_norm",
)


def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return `layer_norm` with the means and the reciprocal deviations, from which no gradient comes."""
    shape = tuple(normalized_shape)
    geometry = Geometry(tuple(input.shape), tuple(range(-len(shape), 0)), shape, eps)
    found: Any = apply("native_layer_norm", input, optional(weight), optional(bias), geometry, (shape, eps))
    return found  # type: ignore[no-any-return]


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """Return `input` less its mean, over its standard deviation, both over the last dimensions.

    Raises RuntimeError if `normalized_shape` is not the shape of those, and of `weight` and `bias`.
    """
    return native_layer_norm(input, normalized_shape, weight, bias, eps)[0]


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Return `input` over the root of its mean square over the last dimensions, times `weight`.

    `eps` is added to the mean square, by default the epsilon of the dtype that is computed in. Raises
    RuntimeError if `normalized_shape` is not the shape of those dimensions, and of `weight`.
    """
    shape = tuple(normalized_shape)
    _check_trailing(input, shape, weight)
    wide = torch.float32 if input.dtype in (torch.float16, torch.bfloat16) else input.dtype
    value = input.to(wide)
    least = torch.finfo(wide).eps if eps is None else eps
    square = mean(value.pow(2), tuple(range(-len(shape), 0)), True)
    result = value * (square + least).rsqrt()
    result = result if weight is None else result * weight
    return result.type_as(input).contiguous()


def _check_trailing(input: Tensor, shape: tuple[int, ...], weight: Tensor | None) -> None:
    """Raise torch's RuntimeError unless `shape` is that of the last dimensions, and of `weight`."""
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, "
            "but got normalized_shape = []"
        )
    if weight is not None and tuple(weight.shape) != shape:
        raise RuntimeError(
            f"Expected weight to be of same shape as normalized_shape, but got weight of shape "
            f"{list(weight.shape)} and normalized_shape = {list(shape)}"
        )
    if tuple(input.shape[-len(shape) :]) != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape "
            f"[*{', '.join(map(str, shape))}], but got input of size{list(input.shape)}"
        )


def native_group_norm(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: int,  # noqa: N803 - torch's name
    C: int,  # noqa: N803 - torch's name
    HxW: int,  # noqa: N803 - torch's name
    group: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return `group_norm` with the means and the reciprocal deviations [N, group].

    Gradients of those two count if both of them have one; torch drops a single one.
    """
    each = C // group if group else 0
    geometry = Geometry((N, group, each, HxW), (2, 3), (1, group, each, 1), eps)
    found: Any = apply(
        "native_group_norm", input, optional(weight), optional(bias), geometry, (N, C, HxW, group, eps)
    )
    return found  # type: ignore[no-any-return]


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """Return [N, C, ...] normalised over `num_groups` groups of channels, times `weight` [C], plus `bias`.

    Raises RuntimeError for shapes that do not fit, ValueError if a group has a single value.
    """
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    batch, channels, *places = input.shape
    _check_counts([batch * channels // num_groups, num_groups, *places])
    if channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input.shape)} and num_groups={num_groups}"
        )
    for name, given in (("weight", weight), ("bias", bias)):
        if given is not None and tuple(given.shape) != (channels,):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got "
                f"{name} of shape {list(given.shape)} and input of shape {list(input.shape)}"
            )
    # The kernel reads its operands as if they were contiguous.
    value, size = input.contiguous(), math.prod(places)
    scale, shift = (None if given is None else given.contiguous() for given in (weight, bias))
    return native_group_norm(value, scale, shift, batch, channels, size, num_groups, eps)[0]


def _check_counts(size: Sequence[int]) -> None:
    """Raise torch's ValueError if each channel has one value only."""
    if size[0] * math.prod(size[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {size}")


def native_batch_norm(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return `batch_norm` with the means and the reciprocal deviations, from which no gradient comes.

    Both are empty unless `training`. Raises RuntimeError for statistics that are not there or do not fit.
    """
    found: tuple[Tensor, Tensor, Tensor] = _batch_norm(
        "native_batch_norm", input, weight, bias, (running_mean, running_var), training, momentum, eps
    )
    return found


def _native_batch_norm_legit(input: Tensor, weight: Tensor | None, bias: Tensor | None, *rest: Any) -> Any:
    """Return what `native_batch_norm` returns; running statistics may be left out altogether."""
    if len(rest) == 3:
        name, known, options = "_native_batch_norm_legit_no_stats", (None, None), rest
    else:
        name, known, options = "_native_batch_norm_legit", rest[:2], rest[2:]
    return _batch_norm(name, input, weight, bias, known, *options)


def batch_norm_with_update(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what `native_batch_norm` returns in training, and the bytes that cuDNN reserves: none here."""
    known = (running_mean, running_var)
    found = _batch_norm("_batch_norm_with_update", input, weight, bias, known, True, momentum, eps)
    return (*found, Tensor._of(torch.empty(0, dtype=torch.uint8, device=input.device)))


def _batch_norm(  # noqa: PLR0917 - torch's signature
    name: str,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    known: tuple[Tensor | None, Tensor | None],
    training: bool,
    momentum: float,
    eps: float,
) -> Any:
    if not input.ndim:
        raise RuntimeError("batch_norm: expected at least one dimension, but got a number")
    running_mean, running_var = known
    given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    channels = input.shape[1] if input.ndim > 1 else 0
    for what, tensor in given.items():
        if tensor is None:
            if not training and what.startswith("running"):
                raise RuntimeError(f"{what} must be defined in evaluation mode")
        elif tensor.numel() != channels:
            raise RuntimeError(f"{what} should contain {channels} elements not {tensor.numel()}")
    geometry = Geometry(
        tuple(input.shape),
        (0, *range(2, input.ndim)),
        (1, input.shape[1], *(1 for _ in input.shape[2:])),
        eps,
        own=training,
    )
    operands = map(optional, (weight, bias, running_mean, running_var))
    return apply(name, input, *operands, geometry, (training, momentum, eps))


def batch_norm(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return [N, C, ...] less its mean, over its standard deviation, for each channel.

    The statistics are those of the batch in training, and then the running ones are moved towards them by
    `momentum` (the variance in its unbiased form), without history. Raises ValueError for a batch with one
    value for each channel and an `eps` that is not positive, RuntimeError for statistics that do not fit.
    """
    if training:
        _check_counts(input.shape)
    if eps < 0 or (training and eps == 0):
        kind = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {kind}, but got {eps}")
    if input.numel() == 0:
        # As in torch, which has no kernel for it.
        out = input.clone()
        out = out if weight is None else out * weight[0]
        return out if bias is None else out + bias[0]
    return native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)[0]


def instance_norm(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor:
    """Return [N, C, ...] normalised for each channel of each element of the batch.

    The statistics are its own, and the running ones are moved to their mean over the batch; or they are the
    running ones, if `use_input_stats` is false. Raises ValueError if there is one value to each, and
    RuntimeError for statistics that are not there or do not fit.
    """
    if use_input_stats:
        if math.prod(input.shape[2:]) == 1:
            raise ValueError(
                f"Expected more than 1 spatial element when training, got input size {input.shape}"
            )
    elif running_mean is None or running_var is None:
        raise RuntimeError(
            "Expected running_mean and running_var to be defined when use_input_stats is false"
        )
    batch, channels, *places = input.shape

    def for_each(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.repeat(batch)

    weights, biases = for_each(weight), for_each(bias)
    means, variances = for_each(running_mean), for_each(running_var)
    out = batch_norm(
        input.contiguous().view(1, batch * channels, *places),
        means,
        variances,
        weights,
        biases,
        use_input_stats,
        momentum,
        eps,
    )
    for running, each in ((running_mean, means), (running_var, variances)):
        if running is not None and each is not None:
            running.copy_(Tensor._of(each._data.view(batch, channels).mean(0)))
    return out.view(input.shape)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Return [N, C, ...] over (k + alpha m) ** beta, with m the mean square of `size` neighbouring channels.

    Raises ValueError for fewer than three dimensions.
    """
    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    if input.numel() == 0:
        return input
    square = input * input
    before, after = size // 2, (size - 1) // 2
    if input.ndim == 3:
        square = apply("pad_constant", square.unsqueeze(1), (0, 0, before, after), 0)
        local = avg_pool2d(square, (size, 1), stride=1).squeeze(1)
    else:
        batch, channels, first = input.shape[:3]
        square = square.view(batch, 1, channels, first, -1)
        square = apply("pad_constant", square, (0, 0, 0, 0, before, after), 0)
        local = avg_pool3d(square, (size, 1, 1), stride=1).squeeze(1).view(input.shape)
    return input / (local * alpha + k).pow(beta)
