"""Writes the table of named policies into docs/adapters.md: `python docs/policies.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gradconform.oracle.named_policies import POLICIES

PAGE = Path(__file__).parent / "adapters.md"
START, END = "<!-- policies: written by docs/policies.py -->\n", "<!-- end of policies -->\n"


def rows() -> Iterator[str]:
    """The lines of the table."""
    yield "| policy | what it is about | torch | options |"
    yield "|---|---|---|---|"
    for policy in POLICIES.values():
        options = "; ".join(f"`{name}`: {option.says}" for name, option in policy.options.items())
        yield f"| `{policy.id}` | {policy.says} | {policy.torch} | {options} |"


def page(text: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return before + START + "".join(f"{row}\n" for row in rows()) + END + after


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
