"""Bugs of modes, flags, dtypes, complex numbers, kinks, ties and indices."""

from __future__ import annotations

from .base import Bug, as_mutant, broken

# --- modes and transforms ---

_MODES: tuple[Bug, ...] = (
    broken(
        "G01",
        "A mode above a generator function is on while the generator is made, and not while its body runs.",
        "pytorch/pytorch#31497 (fix #31792)",
        ("grad-modes/generators", "grad-modes/generators-of-each-mode"),
        (
            "grad_mode.py",
            (
                "        if inspect.isgeneratorfunction(target):\n"
                '            return cast("F", _wrap_generator(target, self.clone))\n'
            ),
            "",
        ),
    ),
    as_mutant(
        "G03",
        "A mode is not restored when its block ends by an exception.",
        "",
        (
            "grad-modes/restored-after-an-exception",
            "grad-modes/restored-after-a-failed-operation",
            "grad-modes/every-level-restored-after-an-exception",
        ),
        "exceptions_leave_the_mode",
    ),
    broken(
        "G04",
        "backward() goes by the grad mode of its caller, and inside no_grad computes nothing.",
        "Oneflow-Inc/oneflow#9497 (test_no_grad_domain_call_backward)",
        ("grad-modes/backward-inside-no-grad", "backward/in-a-grad-mode"),
        (
            "backward.py",
            "    path = None if capture is None else _paths(roots, capture)\n",
            (
                "    if not mode.enabled:\n"
                "        return\n"
                "    path = None if capture is None else _paths(roots, capture)\n"
            ),
        ),
    ),
    broken(
        "G06",
        "Inference tensors may be saved for backward and may require grad, as results of no_grad may.",
        "pytorch/pytorch#77967; tinygrad/tinygrad#3832",
        ("inference-mode/cannot-be-saved", "inference-mode/flag-outside"),
        ("node.py", "        if counter is UNCOUNTED:\n", "        if False:\n"),
        (
            "tensor.py",
            "        if requires_grad and self._counter is UNCOUNTED and not mode.inference:\n",
            "        if False:\n",
        ),
    ),
    broken(
        "G08",
        (
            "A transform inside of another takes the variable of the outer one for its own, so that what is "
            "constant inside is differentiated too."
        ),
        "denizyuret/AutoGrad.jl#75; dmlc/minpy#155",
        "func/inner-argument-is-the-outer-one",
        (
            "func/tracking.py",
            "        leaf = _bare(value)._flag(True)\n",
            (
                "        tracked = edge_of(value)\n"
                "        if isinstance(tracked, Entry) and tracked.running:\n"
                "            return value\n"
                "        leaf = _bare(value)._flag(True)\n"
            ),
        ),
    ),
)

# --- flags and errors ---

_FLAGS: tuple[Bug, ...] = (
    broken(
        "H01",
        "Whatever is computed from a tensor that requires grad does so too: truths, indices and integers.",
        "pytorch/pytorch#37680, #3348",
        (
            "graph/comparisons-are-constants",
            "graph/indices-of-a-selection-are-constants",
            "dtypes/path-through-integers-is-cut",
        ),
        (
            "tensor.py",
            "    # --- place in the graph ---\n",
            (
                "    def _made_from(self, source: Any) -> Self:\n"
                "        if mode.enabled and source._node is not None:\n"
                "            self._node = UNTRACKED\n"
                "        return self\n"
                "\n"
                "    # --- place in the graph ---\n"
            ),
        ),
        (
            "pointwise.py",
            (
                "        result = getattr(input._data, name)(*plain, **kwargs)\n"
                "        return Tensor._of(result) if isinstance(result, torch.Tensor) else result\n"
            ),
            (
                "        result = getattr(input._data, name)(*plain, **kwargs)\n"
                "        made = isinstance(result, torch.Tensor)\n"
                "        return Tensor._of(result)._made_from(input) if made else result\n"
            ),
        ),
        (
            "pointwise.py",
            "        return result if result is NotImplemented else Tensor._of(result)\n",
            "        return result if result is NotImplemented else Tensor._of(result)._made_from(left)\n",
        ),
        (
            "reductions.py",
            "        return Tensor._of(result) if isinstance(result, torch.Tensor) else result\n",
            "        return Tensor._of(result)._made_from(input)\n",
        ),
        (
            "selection.py",
            "    indices = Tensor._of(found[1])\n",
            "    indices = Tensor._of(found[1])._made_from(input)\n",
        ),
        (
            "shapes.py",
            (
                "            input._data.to(device, dtype, non_blocking=non_blocking, copy=True, "
                "memory_format=memory_format)\n        )\n"
            ),
            (
                "            input._data.to(device, dtype, non_blocking=non_blocking, copy=True, "
                "memory_format=memory_format)\n        )._made_from(input)\n"
            ),
        ),
    ),
    broken(
        "H02",
        "backward() starts from anything: from a tensor without history, and from one of several elements.",
        "pytorch/pytorch#1611; candle-org/candle#411",
        (
            "backward/root-without-history-raises",
            "backward/several-elements-need-a-gradient",
            "backward/one-root-without-history",
        ),
        ("autograd.py", "    if data.numel() != 1:\n", "    if False:\n"),
        ("autograd.py", "    if missing is not None:\n", "    if False:\n"),
    ),
    broken(
        "H06",
        "An operation without a derivative passes no gradient on, and nobody is told.",
        "candle-org/candle#402; ml-explore/mlx#3820",
        (
            "kinks/derivative-declared-missing",
            "kinks/no-derivative-at-all",
            "points/unique-has-no-derivative",
        ),
        (
            "generate_nodes.py",
            '            return [f"raise not_implemented({rule.name!r}, {entry!r})"]\n',
            '            values.append("None")\n            continue\n',
        ),
    ),
)

