"""Copies: to new memory, to another dtype or device, and over existing elements."""

import torch

from .formulas import kernel
from .registry import NOT_IMPLEMENTED, rule

kernel("fill", torch.fill)

rule(
    "clone",
    grad_fn="CloneBackward0",
    tensors="self",
    args="memory_format",
    forward="self.clone(memory_format=memory_format)",
    self="grad",
    saves="",
)
rule(
    "narrow_copy",
    grad_fn="NarrowCopyBackward0",
    tensors="self",
    args="dim start end",
    forward="self.narrow_copy(dim, start, end - start)",
    self="slice_backward(grad, self_shape, dim, start, end, 1)",
    saves="",
)
rule(
    "to_copy",
    grad_fn="ToCopyBackward0",
    tensors="self",
    args="device dtype source memory_format non_blocking",
    forward="self.to(device, dtype, non_blocking=non_blocking, copy=True, memory_format=memory_format)",
    self="grad.to(source)",
    saves="",
)
rule(
    "pin_memory",
    grad_fn="PinMemoryBackward0",
    tensors="self",
    args="",
    forward="self.pin_memory()",
    self="grad",
    saves="",
)
# What copy_, fill_ and zero_ record: the elements that were there before have no influence any more.
rule(
    "copy",
    grad_fn="torch::autograd::CopyBackwards",
    tensors="self src",
    args="source",
    forward="src.to(self.device, self.dtype).expand(self.shape)",
    self="zeros_like(grad)",
    src="grad.to(source)",
    saves="",
    elementwise=True,
)
# In place torch records them under other names.
for _prefix, _nodes in (
    ("fill", ("FillBackward2", "FillBackward3")),
    ("filled", ("FillBackward0", "FillBackward1")),
):
    rule(
        f"{_prefix}_number",
        grad_fn=_nodes[0],
        tensors="self",
        args="value",
        forward="full_like(self, value)",
        self="zeros_like(grad)",
        saves="",
        elementwise=True,
    )
    rule(
        _prefix,
        grad_fn=_nodes[1],
        tensors="self value",
        forward="fill(self, value)",
        self="zeros_like(grad)",
        value="grad.sum()",
        saves="",
        elementwise=True,
    )
rule(
    "zero",
    grad_fn="ZeroBackward0",
    tensors="self",
    forward="zeros_like(self)",
    self="zeros_like(grad)",
    saves="",
    elementwise=True,
)
rule(
    "set_",
    grad_fn="torch::autograd::NotImplemented",
    tensors="self source",
    forward="source",
    self=NOT_IMPLEMENTED,
    source=NOT_IMPLEMENTED,
    saves="",
)
