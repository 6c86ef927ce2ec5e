"""The conventions that an engine may declare, by name: where it may differ from torch, and how.

A policy speaks about certain places (relu at 0, maximum at a tie) and has an option for each answer that
engines give there. An option is torch's own operator with that answer in the place of torch's: what a program
comes to under a declaration is computed by running it on torch with the operators of the option
(`gradconform.oracle.declared`). Torch's own answer is no option.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from gradconform.errors import AdapterError, did_you_mean
from gradconform.oracle.slopes import Change, Operator, at, reducing, sloped

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Option:
    """One answer. says: what the engine does, as the end of a sentence. operators: what stands for torch's
    operators of these names."""

    says: str
    operators: Mapping[str, Change] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """A convention. says: what it is about. torch: what torch does. options: what others do."""

    id: str
    says: str
    torch: str
    options: Mapping[str, Option]


def _each(names: tuple[str, ...], change: Change) -> dict[str, Change]:
    return dict.fromkeys(names, change)


RELU = ("relu", "nn.functional.relu")
TWO = ("maximum", "minimum", "max", "min")
CLAMP = ("clamp",)
ALL = ("amax", "amin", "max", "min")
NORMS = ("norm", "linalg.vector_norm", "linalg.norm")


def _zero(input: Any, *_: Any, **__: Any) -> Any:
    return torch.as_tensor(input) == 0


def _real_zero(input: Any, *_: Any, **__: Any) -> Any:
    return (input == 0) & (not input.is_complex())


def _nan(input: Any, *_: Any, **__: Any) -> Any:
    return torch.isnan(torch.as_tensor(input))


def _both_zero(input: Any, other: Any, *_: Any, **__: Any) -> Any:
    return (torch.as_tensor(input) == 0) & (torch.as_tensor(other) == 0)


def _both_zero_of_floats(input: Any, exponent: Any) -> Any:
    return False if isinstance(exponent, int) else _both_zero(input, exponent)


def _tied(input: Any, other: Any = None, *_: Any, **__: Any) -> Any:
    return input == other if isinstance(other, torch.Tensor) else False


def _nan_in_either(input: Any, other: Any = None, *_: Any, **__: Any) -> Any:
    return torch.isnan(input) | torch.isnan(other) if isinstance(other, torch.Tensor) else False


def _clamped(slope: float) -> Change:
    """A clamp that gives the input this part of the cotangent at a bound, and the bound the rest."""

    def change(own: Operator, _name: str) -> Operator:
        def call(input: Any, min: Any = None, max: Any = None) -> Any:
            value = own(input, min, max)
            for bound in (min, max):
                if bound is not None and value.requires_grad:
                    met = torch.as_tensor(input == bound).expand(value.shape)
                    value = sloped(value, met, [(input, slope), (bound, 1 - slope)])
            return value

        return call

    return change


def _ties(input: torch.Tensor, value: torch.Tensor, dims: tuple[int, ...]) -> tuple[Any, Any]:
    equal = input == value
    return equal.sum(dims, keepdim=True) > 1, equal.to(input.dtype)


def _first_of_ties(input: torch.Tensor, value: torch.Tensor, dims: tuple[int, ...]) -> tuple[Any, Any]:
    met, equal = _ties(input, value, dims)
    order = [index for index in range(input.dim()) if index not in dims] + list(dims)
    moved = equal.permute(order)
    rows = moved.reshape(*moved.shape[: input.dim() - len(dims)], -1)
    first = (rows * (rows.cumsum(-1) == 1)).reshape(moved.shape)
    return met, first.permute([order.index(index) for index in range(input.dim())])


def _shared_ties(input: torch.Tensor, value: torch.Tensor, dims: tuple[int, ...]) -> tuple[Any, Any]:
    met, equal = _ties(input, value, dims)
    return met, equal / equal.sum(dims, keepdim=True)


def _nan_where_nan(input: torch.Tensor, value: torch.Tensor, _dims: tuple[int, ...]) -> tuple[Any, Any]:
    return torch.isnan(value), torch.full_like(input, NAN)


def _is_a_root(given: Mapping[str, Any]) -> bool:
    """Whether a norm is a root of a sum of powers."""
    order = given.get("p", given.get("ord", 2))
    return order is None or order == "fro" or order not in {0, 1, float("inf"), -float("inf")}


def _nan_at_zero(input: torch.Tensor, value: torch.Tensor, _dims: tuple[int, ...]) -> tuple[Any, Any]:
    return value == 0, torch.full_like(input, NAN)


def _nan_of_equal_values(input: torch.Tensor, value: torch.Tensor, dims: tuple[int, ...]) -> tuple[Any, Any]:
    met, slopes = _nan_at_zero(input, value, dims)
    return met & (input.numel() > value.numel()), slopes


def _mean_of_two(own: Operator, _name: str) -> Operator:
    """The median, which is the mean of the middle two of an even count."""

    def call(input: Any, *arguments: Any, **options: Any) -> Any:
        if arguments or options or input.numel() % 2 or not input.numel():
            return own(input, *arguments, **options)
        ordered = input.flatten().sort().values
        half = input.numel() // 2
        return (ordered[half - 1] + ordered[half]) / 2

    return call


def _reshaped(_own: Operator, _name: str) -> Operator:
    return lambda input, *shape: input.reshape(*shape)


POLICIES = {
    policy.id: policy
    for policy in (
        Policy(
            "relu-at-zero",
            "what part of the cotangent relu hands on at 0",
            "none",
            {
                "half": Option("half of it", _each(RELU, at(_zero, 0.5))),
                "one": Option("all of it", _each(RELU, at(_zero, 1.0))),
            },
        ),
        Policy(
            "relu-at-nan",
            "what part of the cotangent relu hands on at nan",
            "all of it",
            {"zero": Option("none", _each(RELU, at(_nan, 0.0)))},
        ),
        Policy(
            "leaky-relu-at-zero",
            "the slope of leaky_relu at 0",
            "that of the negative side",
            {
                "one": Option("1", _each(("nn.functional.leaky_relu",), at(_zero, 1.0))),
                "zero": Option("0", _each(("nn.functional.leaky_relu",), at(_zero, 0.0))),
            },
        ),
        Policy(
            "abs-at-zero",
            "the slope of abs at 0, of real numbers",
            "0",
            {
                "one": Option("1", _each(("abs",), at(_real_zero, 1.0))),
                "minus-one": Option("-1", _each(("abs",), at(_real_zero, -1.0))),
            },
        ),
        Policy(
            "abs-at-nan",
            "the slope of abs at nan",
            "0",
            {
                "nan": Option("nan", _each(("abs",), at(_nan, NAN))),
                "minus-one": Option("-1", _each(("abs",), at(_nan, -1.0))),
            },
        ),
        Policy(
            "ties-between-tensors",
            "to whom maximum and minimum give the cotangent where both are equal",
            "half to each",
            {
                "first": Option("all to the first", _each(TWO, at(_tied, 1.0, 0.0))),
                "second": Option("all to the second", _each(TWO, at(_tied, 0.0, 1.0))),
                "none": Option("to neither", _each(TWO, at(_tied, 0.0, 0.0))),
            },
        ),
        Policy(
            "nan-between-tensors",
            "to whom maximum and minimum give the cotangent where either is nan",
            "all to each",
            {"none": Option("to neither", _each(TWO, at(_nan_in_either, 0.0, 0.0)))},
        ),
        Policy(
            "ties-within-a-tensor",
            "to whom the largest or smallest of all elements gives the cotangent where several are it",
            "the same part to each",
            {
                "each": Option("all to each", _each(ALL, reducing(_ties))),
                "first": Option("all to the first", _each(ALL, reducing(_first_of_ties))),
            },
        ),
        Policy(
            "ties-along-a-dimension",
            "to whom max and min along a dimension give the cotangent where several are it",
            "all to the one whose index they give",
            {
                "share": Option(
                    "the same part to each", _each(("max", "min"), reducing(_shared_ties, over="one"))
                ),
                "each": Option("all to each", _each(("max", "min"), reducing(_ties, over="one"))),
            },
        ),
        Policy(
            "extremes-of-nan",
            "the gradient of max and min where they are nan",
            "what is nan shares the cotangent, or has it for its index",
            {"nan": Option("nan for all elements", _each(("max", "min"), reducing(_nan_where_nan)))},
        ),
        Policy(
            "clamp-at-bounds",
            "what part of the cotangent clamp hands on at a bound",
            "all of it",
            {
                "zero": Option("none", _each(CLAMP, _clamped(0.0))),
                "half": Option("half of it", _each(CLAMP, _clamped(0.5))),
            },
        ),
        Policy(
            "clamp-at-nan",
            "what part of the cotangent clamp hands on at nan",
            "none",
            {"one": Option("all of it", _each(CLAMP, at(_nan, 1.0)))},
        ),
        Policy(
            "zero-to-the-zero",
            "the gradient of x ** 0 at 0, by x",
            "0",
            {
                "nan": Option("nan", _each(("pow",), at(_both_zero, NAN))),
                "nan-of-floats": Option(
                    "nan, but for an exponent that is a Python integer",
                    _each(("pow",), at(_both_zero_of_floats, NAN)),
                ),
            },
        ),
        Policy(
            "norm-at-zero",
            "the gradient of a norm at the zero vector, of an order other than 1 and infinity",
            "0",
            {"nan": Option("nan", _each(NORMS, reducing(_nan_at_zero, when=_is_a_root)))},
        ),
        Policy(
            "spread-of-equal-values",
            "the gradient of the standard deviation of several values that are equal",
            "0",
            {"nan": Option("nan", _each(("std",), reducing(_nan_of_equal_values)))},
        ),
        Policy(
            "atan2-at-the-origin",
            "the gradient of atan2 at the origin",
            "0",
            {"nan": Option("nan", _each(("atan2",), at(_both_zero, NAN, NAN)))},
        ),
        Policy(
            "median-of-an-even-count",
            "what the median of an even count is",
            "the lower of the middle two",
            {"mean": Option("the mean of the middle two", {"median": _mean_of_two})},
        ),
        Policy(
            "views",
            "what becomes of a view whose memory would not be in order",
            "it is refused",
            {"copies": Option("a copy is made", {"view": _reshaped})},
        ),
        Policy(
            "unreached-inputs",
            "the gradient by an input that the outputs do not depend on",
            "None",
            {"zero": Option("zeros")},
        ),
        Policy(
            "complex-gradients",
            "what the gradient by a complex number is",
            "the conjugate of the derivative's transpose",
            {"conjugate": Option("its conjugate; gradconform converts it")},
        ),
    )
}
"""All policies, by their ids. Torch's answer is that of the documented points and kinks of the corpus."""


def require_known(engine: str, declared: Mapping[str, str]) -> None:
    """Raises AdapterError for a policy, or an option of one, that there is not."""
    for name, option in declared.items():
        if name not in POLICIES:
            hint = did_you_mean(name, POLICIES) or f"the policies are {', '.join(POLICIES)}"
            raise AdapterError(f"engine {engine} declares '{name}', which is no policy; {hint}")
        known = POLICIES[name].options
        if option not in known:
            raise AdapterError(
                f"engine {engine} declares '{name}: {option}'; the options are {', '.join(known)}"
            )
