"""The derivatives of refgrad's operations: a registry and one file of rows for each family."""

from . import (
    activations,
    arithmetic,
    arrangement,
    convolution,
    copying,
    elementwise,
    extremes,
    functions,
    linear,
    pairs,
    products,
    reduction,
    samples,
    scaling,
    selection,
    shape,
    special,
    strided,
)
from .registry import TABLE, Rule, RuleError, rule

__all__ = ["TABLE", "Rule", "RuleError", "rule"]

_FAMILIES = (
    activations,
    arithmetic,
    arrangement,
    convolution,
    copying,
    elementwise,
    extremes,
    functions,
    linear,
    pairs,
    products,
    reduction,
    samples,
    scaling,
    selection,
    shape,
    special,
    strided,
)
