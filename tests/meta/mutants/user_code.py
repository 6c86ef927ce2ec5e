"""Mutants of what calls the user's code: hooks, custom functions, hooks for saved tensors, checkpoints."""

from .copies import mutant

MUTANTS = (
    # --- hooks ---
    mutant(
        "hooks_in_reverse",
        "Hooks run in the reverse order of their registration.",
        "hooks/in-order-of-registration",
        (
            "hooks.py",
            "    for hook in list(table.values()):\n",
            "    for hook in reversed(table.values()):\n",
        ),
    ),
    mutant(
        "hooks_change_nothing",
        "What a hook returns is thrown away.",
        "hooks/replaces-the-gradient",
        (
            "hooks.py",
            "            _check(value, result, hook)\n        value = result\n",
            "            _check(value, result, hook)\n",
        ),
    ),
    mutant(
        "hooks_stay",
        "remove() does not take the hook away.",
        "hooks/removed",
        ("hooks.py", "            table.pop(self.id, None)\n", "            pass\n"),
    ),
    mutant(
        "hooks_change_the_shape",
        "A hook may return a gradient of another shape.",
        "hooks/must-keep-the-shape",
        ("hooks.py", "    if before._shape != result._shape:\n", "    if False:\n"),
    ),
    mutant(
        "hooks_follow_writes",
        "A write does not leave hooks behind with the old value; later ones join them.",
        "hooks/write-leaves-hooks-behind",
        ("hooks.py", "    if tensor._hooks is not None:\n        tensor._hooks = None\n", ""),
    ),
    mutant(
        "retains_no_gradient",
        "retain_grad() has no effect on backward.",
        "hooks/retain-grad",
        ("hooks.py", "    hooks_of(owner).retained[index] = weakref.ref(self)\n", "    hooks_of(owner)\n"),
    ),
    mutant(
        "retains_before_the_hooks",
        "A retained gradient is that from before the tensor hooks.",
        "hooks/retain-grad-after-all-tensor-hooks",
        (
            "hooks.py",
            "    for index, table in hooks.tensor:\n        replaced = _call(table, grads[index])\n",
            (
                "    arrived = grads\n"
                "    for index, table in hooks.tensor:\n"
                "        replaced = _call(table, grads[index])\n"
            ),
        ),
        (
            "hooks.py",
            "        tensor, grad = reference(), grads[index]\n",
            "        tensor, grad = reference(), arrived[index]\n",
        ),
    ),
    mutant(
        "retaining_stays_behind",
        "retain_grad() stays with the value that a tensor had before a write.",
        "hooks/retain-grad-through-writes",
        ("hooks.py", "    if tensor._retained and old is not None and", "    if False and"),
    ),
    mutant(
        "updates_before_accumulation",
        "Post-accumulate hooks run before the gradient is added.",
        "hooks/update-after-accumulation",
        (
            "hooks.py",
            "    grad = combine(node, _unwrap(grads, graph, task))\n",
            (
                "    grad = combine(node, _unwrap(grads, graph, task))\n"
                "    if hooks.after:\n"
                "        with UserCode(task):\n"
                "            _call(hooks.after, node.variable)\n"
            ),
        ),
        (
            "hooks.py",
            "        if hooks.after:\n            leaf = cast",
            "        if False:\n            leaf = cast",
        ),
    ),
    mutant(
        "node_hooks_before_tensor_hooks",
        "The pre-hooks of a node run before the hooks of its output.",
        "hooks/all-kinds-in-order",
        (
            "hooks.py",
            (
                "        grads = _on_outputs(hooks, grads)\n"
                "        if hooks.pre:\n"
                "            grads = _call(hooks.pre, grads)\n"
            ),
            (
                "        if hooks.pre:\n"
                "            grads = _call(hooks.pre, grads)\n"
                "        grads = _on_outputs(hooks, grads)\n"
            ),
        ),
    ),
    mutant(
        "post_hooks_are_pre_hooks",
        "A node's register_hook registers a pre-hook.",
        "hooks/on-a-node",
        (
            "hooks.py",
            "    return _add(hooks_of(self).post, fn)\n",
            "    return _add(hooks_of(self).pre, fn)\n",
        ),
    ),
    mutant(
        "nodes_in_reverse",
        "Of the nodes that are ready the one recorded first runs first.",
        "hooks/nodes-in-order",
        (
            "backward.py",
            "    heappush(ready, (-node.seq, node))\n",
            "    heappush(ready, (node.seq, node))\n",
        ),
        (
            "backward.py",
            "elif following in pending or (ready and ready[0][0] <= -following.seq):",
            "elif True:",
        ),
    ),
    mutant(
        "no_hooks_where_grad_asks",
        "Hooks of a tensor do not run where autograd.grad asks for its gradient.",
        "hooks/of-what-grad-asks-for",
        (
            "backward.py",
            "                if ends:\n                    shown =",
            "                if False:\n                    shown =",
        ),
    ),
    mutant(
        "hooks_change_what_also_flows_on",
        "autograd.grad returns a gradient that also flows on as the hooks made it.",
        "hooks/asked-for-and-passed-through",
        (
            "backward.py",
            "                if ends:\n                    shown =",
            "                if True:\n                    shown =",
        ),
    ),
    mutant(
        "any_means_each",
        'A hook on several tensors with mode "any" runs with each of the gradients.',
        "hooks/any-of-several",
        ("graph.py", "            first = task not in called\n", "            first = True\n"),
    ),
    mutant(
        "waits_for_all_of_several",
        "A hook on several tensors never runs unless all of them get a gradient.",
        "hooks/all-of-several",
        ("graph.py", "expected = sum(_runs(task, node()) for node in nodes)", "expected = len(nodes)"),
    ),
    mutant(
        "module_hooks_change_nothing",
        "What a forward hook of a module returns is thrown away.",
        "hooks/forward-hooks-of-a-module",
        ("nn/hooks.py", "        if replaced is not None:\n            self.result = replaced\n", ""),
    ),
    # --- custom functions ---
    mutant(
        "dirty_is_not_noted",
        "mark_dirty has no effect.",
        "custom-functions/dirty-input",
        ("function_node.py", "        self.dirty_tensors = args\n", "        pass\n"),
    ),
    mutant(
        "everything_is_differentiable",
        "mark_non_differentiable has no effect.",
        "custom-functions/marked-as-non-differentiable",
        ("function_node.py", "        self.non_differentiable = args\n", "        pass\n"),
    ),
    mutant(
        "every_input_needs_a_gradient",
        "needs_input_grad is true for every tensor.",
        "custom-functions/which-inputs-need-a-gradient",
        (
            "function_node.py",
            "            results = backward(self, *grads)\n",
            (
                "            needs = self.needs_input_grad\n"
                "            self.needs_input_grad = tuple(map(bool, self._inputs))\n"
                "            results = backward(self, *grads)\n"
                "            self.needs_input_grad = needs\n"
            ),
        ),
    ),
    mutant(
        "always_materializes",
        "backward gets zeros for an output without a gradient, though it asked for None.",
        "custom-functions/gradients-of-unused-outputs-as-none",
        ("function_node.py", "        if self.materialize_grads:\n", "        if True:\n"),
    ),
    mutant(
        "never_materializes",
        "backward gets None for an output without a gradient.",
        "custom-functions/gradients-of-unused-outputs",
        ("function_node.py", "        if self.materialize_grads:\n", "        if False:\n"),
    ),
    mutant(
        "setup_context_is_not_called",
        "forward runs without a context, and setup_context never.",
        "custom-functions/linear",
        (
            "function.py",
            "                cls.setup_context(node, inputs, output)\n",
            "                pass\n",
        ),
    ),
    mutant(
        "differentiable_any_number_of_times",
        "once_differentiable has no effect.",
        "custom-functions/once-differentiable",
        (
            "function.py",
            "        with no_grad():\n            results = backward(ctx, *grads)\n",
            "        return backward(ctx, *grads)\n",
        ),
    ),
    mutant(
        "forward_is_recorded",
        "What forward computes is recorded.",
        "custom-functions/nothing-is-recorded-in-forward",
        ("function.py", "    before, mode.enabled = mode.enabled, False\n", "    before = mode.enabled\n"),
    ),
    mutant(
        "saves_without_versions",
        "A write to what save_for_backward has saved goes unnoticed.",
        "custom-functions/saved-tensor-that-was-written-to",
        ("saved.py", "        if now != self.version:\n", "        if False:\n"),
    ),
    mutant(
        "releases_nothing_of_functions",
        "What a custom function has saved stays after backward.",
        "retain-graph/custom-functions",
        ("function_node.py", "            self._saved, self._released = None, True\n", "            pass\n"),
    ),
    mutant(
        "gradients_of_functions_keep_their_shape",
        "The gradient that a custom function returns is not summed to the shape of its input.",
        "custom-functions/shape-of-a-gradient",
        (
            "function_node.py",
            "        return fit(grad, metadata.shape, metadata.dtype)",
            "        return fit(grad, grad.shape, metadata.dtype)",
        ),
    ),
    mutant(
        "returned_inputs_are_written_to",
        "An input that forward returned can be written to.",
        "custom-functions/input-as-output-is-not-written-to",
        ("function.py", "    _guard(out, IN_CUSTOM_FUNCTION)\n", ""),
    ),
    # --- hooks for saved tensors ---
    mutant(
        "outermost_pair",
        "Of nested pairs of hooks for saved tensors the outermost is used.",
        "saved-tensors/innermost-pair",
        (
            "saved.py",
            "return _state.stack[-1] if _state.stack else None",
            "return _state.stack[0] if _state.stack else None",
        ),
    ),
    mutant(
        "packs_in_reverse",
        "The operands of an operation are packed in reverse.",
        "saved-tensors/packed-and-unpacked",
        (
            "saved.py",
            "        return\n    for name in node.operands:\n",
            "        return\n    for name in reversed(node.operands):\n",
        ),
    ),
    mutant(
        "unpacks_once",
        "unpack runs once, and its result is kept.",
        "saved-tensors/each-reading-unpacks",
        (
            "saved.py",
            "        made = self._unpack(self._kept)\n",
            "        made = self._unpack(self._kept)\n        self._unpack = lambda _: made\n",
        ),
    ),
    mutant(
        "packs_in_grad_mode",
        "What a pack hook does is recorded.",
        "saved-tensors/grad-mode-in-hooks",
        ("saved.py", "        mode.enabled = False\n", ""),
    ),
    mutant(
        "hooks_are_never_disabled",
        "disable_saved_tensors_hooks has no effect on later blocks.",
        "saved-tensors/disabled",
        ("saved.py", "    if _state.disabled is not None:\n", "    if False:\n"),
    ),
    mutant(
        "unpacked_tensors_are_constants",
        "What comes back from hooks has no history, so that second derivatives are missing.",
        "saved-tensors/gradients-of-gradients",
        ("saved.py", "            out._node = edge\n", "            pass\n"),
    ),
    # --- checkpoints ---
    mutant(
        "recomputes_nothing",
        "A checkpoint saves everything and runs its function once.",
        "checkpoint/same-gradients",
        (
            "utils/checkpoint.py",
            "    return _call_with_frame(function, args, kwargs, frame, forward_context)\n",
            "    return function(*args, **kwargs)\n",
        ),
    ),
    mutant(
        "never_stops_early",
        "Recomputation goes on to the end of the function.",
        "checkpoint/early-stop",
        (
            "utils/checkpoint.py",
            "        if self.early_stop and place + 1 ==",
            "        if False and place + 1 ==",
        ),
    ),
    mutant(
        "other_random_numbers",
        "Recomputation draws new random numbers.",
        "checkpoint/random-numbers",
        (
            "random_state.py",
            "        now = RandomState(self._wanted)\n        self.restore()\n",
            "        now = RandomState(self._wanted)\n",
        ),
    ),
    mutant(
        "does_not_compare_metadata",
        "A recomputation may save tensors of other shapes.",
        "checkpoint/other-metadata",
        ("utils/checkpoint.py", "            if now != before:\n", "            if False:\n"),
    ),
    mutant(
        "recomputes_in_the_mode_of_backward",
        "The function runs again in the grad mode of the backward.",
        "checkpoint/grad-mode-of-recomputation",
        (
            "utils/checkpoint.py",
            "            with contextlib.suppress(_StopRecomputationError), hooks, enable_grad():\n",
            "            with contextlib.suppress(_StopRecomputationError), hooks:\n",
        ),
    ),
)
