"""Anomaly mode: where did the backward that fails come from?

While it is on, every node that is recorded remembers the Python stack of its forward call, and, if it is
recorded during a backward, the node whose backward recorded it. A node that fails in a backward while the
mode is on warns with these stacks before its error goes on; and with `check_nan` a gradient that contains
nan is an error. The mode belongs to the process, as in torch.
Sources: https://docs.pytorch.org/docs/stable/autograd.html#anomaly-detection, torch/autograd/anomaly_mode.py,
torch/csrc/autograd/python_anomaly_mode.cpp and, for what is checked, evaluate_function in
torch/csrc/autograd/engine.cpp.
"""

from __future__ import annotations

import threading
import traceback
import warnings
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch

from .node import OBSERVERS, Node, detection
from .tensor import Tensor
from .thread_state import CARRIED

if TYPE_CHECKING:
    from collections.abc import Callable

# How the lines begin that a stack has for refgrad's own code, which its user does not want to read.
_OURS = (f'  File "{Path(__file__).parent}', '  File "<refgrad rule')
_TRACEBACK = "traceback_"
_PARENT = "parent_"


class _Running(threading.local):
    """The node whose backward runs in this thread."""

    node: Node | None = None


_running = _Running()
CARRIED.append(_running)


def is_anomaly_enabled() -> bool:
    """Return whether anomaly mode is on."""
    return detection.enabled


def is_anomaly_check_nan_enabled() -> bool:
    """Return whether a nan in a gradient is an error while anomaly mode is on."""
    return detection.check_nan


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Switch anomaly mode on or off."""
    if mode and not detection.enabled:
        OBSERVERS.append(remember)
    elif detection.enabled and not mode:
        OBSERVERS.remove(remember)
    detection.enabled, detection.check_nan = mode, check_nan


class _Block:
    """Puts back at its end what was set when it was made."""

    def __init__(self) -> None:
        self.before = detection.enabled, detection.check_nan

    def __enter__(self) -> None:
        """Keep the mode as it is."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        set_anomaly_enabled(*self.before)


class detect_anomaly(_Block):  # noqa: N801 - torch's name
    """Switch anomaly mode on inside the block; warns that it is slow.

    A node that fails there warns with the stack of its forward call, if that was made in the mode too. With
    `check_nan` backward raises RuntimeError where a gradient contains nan.
    """

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__()
        self.check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be "
            "enabled for debugging.",
            UserWarning,
            stacklevel=2,
        )

    def __enter__(self) -> None:
        set_anomaly_enabled(True, self.check_nan)


class set_detect_anomaly(_Block):  # noqa: N801 - torch's name
    """Switch anomaly mode on or off at once; as a block also put it back at the end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        super().__init__()
        set_anomaly_enabled(mode, check_nan)


def remember(node: Node, out: Tensor | None) -> None:
    """Keep where `node` is recorded: the stack, and the node whose backward runs."""
    del out
    stack = traceback.format_stack()
    node.metadata[_TRACEBACK] = [frame for frame in stack if not frame.startswith(_OURS)]
    if _running.node is not None:
        node.metadata[_PARENT] = _running.node


def run_watched(node: Node, run: Callable[[], Any], graph: bool) -> Any:
    """Return `run()`, the gradients that `node` passes on; warn if it fails, and fail if they contain nan."""
    before, _running.node = _running.node, node
    try:
        grads = run()
        if detection.check_nan:
            _check(node, grads, graph)
    except BaseException:
        _warn(node)
        raise
    finally:
        _running.node = before
    return grads


def _check(node: Node, grads: Any, graph: bool) -> None:
    """Raise RuntimeError if one of the gradients that `node` passes on contains nan."""
    following = grads if type(node.next) is tuple else (grads,)
    inputs = [place for place, needed in enumerate(node.input_mask()) if needed]
    for place, grad in zip(inputs, following, strict=False):
        refuse_nan(node, place, grad._data if graph and isinstance(grad, Tensor) else grad)


def refuse_nan(node: Node, place: int, data: Any) -> None:
    """Raise RuntimeError if `data`, the gradient of the tensor input `place` of `node`, contains nan."""
    if isinstance(data, torch.Tensor) and bool(torch.isnan(data).any()):
        raise RuntimeError(f"Function '{node.name()}' returned nan values in its {place}th output.")


def _warn(node: Node) -> None:
    """Warn that `node` failed, with the stacks of the calls that led to it."""
    if _TRACEBACK not in node.metadata:
        warnings.warn(
            f"Error detected in {node.name()}. No forward pass information available. Enable detect anomaly "
            "during forward pass for more information.",
            UserWarning,
            stacklevel=2,
        )
        return
    stack = "".join(node.metadata[_TRACEBACK])
    warnings.warn(
        f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n{stack}",
        UserWarning,
        stacklevel=2,
    )
    parent = node.metadata.get(_PARENT)
    while parent is not None:
        stack = "".join(parent.metadata.get(_TRACEBACK, ()))
        warnings.warn(
            "\n\nPrevious calculation was induced by "
            f"{parent.name()}. Traceback of forward call that induced the previous calculation:\n{stack}",
            UserWarning,
            stacklevel=2,
        )
        parent = parent.metadata.get(_PARENT)
