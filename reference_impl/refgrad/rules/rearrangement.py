"""Padding, patches of images, and channels that become places: the same elements, moved or repeated.

All are linear, and each has its adjoint beside it. Source:
https://docs.pytorch.org/docs/stable/nn.functional.html, "Vision functions" and "Convolution functions".
"""

from __future__ import annotations

import torch

from .formulas import as_optional, kernel
from .registry import NON_DIFFERENTIABLE, rule

_nn = torch.nn.functional
_aten = torch.ops.aten


def _moved(name: str, grad_fn: str, forward: str, adjoint: str, args: str) -> None:
    rule(name, grad_fn=grad_fn, tensors="self", args=args, forward=forward, self=adjoint, saves="")


_moved("rot90", "Rot90Backward0", "self.rot90(k, dims)", "grad.rot90(-k, dims)", "k dims")

kernel("pixel_shuffle", torch.pixel_shuffle)
kernel("pixel_unshuffle", torch.pixel_unshuffle)
kernel("channel_shuffle", torch.channel_shuffle)
_moved(
    "pixel_shuffle",
    "PixelShuffleBackward0",
    "pixel_shuffle(self, factor)",
    "pixel_unshuffle(grad, factor)",
    "factor",
)
rule(
    "pixel_unshuffle",
    grad_fn="PixelUnshuffleBackward0",
    tensors="self",
    args="factor",
    forward="pixel_unshuffle(self, factor)",
    self="pixel_shuffle(grad, factor)",
    # Without elements torch's kernel leaves the shape as it is, from which there is no way back.
    forward_mode={"self": "pixel_shuffle(grad, factor) if grad.numel() else grad"},
    saves="",
)
_moved(
    "channel_shuffle",
    "ChannelShuffleBackward0",
    "channel_shuffle(self, groups)",
    "channel_shuffle(grad, self_shape[1] // groups)",
    "groups",
)

kernel("im2col", _aten.im2col)
kernel("col2im", _aten.col2im)
_moved(
    "im2col",
    "Im2ColBackward0",
    "im2col(self, kernel_size, dilation, padding, stride)",
    "col2im(grad, self_shape[-2:], kernel_size, dilation, padding, stride)",
    "kernel_size dilation padding stride",
)
_moved(
    "col2im",
    "Col2ImBackward0",
    "col2im(self, output_size, kernel_size, dilation, padding, stride)",
    "im2col(grad, kernel_size, dilation, padding, stride)",
    "output_size kernel_size dilation padding stride",
)


# The adjoint is recorded as depending on what was padded, of which it takes the shape alone.
for _kind in ("reflection", "replication"):
    for _rank in (1, 2, 3):
        _name = f"{_kind}_pad{_rank}d"
        _node = f"{_kind.capitalize()}Pad{_rank}DBackward"
        kernel(_name, getattr(_aten, _name))
        kernel(f"{_name}_backward", getattr(_aten, f"{_name}_backward"))
        rule(
            _name,
            grad_fn=f"{_node}0",
            tensors="self",
            args="padding",
            forward=f"{_name}(self, padding)",
            self=f"{_name}_backward(grad, self, padding)",
            saves="self",
        )
        rule(
            f"{_name}_backward",
            grad_fn=f"{_node}Backward0",
            tensors="grad_output self",
            args="padding",
            forward=f"{_name}_backward(grad_output, self, padding)",
            grad_output=f"{_name}(grad, padding)",
            self="grad.new_zeros(self_shape)",
            saves="",
        )


# --- elements at indices where a mask is true ---

kernel(
    "masked_index",
    lambda value, mask, indices, fill: torch._unsafe_masked_index(value, mask, as_optional(indices), fill),
)
kernel(
    "masked_index_put",
    lambda value, mask, indices, values: torch._unsafe_masked_index_put_accumulate(
        value, mask, as_optional(indices), values
    ),
)
rule(
    "masked_index",
    grad_fn="UnsafeMaskedIndexBackward0",
    tensors="self mask indices",
    args="fill",
    forward="masked_index(self, mask, indices, fill)",
    self="masked_index_put(grad.new_zeros(self_shape), mask, indices, grad)",
    mask=NON_DIFFERENTIABLE,
    indices=NON_DIFFERENTIABLE,
    saves="mask indices",
)
rule(
    "masked_index_put",
    grad_fn="UnsafeMaskedIndexPutAccumulateBackward0",
    tensors="self mask indices values",
    forward="masked_index_put(self, mask, indices, values)",
    self="grad",
    mask=NON_DIFFERENTIABLE,
    indices=NON_DIFFERENTIABLE,
    values="masked_index(grad, mask, indices, 0)",
    saves="mask indices",
    joint=True,
)
