"""The words of the step language: one row for each operator, attribute and mode. A table, and its reader.

A signature reads as torch documents it; `*items` takes any number of arguments. The names are torch's.
`symbol` is Python's own notation for the operator. `forms` says how torch lets it be called: as a function of
the module, as a method of its first argument, or both; `method` says which of the two is written out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from inspect import Parameter, Signature
from typing import Literal

from gradconform.errors import Problem
from gradconform.spec.scenario import Operator as Row

Effect = Literal["pure", "view", "factory", "write", "object", "plain"]
"""pure: a new tensor. view: shares memory. factory: a tensor from nothing. write: changes its first argument.
object: makes or reads something that is no tensor. plain: a Python value."""

Holes = Literal["", "unary", "binary"]


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of the language.

    domain: bounds the real inputs on which it is smooth (for `let` operators). hole: which kind of operator
    variable may stand for it. further: the signature in the operator tables, where a call may be of that one
    too.
    """

    name: str
    signature: str
    effect: Effect = "pure"
    symbol: str = ""
    method: bool = False
    forms: Literal["both", "function", "method"] = "both"
    hole: Holes = ""
    domain: str = "real"
    further: str = ""

    @property
    def call(self) -> Signature:
        return _signature(self.signature)

    @property
    def word(self) -> str:
        """The name that torch knows it by."""
        return self.name.partition(".")[2] if self.name.startswith(_TORCHS) else self.name


_TORCHS = ("torch.", "Tensor.")


@cache
def of_torch(name: str) -> Operator | None:
    """The row of a name that is no word of the language but torch's: `torch.baddbmm` is a function of its
    module and `Tensor.baddbmm_` a method of its tensors, with any arguments. Recorded programs have them."""
    if not (name.startswith(_TORCHS) and all(map(str.isidentifier, name.split(".")))):
        return None
    effect: Effect = "write" if name.endswith("_") and not name.endswith("__") else "pure"
    return Operator(name, "*arguments, **options", effect, method=name.startswith("Tensor."))


class _Operators(dict[str, Operator]):
    """The words of the language by name. Looking a name of torch's up gives its row, though it is no word."""

    def __missing__(self, name: str) -> Operator:
        row = of_torch(name)
        if row is None:
            raise KeyError(name)
        return row


_UNARY = "input"
_BINARY = "input, other"

_JACOBIAN = "func, inputs, create_graph=False, strict=False, vectorize=False"

