"""What differences of forward values cannot tell: where torch's gradient is, by design, another thing than
the derivative of what torch computes, and what it holds constant.

Whoever adds to the step language an operator of this kind names it here; the tests of
`gradconform.oracle.differences` hold every operator of the tables against torch, and find those that are not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

FINEST = 1e-2
"""The shortest period of a sawtooth of which differences know the slope: many of their widths."""

Values = Sequence[Any]
Options = Mapping[str, Any]


def _always(_values: Values, _options: Options) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Convention:
    """Why an operator's gradient is no derivative, and of which calls (its arguments' values) that is so."""

    reason: str
    applies: Callable[[Values, Options], bool] = _always


def _beyond(positional: int, *named: str) -> Callable[[Values, Options], bool]:
    """Calls with more positional arguments, or with one of these named ones."""
    return lambda values, options: len(values) > positional or any(name in options for name in named)


def _repeats_along(values: Values, _options: Options) -> bool:
    """`(input, dim, index, ...)`: an index that names one place twice."""
    dim, index = (*values, None, None)[1:3]
    if not isinstance(index, torch.Tensor) or not isinstance(dim, int):
        return True
    return index.dim() > 0 and _repeats(index, dim if index.dim() > 1 else 0)


def _repeats_among(values: Values, _options: Options) -> bool:
    """`(input, index, ...)`: lists or tensors of integers, one of which holds a number twice."""
    index = values[1]
    parts = index if isinstance(index, list | tuple) else [index]
    if isinstance(index, list) and not any(isinstance(part, torch.Tensor) for part in index):
        parts = [torch.tensor(index)]
    tensors = [torch.tensor(part) if isinstance(part, list) else part for part in parts]
    return any(
        isinstance(each, torch.Tensor) and each.dtype != torch.bool and _repeats(each.flatten(), 0)
        for each in tensors
    )


def _repeats(index: torch.Tensor, dim: int) -> bool:
    return bool((index.sort(dim).values.diff(dim=dim) == 0).any()) if index.dim() else False


def _equal_bounds(values: Values, options: Options) -> bool:
    low, high = (
        options.get(name, values[place] if place < len(values) else None)
        for name, place in (("min", 1), ("max", 2))
    )
    return low is not None and high is not None and bool(torch.as_tensor(low == high).any())


def _is_finely_sawn(values: Values, _options: Options) -> bool:
    """`(input, other)`: teeth so small that differences see the mean of many."""
    return bool((torch.as_tensor(values[1]).abs() < FINEST).any())


def _has_ties(values: Values, _options: Options) -> bool:
    ordered = values[0].flatten().sort().values
    return bool((ordered.diff() == 0).any())


_OVERWRITTEN = Convention("what is written to one place twice has a gradient each time", _repeats_along)
_INDEXED = Convention(_OVERWRITTEN.reason, _repeats_among)
_TWICE = Convention(_OVERWRITTEN.reason)
_SAWN = Convention("teeth that differences cannot tell apart", _is_finely_sawn)
_TIES = Convention("the gradient of ties is shared out by a convention", _has_ties)
_TRIANGLE = Convention("one triangle of its input is read, and the gradient may have both")

NO_DERIVATIVE = {
    "cholesky_inverse": _TRIANGLE,
    "cholesky_solve": _TRIANGLE,
    "clamp": Convention("the gradient between equal bounds", _equal_bounds),
    "fmod": _SAWN,
    "index_copy": _OVERWRITTEN,
    "index_fill": _OVERWRITTEN,
    "index_put": _INDEXED,
    "median": _TIES,
    "nanmedian": _TIES,
    "nanquantile": _TIES,
    "quantile": _TIES,
    "linalg.pinv": Convention(_TRIANGLE.reason, _beyond(1, "hermitian")),
    "nextafter": Convention("a step of one unit in the last place"),
    "nn.functional.cosine_similarity": Convention(
        "the gradient does not know that norms below eps are raised", _beyond(3, "eps")
    ),
    "nn.functional.ctc_loss": Convention("its gradient is that for logarithms of softmax"),
    "nn.functional.embedding": Convention(
        "padding, frequencies and the largest norm change the gradient alone, or the weights alone",
        _beyond(2, "padding_idx", "max_norm", "scale_grad_by_freq"),
    ),
    "nn.functional.embedding_bag": Convention(
        "padding, frequencies and the largest norm change the gradient alone, or the weights alone",
        _beyond(3, "padding_idx", "max_norm", "scale_grad_by_freq"),
    ),
    "nn.functional.gaussian_nll_loss": Convention("the gradient of a variance below eps is that at eps"),
    "nn.functional.max_unpool1d": _TWICE,
    "nn.functional.max_unpool2d": _TWICE,
    "nn.functional.max_unpool3d": _TWICE,
    "put": _TWICE,
    "remainder": _SAWN,
    "scatter": _OVERWRITTEN,
    "setitem": _INDEXED,
}
"""Operators whose gradient is not always the derivative; their in-place forms too."""

OF_SYMMETRIC = ("cholesky", "linalg.cholesky", "linalg.cholesky_ex", "linalg.eigh", "linalg.eigvalsh")
"""Operators that read one triangle of their first operand, and take it for symmetric (Hermitian): their
gradient is the derivative only along matrices that are."""

CONSTANT_RESULTS = (
    "builtins.bool",
    "builtins.float",
    "builtins.int",
    "detach",
    "dim",
    "full_like",
    "item",
    "new_full",
    "new_tensor",
    "nn.Parameter",
    "numel",
    "tensor",
    "tolist",
)
"""Operators whose result autograd holds constant, whatever it was computed from."""

UNREPLAYED = (
    "Tensor",
    "as_tensor",
    "asarray",
    "from_numpy",
    "is_grad_enabled",
    "numpy",
    "optim.Adam",
    "optim.SGD",
    "repr",
    "stride",
)
"""Operators whose result is not known without autograd, or stands for memory that others write; nothing else
comes of them."""

SPOILING = ("as_strided", "autograd.", "func.", "nn.init.", "nn.utils.", "resize_", "set_", "utils.")
"""What the names of operators start with after which nothing can be said: those that take functions, switch
modes, change gradients, or depend on where a tensor lies in memory."""

TURNING = ("detach_", "squeeze_", "t_", "transpose_", "unsqueeze_")
"""Writes that turn a tensor into another one: nothing can be said after them either."""
