"""Torch's operators as methods of another engine's tensors, for engines that took torch's names over.

    table = methods(tinygrad.Tensor, dim="axis")

What the class does not have is not in the table, and nothing is put together from several methods.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Signature, signature
from typing import Any

from gradconform.engines.torch_like import IN_PLACE, SYMBOLS

Operators = dict[str, Callable[..., Any]]

SAME = (
    *("abs", "exp", "exp2", "log", "log2", "log10", "sqrt", "rsqrt", "reciprocal", "square", "erf"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    *("sigmoid", "relu", "floor", "ceil", "round", "trunc", "sign", "isnan", "isinf", "isfinite", "isclose"),
    *("maximum", "minimum", "fmod", "logaddexp", "copysign", "lerp", "masked_fill", "logical_not"),
    *("clone", "contiguous", "detach", "float", "double", "half", "int", "long", "bool", "numel", "item"),
    *("reshape", "view", "expand", "permute", "transpose", "unsqueeze", "squeeze", "flatten", "unflatten"),
    *("repeat", "repeat_interleave", "roll", "flip", "split", "chunk", "tril", "triu", "diag", "diagonal"),
    *("gather", "scatter", "scatter_reduce", "unfold", "sort", "topk", "masked_select", "argsort", "tolist"),
    *("zeros", "ones", "full", "arange", "eye", "linspace", "zeros_like", "ones_like", "full_like", "einsum"),
    *("dot", "numpy"),
)
"""Methods, and class methods, with torch's arguments."""

ALONG = (
    *("sum", "mean", "prod", "std", "var", "argmax", "argmin", "logsumexp", "softmax", "log_softmax"),
    *("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"),
)
"""Methods that work along a dimension."""

FUNCTIONAL = (
    *(
        "relu",
        "relu6",
        "elu",
        "celu",
        "selu",
        "silu",
        "mish",
        "softplus",
        "hardtanh",
        "hardswish",
        "softsign",
    ),
    *("hardsigmoid", "logsigmoid", "sigmoid", "tanh", "normalize", "one_hot"),
)
"""`nn.functional`."""

OTHERWISE = {
    "amax": "max",
    "amin": "min",
    "remainder": "mod",
    "broadcast_to": "expand",
    "mm": "matmul",
    "to": "cast",
    "nn.functional.softmax": "softmax",
    "nn.functional.log_softmax": "log_softmax",
    "nn.functional.binary_cross_entropy": "binary_crossentropy",
    "nn.functional.binary_cross_entropy_with_logits": "binary_crossentropy_logits",
}
"""Words that have another method's name."""


def form_of(function: Callable[..., Any]) -> Signature:
    """The signature of a function; one that takes anything for those of C that do not tell theirs."""
    try:
        return signature(function)
    except ValueError:
        return signature(lambda *arguments, **options: None)  # noqa: ARG005 - takes all of them


def renamed(function: Callable[..., Any], **names: str) -> Callable[..., Any]:
    """A function with torch's names for its parameters: `renamed(Tensor.sum, dim="axis")`."""
    own = {theirs: torchs for torchs, theirs in names.items()}
    form = signature(function)

    def call(*arguments: Any, **options: Any) -> Any:
        return function(*arguments, **{names.get(name, name): value for name, value in options.items()})

    parameters = [each.replace(name=own.get(name, name)) for name, each in form.parameters.items()]
    call.__signature__ = form.replace(parameters=parameters)  # type: ignore[attr-defined]
    return call


def methods(kind: type, *, dim: str = "dim") -> Operators:
    """Torch's operators over the methods of a class of tensors, with Python's own notation.

    dim: what its methods call the dimension that they work along.
    """
    words = {
        **{word: word for word in (*SAME, *ALONG)},
        **{f"nn.functional.{word}": word for word in FUNCTIONAL},
        **OTHERWISE,
    }
    table: Operators = {}
    for name, word in words.items():
        method = getattr(kind, word, None)
        if method is not None:
            table[name] = renamed(method, dim=dim) if dim in form_of(method).parameters else method
    return {
        **SYMBOLS,
        **IN_PLACE,
        **table,
        "max": _extreme("max"),
        "min": _extreme("min"),
        "t": lambda input: input.T,
        "dim": lambda input: input.ndim,
        "where": lambda condition, input, other: condition.where(input, other),
        "cat": lambda tensors, dim=0: kind.cat(*tensors, dim=dim),  # type: ignore[attr-defined]
        "stack": lambda tensors, dim=0: kind.stack(*tensors, dim=dim),  # type: ignore[attr-defined]
    }


def _extreme(word: str) -> Callable[..., Any]:
    """The largest or smallest; along a dimension, with their places."""

    def call(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
        if dim is None:
            return getattr(input, word)()
        return getattr(input, word)(dim, keepdim), getattr(input, f"arg{word}")(dim, keepdim)

    return call
