"""Gives the tensor its methods and operators. `operations.pyi` declares them for type checkers."""

from __future__ import annotations

from typing import Any

from . import (
    arrangement,
    assignment,
    autograd,
    creation,
    families,
    functions,
    hooks,
    indexing,
    inplace,
    linalg,
    metadata,
    multiple,
    pointwise,
    reductions,
    selection,
    shapes,
)
from .node import Node
from .ops import OPERATIONS
from .tensor import Tensor

_POINTWISE = (
    "add", "conj", "div", "masked_fill", "maximum", "minimum", "mul", "positive", "pow", "round",
    "square", "sub",
)  # fmt: skip
_SHAPES = (
    "as_strided", "bfloat16", "bmm", "cdouble", "cfloat", "chalf", "clone", "contiguous", "cpu", "cuda",
    "dot", "double", "expand", "expand_as", "flatten", "float", "half", "matmul", "mean", "mm", "mv",
    "narrow", "narrow_copy", "permute", "pin_memory", "reshape", "select", "squeeze", "sum", "t", "to",
    "transpose", "type", "type_as", "unsqueeze", "view", "view_as",
)  # fmt: skip


_ARRANGEMENT = (
    "broadcast_to", "diag", "diag_embed", "diagonal", "flip", "movedim", "repeat", "repeat_interleave",
    "resolve_conj", "roll", "tile", "trace", "tril", "triu", "unflatten", "unfold",
)  # fmt: skip
_FUNCTIONS = (
    "addcdiv", "addcmul", "angle", "atan2", "clamp", "clamp_max", "clamp_min", "copysign",
    "divide", "floor_divide", "fmax", "fmin", "fmod", "heaviside", "igamma", "is_conj", "lerp",
    "nan_to_num", "nextafter", "remainder", "xlogy",
)  # fmt: skip
_REDUCTIONS = (
    "amax", "amin", "cummax", "cummin", "cumprod", "cumsum", "dist", "log_softmax", "logcumsumexp",
    "logsumexp", "max", "median", "min", "nanmean", "nanmedian", "nansum", "prod",
    "softmax", "std", "var",
)  # fmt: skip
_SELECTION = (
    "bincount", "gather", "index_add", "index_copy", "index_fill", "index_put", "index_select", "kthvalue",
    "masked_scatter", "masked_select", "mode", "msort", "nonzero", "scatter", "scatter_add",
    "scatter_reduce", "sort", "take", "topk", "unique",
)  # fmt: skip


def backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Accumulate the gradients of this tensor into the leaves; see `autograd.backward`."""
    autograd.backward(self, gradient, retain_graph, create_graph, inputs=inputs)


backward.__qualname__ = "Tensor.backward"


def _where(self: Tensor, condition: Tensor, other: Any) -> Any:
    return pointwise.where(condition, self, other)


def _reversed_dimensions(self: Tensor) -> Tensor:
    return shapes.permute(self, tuple(range(self.ndim))[::-1])


def _adjoint(name: str, stacked: bool) -> Any:
    """Return the property for the adjoint of a matrix, or of many if `stacked`; see `_swapped`."""
    return property(lambda self: pointwise.conj(_swapped(self, name, stacked)))


def _swapped(self: Tensor, name: str, stacked: bool) -> Tensor:
    """Return a view with the last two dimensions swapped; a tensor without dimensions itself.

    Raises RuntimeError for one dimension, and for more than two unless matrices may be `stacked`.
    """
    if not self.ndim:
        return self
    if self.ndim == 1 or (self.ndim > 2 and not stacked):
        allowed = "matrices or batches of matrices" if stacked else "matrices (2-D tensors)"
        more = "" if self.ndim == 1 else " For batches of matrices, consider using tensor.mH"
        raise RuntimeError(f"tensor.{name} is only supported on {allowed}. Got {self.ndim}-D tensor.{more}")
    return shapes.transpose(self, -2, -1)


def install() -> None:
    """Set all methods and operators on the tensor class."""
    given: dict[str, Any] = {}
    given |= {name: getattr(pointwise, name) for name in _POINTWISE}
    given |= {name: getattr(shapes, name) for name in _SHAPES}
    given |= {name: getattr(multiple, name) for name in ("chunk", "split", "unbind", "unsafe_split")}
    for module, names in (
        (arrangement, _ARRANGEMENT),
        (functions, _FUNCTIONS),
        (reductions, _REDUCTIONS),
        (selection, _SELECTION),
    ):
        given |= {name: getattr(module, name) for name in names}
    given |= {name: OPERATIONS[name].apply for name in pointwise.UNARY}
    given |= {name: getattr(functions, name) for name in functions.UNARY}
    given |= {name: pointwise.constant(name) for name in pointwise.CONSTANT + pointwise.FACTS}
    given |= {name: pointwise.comparison(name) for name in pointwise.COMPARISONS}
    given |= {name: creation.method(name) for name in creation.METHODS}
    given |= {f"{name}_": inplace.unary(name) for name in pointwise.UNARY + functions.UNARY}
    given |= {
        name: getattr(inplace, name)
        for name in (
            "clamp_", "copy_", "div_", "fill_", "index_add_", "index_copy_", "index_fill_", "masked_fill_",
            "pow_", "round_", "scatter_", "scatter_add_", "square_", "zero_",
        )
    }  # fmt: skip
    given |= {
        name: getattr(metadata, name)
        for name in (
            "as_strided_", "resize_", "resize_as_", "set_", "squeeze_", "t_", "transpose_", "unsqueeze_",
        )
    }  # fmt: skip
    given |= dict.fromkeys(("swapaxes_", "swapdims_"), metadata.transpose_)
    given |= {f"{name}_": inplace.scaled(name) for name in ("add", "sub")}
    given["mul_"] = inplace.binary("mul")
    given |= {
        "__abs__": given["abs"],
        "__add__": OPERATIONS["add"].apply,
        "__floordiv__": OPERATIONS["floor_divide"].apply,
        "__getitem__": indexing.getitem,
        "__iadd__": given["add_"],
        "__imul__": given["mul_"],
        "__ipow__": inplace.pow_,
        "__isub__": given["sub_"],
        "__itruediv__": given["div_"],
        "__matmul__": shapes.matmul,
        "__mod__": functions.remainder,
        "__mul__": OPERATIONS["mul"].apply,
        "__neg__": OPERATIONS["neg"].apply,
        "__pos__": pointwise.positive,
        "__pow__": pointwise.operator_pow,
        "__radd__": OPERATIONS["add"].apply,
        "__rmul__": OPERATIONS["mul"].apply,
        "__rfloordiv__": functions.reflected_floor_divide,
        "__rmatmul__": shapes.reflected_matmul,
        "__rmod__": functions.reflected_remainder,
        "__rpow__": pointwise.reflected_pow,
        "__rsub__": pointwise.reflected_sub,
        "__rtruediv__": pointwise.reflected_div,
        "__setitem__": indexing.setitem,
        "__sub__": OPERATIONS["sub"].apply,
        "__truediv__": OPERATIONS["div"].apply,
        "backward": backward,
        "register_hook": hooks.register_hook,
        "register_post_accumulate_grad_hook": hooks.register_post_accumulate_grad_hook,
        "retain_grad": hooks.retain_grad,
        "H": _adjoint("H", stacked=False),
        "T": property(_reversed_dimensions),
        "grad_dtype": property(assignment.grad_dtype, assignment.set_grad_dtype),
        "imag": property(pointwise.imag),
        "mH": _adjoint("mH", stacked=True),
        "mT": property(lambda self: _swapped(self, "mT", stacked=True)),
        "det": linalg.det,
        "inverse": linalg.inv,
        "real": property(pointwise.real),
        "vdot": linalg.vdot,
        "where": _where,
    }
    given |= families.methods()
    for name, value in given.items():
        setattr(Tensor, name, value)
    Node.register_hook = hooks.register_node_hook  # type: ignore[method-assign]
    Node.register_prehook = hooks.register_node_prehook  # type: ignore[method-assign]
