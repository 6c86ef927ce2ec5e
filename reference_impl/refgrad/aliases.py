"""Further names that torch has for the same elementwise functions."""

from __future__ import annotations

from . import functions, pointwise

_NAMES = {
    "absolute": pointwise.abs,
    "arccos": functions.acos,
    "arccosh": functions.acosh,
    "arcsin": functions.asin,
    "arcsinh": functions.asinh,
    "arctan": functions.atan,
    "arctan2": functions.atan2,
    "arctanh": functions.atanh,
    "clip": functions.clamp,
    "fix": pointwise.trunc,
    "multiply": pointwise.mul,
    "negative": pointwise.neg,
    "subtract": pointwise.sub,
}

TORCH = METHODS = IN_PLACE = _NAMES