# --- dtypes and complex numbers ---

_DTYPES: tuple[Bug, ...] = (
    broken(
        "I01",
        "A leaf that was promoted to a wider dtype gets a gradient of that dtype.",
        "pytorch/pytorch#94086, #78240",
        ("dtypes/mixed-operands", "dtypes/promotion-of-floating-operands"),
        (
            "rules/formulas.py",
            "    return grad if grad.dtype is dtype else grad.to(dtype)\n",
            "    return grad\n",
        ),
        (
            "accumulate.py",
            (
                "                leaf._grad = leaf._like(_copy_for(leaf._data, grad))\n"
                "            else:\n"
                "                leaf._grad = leaf._like(grad)\n"
            ),
            (
                "                leaf._grad = Tensor._of(_copy_for(leaf._data.to(grad.dtype), grad))\n"
                "            else:\n"
                "                leaf._grad = Tensor._of(grad)\n"
            ),
        ),
    ),
    broken(
        "I03",
        "Elements that tie for an extreme are counted in the dtype of the gradient, which may overflow.",
        "tinygrad/tinygrad#12296",
        "kinks/many-ties",
        (
            "rules/extremes.py",
            "    return (grad / chosen.sum()).expand(value.shape)",
            "    return (grad / chosen.sum().to(value.dtype)).expand(value.shape)",
        ),
        (
            "rules/extremes.py",
            (
                "    ties = chosen.sum(_all(dims, value), keepdim=True) if value.dim() else chosen\n"
                "    return grad * chosen / ties\n"
            ),
            (
                "    ties = chosen.sum(_all(dims, value), keepdim=True) if value.dim() else chosen\n"
                "    return grad * chosen / ties.to(value.dtype)\n"
            ),
        ),
    ),
    broken(
        "J01",
        "The adjoints of matrix products and of prod lack the conjugate.",
        "tensorflow/tensorflow#4859; ml-explore/mlx#3433",
        ("complex/matrix-product", "points/complex-prod-with-a-zero"),
        ("rules/linear.py", "return grad.mm(conj(right.t()))", "return grad.mm(right.t())"),
        ("rules/linear.py", "return conj(left.t()).mm(grad)", "return left.t().mm(grad)"),
        ("rules/linear.py", '"grad.unsqueeze(1) * conj(vec)"', '"grad.unsqueeze(1) * vec"'),
        ("rules/linear.py", '"conj(self.t()).mv(grad)"', '"self.t().mv(grad)"'),
        ("rules/linear.py", '"grad * conj(tensor)"', '"grad * tensor"'),
        ("rules/linear.py", '"grad * conj(self)"', '"grad * self"'),
        ("rules/linear.py", '"grad.bmm(conj(mat2.transpose(1, 2)))"', '"grad.bmm(mat2.transpose(1, 2))"'),
        ("rules/linear.py", '"conj(self.transpose(1, 2)).bmm(grad)"', '"self.transpose(1, 2).bmm(grad)"'),
        # The conjugate of the gradient for the conjugate of the cotangent.
        (
            "rules/running.py",
            '"prod_backward(grad, self.to(grad.dtype), result)"',
            '"conj(prod_backward(conj(grad), self.to(grad.dtype), result))"',
        ),
        (
            "rules/running.py",
            '"prod_dim_backward(grad, self.to(grad.dtype), result, dim, keepdim)"',
            '"conj(prod_dim_backward(conj(grad), self.to(grad.dtype), result, dim, keepdim))"',
        ),
    ),
    broken(
        "J03",
        "The derivative of the magnitude divides by |z|^2, which is too small for the dtype before z is 0.",
        "pytorch/pytorch#96543, #98276; HIPS/autograd#100",
        "complex/absolute-value-near-zero",
        (
            "rules/elementwise.py",
            '_unary("abs", "grad * self.sgn()", "self")\n',
            (
                "_unary(\n"
                '    "abs",\n'
                '    "(grad * (self * self.abs()) / (self.abs() * self.abs())).masked_fill(self == 0, 0) "\n'
                '    "if self.dtype.is_complex else grad * self.sgn()",\n'
                '    "self",\n'
                ")\n"
            ),
        ),
    ),
    broken(
        "J04",
        "The gradient of a real factor is the real part of the product with the other one, unconjugated.",
        "ml-explore/mlx#2178 (review)",
        ("dtypes/real-leaf-in-a-complex-product", "complex/real-leaf", "dtypes/real-and-complex-leaf"),
        (
            "rules/arithmetic.py",
            '    self="grad * conj(other)",\n    other="grad * conj(self)",\n',
            (
                '    self="grad * (conj(other) if self_dtype.is_complex else other)",\n'
                '    other="grad * (conj(self) if other_dtype.is_complex else self)",\n'
            ),
        ),
    ),
)

