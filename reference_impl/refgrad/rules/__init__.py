"""The derivatives of refgrad's operations: a registry and one file of rows for each family."""

from . import (
    activations,
    arithmetic,
    arrangement,
    convolution,
    copying,
    decompositions,
    elementwise,
    extremes,
    functions,
    linear,
    pairs,
    pooling,
    products,
    reduced_writes,
    reduction,
    samples,
    scaling,
    selection,
    shape,
    special,
    strided,
    systems,
)
from .registry import TABLE, Rule, RuleError, rule

__all__ = ["TABLE", "Rule", "RuleError", "rule"]

_FAMILIES = (
    activations,
    arithmetic,
    arrangement,
    convolution,
    copying,
    decompositions,
    elementwise,
    extremes,
    functions,
    linear,
    pairs,
    pooling,
    products,
    reduced_writes,
    reduction,
    samples,
    scaling,
    selection,
    shape,
    special,
    strided,
    systems,
)
