"""Dropout with the signatures of `torch.nn.functional`."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from refgrad import dropouts as _forms
from refgrad.tensor import Tensor

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]


def _drop(name: str, input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    """Call the form `name` of dropout; raise ValueError for a `p` that is no probability."""
    _check(p)
    form: Callable[..., Tensor] = getattr(_forms, f"{name}_" if inplace else name)
    return form(input, p, training)


def _check(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability `p` and divide the others by 1 - p; return `input` itself in
    evaluation.

    Raises ValueError for a `p` that is no probability.
    """
    return _drop("dropout", input, p, training, inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Set each element with probability `p` to what SELU saturates at, keeping mean and variance.

    Raises ValueError for a `p` that is no probability.
    """
    return _drop("alpha_dropout", input, p, training, inplace)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Do what alpha_dropout does to whole channels of [N, C, ...]; raise ValueError for a wrong `p`."""
    return _drop("feature_alpha_dropout", input, p, training, inplace)


def _example(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    """Drop whole channels of one example [C, ...]."""
    examples = input.unsqueeze_(0) if inplace else input.unsqueeze(0)
    dropped = _drop("feature_dropout", examples, p, training, inplace)
    return dropped.squeeze_(0) if inplace else dropped.squeeze(0)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of [N, C, L] or [C, L] with probability `p` and divide the others by 1 - p.

    Raises ValueError for a `p` that is no probability and RuntimeError for other numbers of dimensions.
    """
    _check(p)
    rank = input.dim()
    if rank not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {rank}D input. Note that dropout1d exists "
            "to provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an "
            "optional batch dimension (i.e. 2D or 3D inputs)."
        )
    drop = _example if rank == 2 else _channels
    return drop(input, p, training, inplace)


def _channels(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    return _drop("feature_dropout", input, p, training, inplace)


def _warn_of_rank(name: str, rank: int, spatial: int) -> None:
    if rank in (spatial + 1, spatial + 2):
        return
    warnings.warn(
        f"{name}: Received a {rank}-D input to {name}, which is deprecated and will result in an error in a "
        "future release. To retain the behavior and silence this warning, please use dropout instead. Note "
        f"that {name} exists to provide channel-wise dropout on inputs with {spatial} spatial dimensions, a "
        f"channel dimension, and an optional batch dimension (i.e. {spatial + 1}D or {spatial + 2}D inputs).",
        stacklevel=3,
    )


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of [N, C, H, W] with probability `p` and divide the others by 1 - p.

    Three dimensions are taken as [N, C, L], with torch's warning; so are other numbers of them. Raises
    ValueError for a `p` that is no probability.
    """
    _check(p)
    rank = input.dim()
    _warn_of_rank("dropout2d", rank, 2)
    if rank == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior "
            "is desired - input is interpreted as shape (N, C, L), where C is the channel dim. This behavior "
            "will change in a future release to interpret the input as one without a batch dimension, i.e. "
            "shape (C, H, W). To maintain the 1D channel-wise dropout behavior, please switch to using "
            "dropout1d instead.",
            stacklevel=2,
        )
    return _channels(input, p, training, inplace)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero channels of [N, C, D, H, W] or [C, D, H, W] with probability `p` and divide the others by 1 - p.

    Other numbers of dimensions are taken as one example, with torch's warning. Raises ValueError for a `p`
    that is no probability.
    """
    _check(p)
    rank = input.dim()
    _warn_of_rank("dropout3d", rank, 3)
    drop = _channels if rank == 5 else _example
    return drop(input, p, training, inplace)
