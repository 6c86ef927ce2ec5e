"""Torch's operators in the words of TensorFlow, and of its numpy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf
import tensorflow.experimental.numpy as tnp

from gradconform.engines.numpy_like import operators
from gradconform.engines.numpy_words import CASTS
from gradconform.engines.recorded import Array
from gradconform.errors import Unsupported

DTYPES = {
    name: getattr(tf, name)
    for name in (
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
        *("bool", "uint8", "int8", "int16", "int32", "int64"),
    )
}


def _spread(function: Callable[..., Any]) -> Callable[..., Any]:
    """TensorFlow has those of populations alone."""

    def call(input: Array, dim: Any = None, *, correction: Any = 1, keepdim: bool = False) -> Array:
        if correction != 0:
            raise Unsupported("the spread of a sample")
        return function(input, dim, keepdim)

    return call


def _matmul(input: Array, other: Array) -> Array:
    """Vectors have theirs in TensorFlow's numpy alone."""
    return (tf if min(input.ndim, other.ndim) > 1 else tnp).matmul(input, other)


def _arange(start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None) -> Array:
    first, last = (0, start) if end is None else (start, end)
    whole = all(isinstance(each, int) for each in (first, last, step))
    return tf.range(first, last, step, dtype or (tf.int64 if whole else tf.float32))


def _to(input: Array, dtype: Any) -> Array:
    if not isinstance(dtype, tf.DType):
        raise Unsupported("another tensor or a device")
    return tf.cast(input, dtype)


SHARED = operators(tf.math, tf.nn, tnp, tf, dtypes=DTYPES)


def _norm_of_order(A: Array, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Array:  # noqa: N803 - torch's name
    """TensorFlow takes what has no `axis` for one vector, torch a matrix for a matrix."""
    if dim is None and ord is not None and A.ndim > 1:
        if A.ndim > 2:
            raise Unsupported("orders of norms of more than two dimensions")
        dim = (0, 1)
    return SHARED["linalg.norm"](A, ord, dim, keepdim)


OPERATORS = {
    **SHARED,
    **{word: partial(tf.cast, dtype=DTYPES[name]) for word, name in CASTS.items()},
    **{
        word: partial(SHARED[word], dtype=tf.float32) for word in ("zeros", "ones", "full", "eye", "linspace")
    },
    **dict.fromkeys(("matmul", "mm", "bmm"), _matmul),
    **{
        word: getattr(tf.math, word) for word in ("lgamma", "xlogy", "polygamma", "igamma", "igammac", "erfc")
    },
    **dict.fromkeys(("cholesky", "linalg.cholesky"), tf.linalg.cholesky),
    "linalg.matrix_exp": tf.linalg.expm,
    "linalg.norm": _norm_of_order,
    "arange": _arange,
    "argmax": lambda input, dim=None: tnp.argmax(input, dim),
    "argmin": lambda input, dim=None: tnp.argmin(input, dim),
    "clamp": lambda input, min, max: tf.clip_by_value(input, min, max),
    "clone": tf.identity,
    "complex": tf.complex,
    "flip": lambda input, dims: tf.reverse(input, [dims] if isinstance(dims, int) else list(dims)),
    "logsumexp": lambda input, dim, keepdim=False: tf.reduce_logsumexp(input, dim, keepdim),
    "nn.functional.elu": lambda features: tf.nn.elu(features),
    "nn.functional.gelu": lambda input, approximate="none": tf.nn.gelu(input, approximate == "tanh"),
    "std": _spread(tf.math.reduce_std),
    "to": _to,
    "var": _spread(tf.math.reduce_variance),
    "where": tf.where,
}

LACKS = (
    *(
        "Only integers, slices",
        "unexpected keyword argument",
        "Could not find device",
        "list of allowed values",
    ),
    *("gradient registry has no entry", "that does not match type", "tensor but is a", "Cannot convert"),
    *(
        "must have the same dtype",
        "must have the same rank",
        "must be a supported",
        "must have `float`-like",
        "has no attribute",
        "mask cannot be scalar",
    ),
)
"""What its exceptions say of what it does not have."""
