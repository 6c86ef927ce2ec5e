"""What may be called what: scenario ids, and the names of `let` variables."""

from __future__ import annotations

import keyword
import re

ID_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*(/[A-Za-z_][A-Za-z0-9_.]*)?/[a-z0-9]+(-[a-z0-9]+)*$"
FEATURE_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"

RESERVED = frozenset({"dtype"})
"""What a program has besides its variables: the case's dtype. Other words are checked where known."""


def variable_name_error(name: str) -> tuple[str, str] | None:
    """What is wrong with a `let` variable's name and what to do, or None."""
    if re.fullmatch(VARIABLE_PATTERN.strip("^$"), name) is None:
        return f"'{name}' is no name for a variable", "use letters, digits and underscores: x, weight, x1"
    if keyword.iskeyword(name):
        return f"'{name}' is a keyword of Python and cannot name a variable", f"use '{name}_' or another word"
    if name.startswith("_"):
        return f"variable '{name}' starts with an underscore", "such names are the language's own"
    if name in RESERVED:
        return f"'{name}' is a reserved word of programs and cannot name a variable", "use another word"
    return None
