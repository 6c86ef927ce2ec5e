"""Where the shipped specs are: beside the package in a wheel, at the top of the repository in a checkout."""

from __future__ import annotations

from pathlib import Path


def specs_root() -> Path:
    """The folder of the shipped spec files. Raises FileNotFoundError where the installation has none."""
    package = Path(__file__).parent.parent
    for root in (package / "specs", package.parent.parent / "specs"):
        if root.is_dir():
            return root
    raise FileNotFoundError(
        f"gradconform's specs are neither in {package} nor in a checkout around it: reinstall it"
    )


TABLES = ("operators", "points")
"""The folders of the tables that scenarios are derived from."""


def corpus_files(corpus: str) -> tuple[Path, ...]:
    """The spec files of a corpus by name: `documented` behaviours, `operators` and points, or `shipped`, both
    of them."""
    documented = tuple(file for file in spec_files(specs_root()) if file.parent == specs_root())
    tables = tuple(file for folder in TABLES for file in spec_files(specs_root() / folder))
    return {"shipped": (*documented, *tables), "documented": documented, "operators": tables}[corpus]


def all_files() -> tuple[Path, ...]:
    """All shipped spec files."""
    return corpus_files("shipped")


def operator_files() -> tuple[Path, ...]:
    """The shipped operator tables, by name."""
    return spec_files(specs_root() / "operators")


def spec_files(path: Path) -> tuple[Path, ...]:
    """The spec files that a path names: itself, or the `.yaml` files below a folder, by name."""
    if not path.is_dir():
        return (path,)
    return tuple(sorted(path.rglob("*.yaml"), key=lambda file: file.relative_to(path).parts))
