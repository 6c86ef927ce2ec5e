"""Time refgrad against torch's own autograd on the same kernels, in one process and one thread.

Usage: python benchmarks/refgrad.py [--json] [--rounds N]

The two run in turn, round after round, and medians are compared: ratios travel between machines, times do
not. All of refgrad's checks are on (version counters, freed graphs). `memory` is what one node of a chain
of 10,000 additions costs, from the resident set for torch and from tracemalloc for refgrad.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import resource
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

# This script has the name of the package that it measures, and Python looks beside a script first.
sys.path = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402 - after the number of threads is set

import refgrad as rg  # noqa: E402

# program -> (what it is, the ratio that it must not exceed)
BOUNDS = {
    "small": ("3 floats: (x + 2) squared, times 3, mean; backward", 0.80),
    "adds": ("1000 additions, forward and backward", 0.80),
    "muls": ("1000 multiplications, forward and backward", 1.0),
    "mlp": ("a 64x256x256x10 perceptron, forward and backward", 1.1),
}
BYTES = 250


def small(lib: Any) -> Callable[[], None]:
    """The three-element program that introduces autograd."""

    def run() -> None:
        x = lib.ones(3, requires_grad=True)
        y = x + 2
        z = y * y * 3
        z.mean().backward()

    return run


def chain(lib: Any, multiply: bool) -> Callable[[], None]:
    """1000 operations in a row on one leaf of 3 floats."""
    x = lib.ones(3, requires_grad=True)
    ones = lib.ones(3)

    def run() -> None:
        x.grad = None
        y = x
        if multiply:
            for _ in range(1000):
                y = y * 1.0001
        else:
            for _ in range(1000):
                y = y + 1.0
        y.backward(ones)

    return run


def mlp(lib: Any) -> Callable[[], None]:
    """Two hidden layers with bias and relu, and the mean of the output as loss."""
    lib.manual_seed(0)
    sizes = (64, 256, 256, 10)
    data = lib.randn(64, 64)
    layers = [
        ((lib.randn(m, n) * m**-0.5).requires_grad_(), lib.zeros(n, requires_grad=True))
        for m, n in itertools.pairwise(sizes)
    ]

    def run() -> None:
        h = data
        for index, (weight, bias) in enumerate(layers):
            weight.grad = bias.grad = None
            h = h @ weight + bias
            if index < len(layers) - 1:
                h = h.relu()
        h.mean().backward()

    return run


PROGRAMS: dict[str, tuple[Callable[[Any], Callable[[], None]], int]] = {
    "small": (small, 200),
    "adds": (lambda lib: chain(lib, multiply=False), 2),
    "muls": (lambda lib: chain(lib, multiply=True), 2),
    "mlp": (mlp, 10),
}


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Return the median time of one run for both, in microseconds, and their ratio."""
    make, repeats = PROGRAMS[name]
    runs = [make(rg), make(torch)]
    times: list[list[float]] = [[], []]
    for _ in range(rounds):
        for run, seen in zip(runs, times, strict=True):
            start = time.perf_counter()
            for _ in range(repeats):
                run()
            seen.append((time.perf_counter() - start) / repeats * 1e6)
    mine, theirs = (statistics.median(seen[len(seen) // 5 :]) for seen in times)
    what, bound = BOUNDS[name]
    return {"program": what, "refgrad_us": mine, "torch_us": theirs, "ratio": mine / theirs, "bound": bound}


def bytes_a_node() -> dict[str, Any]:
    """Return the memory of one node of a chain of additions, its results dropped, for both."""
    count = 10_000
    x = rg.ones(1, requires_grad=True)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    y: Any = x
    for _ in range(count):
        y = y + 1.0
    mine = (tracemalloc.get_traced_memory()[0] - before) / count
    tracemalloc.stop()
    return {"refgrad": mine, "torch": torch_bytes_a_node(), "bound": BYTES}


def torch_bytes_a_node() -> float:
    """Return the growth of the resident set for one node of torch's: its nodes live outside of Python."""
    count = 200_000
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(count // 10):
        y = y + 1.0
    del y
    before = _resident()
    y = x
    for _ in range(count):
        y = y + 1.0
    return (_resident() - before) / count


def _resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--rounds", type=int, default=60, help="rounds of each program (default: 60)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, Any] = {name: measure(name, options.rounds) for name in PROGRAMS}
    results["memory"] = bytes_a_node()
    if options.json:
        print(json.dumps({"torch": torch.__version__, "python": sys.version.split()[0], **results}, indent=1))
        return
    print(
        f"torch {torch.__version__}, Python {sys.version.split()[0]}, one thread; medians of "
        f"{options.rounds} rounds"
    )
    for name in PROGRAMS:
        row = results[name]
        print(
            f"{name:6} {row['refgrad_us']:9.1f} us  torch {row['torch_us']:9.1f} us  "
            f"ratio {row['ratio']:.2f} (bound {row['bound']:.2f})  {row['program']}"
        )
    memory = results["memory"]
    print(
        f"memory {memory['refgrad']:9.0f} B a node; torch {memory['torch']:.0f} B (bound {memory['bound']})"
    )


if __name__ == "__main__":
    main()