# --- kinks, ties and infinities ---

_KINKS: tuple[Bug, ...] = (
    broken(
        "K01",
        "The derivative of a norm divides by the norm, and is nan at the zero vector.",
        "pytorch/pytorch#2421; HIPS/autograd#151",
        ("kinks/norm-at-zero", "points/norm-of-order-two-at-zero", "points/norm-of-order-three-at-zero"),
        (
            "rules/extremes.py",
            "        return grad * (value / result).masked_fill_(zero, 0)\n",
            "        return grad * (value / result)\n",
        ),
        (
            "rules/extremes.py",
            "    scale = scale if transposed else scale.masked_fill(zero, 0)\n",
            "",
        ),
    ),
    broken(
        "K03",
        "Each of the elements that tie for an extreme gets the whole cotangent.",
        "apache/mxnet#18563; pytorch/pytorch#43519, #56734",
        (
            "kinks/maximum-over-all-or-along-a-dimension",
            "points/amax-of-all-with-ties",
            "points/maximum-of-equal-numbers",
        ),
        (
            "rules/extremes.py",
            "    return (grad / chosen.sum()).expand(value.shape)",
            "    return grad.expand(value.shape)",
        ),
        ("rules/extremes.py", "    return grad * chosen / ties\n", "    return grad * chosen\n"),
        (
            "rules/formulas.py",
            "    return (grad / 2).where(chosen, grad).masked_fill_(rejected, 0)\n",
            "    return grad.masked_fill(rejected, 0)\n",
        ),
    ),
    broken(
        "K04",
        (
            "clamp and the activations that are cut off are made of maximum and minimum, and get half of the "
            "cotangent at their bounds."
        ),
        "tinygrad/tinygrad#18029; torch/torch7#734; pytorch/pytorch#184574",
        ("kinks/clamp", "kinks/piecewise-linear-activations", "points/relu6-at-its-bends"),
        ("rules/functions.py", "from .formulas import conj,", "from .formulas import split_ties, conj,"),
        (
            "rules/functions.py",
            (
                "    inside = ~value.isnan()\n"
                "    if low is not None:\n"
                "        inside = inside & (value >= low)\n"
                "    if high is not None:\n"
                "        inside = inside & (value <= high)\n"
                "    return grad.where(inside, 0)\n"
            ),
            (
                "    if low is not None:\n"
                "        grad = split_ties(grad, value == low, value < low)\n"
                "    if high is not None:\n"
                "        grad = split_ties(grad, value == high, value > high)\n"
                "    return grad.masked_fill(value.isnan(), 0)\n"
            ),
        ),
        (
            "rules/activations.py",
            '"gate(grad, self, (self <= low) | (self >= high))"',
            '"split_ties(split_ties(grad, self == low, self < low), self == high, self > high)"',
        ),
        (
            "rules/activations.py",
            (
                '    "saving(where(self < 3, (wide(grad) * (wide(self) / 3 + 0.5)).to(grad.dtype), grad)"\n'
                '    ".masked_fill(self <= -3, 0), grad, self)",\n'
            ),
            (
                '    "(wide(grad) * (wide(self) + 3).clamp(0, 6) / 6).to(grad.dtype) + "\n'
                '    "split_ties(split_ties((wide(grad) * wide(self) / 6).to(grad.dtype), "\n'
                '    "self == -3, self < -3), self == 3, self > 3)",\n'
            ),
        ),
    ),
    broken(
        "K06",
        "Powers have no branches for a base or an exponent of 0: their gradients are what the formulas give.",
        "pytorch/pytorch#27134; tinygrad/tinygrad#9075; ml-explore/mlx#628; tenstorrent/tt-metal#5082",
        ("kinks/powers-of-zero", "points/zero-to-a-power", "points/power-zero"),
        (
            "rules/formulas.py",
            (
                "    if exponent == 0:\n        return base.new_zeros(base.shape)\n"
                "    return _real_as(base, grad"
            ),
            "    return _real_as(base, grad",
        ),
        ("rules/formulas.py", "(grad * slope).where(exponent != 0, 0))", "grad * slope)"),
        (
            "rules/formulas.py",
            "grad * slope.where(~((base == 0) & _real_from_zero(exponent)), 0))",
            "grad * slope)",
        ),
        (
            "rules/formulas.py",
            "        slope = conj(result * -math.inf).where(~_real_from_zero(exponent), 0)\n",
            "        slope = conj(result * -math.inf)\n",
        ),
    ),
    broken(
        "K07",
        "A cotangent of 0 stays 0 whatever it is multiplied with, where torch has nan for 0 times infinity.",
        "pytorch/pytorch#23395, #68425; tensorflow/tensorflow#2540",
        (
            "kinks/where-does-not-hide-infinity",
            "points/where-keeps-an-infinite-slope",
            "kinks/division-by-zero-masked-afterwards",
        ),
        (
            "rules/formulas.py",
            "def split_ties(",
            (
                "def unless_zero(grad: T, found: T) -> T:\n"
                "    return found if found is grad else found.masked_fill((grad == 0) & found.isnan(), 0)\n"
                "\n"
                "\n"
                "def split_ties("
            ),
        ),
        ("rules/formulas.py", "        unsqueeze_to,\n", "        unsqueeze_to,\n        unless_zero,\n"),
        (
            "generate_nodes.py",
            "        text = rewrite(formula, plain, graph)\n",
            (
                "        if rule.elementwise and rule.saves and rule.differentiable == rule.tensors:\n"
                '            formula = f"unless_zero(grad, {formula})"\n'
                "        text = rewrite(formula, plain, graph)\n"
            ),
        ),
    ),
    broken(
        "K10",
        "The derivative of an extreme looks for the elements that are equal to it, and nan is equal to none.",
        "jax-ml/jax#40564 (mechanism), #13600 (symptom)",
        ("kinks/extremes-of-nothing-but-nan", "points/max-of-all-nan"),
        (
            "rules/extremes.py",
            "    return (grad / chosen.sum()).expand(value.shape)",
            "    chosen = value == result\n    return (grad / chosen.sum()).expand(value.shape)",
        ),
    ),
)

