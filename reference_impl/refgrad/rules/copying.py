"""Copies: to new memory, to another dtype or device, and over existing elements."""

from .registry import NOT_IMPLEMENTED, rule

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
    forward="take_slice(self, dim, start, end, 1).clone()",
    self="slice_backward(grad, self_shape, dim, start, end, 1)",
    saves="",
)
rule(
    "to_copy",
    grad_fn="ToCopyBackward0",
    tensors="self",
    args="device dtype source",
    forward="self.to(device, dtype, copy=True)",
    self="grad.to(source)",
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
rule(
    "fill_number",
    grad_fn="FillBackward2",
    tensors="self",
    args="value",
    forward="full_like(self, value)",
    self="zeros_like(grad)",
    saves="",
    elementwise=True,
)
rule(
    "fill",
    grad_fn="FillBackward3",
    tensors="self value",
    forward="value.expand(self.shape)",
    self="zeros_like(grad)",
    value="grad.sum()",
    saves="",
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
# Random fills record no more than that the values from before are gone.
for _name, _args in (("uniform", "start end"), ("normal", "mean std")):
    rule(
        _name,
        grad_fn=f"{_name.capitalize()}Backward0",
        tensors="self",
        args=_args,
        forward=f"self.clone().{_name}_({_args.replace(' ', ', ')})",
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
