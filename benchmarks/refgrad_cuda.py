"""Time refgrad against torch's own autograd on a GPU, with CUDA events.

Usage: python benchmarks/refgrad_cuda.py [--json] [--rounds N] [--device cuda:1]

Each round runs both in turn, a burst of programs between two events, and medians of rounds are compared. What
an event tells is the time until the device is done: where Python is slower than the device, it is Python's.
TF32 and reductions in half precision are off. Without a GPU: one line, and exit code 2.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# As in benchmarks/refgrad.py, which has the name of the package.
sys.path = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]

import torch  # noqa: E402 - after the path is mended

import refgrad as rg  # noqa: E402
from gradconform.errors import UsageError  # noqa: E402
from gradconform.execution.kernels import PINNED, exactly  # noqa: E402
from gradconform.plan import present_devices  # noqa: E402

GOAL = 1.05
USAGE = 2
BURST = 10
"""So many runs of a program lie between two events."""

Make = Callable[[Any, str], Callable[[], None]]


def mlp(lib: Any, device: str) -> Callable[[], None]:
    """Three hidden layers with bias and relu, and the mean of the output as loss."""
    lib.manual_seed(0)
    sizes = (1024, 2048, 2048, 2048, 10)
    data = lib.randn(512, sizes[0], device=device)
    layers = [
        (
            (lib.randn(m, n, device=device) * m**-0.5).requires_grad_(),
            lib.zeros(n, device=device, requires_grad=True),
        )
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


def transformer(lib: Any, device: str) -> Callable[[], None]:
    """One block: attention of eight heads and a perceptron, each behind a normalisation, with residuals."""
    lib.manual_seed(0)
    batch, length, width, heads = 8, 512, 512, 8
    functional = lib.nn.functional
    x = lib.randn(batch, length, width, device=device)
    shapes = ((width, 3 * width), (width, width), (width, 4 * width), (4 * width, width))
    weights = [(lib.randn(*shape, device=device) * shape[0] ** -0.5).requires_grad_() for shape in shapes]
    scales = [lib.ones(width, device=device, requires_grad=True) for _ in range(2)]
    inward, outward, up, down = weights

    def run() -> None:
        for leaf in (*weights, *scales):
            leaf.grad = None
        h = functional.layer_norm(x, (width,), scales[0])
        parts = (h @ inward).view(batch, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        query, key, value = parts[0], parts[1], parts[2]
        share = functional.softmax(query @ key.transpose(-1, -2) * (width // heads) ** -0.5, dim=-1)
        mixed = (share @ value).transpose(1, 2).reshape(batch, length, width)
        y = x + mixed @ outward
        h = functional.layer_norm(y, (width,), scales[1])
        z = y + functional.gelu(h @ up) @ down
        z.mean().backward()

    return run


def elementwise(lib: Any, device: str) -> Callable[[], None]:
    """Eight elementwise operations on 2**24 numbers."""
    lib.manual_seed(0)
    x = lib.randn(2**24, device=device).requires_grad_()

    def run() -> None:
        x.grad = None
        y = x
        for _ in range(2):
            y = (y.sin() * x + y).tanh()
        y.sum().backward()

    return run


PROGRAMS: dict[str, tuple[Make, str]] = {
    "mlp": (mlp, "a perceptron of three hidden layers of 2048, 512 rows; forward and backward"),
    "block": (transformer, "a transformer block, 8 x 512 x 512, 8 heads; forward and backward"),
    "large": (elementwise, "elementwise operations on 2**24 numbers; forward and backward"),
}


def milliseconds(run: Callable[[], None]) -> float:
    """The time of one run of a burst, until the device is done."""
    event: Any = torch.cuda.Event
    start, end = event(enable_timing=True), event(enable_timing=True)
    start.record()
    for _ in range(BURST):
        run()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / BURST


def measure(name: str, device: str, rounds: int) -> dict[str, Any]:
    """The median time of one run for both, in milliseconds, and their ratio."""
    make, what = PROGRAMS[name]
    runs = [make(lib, device) for lib in (rg, torch)]
    times: list[list[float]] = [[], []]
    for _ in range(rounds):
        for run, seen in zip(runs, times, strict=True):
            seen.append(milliseconds(run))
    mine, theirs = (statistics.median(seen[len(seen) // 5 :]) for seen in times)
    return {"program": what, "refgrad_ms": mine, "torch_ms": theirs, "ratio": mine / theirs, "goal": GOAL}


def about(device: str) -> dict[str, Any]:
    """What was measured on."""
    return {
        "device": torch.cuda.get_device_name(device),
        "capability": ".".join(map(str, torch.cuda.get_device_capability(device))),
        "cuda": torch.version.cuda,
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "pinned": list(PINNED),
    }


def main() -> int:
    """Measures everything and prints it. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--rounds", type=int, default=30, help="rounds of each program (default: 30)")
    parser.add_argument("--device", default="cuda", help="the GPU (default: cuda)")
    options = parser.parse_args()
    try:
        (device,), _ = present_devices((options.device,))
        if not device.startswith("cuda"):
            raise UsageError(f"device {device}: CUDA events time work on a GPU; name one, such as cuda")
    except UsageError as error:
        sys.stderr.write(f"refgrad_cuda: {error}\n")
        return USAGE
    with exactly(), torch.cuda.device(device):
        results = {name: measure(name, device, options.rounds) for name in PROGRAMS}
    if options.json:
        print(json.dumps({**about(device), **results}, indent=1))
        return 0
    print(", ".join(f"{key} {value}" for key, value in about(device).items() if key != "pinned"))
    print(f"medians of {options.rounds} rounds of {BURST} runs, CUDA events; {', '.join(PINNED)}")
    for name, row in results.items():
        print(
            f"{name:6} {row['refgrad_ms']:9.3f} ms  torch {row['torch_ms']:9.3f} ms  "
            f"ratio {row['ratio']:.3f} (goal {row['goal']:.2f})  {row['program']}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
