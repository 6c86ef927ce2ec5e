"""Copies of what a view shows, and copies of a tensor with other elements in the place of a view.

The copy of a view has the derivative of the view, so its row is made from the row of the view. What is put in
the place of a view gets the same view of the gradient, and the tensor around it gets the rest. Source:
https://docs.pytorch.org/docs/stable/torch.html, "Indexing, Slicing, Joining, Mutating Ops".
"""

from __future__ import annotations

import math
from typing import Any

import torch

from . import arrangement, shape, strided
from .formulas import formula, kernel
from .registry import TABLE, rule
from .strided import Geometry

T = Any

kernel("on_new_memory", lambda value: value.clone(memory_format=torch.contiguous_format))

# The modules that hold the rows of the views come first: the table is read here.
_VIEWS_OF = (arrangement, shape, strided)


def _copy_of(name: str, forward: str) -> None:
    """Add the row of the copy `forward` of what the view `name` shows."""
    view = TABLE[name]
    rule(
        f"{name}_copy",
        grad_fn=f"{view.grad_fn}_copy",
        tensors="self",
        args=" ".join(view.args),
        forward=f"on_new_memory({forward})",
        saves=" ".join(view.saves),
        self=view.derivatives["self"],
    )


for _name in (
    "alias",
    "diagonal",
    "expand",
    "permute",
    "select",
    "slice",
    "squeeze",
    "squeeze_dim",
    "squeeze_dims",
    "t",
    "transpose",
    "unfold",
    "unsqueeze",
):
    _copy_of(_name, TABLE[_name].forward)
# A copy need not be a view, which a conjugation that is only noted would forbid.
_copy_of("view_as_real", "view_as_real(settled(self))")
# A conjugation that is only noted is carried out first: `given` is the offset in the memory of what is there
# then, if there is one.
kernel("strided_copy", lambda value, taken, given: torch.as_strided_copy(value, taken[0], taken[1], given))
rule(
    "strided_copy",
    grad_fn=f"{TABLE['strided'].grad_fn}_copy",
    tensors="self",
    args="taken geometry given",
    forward="strided_copy(self, taken, given)",
    saves="",
    self=TABLE["strided"].derivatives["self"],
)
# Of a tensor whose strides allow no view, torch takes the copy that reshape makes.
_copy_of("view", "self.reshape(size)")


kernel("diagonal_scatter", torch.diagonal_scatter)
kernel("select_scatter", torch.select_scatter)
kernel("slice_scatter", torch.slice_scatter)


def _scatter(name: str, view: str, args: str) -> None:
    """Add the row of a copy of `self` that has `src` in the place of a view."""
    places = ", ".join(args.split())
    rule(
        name,
        grad_fn=f"{''.join(part.capitalize() for part in name.split('_'))}Backward0",
        tensors="self src",
        args=args,
        forward=f"{name}(self, src, {places})",
        self=f"{name}(grad, grad.new_zeros(src_shape), {places})",
        src=view,
        saves="",
    )


_scatter("diagonal_scatter", "grad.diagonal(offset, dim1, dim2)", "offset dim1 dim2")
_scatter("select_scatter", "grad.select(dim, index)", "dim index")
_scatter("slice_scatter", "take_slice(grad, dim, start, end, step)", "dim start end step")


def scatter_strided(value: torch.Tensor, src: torch.Tensor, taken: Geometry) -> torch.Tensor:
    """Return a contiguous `value` with `src` where `taken`, a geometry, takes it from."""
    return value.resolve_conj().as_strided_scatter(src, *taken)


kernel("scatter_strided", scatter_strided)


@formula
def contiguous_geometry(shape: tuple[int, ...]) -> Geometry:
    """Return how a contiguous tensor of `shape` lies in a storage of its own."""
    steps = [math.prod(shape[dim + 1 :]) for dim in range(len(shape))]
    return tuple(shape), tuple(steps), 0


# The gradient of `self` is not right, in torch and so here: it is that of the elements which were replaced,
# and zero at the others. torch's own test of it is marked as an expected failure. Its forward mode is right.
rule(
    "scatter_strided",
    grad_fn="AsStridedScatterBackward0",
    tensors="self src",
    args="taken",
    forward="scatter_strided(self, src, taken)",
    self=(
        "restride(restride(grad, contiguous_geometry(self_shape), taken), "
        "taken, contiguous_geometry(self_shape))"
    ),
    src="grad.contiguous().as_strided(taken[0], taken[1], taken[2])",
    saves="",
    forward_mode={
        "self": (
            "grad.masked_fill("
            "restride(grad.new_ones(src_shape), taken, contiguous_geometry(self_shape)) != 0, 0)"
        )
    },
)
