"""Mutants of what arrives in `.grad`, and of what backward and autograd.grad make of their arguments."""

from .copies import mutant

_FIRST = "            elif getrefcount(grad) > owners or not _same_layout(grad, leaf._data):\n"
_RECORDED = "                leaf._grad = Tensor._of(torch.empty_like(leaf._data)).copy_(grad)\n"

MUTANTS = (
    # --- accumulation ---
    mutant(
        "overwrites_grad",
        "Backward stores into .grad what it should add.",
        "accumulation/two-branches",
        (
            "accumulate.py",
            f"                have._data.add_(grad)\n                bump(have)\n{_FIRST}",
            f"                have._data.copy_(grad)\n                bump(have)\n{_FIRST}",
        ),
    ),
    mutant(
        "new_grad_object",
        "Accumulation makes a new .grad instead of adding in place.",
        "accumulation/same-object",
        (
            "accumulate.py",
            f"                have._data.add_(grad)\n                bump(have)\n{_FIRST}",
            f"                leaf._grad = leaf._like(have._data + grad)\n{_FIRST}",
        ),
    ),
    mutant(
        "takes_over_what_others_hold",
        "The first gradient of a leaf is taken over though somebody else holds the tensor.",
        "accumulation/gradient-is-not-the-cotangent",
        ("accumulate.py", _FIRST, "            elif not _same_layout(grad, leaf._data):\n"),
    ),
    mutant(
        "copies_every_gradient",
        "The first gradient of a leaf is copied though nobody else holds it.",
        "accumulation/gradient-through-views-alone-is-the-cotangent",
        ("accumulate.py", _FIRST, "            elif True:\n"),
    ),
    mutant(
        "keeps_expanded_gradients",
        "The first gradient of a leaf is taken over whatever its strides are.",
        "accumulation/gradient-of-a-sum-is-dense",
        ("accumulate.py", _FIRST, "            elif getrefcount(grad) > owners:\n"),
    ),
    mutant(
        "adds_recorded_gradients_in_place",
        "With create_graph the sum is written into the .grad that was there.",
        "create-graph/accumulates-into-a-new-tensor",
        (
            "accumulate.py",
            "            elif mode.enabled:\n                leaf._grad = have + grad\n",
            "            elif mode.enabled:\n                have._data.add_(grad._data)\n",
        ),
    ),
    mutant(
        "aliases_recorded_gradients",
        "With create_graph the first .grad is the tensor that arrived, and not a copy of it.",
        "create-graph/gradient-is-a-copy",
        ("accumulate.py", _RECORDED, "                leaf._grad = grad\n"),
    ),
    mutant(
        "ignores_grad_dtype",
        "The dtype that grad_dtype was set to has no effect on the gradients of a leaf.",
        "accumulation/dtype-of-gradients",
        (
            "accumulate.py",
            "        self.former = shape, dtype\n        self.__class__ = _Displaced\n",
            "        self.former = shape, dtype\n",
        ),
    ),
    mutant(
        "sets_gradients_of_other_shapes",
        "Whatever is assigned to .grad becomes the gradient.",
        "accumulation/assigned-gradient-must-fit",
        ("tensor.py", "            check_grad(self, value)\n", "            pass\n"),
    ),
    mutant(
        "keeps_the_last_path",
        "Of the gradients that arrive at one node the last one counts, and not the sum.",
        "backward/paths-are-summed",
        ("backward.py", "arrived[node] = have + grad", "arrived[node] = grad"),
    ),
    mutant(
        "none_takes_all_away",
        "Where no gradient comes along one of several edges, what came along the others is lost.",
        "custom-functions/none-beside-a-gradient",
        (
            "backward.py",
            "        elif grad is not None:\n            arrived[node] = have + grad\n",
            "        else:\n            arrived[node] = None if grad is None else have + grad\n",
        ),
    ),
    mutant(
        "zeros_for_undefined_gradients",
        "A leaf that no gradient arrives at gets zeros.",
        "custom-functions/none-for-a-gradient",
        (
            "accumulate.py",
            '    label = "torch::autograd::AccumulateGrad"\n',
            (
                '    label = "torch::autograd::AccumulateGrad"\n'
                "\n"
                "    def nothing(self, keep):\n"
                "        return self.vjp(torch.zeros_like(self.variable._data), keep)\n"
            ),
        ),
    ),
    mutant(
        "does_not_sum_what_was_broadcast",
        "The gradient of a stretched operand is its first part instead of the sum.",
        "broadcasting/row-and-column",
        (
            "rules/formulas.py",
            "        grad = grad.sum(dims, keepdim=True)\n",
            "        for dim in dims:\n            grad = grad[(slice(None),) * dim + (slice(0, 1),)]\n",
        ),
    ),
    mutant(
        "does_not_cast_gradients",
        "A gradient keeps the dtype of the result where the operand has another.",
        "dtypes/mixed-operands",
        (
            "rules/formulas.py",
            "    return grad if grad.dtype is dtype else grad.to(dtype)\n",
            "    return grad\n",
        ),
    ),
    mutant(
        "drops_conjugation",
        "The derivative of a complex product is not conjugated.",
        "dtypes/complex-product-is-conjugated",
        ("generate_nodes.py", 'if self.plain and node.func.id == "conj":', 'if node.func.id == "conj":'),
    ),
    mutant(
        "complex_gradients_of_real_leaves",
        "A real leaf gets the absolute value of the complex number that arrives, and not its real part.",
        "complex/real-leaf",
        (
            "rules/formulas.py",
            "        grad = grad.real\n    if grad.shape",
            "        grad = grad.abs()\n    if grad.shape",
        ),
    ),
    # --- arguments of backward ---
    mutant(
        "accepts_any_root",
        "backward() without an argument starts from ones whatever the size of the root.",
        "backward/several-elements-need-a-gradient",
        ("autograd.py", "    if data.numel() != 1:\n", "    if False:\n"),
    ),
    mutant(
        "accepts_roots_without_history",
        "A root that does not require grad is passed over in silence.",
        "backward/root-without-history-raises",
        ("autograd.py", "    if missing is not None:\n", "    if False:\n"),
    ),
    mutant(
        "accepts_cotangents_of_any_shape",
        "The shape of a cotangent is not compared with that of its root.",
        "vector-jacobian-products/shape-must-match",
        ("autograd.py", "    if cotangent._shape != root._shape:\n", "    if False:\n"),
    ),
    mutant(
        "does_not_cast_cotangents",
        "A cotangent of another dtype goes into the graph as it is.",
        "vector-jacobian-products/cotangent-of-another-dtype",
        ("autograd.py", "value = value if expected is None else value.to(expected)", "pass"),
    ),
    mutant(
        "ignores_inputs_of_backward",
        "backward(inputs=...) fills .grad of all leaves.",
        "backward/named-inputs-only",
        (
            "autograd.py",
            "    capture = None\n    if targets is not None:\n",
            "    capture = None\n    if False:\n",
        ),
    ),
    mutant(
        "recursive_backward",
        "Backward goes through the graph by recursion.",
        "backward/long-chain",
        (
            "backward.py",
            "    seen: set[Node] = set()\n    more: dict[Node, int] = {}\n",
            (
                "    seen: set[Node] = set()\n    more: dict[Node, int] = {}\n\n"
                "    def visit(node):\n"
                "        if node not in visited:\n"
                "            visited.add(node)\n"
                "            for edge in node.edges:\n"
                "                visit(edge)\n\n"
                "    visited = set()\n"
                "    for node, _ in roots:\n"
                "        visit(node)\n"
            ),
        ),
    ),
    # --- autograd.grad ---
    mutant(
        "zeros_for_none",
        "autograd.grad gives zeros for an input that was not used, where torch gives None.",
        "autograd-grad/unused-input",
        ("autograd.py", "    if materialize_grads:\n        if any(\n", "    if True:\n        if any(\n"),
    ),
    mutant(
        "none_for_zeros",
        "materialize_grads lets an unused input pass, and leaves None for it.",
        "autograd-grad/materialized-zeros",
        ("autograd.py", "    if materialize_grads:\n        if any(\n", "    if False:\n        if any(\n"),
    ),
    mutant(
        "allows_unused_inputs",
        "An input that was not used is never an error.",
        "autograd-grad/unused-input",
        ("autograd.py", "if value is None and not allow_unused:", "if False:"),
    ),
    mutant(
        "grad_fills_leaves",
        "autograd.grad adds to .grad of the leaves that it is asked about.",
        "autograd-grad/leaves-grad-alone",
        (
            "backward.py",
            "        ends = node not in capture.accumulate and path.isdisjoint(node.edges)\n",
            "        ends = not hasattr(node, 'variable') and path.isdisjoint(node.edges)\n",
        ),
    ),
    mutant(
        "runs_all_nodes",
        "autograd.grad runs every node of the graph, needed or not.",
        "autograd-grad/only-what-is-needed-runs",
        ("backward.py", "    return path\n", "    return seen\n"),
    ),
    mutant(
        "copies_nothing",
        "A copy that is asked for on the same device and in the same dtype is the tensor itself.",
        "devices/copy-is-recorded",
        ("shapes.py", "and dtype is input.dtype and not copy\n", "and dtype is input.dtype\n"),
    ),
    # --- zeroing ---
    mutant(
        "zero_grad_writes_zeros",
        "zero_grad() writes zeros where it should set None.",
        "zeroing/optimizer-sets-none",
        (
            "optim.py",
            "def zero_grad(self, set_to_none: bool = True)",
            "def zero_grad(self, set_to_none: bool = False)",
        ),
    ),
    mutant(
        "deleting_grad_has_no_effect",
        "Assigning None to .grad leaves what was there.",
        "zeroing/assigning-none",
        (
            "tensor.py",
            "            check_grad(self, value)\n        self._grad = value\n",
            "            check_grad(self, value)\n            self._grad = value\n",
        ),
    ),
)
