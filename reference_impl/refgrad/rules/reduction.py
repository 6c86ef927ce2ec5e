"""Reductions: the gradient of one element of the result goes to all elements that were combined."""

from .registry import rule

rule(
    "sum",
    grad_fn="SumBackward0",
    tensors="self",
    forward="self.sum()",
    self="broadcast_to(grad, self_shape)",
    saves="",
)
rule(
    "sum_as",
    grad_fn="SumBackward0",
    tensors="self",
    args="dtype",
    forward="self.sum(dtype=dtype)",
    self="broadcast_to(grad, self_shape)",
    saves="",
)
rule(
    "sum_dim",
    grad_fn="SumBackward1",
    tensors="self",
    args="dim keepdim dtype",
    forward="self.sum(dim, keepdim, dtype=dtype)",
    self="spread(grad, self_shape, dim, keepdim)",
    saves="",
)
# Tangents are added up first and divided then, so that the mean of none is nan.
rule(
    "mean",
    grad_fn="MeanBackward0",
    tensors="self",
    forward="self.mean()",
    self="divide(broadcast_to(grad, self_shape), numel(self_shape))",
    saves="",
    forward_mode={"self": "broadcast_to(divide(grad, numel(self_shape)), self_shape)"},
)
rule(
    "mean_as",
    grad_fn="MeanBackward0",
    tensors="self",
    args="dtype",
    forward="self.mean(dtype=dtype)",
    self="divide(broadcast_to(grad, self_shape), numel(self_shape))",
    saves="",
    forward_mode={"self": "broadcast_to(divide(grad, numel(self_shape)), self_shape)"},
)
rule(
    "mean_dim",
    grad_fn="MeanBackward1",
    tensors="self",
    args="dim keepdim dtype",
    forward="self.mean(dim, keepdim, dtype=dtype)",
    self="divide(spread(grad, self_shape, dim, keepdim), count(self_shape, dim))",
    saves="",
    forward_mode={"self": "spread(divide(grad, count(self_shape, dim)), self_shape, dim, keepdim)"},
)
