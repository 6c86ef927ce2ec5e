"""Values of a file, as messages name them."""

from __future__ import annotations


def describe(value: object) -> str:
    """A value as a message names it: `the list [1, 2]`, `the text 'x'`, `nothing`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {cut(str(value))}"
        case str() if len(value) > 60 and value.lstrip("+-").isdecimal():
            return f"a number of {len(value.lstrip('+-'))} digits"
        case str():
            return f"the text {cut(repr(value))}"
        case tuple():
            return "a list"
        case _:
            return "a mapping"


def cut(text: str, length: int = 60) -> str:
    """A text that is not too long for a message."""
    return text if len(text) <= length else text[:length] + "..."
