"""Adds the ids of new scenarios to tests/corpus/ids.txt: `python docs/ids.py`. It never takes one out."""

from __future__ import annotations

from pathlib import Path

from gradconform.program.library import load_library
from gradconform.spec.corpus import all_files

LIST = Path(__file__).parent.parent / "tests" / "corpus" / "ids.txt"


def main() -> None:
    """Write the list anew: what was in it, and all ids of the corpus, in order."""
    listed = set(LIST.read_text("utf-8").split())
    ids = listed | {template.id for template in load_library(all_files())}
    LIST.write_text("".join(f"{name}\n" for name in sorted(ids)), "utf-8")


if __name__ == "__main__":
    main()
