"""The same programs on torch and on refgrad, on the CPU and another device: `python device_cases.py cuda`, or
`meta`, or `toy`, the registered backend. Prints what came of each: {case: [torch's, refgrad's]}, as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import refgrad

if "toy" in sys.argv:
    sys.path.insert(0, str(Path(__file__).parents[1] / "engines"))
    import toy_device  # type: ignore[import-not-found]  # noqa: F401 - registers the device

DEVICE = sys.argv[1]
Case = Callable[[Any], object]
CASES: dict[str, Case] = {}

OPERATORS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add": lambda _, a, b: a + b,
    "sub": lambda _, a, b: a - b,
    "mul": lambda _, a, b: a * b,
    "div": lambda _, a, b: a / b,
    "where": lambda m, a, b: m.where(m.ones_like(a if a.ndim else b) > 0, a, b),
    "maximum": lambda m, a, b: m.maximum(a, b),
    "lerp": lambda m, a, b: m.lerp(a, a * 2, b),
    "addcmul": lambda m, a, b: m.addcmul(a, a, b),
    "masked_fill": lambda _, a, b: a.masked_fill(a > 1, b),
    "atan2": lambda m, a, b: m.atan2(a, b),
}


def case(function: Case) -> Case:
    """Adds a case, by the name of its function."""
    CASES[function.__name__] = function
    return function


def shown(value: Any) -> object:
    """The device, the shape and, where there are any, the numbers of a tensor."""
    if value is None:
        return None
    data = value.detach()
    data = data._data if isinstance(data, refgrad.Tensor) else data
    numbers = None if data.is_meta else data.cpu().tolist()
    return [str(data.device), list(data.shape), numbers]


def made(module: Any, value: Any, device: str = DEVICE) -> Any:
    return module.tensor(value, device=device).requires_grad_()


def beside(operator: Callable[[Any, Any, Any], Any], first: bool, shape: Any) -> Case:
    """A number on the CPU beside a tensor on the device, its place among the operands, and both gradients."""

    def run(m: Any) -> object:
        x, s = made(m, shape), made(m, 2.5, "cpu")
        y = operator(m, s, x) if first else operator(m, x, s)
        y.backward(m.ones_like(y))
        return shown(y), shown(x.grad), shown(s.grad)

    return run


for name, operator in OPERATORS.items():
    for first in (False, True):
        for shape in ([1.0, 2.0, 3.0], 1.5):
            word = "vector" if isinstance(shape, list) else "number"
            CASES[f"{name}_{'before' if first else 'after'}_a_{word}"] = beside(operator, first, shape)


@case
def behind_the_number(m: Any) -> object:
    """What is behind the number on the CPU stays there."""
    t, x = made(m, [1.0, 2.0, 3.0], "cpu"), made(m, [1.0, 2.0])
    (x * t.sum()).sum().backward()
    return shown(t.grad), shown(x.grad)


@case
def next_functions(m: Any) -> object:
    """The node that moves a gradient is nobody's to see."""
    x, s = made(m, [1.0, 2.0]), made(m, 3.0, "cpu")
    return [node.name() for node, _ in (x * s).grad_fn.next_functions]


@case
def gradients_asked_for(m: Any) -> object:
    x, s = made(m, [1.0, 2.0]), made(m, 3.0, "cpu")
    return [shown(grad) for grad in m.autograd.grad((x * s).sum(), [x, s])]


@case
def hooks(m: Any) -> object:
    seen: list[object] = []
    x, s = made(m, [1.0, 2.0]), made(m, 3.0, "cpu")
    for tensor in (x, s):
        tensor.register_hook(lambda grad: seen.append(shown(grad)))
    (x * s).sum().backward()
    return sorted(seen, key=repr)  # torch has a thread for each device: neither comes first


@case
def in_place_by_a_number(m: Any) -> object:
    x, s = made(m, [1.0, 2.0]), made(m, 3.0, "cpu")
    y = x * 1
    y *= s
    y.sum().backward()
    return shown(x.grad), shown(s.grad)


@case
def moved_there(m: Any) -> object:
    x = made(m, [1.0, 2.0], "cpu")
    y = (x * 3).to(DEVICE)
    y.backward(m.ones_like(y))
    return shown(y), shown(x.grad), y.grad_fn.name()


@case
def moved_beside(m: Any) -> object:
    x, other = made(m, [1.0, 2.0], "cpu"), made(m, [1.0, 2.0])
    y = x.to(other)
    y.backward(m.ones_like(y))
    return shown(y), shown(x.grad)


@case
def copied_there(m: Any) -> object:
    x, there = made(m, [1.0, 2.0], "cpu"), m.zeros(2, device=DEVICE)
    there.copy_(x)
    there.backward(m.ones_like(there))
    return shown(there), shown(x.grad)


@case
def is_there_already(m: Any) -> object:
    x = made(m, [1.0, 2.0])
    return x.to(DEVICE) is x, x.to(x.device) is x, x.to(x) is x


@case
def indices_on_the_cpu(m: Any) -> object:
    x = made(m, [1.0, 2.0, 3.0])
    y = x[m.tensor([0, 2])]
    y.backward(m.ones_like(y))
    return shown(y), shown(x.grad)