OPERATORS = _Operators(
    (row.name, row)
    for row in (
        # arithmetic
        Operator("add", _BINARY, symbol="+", hole="binary"),
        Operator("sub", _BINARY, symbol="-", hole="binary"),
        Operator("mul", _BINARY, symbol="*", hole="binary"),
        Operator("div", _BINARY, symbol="/", hole="binary", domain="positive"),
        Operator("pow", "input, exponent", symbol="**", domain="positive"),
        Operator("matmul", _BINARY, symbol="@"),
        Operator("neg", _UNARY, symbol="-", hole="unary"),
        Operator("positive", _UNARY),
        Operator("maximum", "input, other, *, out=None", hole="binary"),
        Operator("minimum", _BINARY, hole="binary"),
        # elementwise functions
        Operator("abs", _UNARY, hole="unary"),
        Operator("exp", "input, *, out=None", hole="unary"),
        Operator("log", _UNARY, hole="unary", domain="positive"),
        Operator("sqrt", _UNARY, hole="unary", domain="positive"),
        Operator("rsqrt", _UNARY, hole="unary", domain="positive"),
        Operator("reciprocal", _UNARY, hole="unary", domain="positive"),
        Operator("square", _UNARY, hole="unary"),
        Operator("sin", _UNARY, hole="unary"),
        Operator("cos", _UNARY, hole="unary"),
        Operator("tanh", _UNARY, hole="unary"),
        Operator("sigmoid", _UNARY, hole="unary"),
        Operator("relu", _UNARY, hole="unary"),
        Operator("where", "condition, input=None, other=None", forms="function"),
        Operator("tan", _UNARY),
        Operator("expm1", _UNARY),
        Operator("acos", _UNARY),
        Operator("asin", _UNARY),
        Operator("acosh", _UNARY),
        Operator("asinh", _UNARY),
        Operator("atanh", _UNARY),
        Operator("erfinv", _UNARY),
        Operator("log1p", _UNARY),
        Operator("sinc", _UNARY),
        Operator("sgn", _UNARY),
        Operator("angle", _UNARY, method=True, forms="method"),
        Operator("atan2", _BINARY),
        Operator("xlogy", _BINARY, forms="function"),
        Operator("divide", "input, other, *, rounding_mode=None", method=True),
        Operator("fmod", _BINARY),
        Operator("remainder", _BINARY),
        Operator("floor_divide", _BINARY),
        Operator("heaviside", "input, values"),
        Operator("igamma", _BINARY),
        Operator("clamp", "input, min=None, max=None", method=True),
        Operator("nan_to_num", _UNARY, method=True),
        Operator("masked_fill", "input, mask, value", method=True),
        Operator("lerp", "input, end, weight", method=True),
        Operator("addcmul", "input, tensor1, tensor2, *, value=1", method=True),
        Operator("addcdiv", "input, tensor1, tensor2, *, value=1", method=True),
        Operator("complex", "real, imag", forms="function"),
        Operator("polar", "abs, angle", forms="function"),
        Operator("bernoulli", _UNARY, method=True),
        Operator("multinomial", "input, num_samples", method=True),
        Operator("normal", "mean, std", forms="function"),
        Operator("fft.rfft", _UNARY, forms="function"),
        Operator("nn.functional.leaky_relu", "input, negative_slope=0.01", forms="function"),
        Operator("nn.functional.elu", "input, alpha=1.0", forms="function"),
        Operator("nn.functional.celu", "input, alpha=1.0", forms="function"),
        Operator("nn.functional.selu", _UNARY, forms="function"),
        Operator("nn.functional.gelu", _UNARY, forms="function"),
        Operator("nn.functional.silu", _UNARY, forms="function"),
        Operator("nn.functional.softplus", _UNARY, forms="function"),
        Operator("nn.functional.hardtanh", "input, min_val=-1.0, max_val=1.0", forms="function"),
        Operator("nn.functional.hardswish", _UNARY, forms="function"),
        Operator("nn.functional.hardsigmoid", _UNARY, forms="function"),
        Operator("nn.functional.relu6", _UNARY, forms="function"),
        Operator("nn.functional.softsign", _UNARY, forms="function"),
        Operator("nn.functional.tanhshrink", _UNARY, forms="function"),
        Operator("nn.functional.softshrink", "input, lambd=0.5", forms="function"),
        Operator("nn.functional.hardshrink", "input, lambd=0.5", forms="function"),
        Operator("nn.functional.logsigmoid", _UNARY, forms="function"),
        Operator("nn.functional.mish", _UNARY, forms="function"),
        Operator("nn.functional.binary_cross_entropy", "input, target, *, reduction=mean", forms="function"),
        Operator("nn.functional.binary_cross_entropy_with_logits", "input, target", forms="function"),
        Operator("nn.functional.mse_loss", "input, target, *, reduction=mean", forms="function"),
        Operator("nn.functional.l1_loss", "input, target, *, reduction=mean", forms="function"),
        Operator("nn.functional.nll_loss", "input, target, *, reduction=mean", forms="function"),
        Operator(
            "nn.functional.cross_entropy",
            "input, target, *, ignore_index=-100, reduction=mean",
            forms="function",
        ),
        Operator("nn.functional.dropout", "input, p=0.5, training=True", forms="function"),
        Operator("nn.utils.parameters_to_vector", "parameters", forms="function"),
        Operator("nn.functional.normalize", "input, p=2.0, dim=1", forms="function"),
        Operator("nn.functional.cosine_similarity", "x1, x2, dim=1", forms="function"),
        Operator("nn.functional.linear", "input, weight, bias=None", forms="function"),
        Operator("nn.functional.embedding", "input, weight, padding_idx=None", forms="function"),
        Operator("nn.functional.layer_norm", "input, normalized_shape", forms="function"),
        Operator("nn.functional.conv1d", "input, weight, bias=None", forms="function"),
        Operator("nn.functional.max_pool1d", "input, kernel_size", forms="function"),
        Operator("nn.functional.avg_pool1d", "input, kernel_size", forms="function"),
        Operator("nn.functional.pad", "input, pad, mode=constant, value=None", forms="function"),
        Operator("nn.functional.one_hot", "tensor, num_classes=-1", forms="function"),
        # comparison (never differentiable)
        Operator("eq", _BINARY, symbol="=="),
        Operator("ne", _BINARY, symbol="!="),
        Operator("lt", _BINARY, symbol="<"),
        Operator("le", _BINARY, symbol="<="),
        Operator("gt", _BINARY, symbol=">"),
        Operator("ge", _BINARY, symbol=">="),
        # step functions: their gradient is zero, not missing
        *(Operator(name, _UNARY) for name in ("floor", "ceil", "round", "trunc", "sign")),
        # tests, places and searches (never differentiable)
        *(Operator(name, _UNARY, method=True) for name in ("isnan", "signbit", "logical_not", "argsort")),
        *(Operator(name, _UNARY, method=True) for name in ("argmax", "argmin", "count_nonzero", "nonzero")),
        Operator("isin", "elements, test_elements", forms="function"),
        Operator("searchsorted", "sorted_sequence, input", forms="function"),
        Operator("bucketize", "input, boundaries", forms="function"),
        # reductions
        Operator("sum", "input, dim=None, keepdim=False, *, dtype=None", method=True),
        Operator("mean", "input, dim=None, keepdim=False, *, dtype=None", method=True),
        Operator("max", "input, dim=None, keepdim=False", method=True, forms="method"),
        Operator("min", "input, dim=None, keepdim=False", method=True, forms="method"),
        Operator("median", "input, dim=None, keepdim=False", method=True, forms="method"),
        Operator("nanmedian", _UNARY, method=True, forms="method"),
        Operator("amax", "input, dim, keepdim=False", method=True, forms="method"),
        Operator("amin", "input, dim, keepdim=False", method=True, forms="method"),
        Operator("prod", "input, dim=None, keepdim=False", method=True, forms="method"),
        Operator("std", "input, dim=None, *, correction=1", method=True, forms="method"),
        Operator("var", "input, dim=None, *, correction=1", method=True, forms="method"),
        Operator("norm", "input, p=fro, dim=None", method=True, forms="method"),
        Operator("nansum", _UNARY, method=True, forms="method"),
        Operator("nanmean", _UNARY, method=True, forms="method"),
        Operator("quantile", "input, q", method=True, forms="method"),
        Operator("logsumexp", "input, dim", method=True, forms="method"),
        Operator("softmax", "input, dim, dtype=None", method=True, forms="method"),
        Operator("log_softmax", "input, dim", method=True, forms="method"),
        Operator("cumsum", "input, dim", method=True, forms="method"),
        Operator("cumprod", "input, dim", method=True, forms="method"),
        Operator("cummax", "input, dim", method=True, forms="method"),
        Operator("cummin", "input, dim", method=True, forms="method"),
        Operator("logcumsumexp", "input, dim", method=True, forms="method"),
        Operator("dist", "input, other, p=2", method=True, forms="method"),
        Operator(
            "cdist",
            "x1, x2, p=2.0, compute_mode='use_mm_for_euclid_dist_if_necessary'",
            forms="function",
        ),
        Operator("linalg.matrix_rank", "A, *, atol=None, rtol=None, hermitian=False", forms="function"),
        Operator("det", _UNARY, method=True, forms="method"),
        Operator("inverse", _UNARY, method=True, forms="method"),
        Operator("trace", _UNARY, method=True, forms="method"),
        Operator("vdot", _BINARY, forms="function"),
        Operator("linalg.solve", "A, B", forms="function"),
        Operator("einsum", "equation, *operands", forms="function"),
        Operator("gather", "input, dim, index", method=True, forms="method"),
        Operator("take", "input, index", method=True, forms="method"),
        Operator("take_along_dim", "input, indices, dim=None", forms="function"),
        Operator("index_select", "input, dim, index", method=True, forms="method"),
        Operator("index_copy", "input, dim, index, source", method=True, forms="method"),
        Operator("index_fill", "input, dim, index, value", method=True, forms="method"),
        Operator("index_put", "input, indices, values, accumulate=False", method=True, forms="method"),
        Operator("masked_select", "input, mask", method=True, forms="method"),
        Operator("masked_scatter", "input, mask, source", method=True, forms="method"),
        Operator("scatter", "input, dim, index, src", method=True, forms="method"),
        Operator("scatter_add", "input, dim, index, src", method=True, forms="method"),
        Operator("scatter_reduce", "input, dim, index, src, reduce", method=True, forms="method"),
        Operator("sort", "input, dim=-1, descending=False, stable=False", method=True, forms="method"),
        Operator("topk", "input, k, dim=-1, largest=True", method=True, forms="method"),
        Operator("kthvalue", "input, k, dim=-1", method=True, forms="method"),
        Operator("mode", "input, dim=-1", method=True, forms="method"),
        Operator("unique", _UNARY, method=True, forms="method"),
        Operator("bincount", _UNARY, method=True, forms="method"),
        Operator("flip", "input, dims", method=True, forms="method"),
        Operator("roll", "input, shifts, dims=None", method=True, forms="method"),
        Operator("repeat", "input, *repeats", method=True, forms="method"),
        Operator("tile", "input, *dims", method=True, forms="method"),
        Operator("repeat_interleave", "input, repeats, dim=None", method=True, forms="method"),
        Operator("tril", "input, diagonal=0", method=True, forms="method"),
        Operator("triu", "input, diagonal=0", method=True, forms="method"),
        Operator("diag", _UNARY, method=True, forms="method"),
        Operator("resolve_conj", _UNARY, method=True, forms="method"),
        # copies, shapes, views
        Operator("clone", _UNARY, method=True),
        Operator("contiguous", _UNARY, method=True, forms="method"),
        Operator("to", "input, dtype, *, non_blocking=False, copy=False", method=True, forms="method"),
        Operator("pin_memory", _UNARY, method=True, forms="method"),
        Operator("double", _UNARY, method=True, forms="method"),
        Operator("float", _UNARY, method=True, forms="method"),
        Operator("half", _UNARY, method=True, forms="method"),
        *(Operator(name, _UNARY, method=True, forms="method") for name in ("int", "long", "bool", "cpu")),
        Operator("cat", "tensors, dim=0", forms="function"),
        Operator("stack", "tensors, dim=0", forms="function"),
        Operator("detach", _UNARY, "view", method=True),
        Operator("view", "input, *shape", "view", method=True, forms="method"),
        Operator("reshape", "input, *shape", "view", method=True),
        Operator("t", _UNARY, "view", method=True, forms="method"),
        Operator("transpose", "input, dim0, dim1", "view", method=True),
        Operator("permute", "input, *dims", "view", method=True),
        Operator("unsqueeze", "input, dim", "view", method=True),
        Operator("squeeze", "input, dim=None", "view", method=True),
        Operator("expand", "input, *shape", "view", method=True, forms="method"),
        Operator("flatten", "input, start_dim=0, end_dim=-1", "view", method=True),
        Operator("conj", _UNARY, "view", method=True),
        Operator("expand_as", "input, other", "view", method=True, forms="method"),
        Operator("broadcast_to", "input, size", "view", method=True, forms="method"),
        Operator("broadcast_tensors", "*tensors", "view", forms="function"),
        Operator("movedim", "input, source, destination", "view", method=True, forms="method"),
        Operator("unflatten", "input, dim, sizes", "view", method=True, forms="method"),
        Operator("getitem", "input, index", "view", symbol="[]"),
        Operator("narrow", "input, dim, start, length", "view", method=True),
        Operator("select", "input, dim, index", "view", method=True),
        Operator("diagonal", "input, offset=0, dim1=0, dim2=1", "view", method=True),
        Operator("unfold", "input, dimension, size, step", "view", method=True, forms="method"),
        Operator("view_as", "input, other", "view", method=True, forms="method"),
        Operator("view_as_real", _UNARY, "view", forms="function"),
        Operator("view_as_complex", _UNARY, "view", forms="function"),
        Operator("as_strided", "input, size, stride, storage_offset=None", "view", method=True),
        Operator("unbind", "input, dim=0", "view", method=True),
        Operator("chunk", "input, chunks, dim=0", "view", method=True),
        Operator("split", "input, split_size, dim=0", "view", method=True),
        Operator("unsafe_split", "input, split_size, dim=0", "view", method=True),
        Operator("narrow_copy", "input, dim, start, length", method=True),
        # factories
        Operator("tensor", "data, *, dtype=None, requires_grad=False", "factory", forms="function"),
        Operator("Tensor", "data, **options", "factory", forms="function"),
        Operator("zeros", "*size, dtype=None, requires_grad=False", "factory", forms="function"),
        Operator("ones", "*size, dtype=None, requires_grad=False", "factory", forms="function"),
        Operator("full", "size, fill_value, *, dtype=None, requires_grad=False", "factory", forms="function"),
        Operator(
            "arange",
            "start, end=None, step=1, *, dtype=None, requires_grad=False",
            "factory",
            forms="function",
        ),
        Operator("eye", "n, m=None, *, dtype=None, requires_grad=False", "factory", forms="function"),
        Operator(
            "linspace",
            "start, end, steps, *, dtype=None, requires_grad=False",
            "factory",
            forms="function",
        ),
        Operator("new_zeros", "input, size, *, dtype=None, requires_grad=False", method=True, forms="method"),
        Operator("new_ones", "input, size, *, dtype=None, requires_grad=False", method=True, forms="method"),
        Operator(
            "new_full",
            "input, size, fill_value, *, dtype=None, requires_grad=False",
            method=True,
            forms="method",
        ),
        Operator(
            "new_tensor", "input, data, *, dtype=None, requires_grad=False", method=True, forms="method"
        ),
        Operator("as_tensor", "data, dtype=None", "view", forms="function"),
        Operator("zeros_like", "input, *, dtype=None, device=None, requires_grad=False", forms="function"),
        Operator("ones_like", "input, *, dtype=None, device=None, requires_grad=False", forms="function"),
        Operator("full_like", "input, fill_value, *, dtype=None, requires_grad=False", forms="function"),
        Operator("from_numpy", "array", "view", forms="function"),
        Operator("autograd.Variable", "data, requires_grad=False, volatile=False", "view", forms="function"),
        Operator("nn.Parameter", "data, requires_grad=True", "view", forms="function"),
        # writes
        Operator("requires_grad_", "input, requires_grad=True", "write", method=True),
        Operator("retain_grad", _UNARY, "write", method=True),
        Operator("detach_", _UNARY, "write", method=True),
        Operator("zero_", _UNARY, "write", method=True),
        Operator("fill_", "input, value", "write", method=True),
        Operator("copy_", "input, src, non_blocking=False", "write", method=True),
        Operator("add_", "input, other, *, alpha=1", "write", symbol="+=", method=True),
        Operator("sub_", "input, other, *, alpha=1", "write", symbol="-=", method=True),
        Operator("mul_", _BINARY, "write", symbol="*=", method=True),
        Operator("div_", _BINARY, "write", symbol="/=", method=True),
        Operator("exp_", _UNARY, "write", method=True),
        Operator("sqrt_", _UNARY, "write", method=True),
        Operator("tanh_", _UNARY, "write", method=True),
        Operator("asinh_", _UNARY, "write", method=True),
        Operator("sigmoid_", _UNARY, "write", method=True),
        Operator("neg_", _UNARY, "write", method=True),
        *(
            Operator(name, _UNARY, "write", method=True)
            for name in ("abs_", "log_", "rsqrt_", "reciprocal_", "square_", "sin_", "cos_", "relu_")
        ),
        Operator("pow_", "input, exponent", "write", method=True),
        Operator("masked_fill_", "input, mask, value", "write", method=True),
        Operator("clamp_", "input, min=None, max=None", "write", method=True),
        Operator("index_add_", "input, dim, index, source, *, alpha=1", "write", method=True),
        Operator("scatter_add_", "input, dim, index, src", "write", method=True),
        Operator("uniform_", "input, low=0, high=1", "write", method=True),
        Operator("normal_", "input, mean=0, std=1", "write", method=True),
        Operator("t_", _UNARY, "write", method=True),
        Operator("transpose_", "input, dim0, dim1", "write", method=True),
        Operator("unsqueeze_", "input, dim", "write", method=True),
        Operator("squeeze_", "input, dim=None", "write", method=True),
        Operator("resize_", "input, *size", "write", method=True),
        Operator("resize_as_", "input, the_template", "write", method=True),
        Operator("set_", "input, source=None", "write", method=True),
        Operator("setitem", "input, index, value", "write", symbol="[]="),
        Operator("nn.init.zeros_", "tensor", "write", forms="function"),
        Operator("nn.init.constant_", "tensor, val", "write", forms="function"),
        Operator("nn.utils.clip_grad_norm_", "parameters, max_norm", "write", forms="function"),
        Operator("nn.utils.clip_grad_value_", "parameters, clip_value", "write", forms="function"),
        # things that are no tensors
        Operator("stride", _UNARY, "object", method=True, forms="method"),
        Operator("numpy", "input, *, force=False", "object", method=True, forms="method"),
        Operator("asarray", "input", "object", forms="function"),
        Operator("optim.SGD", "params, lr=0.001, momentum=0, weight_decay=0", "object", forms="function"),
        Operator("optim.Adam", "params, lr=0.001, eps=1e-08, weight_decay=0", "object", forms="function"),
        Operator("nn.ParameterList", "values", "object", forms="function"),
        Operator(
            "nn.Linear", "in_features, out_features, bias=True, *, dtype=None", "object", forms="function"
        ),
        Operator("nn.Sequential", "*modules", "object", forms="function"),
        Operator("nn.ModuleList", "modules", "object", forms="function"),
        Operator("nn.MSELoss", "*, reduction='mean'", "object", forms="function"),
        Operator("nn.LinearCrossEntropyOptions", "allow_retain_graph=False", "object", forms="function"),
        Operator(
            "nn.BatchNorm1d",
            "num_features, eps=1e-05, momentum=0.1, affine=True, *, dtype=None",
            "object",
            forms="function",
        ),
        Operator("manual_seed", "seed", "object", forms="function"),
        # plain values
        Operator("item", _UNARY, "plain", method=True, forms="method"),
        Operator("tolist", _UNARY, "plain", method=True, forms="method"),
        Operator("numel", _UNARY, "plain", method=True),
        Operator("dim", _UNARY, "plain", method=True, forms="method"),
        Operator("_is_view", _UNARY, "plain", method=True, forms="method"),
        Operator("autograd.graph.increment_version", "tensor", "object", forms="function"),
        Operator("autograd.graph.get_gradient_edge", "tensor", "object", forms="function"),
        Operator(
            "autograd.graph.register_multi_grad_hook", "tensors, fn, *, mode=all", "object", forms="function"
        ),
        Operator("is_conj", _UNARY, "plain", method=True, forms="method"),
        Operator("is_grad_enabled", "", "plain", forms="function"),
        Operator("repr", "object", "plain", forms="function"),
        # checkpoints and anomaly mode
        Operator(
            "utils.checkpoint.checkpoint", "function, *arguments, **options", "object", forms="function"
        ),
        Operator(
            "utils.checkpoint.checkpoint_sequential",
            "functions, segments, input, **options",
            "object",
            forms="function",
        ),
        Operator("autograd.set_detect_anomaly", "mode, check_nan=True", "object", forms="function"),
        Operator("is_anomaly_enabled", "", "plain", forms="function"),
        Operator("is_anomaly_check_nan_enabled", "", "plain", forms="function"),
        Operator("autograd.graph.region_activation_memory_budget", "budget", "object", forms="function"),
        # forward mode
        Operator("autograd.forward_ad.make_dual", "tensor, tangent, *, level=None", "view", forms="function"),
        Operator("autograd.forward_ad.unpack_dual", "tensor, *, level=None", "object", forms="function"),
        Operator("autograd.forward_ad.enter_dual_level", "", "plain", forms="function"),
        Operator("autograd.forward_ad.exit_dual_level", "*, level=None", "object", forms="function"),
        # derivatives of functions
        Operator(
            "autograd.functional.jacobian",
            _JACOBIAN + ", strategy='reverse-mode'",
            "object",
            forms="function",
        ),
        Operator(
            "autograd.functional.hessian",
            _JACOBIAN + ", outer_jacobian_strategy='reverse-mode'",
            "object",
            forms="function",
        ),
        *(
            Operator(
                f"autograd.functional.{name}",
                "func, inputs, v=None, create_graph=False, strict=False",
                "object",
                forms="function",
            )
            for name in ("vjp", "jvp", "vhp", "hvp")
        ),
        Operator("autograd.gradcheck", "func, inputs, **options", "plain", forms="function"),
        Operator(
            "autograd.gradgradcheck", "func, inputs, grad_outputs=None, **options", "plain", forms="function"
        ),
        # transforms of functions: what they return is called in its turn
        *(
            Operator(f"func.{name}", "func, argnums=0, has_aux=False", "object", forms="function")
            for name in ("grad", "grad_and_value", "jacrev", "jacfwd")
        ),
        Operator("func.hessian", "func, argnums=0", "object", forms="function"),
        Operator("func.vjp", "func, *primals, has_aux=False", "object", forms="function"),
        Operator(
            "func.jvp", "func, primals, tangents, *, strict=False, has_aux=False", "object", forms="function"
        ),
        Operator("func.linearize", "func, *primals", "object", forms="function"),
        Operator(
            "func.vmap",
            "func, in_dims=0, out_dims=0, randomness='error', *, chunk_size=None",
            "object",
            forms="function",
        ),
        Operator(
            "func.functional_call",
            "module, parameter_and_buffer_dicts, args=None, kwargs=None, *, strict=False",
            "object",
            forms="function",
        ),
        Operator("func.stack_module_state", "models", "object", forms="function"),
        # the harness's own
        Operator("cotangent", "input, seed=0", forms="function"),
        # Python's own, for any object
        *(
            Operator(f"builtins.{name}", "object", "plain", forms="function")
            for name in ("float", "int", "bool")
        ),
        Operator("dict", "**items", "object", forms="function"),
        Operator("next", "iterator", "object", forms="function"),
        Operator("deepcopy", "object", "object", forms="function"),
        Operator("is_inference_mode_enabled", "", "plain", forms="function"),
        # as a plain call: it acts at once, and until something else is set
        Operator("set_grad_enabled", "mode", "object", forms="function"),
        Operator("is_inference", _UNARY, "plain", method=True),
        Operator("is_pinned", _UNARY, "plain", method=True, forms="method"),
    )
)

