"""Torch's operators with another derivative at chosen places: what a declared convention makes of them.

Values stay torch's. Where the places are met, the cotangent goes to the operands by the slopes that are given
there, and everywhere else by torch's own rule. The slopes are constants, so that second derivatives are 0 at
these places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch

from gradconform.program.vocabulary import OPERATORS

Operator = Callable[..., Any]
Change = Callable[[Operator, str], Operator]
"""From torch's operator, and its name, to the one that has the convention."""

Slope = float | torch.Tensor


class _Sloped(torch.autograd.Function):
    """A value, whose cotangent is handed on by slopes; autograd sums it to the operand's shape."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor, slopes: Sequence[Slope], *_operands: torch.Tensor) -> Any:
        ctx.slopes = slopes
        return value.clone()

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor) -> Any:
        return None, None, *(cotangent * slope for slope in ctx.slopes)


def sloped(value: torch.Tensor, places: torch.Tensor, pairs: Sequence[tuple[object, Slope]]) -> torch.Tensor:
    """The value, with these slopes at the places and its own history elsewhere.

    places: of the value's shape. pairs: operands (numbers are passed over) with their slopes, each a number
    or a tensor that broadcasts with the value and with the operand.
    """
    if not bool(places.any()):
        return value
    given = [(operand, slope) for operand, slope in pairs if isinstance(operand, torch.Tensor)]
    # Elsewhere the cotangent is 0, and 0 times nan would be nan.
    slopes = [torch.where(places, slope, 0.0) for _, slope in given]
    operands = [operand for operand, _ in given]
    return torch.where(places, _Sloped.apply(value.detach(), slopes, *operands), value)  # type: ignore[no-untyped-call]


def at(places: Callable[..., Any], *slopes: float) -> Change:
    """An elementwise operator with these slopes of its first operands where `places(*operands)` holds."""

    def change(own: Operator, _name: str) -> Operator:
        def call(*operands: Any, **options: Any) -> Any:
            value = own(*operands, **options)
            if not isinstance(value, torch.Tensor) or not value.requires_grad:
                return value
            met = torch.as_tensor(places(*operands, **options)).expand(value.shape)
            return sloped(value, met, [*zip(operands, slopes, strict=False)])

        return call

    return change


Shares = Callable[[torch.Tensor, torch.Tensor, tuple[int, ...]], tuple[torch.Tensor, torch.Tensor]]
"""Of a reduction's operand, its value (with the dimensions kept) and its dimensions: at which places of the
value the convention speaks, and the slopes there, of the operand's shape."""


def reducing(
    shares: Shares,
    *,
    over: Literal["all", "one", "any"] = "any",
    when: Callable[[Mapping[str, Any]], bool] = lambda _: True,
) -> Change:
    """A reduction with other slopes. over: where it has them, over all dimensions, along one, or both. when:
    with which arguments, by name. Of values and indices the values have them."""

    def change(own: Operator, name: str) -> Operator:
        row = OPERATORS[name]
        order = replace(row, signature=row.further or row.signature).call

        def call(*arguments: Any, **options: Any) -> Any:
            result = own(*arguments, **options)
            value = result[0] if isinstance(result, tuple) else result
            given = order.bind(*arguments, **options).arguments
            operand = arguments[0]
            dim: Any = given.get("dim")
            whole = dim is None or dim == ()
            elsewhere = over == ("one" if whole else "all") or not when(given)
            if elsewhere or not value.requires_grad or isinstance(dim, torch.Tensor):
                return result
            dims = tuple(range(operand.dim())) if whole else (dim,) if isinstance(dim, int) else tuple(dim)
            dims = tuple(one % max(operand.dim(), 1) for one in dims)
            kept = tuple(1 if index in dims else size for index, size in enumerate(operand.shape))
            with torch.no_grad():
                met, slopes = shares(operand, value.reshape(kept), dims)
            changed = sloped(value.reshape(kept), met, [(operand, slopes)]).reshape(value.shape)
            return type(result)((changed, *result[1:])) if isinstance(result, tuple) else changed

        return call

    return change
