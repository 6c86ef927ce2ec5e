"""Operations that give the same elements another shape, or some of them: views, indexing and what undoes
it.
"""

import torch

from .formulas import kernel
from .registry import NON_DIFFERENTIABLE, rule, view

view("view", "ViewBackward0", "self.view(size)", "grad.reshape(self_shape)", "size")
view("reshape_alias", "ReshapeAliasBackward0", "self.view(size)", "grad.reshape(self_shape)", "size")
view("t", "TBackward0", "self.t()", "grad.t()")
view(
    "transpose", "TransposeBackward0", "self.transpose(dim0, dim1)", "grad.transpose(dim0, dim1)", "dim0 dim1"
)
view("permute", "PermuteBackward0", "self.permute(dims)", "grad.permute(inverse_permutation(dims))", "dims")
view("unsqueeze", "UnsqueezeBackward0", "self.unsqueeze(dim)", "grad.squeeze(dim)", "dim")
view("squeeze", "SqueezeBackward0", "self.squeeze()", "unsqueeze_to(grad, self_shape)")
view("squeeze_dim", "SqueezeBackward1", "self.squeeze(dim)", "unsqueeze_to(grad, self_shape)", "dim")
view("squeeze_dims", "SqueezeBackward2", "self.squeeze(dims)", "unsqueeze_to(grad, self_shape)", "dims")
# What t_, transpose_, unsqueeze_ and squeeze_ record.
view("t_in_place", "TBackward1", "self.t()", "grad.t()")
view(
    "transpose_in_place",
    "TransposeBackward1",
    "self.transpose(dim0, dim1)",
    "grad.transpose(dim0, dim1)",
    "dim0 dim1",
)
view("unsqueeze_in_place", "UnsqueezeBackward1", "self.unsqueeze(dim)", "grad.squeeze(dim)", "dim")
view("squeeze_all_in_place", "SqueezeBackward3", "self.squeeze()", "unsqueeze_to(grad, self_shape)")
view("squeeze_in_place", "SqueezeBackward4", "self.squeeze(dim)", "unsqueeze_to(grad, self_shape)", "dim")
view(
    "squeeze_dims_in_place",
    "SqueezeBackward5",
    "self.squeeze(dims)",
    "unsqueeze_to(grad, self_shape)",
    "dims",
)
view("expand", "ExpandBackward0", "self.expand(size)", "sum_to(grad, self_shape)", "size")
view("alias", "AliasBackward0", "self[...]", "grad")
view(
    "select",
    "SelectBackward0",
    "self.select(dim, index)",
    "select_backward(grad, self_shape, dim, index)",
    "dim index",
)
view(
    "slice",
    "SliceBackward0",
    "take_slice(self, dim, start, end, step)",
    "slice_backward(grad, self_shape, dim, start, end, step)",
    "dim start end step",
)
view("conj", "ConjBackward0", "self.conj()", "grad.conj()", reinterprets=True)
# torch records real, and imag among the rows of pairs, as view_as_real and select; here each is one step.
view("real", "SelectBackward0", "self.real", "grad.to(self_dtype)", reinterprets=True)

# What it gives shares memory, and nothing knows.
kernel("unsafe_view", torch.ops.aten._unsafe_view)
rule(
    "unsafe_view",
    grad_fn="UnsafeViewBackward0",
    tensors="self",
    args="size",
    forward="unsafe_view(self, size)",
    self="grad.reshape(self_shape)",
    saves="",
)
rule(
    "select_backward",
    grad_fn="SelectBackwardBackward0",
    tensors="grad_output",
    args="size dim index",
    forward="select_backward(grad_output, size, dim, index)",
    grad_output="grad.select(dim, index)",
    saves="",
)
rule(
    "slice_backward",
    grad_fn="SliceBackwardBackward0",
    tensors="grad_output",
    args="size dim start end step",
    forward="slice_backward(grad_output, size, dim, start, end, step)",
    grad_output="take_slice(grad, dim, start, end, step)",
    saves="",
)
# `indices` stands for all index tensors of one indexing expression.
rule(
    "index",
    grad_fn="IndexBackward0",
    tensors="self indices",
    forward="self[indices]",
    self="index_backward(grad, indices, self_shape)",
    indices=NON_DIFFERENTIABLE,
    saves="indices",
)
rule(
    "index_backward",
    grad_fn="IndexPutBackward0",
    tensors="grad_output indices",
    args="size",
    forward="index_backward(grad_output, indices, size)",
    grad_output="grad[indices]",
    indices=NON_DIFFERENTIABLE,
    saves="indices",
)
rule(
    "index_put",
    grad_fn="IndexPutBackward0",
    tensors="self indices values",
    forward="index_put(self, indices, values)",
    self="index_put(grad, indices, grad.new_zeros(values_shape))",
    indices=NON_DIFFERENTIABLE,
    values="sum_to(grad[indices], values_shape)",
    saves="indices",
    joint=True,
)
# The history of a base that was written to through a view, of that view before the write, and of a view taken
# again after a write.
rule(
    "copy_slices",
    grad_fn="torch::autograd::CopySlices",
    tensors="base source",
    args="path strides",
    forward="copy_slices(base, source, path, strides)",
    base=(
        "copy_slices(laid_out(grad, strides), grad.new_zeros(source_shape, dtype=source_dtype), path, "
        "strides)"
    ),
    source="path.view(laid_out(grad, strides)).clone()",
    saves="",
    releases="path",
)
rule(
    "before_write",
    grad_fn="AsStridedBackward0",
    tensors="base",
    args="path strides",
    forward="path.view(base)",
    base="copy_slices(grad.new_zeros(base_shape, dtype=base_dtype), grad, path, strides)",
    saves="",
)
rule(
    "as_strided",
    grad_fn="AsStridedBackward0",
    tensors="base",
    args="path",
    forward="path.view(base)",
    base="of_base(grad, path, base_shape)",
    saves="",
)