RANDOM = ("bernoulli", "uniform_", "normal_", "nn.functional.dropout", "nn.Linear")
"""Operators that draw random numbers; each run of a program starts with the same seed."""

LIKE = ("zeros_like", "ones_like", "full_like")
"""Operators that take the shape and dtype of their operand and nothing of its numbers."""

METHODS_OF_OBJECTS = {
    row.name: row
    for row in (
        # optimizers and modules
        Operator("step", "closure=None", "object"),
        Operator("zero_grad", "set_to_none=True", "object"),
        Operator("parameters", "", "object"),
        Operator("buffers", "", "object"),
        Operator("state_dict", "", "object"),
        Operator("load_state_dict", "state_dict", "object"),
        Operator("eval", "", "object"),
        Operator("register_forward_pre_hook", "hook, *, prepend=False", "object"),
        Operator("register_forward_hook", "hook, *, prepend=False", "object"),
        Operator("register_full_backward_pre_hook", "hook, prepend=False", "object"),
        Operator("register_full_backward_hook", "hook, prepend=False", "object"),
        Operator("register_backward_hook", "hook", "object"),
        # tensors and nodes, and the handles that they give
        Operator("register_hook", "hook", "object"),
        Operator("register_prehook", "fn", "object"),
        Operator("register_post_accumulate_grad_hook", "hook", "object"),
        Operator("name", "", "object"),
        Operator("remove", "", "object"),
        # custom functions and their contexts
        Operator("apply", "*arguments, **options", "object"),
        Operator("save_for_backward", "*tensors", "object"),
        Operator("save_for_forward", "*tensors", "object"),
        Operator("mark_dirty", "*tensors", "object"),
        Operator("mark_non_differentiable", "*tensors", "object"),
        Operator("set_materialize_grads", "value", "object"),
        # saved tensors
        Operator("register_hooks", "pack_hook, unpack_hook", "object"),
        # generators
        Operator("send", "value", "object"),
        Operator("close", "", "object"),
    )
}
"""Methods of objects that are no tensors, and of tensors where they take a function."""

