"""refgrad on a second device beside torch there: on `meta`, which has no numbers and is on every machine, and
on a backend that is registered for the test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("device", "count"), [("meta", 61), ("toy", 62), pytest.param("cuda", 66, marks=pytest.mark.cuda)]
)
def test_refgrad_does_on_another_device_what_torch_does(device: str, count: int) -> None:
    script = Path(__file__).with_name("device_cases.py")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), device], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name: one for name, one in found.items() if one[0] != one[1]} == {}
    assert len(found) == count
    errors = [one for one, _ in found.values() if isinstance(one, list) and str(one[0]).endswith("Error")]
    assert device == "meta" or len(errors) < 8, errors
