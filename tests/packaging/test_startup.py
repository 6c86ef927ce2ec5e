"""What importing a front end costs: the plugin is loaded in every pytest run of whoever has it installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "hypothesis", "numpy", "pydantic", "yaml", "refgrad"}


@pytest.mark.parametrize("module", ["gradconform", "gradconform.cli", "gradconform.pytest_plugin"])
def test_importing_a_front_end_imports_nothing_heavy(module: str) -> None:
    script = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert module.partition(".")[0] in imported
    assert not imported & HEAVY
