"""Custom functions in forward mode and under the transforms of `func`.

In forward mode `jvp(ctx, *tangents)` gives the tangents of the outputs; what `forward` does with dual inputs
has no tangents of its own, as it has no history. A transform needs `setup_context`, since what it
differentiates is the call as a whole. `func.vmap` runs `forward` and `backward` as they are, on batched data,
if the class says `generate_vmap_rule = True`; or the static method `vmap(info, in_dims, *args)` runs in place
of `forward`, on whole batches. Source: https://docs.pytorch.org/docs/stable/notes/extending.html and
https://docs.pytorch.org/docs/stable/notes/extending.func.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from .levels import LEVELS, below, set_tangent, tangent_of
from .tensor import Tensor
from .transform_state import active

if TYPE_CHECKING:
    from .function_node import FunctionNode

_MORE = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"


def check_transforms(separate: bool) -> None:
    """Raise RuntimeError for a class without `setup_context` (not `separate`) inside of a transform."""
    if active() and not separate:
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), "
            f"it must override the setup_context staticmethod. {_MORE}"
        )


def run_forward(cls: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Return what `forward` of `cls` returns, for batched data what its `vmap` does.

    Raises RuntimeError for batched data if the class does not say how they are to be mapped.
    """
    if not active() or not any(isinstance(arg, Tensor) and _is_batched(arg._data) for arg in args):
        return cls.forward(*args, **kwargs)
    rule = getattr(cls, "vmap", None)
    if rule is not None and cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an "
            "overridden vmap staticmethod. Please set generate_vmap_rule=False or delete the overridden vmap "
            f"staticmethod to avoid ambiguity. {_MORE}"
        )
    if rule is None and not cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please override and "
            f"implement the vmap staticmethod or set generate_vmap_rule=True. {_MORE}"
        )
    return cls.forward(*args, **kwargs) if rule is None else _mapped(rule, args)


def _is_batched(data: torch.Tensor) -> bool:
    """Whether `data` stand for one example of a batch."""
    return torch._C._functorch.is_batchedtensor(data)


def _mapped(rule: Any, args: Sequence[Any]) -> Any:
    """Return what a user's `vmap` returns for whole batches, as examples.

    torch's own functions with a rule for vmap are used to get at the batches; no derivative of theirs is.
    """
    single: list[bool] = []

    class Batches(torch.autograd.Function):
        @staticmethod
        def forward(*data: Any) -> Any:
            raise AssertionError(f"not called for batched data, but for {len(data)} arguments")

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            """Save nothing."""

        @staticmethod
        def vmap(info: Any, in_dims: Any, *data: Any) -> Any:
            batches = [Tensor._of(value) if isinstance(value, torch.Tensor) else value for value in data]
            outputs, out_dims = rule(info, in_dims, *batches)
            single.append(isinstance(outputs, Tensor))
            if isinstance(outputs, Tensor):
                return outputs._data, out_dims
            return tuple(output._data for output in outputs), out_dims

    plain = [arg._data if isinstance(arg, Tensor) else arg for arg in args]
    results = Batches.apply(*plain)  # type: ignore[no-untyped-call]
    if single[-1]:
        return Tensor._of(results)
    return tuple(Tensor._of(result) for result in results)


def push_function(node: FunctionNode, inputs: Sequence[Any], output: Any) -> None:
    """Give the outputs of a custom function their tangents by its `jvp`.

    Raises NotImplementedError if it has none, and RuntimeError or TypeError for what cannot be a tangent.
    """
    outputs = output if isinstance(output, tuple) else (output,)
    for place, level in enumerate(tuple(LEVELS)):
        given = [tangent_of(value, level) if isinstance(value, Tensor) else None for value in inputs]
        if all(tangent is None for tangent in given):
            continue
        with below(place):
            if node.materialize_grads:
                given = [
                    Tensor._of(torch.zeros_like(value._data))
                    if tangent is None and isinstance(value, Tensor) and _has_tangents(value)
                    else tangent
                    for value, tangent in zip(inputs, given, strict=True)
                ]
            found = node._forward_cls.jvp(node, *given)
        tangents = found if isinstance(found, tuple) else (found,)
        if len(tangents) != len(outputs):
            raise RuntimeError(
                "Function's jvp returned an invalid number of forward gradients (expected "
                f"{len(outputs)} but got {len(tangents)})"
            )
        for index, (value, tangent) in enumerate(zip(outputs, tangents, strict=True)):
            if tangent is None or not isinstance(value, Tensor) or not _has_tangents(value):
                continue
            if not isinstance(tangent, Tensor):
                raise TypeError(  # the class that torch has here
                    f"{node.name()}.jvp: expected Variable or None (got {type(tangent).__name__}) for "
                    f"grad_output {index}"
                )
            set_tangent(value, level, tangent)


def _has_tangents(value: Tensor) -> bool:
    return value._dtype.is_floating_point or value._dtype.is_complex