# --- indices ---

_INDICES: tuple[Bug, ...] = (
    broken(
        "L01",
        "Where an index is repeated the cotangents overwrite each other instead of adding up.",
        "pytorch/pytorch#1631, #1528; PaddlePaddle/Paddle#17662",
        ("indexing/gather", "indexing/repeated-indices", "indexing/embedding"),
        (
            "rules/selection.py",
            '"zeros_of(grad, self.shape).scatter_add(dim, index, grad)"',
            '"zeros_of(grad, self.shape).scatter(dim, index, grad)"',
        ),
        (
            "rules/selection.py",
            '"zeros_of(grad, self_shape).index_add(dim, index, grad)"',
            '"zeros_of(grad, self_shape).index_copy(dim, index, grad)"',
        ),
        (
            "rules/formulas.py",
            "_aten.index_put(grad.new_zeros(size), as_optional(indices), grad, True)",
            "_aten.index_put(grad.new_zeros(size), as_optional(indices), grad, False)",
        ),
        (
            "rules/embedding.py",
            "    return grad.new_zeros(shape).index_add(0, places, rows)\n",
            "    return grad.new_zeros(shape).index_copy(0, places, rows)\n",
        ),
    ),
    broken(
        "L03",
        "Of the assignments to elements of one tensor, those after the second are not part of its history.",
        "twitter-archive/torch-autograd#102",
        ("in-place/assigned-in-a-loop", "in-place/last-write-counts"),
        (
            "versions.py",
            '    __slots__ = ("value", "views")\n',
            '    __slots__ = ("assigned", "value", "views")\n',
        ),
        ("versions.py", "        self.value = 0\n", "        self.value = self.assigned = 0\n"),
        (
            "indexing.py",
            "    view, places = _walk(input, key, to_write=True)\n    if not places:\n",
            (
                "    from .grad_mode import is_grad_enabled, no_grad\n"
                "    from .versions import counter_of\n"
                "\n"
                "    if is_grad_enabled():\n"
                "        counter = counter_of(input)\n"
                "        counter.assigned += 1\n"
                "        if counter.assigned > 2:\n"
                "            with no_grad():\n"
                "                return setitem(input, key, source)\n"
                "    view, places = _walk(input, key, to_write=True)\n"
                "    if not places:\n"
            ),
        ),
    ),
)

BUGS: tuple[Bug, ...] = (*_MODES, *_FLAGS, *_DTYPES, *_KINKS, *_INDICES)
