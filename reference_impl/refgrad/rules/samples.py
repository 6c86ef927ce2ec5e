"""Samples. They are no function of their parameters, so the gradient is zero and not missing."""

from __future__ import annotations

from typing import Any

import torch

from .formulas import formula, kernel
from .registry import NON_DIFFERENTIABLE, NOT_IMPLEMENTED, rule

kernel("bernoulli_sample", lambda prob, generator: torch.bernoulli(prob, generator=generator))
kernel("binomial_sample", lambda count, prob, generator: torch.binomial(count, prob, generator=generator))
kernel("normal_sample", lambda mean, std, generator: torch.normal(mean, std, generator=generator))
kernel("poisson_sample", torch.poisson)

for _name, _node, _forward in (
    ("bernoulli", "BernoulliBackward0", "bernoulli_sample(self, generator)"),
    ("poisson", "PoissonBackward0", "poisson_sample(self, generator)"),
):
    rule(
        _name,
        grad_fn=_node,
        tensors="self",
        args="generator",
        forward=_forward,
        self="zeros_like(grad)",
        saves="",
        elementwise=True,
    )
for _tensors, _args, _node in (
    ("mean", "std", "NormalBackward1"),
    ("std", "mean", "NormalBackward2"),
    ("mean std", "", "NormalBackward3"),
):
    _zero: dict[str, Any] = dict.fromkeys(_tensors.split(), "zeros_like(grad)")
    rule(
        f"normal_of_{_tensors.replace(' ', '_')}",
        grad_fn=_node,
        tensors=_tensors,
        args=f"{_args} generator",
        forward="normal_sample(mean, std, generator)",
        saves="",
        elementwise=True,
        **_zero,
    )

# torch records these, and says that they have no derivative when a gradient arrives. Of a tensor that is
# filled with one probability for all, only the shape is taken.
rule(
    "bernoulli_like",
    grad_fn="torch::autograd::NotImplemented",
    tensors="self",
    args="p generator",
    forward="self.bernoulli(p, generator=generator)",
    self=NOT_IMPLEMENTED,
    saves="",
    elementwise=True,
)
rule(
    "binomial",
    grad_fn="torch::autograd::NotImplemented",
    tensors="count prob",
    args="generator",
    forward="binomial_sample(count, prob, generator)",
    count=NOT_IMPLEMENTED,
    prob=NOT_IMPLEMENTED,
    saves="",
    elementwise=True,
)

# Random fills record no more than that the values from before are gone.
for _name, _node in (
    ("bernoulli_fill", "BernoulliBackward2"),
    ("cauchy", "CauchyBackward0"),
    ("exponential", "ExponentialBackward0"),
    ("geometric", "GeometricBackward0"),
    ("log_normal", "LogNormalBackward0"),
    ("normal", "NormalBackward0"),
    ("random", "RandomBackward0"),
    ("uniform", "UniformBackward0"),
):
    rule(
        _name,
        grad_fn=_node,
        tensors="self",
        args="args options",
        forward=f"self.clone().{_name.removesuffix('_fill')}_(*args, **options)",
        self="zeros_like(grad)",
        saves="",
        elementwise=True,
    )
rule(
    "bernoulli_fill_of",
    grad_fn="BernoulliBackward1",
    tensors="self p",
    args="generator",
    forward="self.clone().bernoulli_(p, generator=generator)",
    self="zeros_like(grad)",
    p="zeros_like(grad)",
    saves="",
    elementwise=True,
)


@formula
def dropout_scale(p: float, train: bool | None) -> float:
    """Return what the elements that dropout keeps are multiplied by."""
    if train is False:
        return 1.0
    return 0.0 if p == 1 else 1 / (1 - p)


# torch's kernel makes the result, `dropped`, and the mask in one go.
rule(
    "native_dropout",
    grad_fn="NativeDropoutBackward0",
    tensors="self mask",
    args="p train dropped",
    forward="dropped",
    self="grad * mask * dropout_scale(p, train)",
    mask=NON_DIFFERENTIABLE,
    saves="mask",
    elementwise=True,
)
kernel("native_dropout_backward", torch.ops.aten.native_dropout_backward.default)
rule(
    "native_dropout_backward",
    grad_fn="NativeDropoutBackwardBackward0",
    tensors="grad_output mask",
    args="scale",
    forward="native_dropout_backward(grad_output, mask, scale)",
    grad_output="grad * (mask.to(grad_output_dtype) * scale)",
    mask=NON_DIFFERENTIABLE,
    saves="mask",
    elementwise=True,
)