BACKWARD = "input, gradient=None, retain_graph=None, create_graph=False, inputs=None"
AUTOGRAD_BACKWARD = (
    "tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, inputs=None"
)
AUTOGRAD_GRAD = (
    "outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, only_inputs=True, "
    "allow_unused=None, is_grads_batched=False, materialize_grads=False"
)

ATTRIBUTES = (
    "grad",
    "data",
    "grad_fn",
    "requires_grad",
    "is_leaf",
    "shape",
    "dtype",
    "device",
    "ndim",
    "retains_grad",
    "output_nr",
    "next_functions",
    "tangent",
    "variable",
    "metadata",
    "_saved_self",
    "_saved_other",
    "_saved_result",
    "_saved_dim",
    "_saved_keepdim",
    "_saved_exponent",
    "saved_tensors",
    "_raw_saved_self",
    "_raw_saved_result",
    "_raw_saved_tensors",
    "boxed_grads_call",
    "generate_vmap_rule",
    "clear_saved_tensors_on_access",
    "real",
    "imag",
    "T",
    "H",
    "mT",
    "mH",
    "_version",
    "_base",
    # of leaves, and of modules
    "grad_dtype",
    "weight",
    "bias",
    "running_mean",
    "running_var",
)
WRITABLE = (
    "generate_vmap_rule",
    "boxed_grads_call",
    "clear_saved_tensors_on_access",
    "grad",
    "data",
    "requires_grad",
    "grad_dtype",
    "weight",
    # these refuse it
    "grad_fn",
    "is_leaf",
)
MODES = {
    "autograd.forward_ad.dual_level": "",
    "no_grad": "",
    "enable_grad": "",
    "set_grad_enabled": "mode",
    "inference_mode": "mode=True",
    "autograd.set_multithreading_enabled": "mode",
    "autograd.graph.saved_tensors_hooks": "pack_hook, unpack_hook",
    "autograd.graph.save_on_cpu": "pin_memory=False",
    "autograd.graph.disable_saved_tensors_hooks": "error_message",
    "autograd.graph.allow_mutation_on_saved_tensors": "",
    "autograd.detect_anomaly": "check_nan=True",
    "autograd.set_detect_anomaly": "mode, check_nan=True",
    "utils.checkpoint.set_checkpoint_early_stop": "enable",
    "thread": "",
    "concurrently": "",
    "stream": "",
}
THREADS = ("thread", "concurrently")
"""A block that runs in a thread, and one whose threads run at once."""

