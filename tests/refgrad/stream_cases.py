"""On which streams of the toy device refgrad runs backward passes, and what waits for what, in JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "engines"))

import torch
import toy_device  # type: ignore[import-not-found]

import refgrad as m

toy: Any = torch.get_device_module("toy")
KERNELS = ("mul", "sin", "cos", "exp", "add", "neg")


def told() -> list[str]:
    """What was asked of the streams since last time, by names that they get in the order in which they come:
    a, b and c, and 0 for the default one."""
    lines = [line.removeprefix("aten::") for line in toy_device.ASKED]
    toy_device.ASKED.clear()
    kept = [one for one in lines if one.startswith(KERNELS) or "waits" in one or "memory" in one]
    names = {"0": "0"}
    for number in re.findall(r"\d+", " ".join(kept)):
        names.setdefault(number, chr(ord("a") + len(names) - 1))
    return [re.sub(r"\d+", lambda found: names[found[0]], one) for one in kept]


def leaf() -> Any:
    return m.tensor([1.0, 2.0], device="toy", requires_grad=True)


def one() -> Any:
    return m.tensor([1.0, 1.0], device="toy")


def nothing_but_the_default() -> None:
    leaf().sin().backward(one())


def forward_aside() -> None:
    with toy.stream(toy.Stream()):
        y = leaf().sin()
    y.backward(one())


def backward_aside() -> None:
    y = leaf().sin()
    with toy.stream(toy.Stream()):
        y.backward(one())


def half_aside() -> None:
    x = leaf()
    with toy.stream(toy.Stream()):
        y = x.sin()
    y.exp().backward(one())


def two_branches() -> None:
    x = leaf()
    with toy.stream(toy.Stream()):
        y = x.sin()
    with toy.stream(toy.Stream()):
        z = x.exp()
    (y * z).backward(one())


def asked_for() -> None:
    x = leaf()
    with toy.stream(toy.Stream()):
        y = x.sin()
    m.autograd.grad(y.exp(), x, one())


def recorded_again() -> None:
    x = leaf()
    with toy.stream(toy.Stream()):
        y = x.sin()
    (gradient,) = m.autograd.grad(y, x, one(), create_graph=True)
    gradient.backward(one())


def that_fails() -> None:
    x = leaf()
    with toy.stream(toy.Stream()):
        y = x.sin()
        y.register_hook(lambda _: 1 / 0)
    try:
        y.backward(one())
    except ZeroDivisionError:
        x.sin()


def within_each_other() -> None:
    """So deep that passes go on in another thread."""

    def again(depth: int) -> Callable[[Any], None]:
        def hook(_: Any) -> None:
            with m.enable_grad():
                y = leaf().sin()
            if depth:
                y.register_hook(again(depth - 1))
            y.backward(one())

        return hook

    with toy.stream(toy.Stream()):
        y = leaf().sin()
        y.register_hook(again(70))
        y.backward(one())


CASES = (
    nothing_but_the_default,
    forward_aside,
    backward_aside,
    half_aside,
    two_branches,
    asked_for,
    recorded_again,
    that_fails,
    within_each_other,
)

if __name__ == "__main__":
    found = {}
    for case in CASES:
        told()
        case()
        found[case.__name__] = told(), toy.current_stream() == toy.default_stream()
    json.dump(found, sys.stdout)
