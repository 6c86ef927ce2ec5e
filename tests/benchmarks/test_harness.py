"""The benchmark of the harness runs, and holds the figures against the bounds that the project keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "harness.py"


def test_it_measures_each_way_and_states_its_bound() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    output = subprocess.run(
        [sys.executable, str(BENCHMARK), "--json", "--rounds", "1"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    ).stdout
    results = json.loads(output)
    bounds = {name: row["bound"] for name, row in results.items() if isinstance(row, dict)}
    assert bounds == {"direct": 1.6, "hypothesis": 8.0, "drawing": None, "processes": 1.9}
    # These lie far apart, also on a machine with other work: hypothesis draws by far the slowest, and drawing
    # alone runs nothing.
    assert results["hypothesis"]["ratio"] > results["direct"]["ratio"] > results["drawing"]["ratio"] > 0
    assert results["processes"]["ratio"] > 0