OWN_MODES = (*THREADS, "stream")
"""The modes that are the harness's own. A stream needs nothing of an engine."""

DECORATORS = ("autograd.function.once_differentiable",)
"""What may stand above a definition besides a mode."""

BASES = ("autograd.Function",)
"""What a class may be derived from."""

WARNINGS = ("UserWarning", "FutureWarning", "DeprecationWarning", "RuntimeWarning")
ERRORS = (
    "RuntimeError",
    "TypeError",
    "ValueError",
    "IndexError",
    "AttributeError",
    "NotImplementedError",
    "KeyError",
    "AssertionError",
)
DTYPES = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128", "int32", "int64", "bool")
FURTHER_DTYPES = ("complex32", "uint8", "int8", "int16")
"""Dtypes that are no words of the language; recorded programs have them."""

CONSTANTS = ("strided", "contiguous_format", "preserve_format", "channels_last", "channels_last_3d")
"""Constants of torch that are no dtypes; recorded programs have them."""

SYMBOLS = {row.symbol: row.name for row in OPERATORS.values() if row.symbol and row.name != "neg"}
FUNCTIONS = {
    row.name
    for row in OPERATORS.values()
    if (row.effect != "write" or row.forms == "function")
    and row.forms != "method"
    and not row.symbol.startswith("[]")
}
"""What is called by its name alone: `exp(x)`."""

