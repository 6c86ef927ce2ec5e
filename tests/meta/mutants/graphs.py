"""Mutants of the graph: what is recorded, what is kept, when it is freed, and what it tells about itself."""

from .copies import mutant

MUTANTS = (
    # --- freeing and retaining ---
    mutant(
        "frees_nothing",
        "Backward never frees what the graph has saved.",
        "retain-graph/second-backward-raises",
        (
            "backward.py",
            '    state["running"] = next(SEQUENCE)\n',
            '    state["running"] = next(SEQUENCE)\n    keep = True\n',
        ),
    ),
    mutant(
        "does_not_notice_what_was_freed",
        "Where a saved tensor was freed no gradient flows, and nobody is told.",
        "retain-graph/operators-that-save-their-result-or-input",
        (
            "generate_nodes.py",
            '            f"if {saved} is None:",\n            "    raise freed()",\n',
            '            f"if {saved} is None:",\n            "    return node.nothing(keep=True)",\n',
        ),
        (
            "generate_nodes.py",
            '            f"if {name} is None:",\n            "    raise freed()",\n',
            '            f"if {name} is None:",\n            "    return None",\n',
        ),
    ),
    mutant(
        "ignores_retain_graph",
        "retain_graph=True is accepted, and the graph freed all the same.",
        "retain-graph/retained-graph-can-be-used-again",
        (
            "autograd.py",
            "execute(seeds, keep=keep, graph=create_graph, capture=capture, given=",
            "execute(seeds, keep=create_graph, graph=create_graph, capture=capture, given=",
        ),
    ),
    mutant(
        "create_graph_does_not_retain",
        "create_graph=True frees the graph unless retain_graph=True is said too.",
        "retain-graph/create-graph-retains",
        (
            "backward.py",
            '    state["running"] = next(SEQUENCE)\n',
            '    state["running"] = next(SEQUENCE)\n    keep = keep and not graph\n',
        ),
    ),
    mutant(
        "none_releases_nothing",
        "A node that no gradient arrives at keeps what it saved.",
        "custom-functions/none-releases-what-is-saved",
        (
            "saved.py",
            "            unpack(self, name)\n            if not keep:\n",
            "            unpack(self, name)\n            if False:\n",
        ),
    ),
    # --- higher derivatives ---
    mutant(
        "cuts_the_graph_of_gradients",
        "Nothing is recorded in a backward with create_graph=True.",
        "create-graph/product-of-two-leaves",
        ("backward.py", '"enabled"] = graph\n', '"enabled"] = False\n'),
    ),
    mutant(
        "records_unasked",
        "autograd.grad records its work, whether that was asked for or not.",
        "autograd-grad/result-is-a-constant",
        (
            "autograd.py",
            "        seeds = _seeds(roots, given, create_graph or bool(LEVELS))\n",
            "        seeds = _seeds(roots, given, True)\n",
        ),
        (
            "autograd.py",
            "execute(seeds, keep=keep, graph=create_graph, capture=capture)\n",
            "execute(seeds, keep=keep, graph=True, capture=capture)\n",
        ),
    ),
    mutant(
        "saved_results_lose_their_history",
        "A saved result comes back as a constant, so that its part of the second derivative is missing.",
        "create-graph/chain-of-derivatives",
        (
            "saved.py",
            "        out._counter = node.c_result\n    out._node = node\n",
            "        out._counter = node.c_result\n    out._node = None\n",
        ),
    ),
    # --- recording ---
    mutant(
        "every_operand_must_require_grad",
        "An operation is recorded only if all of its operands require grad.",
        "graph/any-input-requires",
        (
            "generate.py",
            '    nothing = " and ".join(f"e_{name} is None" for name in rule.differentiable)\n    given',
            '    nothing = " or ".join(f"e_{name} is None" for name in rule.differentiable)\n    given',
        ),
    ),
    mutant(
        "an_accumulator_for_each_use",
        "Every use of a leaf makes an accumulation node of its own.",
        "graph/one-accumulator-for-a-leaf",
        (
            "accumulate.py",
            "    leaf._accumulator = weakref.ref(made)\n    return made\n",
            "    return made\n",
        ),
    ),
    mutant(
        "no_edges_for_constants",
        "next_functions leaves the operands out that need no gradient.",
        "graph/edges-to-leaves-and-constants",
        (
            "node.py",
            "tuple(next(edges).as_edge() if needed else (None, 0) for needed in self.input_mask())",
            "tuple(next(edges).as_edge() for needed in self.input_mask() if needed)",
        ),
    ),
    mutant(
        "one_number_for_all_outputs",
        "All outputs of one node claim to be the first.",
        "graph/outputs-of-one-operation",
        ("outputs.py", "        return self.edges[0], self.index\n", "        return self.edges[0], 0\n"),
    ),
    mutant(
        "prints_no_history",
        "A result prints as a leaf that requires grad.",
        "printing/result",
        (
            "tensor.py",
            "self._data, self.requires_grad, None if node is None else type(node).__name__",
            "self._data, self.requires_grad, None",
        ),
    ),
    # --- leaves and flags ---
    mutant(
        "results_lose_their_flag",
        "requires_grad_(False) makes a constant of a result.",
        "creation/flag-of-result-stays-on",
        (
            "tensor.py",
            "                raise RuntimeError(_NOT_A_LEAF)\n",
            "                self._node = None\n",
        ),
    ),
    mutant(
        "integers_may_require_grad",
        "The flag of a tensor of integers can be switched on.",
        "creation/integers-cannot-require-grad",
        (
            "tensor.py",
            "        return self._dtype.is_floating_point or self._dtype.is_complex\n",
            "        return True\n",
        ),
    ),
    mutant(
        "copies_lose_their_gradient",
        "deepcopy of a leaf forgets its .grad.",
        "creation/deepcopy-of-a-leaf",
        ("tensor.py", "            out._grad = self._grad.__deepcopy__(memo)\n", "            pass\n"),
    ),
    mutant(
        "numpy_of_what_requires_grad",
        "numpy() gives the array of a tensor that requires grad.",
        "numpy/refused-while-grad-is-required",
        ("conversions.py", "if self._node is not None and mode.enabled and not force:", "if False:"),
    ),
    # --- detach ---
    mutant(
        "detach_copies",
        "detach() returns a copy.",
        "detach/shares-storage",
        (
            "tensor.py",
            (
                "        out = Tensor._of(data.detach() if data._is_view() else data)\n"
                "        out._counter = counter_of(self)\n"
                "        return out\n"
            ),
            "        return Tensor._of(data.clone())\n",
        ),
    ),
    mutant(
        "detach_has_its_own_version",
        "A write through detach() is not counted for the tensor that it came from.",
        "detach/write-through-it-is-noticed",
        (
            "tensor.py",
            (
                "        out = Tensor._of(data.detach() if data._is_view() else data)\n"
                "        out._counter = counter_of(self)\n"
                "        return out\n"
            ),
            "        return Tensor._of(data)\n",
        ),
    ),
    mutant(
        "data_shares_the_version",
        "A write through .data is counted for its tensor.",
        "detach/write-through-data-is-not-noticed",
        (
            "tensor.py",
            "        out._counter = UNCOUNTED if self._counter is UNCOUNTED else None\n",
            "        out._counter = counter_of(self)\n",
        ),
    ),
    mutant(
        "detach_in_place_keeps_history",
        "detach_() leaves its tensor in the graph.",
        "detach/in-place-on-a-result",
        (
            "tensor.py",
            "        self._node = None\n        self._tell_views()\n        return self\n",
            "        return self\n",
        ),
    ),
    # --- lifetimes ---
    mutant(
        "leaks_the_graph",
        "A node refers to its own result, and the two keep each other alive.",
        "lifetimes/released-with-the-graph",
        (
            "generate.py",
            '    lines += ["out._node = node", "if OBSERVERS:"',
            '    lines += ["out._node = node", "node.metadata[None] = out", "if OBSERVERS:"',
        ),
    ),
    mutant(
        "saves_every_operand",
        "A node keeps its operands, whether its derivative needs them or not.",
        "lifetimes/what-was-not-saved",
        (
            "generate.py",
            '    lines += ["out._node = node", "if OBSERVERS:"',
            (
                "    operands = ', '.join(rule.tensors)\n"
                '    lines += ["out._node = node", f"node.metadata[None] = ({operands},)", "if OBSERVERS:"'
            ),
        ),
    ),
    mutant(
        "retaining_keeps_alive",
        "The graph holds on to a tensor that retains its gradient.",
        "lifetimes/retained-gradient",
        (
            "hooks.py",
            "hooks_of(owner).retained[index] = weakref.ref(self)",
            "hooks_of(owner).retained[index] = lambda: self",
        ),
    ),
    mutant(
        "nested_backwards_fill_the_stack",
        "Backward passes within each other all run on one stack.",
        "lifetimes/deep-backward-in-backward",
        ("backward.py", "    if running.depth > DEEPEST:\n", "    if False:\n"),
    ),
)
