"""A script that runs functions on the engine and on torch, calls `sum().backward()` and compares values and
gradients with `assert_close`; and that trains small networks for a few steps on both.

Beside the sum it takes the mean of squares, as tinygrad's tests do, since a cotangent of ones hides much.

Source: test/test_ops.py of tinygrad (`helper_test_op`), test/test_engine.py of micrograd
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from gradconform.engines.base import Engine, Handle
from gradconform.engines.torch import TorchEngine

from .base import Check
from .functions import Function, differentiable, of_networks
from .tables import calls

_STEPS = 3
_RATE = 0.1
_NETWORKS = "training "


def _sum(results: list[Handle]) -> Handle:
    """The sum of all elements of all results; of complex ones that of their real parts."""
    return _total([one.real.sum() if one.dtype.is_complex else one.sum() for one in results])


def _squares(results: list[Handle]) -> Handle:
    """The mean of (result + 1)², or of |result + 1|²."""
    moved = [one + 1 for one in results]
    return _total(
        [((one * one.conj()).real if one.dtype.is_complex else one.square()).mean() for one in moved]
    )


def _total(numbers: list[Handle]) -> Handle:
    total, *others = numbers
    for other in others:
        total = total + other
    return total


def _seen(function: Function, engine: Engine) -> list[tuple[str, torch.Tensor | None]]:
    """The values of a function, and the gradients of both losses."""
    call = function.on(engine)
    found: list[tuple[str, torch.Tensor | None]] = []
    for loss in (_sum, _squares):
        leaves = function.leaves(engine)
        results = call(*leaves)
        values = [one for one in results if engine.is_tensor(one)]
        found += [(f"result {number}", engine.to_torch(one)) for number, one in enumerate(values)]
        loss(differentiable(engine, results)).backward()
        for name, leaf in zip(function.inputs, leaves, strict=True):
            grad = leaf.grad
            found.append((f"{name}.grad", None if grad is None else engine.to_torch(grad)))
    return found


def _trained(function: Function, engine: Engine) -> list[tuple[str, torch.Tensor | None]]:
    """Losses, and the parameters after a few steps of gradient descent, each over two backward calls."""
    call, leaves = function.on(engine), function.leaves(engine)
    found: list[tuple[str, torch.Tensor | None]] = []
    module: Any = engine.module  # type: ignore[attr-defined]
    for step in range(_STEPS):
        for leaf in leaves:
            if leaf.grad is not None:
                leaf.grad.zero_()
        for half in range(2):
            (loss,) = call(*leaves)
            loss.backward()
            found.append((f"loss {half} of step {step}", engine.to_torch(loss)))
        with module.no_grad():
            for leaf in leaves:
                leaf -= _RATE * leaf.grad  # noqa: PLW2901 - the parameter itself is written to
    found += [(name, engine.to_torch(leaf)) for name, leaf in zip(function.inputs, leaves, strict=True)]
    return found


def _complaint(function: Function, _way: object, engine: Engine) -> str:
    look = _trained if function.name.startswith(_NETWORKS) else _seen
    expected, got = look(function, TorchEngine()), look(function, engine)
    for (place, theirs), (_, ours) in zip(expected, got, strict=True):
        if theirs is None or ours is None:
            if theirs is not ours:
                return f"{place} is {'None' if ours is None else 'not None'}"
            continue
        try:
            torch.testing.assert_close(ours, theirs, equal_nan=True)
        except AssertionError as error:
            return f"{place}: {str(error).partition(chr(10))[0]}"
    return ""


def _functions() -> Iterable[Function]:
    for function in of_networks(("float32", "float64")):
        yield function
        yield Function(f"{_NETWORKS}{function.name}", function.dtype, function.inputs, function.on)
    yield from calls(("float32", "float64", "complex128"))


SUMS = Check(
    "sums",
    "`sum().backward()`, and the mean of squares, against torch with `assert_close`; training",
    _functions,
    lambda _: (True,),
    _complaint,
)
