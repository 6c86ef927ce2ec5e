"""The pieces of Python that rows of tables hold: calls and signatures. What is wrong with one, in words."""

from __future__ import annotations

import ast


def call_problem(text: str) -> str:
    """Why a text is no call to derive programs from, or "". They write it behind `y = `, so it is one
    expression, such as `exp(x)`, `x ** 2` or `x.sort()[0]`."""
    try:
        ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return f"'{text}' is not one expression"
    return ""


def statement_problem(text: str) -> str:
    """Why a text is no statement of one line, or ""."""
    try:
        one = len(ast.parse(text.strip()).body) == 1
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        one = False
    return "" if one else f"'{text}' is not one statement"


def signature_problem(text: str) -> str:
    """Why a text is no list of parameters, or ""."""
    try:
        found = ast.parse(f"lambda {text}: 0", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        found = None
    return "" if isinstance(found, ast.Lambda) else f"'{text}' is no list of parameters"
