"""Mutants of forward mode, of function transforms, of the functional API and of gradcheck."""

from .copies import mutant

MUTANTS = (
    # --- forward mode ---
    mutant(
        "views_drop_tangents",
        "A view of a dual tensor has no tangent.",
        "forward-mode/shapes-and-reductions",
        (
            "tangents.py",
            "    carry((out,), base, lambda tangent: (apply(tangent, *args),))\n",
            "    return\n",
        ),
    ),
    mutant(
        "writes_keep_tangents",
        "A write to a dual tensor leaves its tangent as it was.",
        "forward-mode/writes",
        ("inplace.py", "    if dual is not None:\n        push_write(", "    if False:\n        push_write("),
    ),
    mutant(
        "detach_keeps_tangents",
        "detach() of a dual tensor is dual.",
        "forward-mode/no-tangent",
        (
            "tensor.py",
            "        out._counter = counter_of(self)\n        return out\n",
            (
                "        out._counter = counter_of(self)\n"
                "        out._tangents = self._tangents\n"
                "        return out\n"
            ),
        ),
    ),
    mutant(
        "levels_come_back",
        "A later level finds the tangents of an earlier one.",
        "forward-mode/ends-with-its-level",
        ("levels.py", "            tensor._tangents.pop(level, None)\n", "            pass\n"),
        ("levels.py", "    level = Level()\n", "    level = _ONLY\n"),
        ("levels.py", "LEVELS: list[Level] = []\n", "LEVELS: list[Level] = []\n_ONLY = Level()\n"),
    ),
    mutant(
        "one_tangent_counts",
        "Of the tangents of two operands the last one counts, and not the sum.",
        "forward-mode/two-operands",
        (
            "tangents.py",
            "                totals[index] = part if total is None else total + part\n",
            "                totals[index] = part\n",
        ),
    ),
    mutant(
        "dual_twice",
        "A tensor that has a tangent can be given another one.",
        "forward-mode/once-a-level",
        ("forward_ad.py", "    if levels.tangent_of(tensor, _open[-1]) is not None:\n", "    if False:\n"),
    ),
    mutant(
        "gradients_have_no_tangents",
        "The gradient of a dual tensor is not dual.",
        "forward-mode/over-backward",
        ("backward.py", "    graph = graph or bool(LEVELS)\n", ""),
        (
            "autograd.py",
            "        seeds = _seeds(roots, given, create_graph or bool(LEVELS))\n",
            "        seeds = _seeds(roots, given, create_graph)\n",
        ),
    ),
    mutant(
        "calls_jvp_of_nothing",
        "The jvp of a custom function is not called.",
        "forward-mode/custom-function",
        (
            "function.py",
            "        if LEVELS:\n            push_function(",
            "        if False:\n            push_function(",
        ),
    ),
    # --- func ---
    mutant(
        "gradients_leak_their_graph",
        "What func.grad returns has a history, although nothing outside is part of it.",
        "func/constant-inputs-leave-no-history",
        (
            "func/tracking.py",
            "            if self.recording and liveness.of(value):\n",
            "            if self.recording:\n",
        ),
        (
            "func/reverse.py",
            "create_graph=run.recording and depends_on_outside(output)",
            "create_graph=run.recording",
        ),
    ),
    mutant(
        "transforms_cut_the_graph",
        "What a transform returns never leads to where its arguments came from.",
        "func/grad-like-backward",
        ("func/tracking.py", "                entry.next = entry.upstream\n", "                pass\n"),
    ),
    mutant(
        "confuses_perturbations",
        "A tangent at one level is taken for one at the level around it.",
        "func/perturbations-stay-apart",
        (
            "levels.py",
            "return None if tangents is None else tangents.get(level)",
            "return None if not tangents else tangents.get(level, next(iter(tangents.values())))",
        ),
    ),
    mutant(
        "argnums_is_the_first",
        "The gradient is always that of the first argument.",
        "func/argnums",
        (
            "func/arguments.py",
            "        return args[_checked(argnums, len(args))]\n",
            "        return args[_checked(argnums, len(args)) * 0]\n",
        ),
    ),
    mutant(
        "accepts_vectors_as_outputs",
        "func.grad accepts an output with dimensions.",
        "func/scalar-outputs-only",
        ("func/reverse.py", "    if output.ndim != 0:\n", "    if False:\n"),
    ),
    mutant(
        "batch_in_the_first_dimension",
        "vmap puts the batch into the first dimension of its results, whatever out_dims says.",
        "func/vmap-dimensions",
        (
            "func/batching.py",
            "        in_dims, out_dims = self.batching.in_dims, self.batching.out_dims\n",
            "        in_dims, out_dims = self.batching.in_dims, 0\n",
        ),
    ),
    mutant(
        "sums_over_no_batch",
        "What is not mapped gets the gradient of the first example, and not the sum over all.",
        "func/backward-through-vmap",
        (
            "func/batching.py",
            "            grads[index] = batch.sum(0) if place is None",
            "            grads[index] = batch[0] if place is None",
        ),
    ),
    # --- functional ---
    mutant(
        "transposes_jacobians",
        "The Jacobian has inputs for rows and outputs for columns.",
        "functional/jacobian",
        (
            "autograd_functional.py",
            "stack(row).view(output.shape + point.shape)",
            "stack([one.reshape(-1) for one in row], 1).reshape(output.shape + point.shape)",
        ),
    ),
    mutant(
        "strict_is_ignored",
        "strict=True accepts outputs that do not depend on an input.",
        "functional/strict",
        ("autograd_functional.py", "            if grad is None and strict:\n", "            if False:\n"),
    ),
    mutant(
        "strict_accepts_constants",
        "strict=True accepts an output that is a constant.",
        "functional/strict-constant",
        ("functional_arguments.py", "    if not strict:\n        return\n", "    return\n"),
    ),
    mutant(
        "functional_results_have_a_history",
        "Results of the functional API have a history without create_graph.",
        "functional/vjp-and-jvp",
        (
            "functional_arguments.py",
            "    results = values if graph else tuple(value.detach() for value in values)\n",
            "    results = values\n",
        ),
    ),
    mutant(
        "functional_uses_its_arguments",
        "The function is called with the very inputs.",
        "functional/inputs-untouched",
        (
            "functional_arguments.py",
            "    made = value.detach()\n    return made.requires_grad_()",
            "    made = value\n    return made.requires_grad_()",
        ),
    ),
    # --- gradcheck ---
    mutant(
        "everything_passes",
        "gradcheck compares nothing.",
        "gradcheck/wrong-formula",
        (
            "gradcheck.py",
            "_check_part(func, given, part, note, settings, check_forward_ad, check_backward_ad)\n",
            "pass\n",
        ),
    ),
)
