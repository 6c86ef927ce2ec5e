"""refgrad on a second device beside torch there: on `meta`, which has no numbers and is on every machine, and
on a backend that is registered for the test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("device", "count"), [("meta", 61), ("toy", 62), pytest.param("cuda", 67, marks=pytest.mark.cuda)]
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


ON_STREAMS = {
    "nothing_but_the_default": ["sin on 0", "cos on 0", "mul on 0"],
    "forward_aside": [
        "sin on a",
        "memory is used by a",
        "a waits for 0",
        "cos on a",
        "mul on a",
        "0 waits for a",
    ],
    "backward_aside": [
        "sin on 0",
        "memory is used by 0",
        "0 waits for a",
        "cos on 0",
        "mul on 0",
        "a waits for 0",
    ],
    "half_aside": [
        *("sin on a", "exp on 0", "mul on 0"),
        *("memory is used by a", "a waits for 0", "cos on a", "mul on a"),
        "0 waits for a",
    ],
    "two_branches": [
        *("sin on a", "exp on b", "mul on 0"),
        *("mul on 0", "mul on 0"),
        *("memory is used by b", "memory is used by b", "b waits for 0", "mul on b"),
        *("memory is used by a", "memory is used by a", "a waits for b", "cos on a", "mul on a", "add on a"),
        "0 waits for a",
    ],
    "asked_for": [
        *("sin on a", "exp on 0", "mul on 0"),
        *("memory is used by a", "a waits for 0", "cos on a", "mul on a"),
        "0 waits for a",
    ],
    "recorded_again": [
        *("sin on a", "memory is used by a", "a waits for 0", "cos on a", "mul on a", "0 waits for a"),
        *("memory is used by a", "a waits for 0", "mul on a", "sin on a", "neg on a", "mul on a"),
        "0 waits for a",
    ],
    "that_fails": ["sin on a", "memory is used by a", "a waits for 0", "0 waits for a", "sin on 0"],
    "within_each_other": [*["sin on a"] * 72, *["cos on a", "mul on a"] * 72],
}
"""What backward passes ask of streams: "0" is the default one, "a" and "b" are others in the order in which
they come. What flows to another is marked first; then that stream waits, and at the end the caller's."""


def test_a_backward_pass_goes_to_the_streams_of_its_forward() -> None:
    script = Path(__file__).with_name("stream_cases.py")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name: asked for name, (asked, _) in found.items()} == ON_STREAMS
    assert all(back for _, back in found.values()), "the caller's stream is the current one again"
