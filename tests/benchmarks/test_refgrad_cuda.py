"""The benchmark on a GPU: what it says where there is none, and that its programs are programs of both."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

import refgrad

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "refgrad_cuda.py"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location("refgrad_cuda", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("device", "says"),
    [
        pytest.param(
            "cuda",
            "device cuda: ",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="is about a machine without a GPU"),
        ),
        ("cpu", "device cpu: CUDA events time work on a GPU; name one, such as cuda"),
        ("cdua", "'cdua' is not a device that torch "),
    ],
)
def test_without_a_gpu_it_says_so_in_one_line(device: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--device", device], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"refgrad_cuda: {says}")
    assert done.stderr.count("\n") == 1


def test_its_programs_run_on_both(benchmark: ModuleType) -> None:
    for make, _ in benchmark.PROGRAMS.values():
        for lib in (torch, refgrad):
            make(lib, "meta")()