@case
def a_gradient_of_another_device_is_refused(m: Any) -> object:
    made(m, [1.0, 2.0]).grad = m.tensor([1.0, 2.0])
    return None


@case
def data_of_another_device(m: Any) -> object:
    """On a GPU they are taken, which is how modules move; on other devices they are not."""
    x = made(m, [1.0, 2.0])
    x.data = m.ones(2)
    return shown(x)


@case
def saved_elsewhere(m: Any) -> object:
    x = made(m, [1.0, 2.0])
    with m.autograd.graph.saved_tensors_hooks(lambda t: m.ones_like(t, device="cpu"), lambda t: t.to(x)):
        y = x * x
    y.backward(m.ones_like(y))
    return shown(x.grad)


@case
def a_cotangent_on_the_cpu_is_refused(m: Any) -> object:
    (made(m, [1.0, 2.0]) * 2).backward(m.ones(2))
    return None


@case
def a_number_is_a_cotangent_wherever_it_lies(m: Any) -> object:
    x = made(m, 2.0)
    (x * 2).backward(m.tensor(1.0))
    return shown(x.grad)


@case
def two_devices_are_refused(m: Any) -> object:
    return shown(made(m, [1.0, 2.0]) * made(m, [1.0, 2.0], "cpu"))


@case
def two_devices_are_not_joined(m: Any) -> object:
    return shown(m.cat([made(m, [1.0, 2.0]), made(m, [1.0], "cpu")]))


@case
def products_with_unknown_zeros(m: Any) -> object:
    x = made(m, [[1.0, 2.0], [3.0, 4.0]])
    return [shown(m.autograd.grad(y.sum(), [x])[0]) for y in (x.prod(), x.prod(1), x.cumprod(0))]


@case
def quantiles(m: Any) -> object:
    x = made(m, [1.0, 2.0])
    x.quantile(m.tensor([0.25, 0.5], device=DEVICE)).sum().backward()
    return shown(x.grad)


@case
def smoothed_labels(m: Any) -> object:
    x, weight = made(m, [[1.0, 2.0]]), m.ones(2, device=DEVICE)
    target = m.tensor([1], device=DEVICE)
    m.nn.functional.cross_entropy(x, target, weight, label_smoothing=0.5).backward()
    return shown(x.grad)


@case
def rows_by_frequency(m: Any) -> object:
    w = made(m, [[1.0], [2.0]])
    m.nn.functional.embedding(m.tensor([0, 0], device=DEVICE), w, scale_grad_by_freq=True).sum().backward()
    return shown(w.grad)


if DEVICE != "meta":

    @case
    def moved_back(m: Any) -> object:
        x = made(m, [1.0, 2.0])
        y = (x * 3).cpu()
        y.backward(m.ones_like(y))
        return shown(y), shown(x.grad), y.grad_fn.name()


if DEVICE.startswith("cuda"):

    def long_work(x: Any) -> tuple[Any, torch.cuda.Stream]:
        """A loss that takes the GPU some time, and the stream on which it is computed."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            y = x
            for _ in range(20):
                y = y @ x / 1000
            return y.sum(), stream

    @case
    def forward_on_another_stream(m: Any) -> object:
        x = made(m, [[1.0] * 1000] * 1000)
        loss, stream = long_work(x)
        torch.cuda.current_stream().wait_stream(stream)
        loss.backward()
        return shown(loss), shown(x.grad.sum())

    @case
    def nobody_waits_for_the_stream_of_the_forward(m: Any) -> object:
        x = made(m, [[1.0] * 1000] * 1000)
        loss, _ = long_work(x)
        loss.backward()
        return shown(x.grad.sum())

    @case
    def forward_on_two_streams(m: Any) -> object:
        x = made(m, [[1.0] * 1000] * 1000)
        sums = []
        for _ in range(2):
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                sums.append((x @ x).sum())
            torch.cuda.current_stream().wait_stream(stream)
        (sums[0] + sums[1]).backward()
        return shown(x.grad.sum())

    @case
    def backward_on_another_stream(m: Any) -> object:
        x = made(m, [[1.0] * 1000] * 1000)
        loss = (x @ x).sum()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            loss.backward()
        torch.cuda.current_stream().wait_stream(stream)
        return shown(x.grad.sum())

    @case
    def nothing_is_waited_for(m: Any) -> object:
        """torch raises where an operation waits for the device."""
        x, s = made(m, [[1.0, 2.0]]), m.tensor(3.0)
        target = m.tensor([1], device=DEVICE)
        torch.cuda.set_sync_debug_mode("error")
        try:
            y = (x * s).relu().quantile(m.full((1,), 0.5, device=DEVICE), dim=0)
            loss = m.nn.functional.cross_entropy(x, target, label_smoothing=0.5) + y.sum()
            loss.backward()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        return shown(x.grad)


def outcome(run: Case, module: Any) -> object:
    try:
        return run(module)
    except Exception as error:  # noqa: BLE001 - what is raised is compared
        return [type(error).__name__, str(error)]


found = {name: [outcome(run, module) for module in (torch, refgrad)] for name, run in CASES.items()}
sys.stdout.write(json.dumps(found))
