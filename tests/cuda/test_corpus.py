"""The corpus, the operators and PyTorch's samples on a GPU: `tox run -e cuda`; docs/devices.md has more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gradconform.execution.kernels import PINNED
from gradconform.results import Results, read_results

DTYPES = "float32,float64,float16,bfloat16,complex64,complex128"

pytestmark = pytest.mark.cuda


def results_of(target: str, folder: Path, *options: str) -> Results:
    """What a run finds; its report is shown with a test that fails."""
    file = folder / "results.jsonl"
    command = [sys.executable, "-c", "from gradconform.cli import main; main()", "run", target]
    done = subprocess.run(
        [*command, *options, "--dtype", DTYPES, "--results", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    sys.stdout.write(done.stdout)
    assert done.returncode in {0, 1}, done.stderr
    return read_results(file)


@pytest.mark.parametrize("corpus", ["documented", "operators", "opinfo"])
def test_refgrad_is_on_a_gpu_what_torch_is_there(corpus: str, tmp_path: Path) -> None:
    examples = () if corpus == "opinfo" else ("--examples", "2")
    found = results_of("refgrad", tmp_path, "--device", "cuda", "--corpus", corpus, *examples)
    assert found.head.kernels == PINNED
    assert found.cases
    assert {case.device for case in found.cases} == {"cuda"}
    kinds = {case.verdict.kind for case in found.cases}
    assert not kinds & {"diverges", "crashed", "timed out"}


def test_torch_on_a_gpu_runs_the_documented_behaviours(tmp_path: Path) -> None:
    found = results_of("torch@cuda", tmp_path, "--corpus", "documented", "--examples", "2")
    assert found.head.kernels == PINNED
    apart = [case.id for case in found.cases if case.verdict.kind not in {"conforms", "unsupported"}]
    assert apart == []


def test_all_is_the_cpu_and_every_gpu(tmp_path: Path) -> None:
    found = results_of("refgrad", tmp_path, "--device", "all", "--select", "accumulation", "--examples", "0")
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    assert found.head.devices == ("cpu", *gpus)
    assert found.head.absent == ()