METHODS = {
    row.name for row in OPERATORS.values() if row.forms != "function" and not row.symbol.startswith("[]")
}
"""What is called as a method of a tensor: `x.exp()`."""

FACT_WORDS = {"close": 2, "exactly": 2, "identical": 2, "shares_storage": 2, "len": 1}
"""Functions that only facts have, with the number of their arguments."""

QUERIES = ("is_grad_enabled", "recorded")
"""Functions without arguments whose answer a fact may look at."""

OF_THE_RUN = frozenset({"is_inference", "is_pinned", "_is_view"}) | {
    name for name in FUNCTIONS if name.startswith("is_") and name.endswith("_enabled") and name not in QUERIES
}
"""What asks about a tensor itself, or about the run: facts have copies, of the numbers alone."""

NAME_THE_ANSWER = "give its answer a name in a step before"

RESERVED = {
    *(name.partition(".")[0] for name in (*FUNCTIONS, *MODES)),
    *FACT_WORDS,
    *QUERIES,
    *ERRORS,
    *WARNINGS,
    *DTYPES,
    *("dtype", "shows", "fail", "raises", "warns", "record", "watch", "alive", "range", "float", "complex"),
    *("staticmethod", "torch", "numpy", "print", "str", "type", "Exception"),
}
"""What a program's own names may not hide: the words of the language and of the scripts written from it."""


