"""The derivatives of refgrad's operations: a registry and one file of rows for each family."""

from . import arithmetic, copying, elementwise, linear, reduction, shape
from .registry import TABLE, Rule, RuleError, rule

__all__ = ["TABLE", "Rule", "RuleError", "rule"]

_FAMILIES = (arithmetic, copying, elementwise, linear, reduction, shape)
