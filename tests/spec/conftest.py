"""A scenario in a file of its own, for tests that look at one part of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gradconform.spec.load import Loaded, load_files

Load = Callable[..., Loaded]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads one scenario with these variables (lines of `let`) and these further keys."""
    monkeypatch.chdir(tmp_path)

    def load_one(*variables: str, **keys: str) -> Loaded:
        lines = ["schema: 1", "feature: tests", "scenarios:", "- id: tests/one", "  says: A rule."]
        lines += ["  let:", *(f"    {variable}" for variable in variables)] if variables else []
        lines += [f"  {key}: {value}" for key, value in keys.items()]
        if "program" not in keys:
            lines += ["  program: |", "    y = 1"]
        path = Path("one.yaml")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return load_files([path])

    return load_one