_WRITES = re.compile(r"a\.(\w+_)\(")


WORDS = frozenset(OPERATORS)
"""The words that need no table."""


def learn(rows: Iterable[Row]) -> Iterator[Problem]:
    """Make the operators of a table words of the language; those that are words already keep their kind.

    Yields what contradicts the words that are there.
    """
    for row in rows:
        known = OPERATORS.get(row.name)
        effect: Effect = "view" if row.view else "pure"
        if known is None:
            forms: Literal["method", "function", "both"] = "both"
            if row.method or "." in row.name:
                forms = "method" if row.method else "function"
            known = Operator(row.name, row.signature, effect, method=row.method, forms=forms)
        elif known.effect not in {effect, "view"}:
            yield Problem(row.place, f"'{row.name}' is a word of the language, and not {effect}", row.name)
        _add(
            known
            if known.symbol or known.signature == row.signature
            else replace(known, further=row.signature)
        )
        method = written(row)
        if method and method not in OPERATORS:
            _add(Operator(method, row.signature, "write", method=True))


def written(row: Row) -> str:
    """The method that a row's in-place form calls, or ""."""
    found = _WRITES.match(row.in_place or "")
    return found[1] if found else ""


def _add(row: Operator) -> None:
    OPERATORS[row.name] = row
    if (row.effect != "write" or row.forms == "function") and row.forms != "method":
        FUNCTIONS.add(row.name)
    if row.forms != "function":
        METHODS.add(row.name)


def dotted(node: ast.expr) -> str:
    """`autograd.grad` for an attribute path of names, else an empty string."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def holes(kind: str) -> tuple[str, ...]:
    """What an operator variable of this kind ("unary", "binary") ranges over, in the order of the table."""
    return tuple(row.name for row in OPERATORS.values() if row.hole == kind)


# What separates parameters: a comma that is not inside of a default such as `dim=(-2, -1)`.
_COMMA = re.compile(r",(?![^([]*[)\]])")


@cache
def _signature(text: str) -> Signature:
    parameters: list[Parameter] = []
    keyword_only = False
    for part in filter(None, (part.strip() for part in _COMMA.split(text))):
        if part == "*":
            keyword_only = True
        elif part.startswith("**"):
            parameters.append(Parameter(part[2:], Parameter.VAR_KEYWORD))
        elif part.startswith("*"):
            parameters.append(Parameter(part[1:], Parameter.VAR_POSITIONAL))
            keyword_only = True
        else:
            name, _, default = part.partition("=")
            kind = Parameter.KEYWORD_ONLY if keyword_only else Parameter.POSITIONAL_OR_KEYWORD
            parameters.append(Parameter(name, kind, default=default or Parameter.empty))
    return Signature(parameters)


@lru_cache(maxsize=4096)
def call_error(row: Operator, positional: int, keywords: tuple[str, ...]) -> str:
    """Why a call of an operator with so many positional arguments and these keywords does not fit, or ""."""
    if keywords and row.symbol and not row.method:
        return f"its operands are given by position, not as '{keywords[0]}'"
    if "input" in keywords:
        return "its first argument is given by position, not as 'input'"
    error = arity_error(row.signature, positional, keywords)
    if error and row.further and not arity_error(row.further, positional, keywords):
        return ""
    return error


def bound(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """The names that a program's text gives a value to; they come before the words of operator tables.

    nodes: all of its syntax tree.
    """
    names = set()
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.arg(arg=name):
                names.add(name)
    return frozenset(names)


@lru_cache(maxsize=4096)
def arity_error(text: str, positional: int, keywords: tuple[str, ...]) -> str:
    """Why a call with so many positional arguments and these keywords does not fit the signature, or ""."""
    try:
        _signature(text).bind(*range(positional), **dict.fromkeys(keywords))
    except TypeError as error:
        return str(error)
    return ""
