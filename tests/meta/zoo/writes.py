"""Bugs of in-place writes, views and freed graphs."""

from __future__ import annotations

from .base import Bug, as_mutant, broken

_OWN_HOOKS = "    if tensor._hooks is not None:\n        tensor._hooks = None\n"

BUGS: tuple[Bug, ...] = (
    # --- what a write overwrites ---
    as_mutant(
        "E01",
        "A function in place saves its input by reference, and backward takes the derivative at what was "
        "written over it.",
        "Oneflow-Inc/oneflow#6200",
        "in-place/same-gradient-as-out-of-place",
        "saves_what_it_overwrites",
    ),
    broken(
        "E02",
        "Versions are checked for the operands that an operation saved, and not for a result that it saved.",
        "pytorch/pytorch#9391",
        ("in-place/result-saved-for-backward-changed", "in-place/result-saved-by-others"),
        (
            "saved.py",
            '        check_version(node, "result", node.c_result, saved, node)\n',
            "",
        ),
    ),
    broken(
        "E02b",
        "The versions of all operands and of the result are checked, whether the operation saved them or "
        "not.",
        "pytorch/pytorch#9391",
        ("in-place/operand-of-an-addition-changed", "in-place/saved-input-spares-the-result"),
        (
            "generate.py",
            '    lines += ["out._node = node", "if OBSERVERS:"',
            (
                "    if fresh:\n"
                "        lines.append(f\"note_all(node, ({', '.join(rule.tensors)}, out))\")\n"
                '    lines += ["out._node = node", "if OBSERVERS:"'
            ),
        ),
        (
            "generate_nodes.py",
            "    else:\n        body += _unpack_data(needs)\n",
            '    else:\n        body += ["check_all(node)", *_unpack_data(needs)]\n',
        ),
        (
            "compile.py",
            '        "LEVELS": LEVELS,\n',
            '        "LEVELS": LEVELS,\n        "check_all": check_all,\n        "note_all": note_all,\n',
        ),
        ("compile.py", "from .saved import ", "from .saved import check_all, note_all, "),
        (
            "saved.py",
            "def torch_scalar(",
            (
                "_VERSIONS = weakref.WeakKeyDictionary()\n\n\n"
                "def note_all(node, tensors):\n"
                "    tensors = [one for one in tensors if isinstance(one, Tensor)]\n"
                "    counters = [(one._data, counter_of(one)) for one in tensors]\n"
                "    _VERSIONS[node] = [(data, one, one.value) for data, one in counters]\n"
                "\n\n"
                "def check_all(node):\n"
                "    for data, counter, expected in _VERSIONS.get(node, ()):\n"
                "        if counter.value != expected:\n"
                "            raise modified(data, counter.value, expected, None)\n\n\n"
                "def torch_scalar("
            ),
        ),
    ),
    broken(
        "E03",
        "A root that was written to in place gets its cotangent twice.",
        "PaddlePaddle/Paddle#37367",
        ("in-place/result-is-rewritten", "in-place/gradients-of-functions"),
        (
            "views.py",
            "def rebase(tensor: Tensor, node: Node) -> None:\n",
            (
                "WRITTEN = weakref.WeakSet()\n\n\n"
                "def rebase(tensor: Tensor, node: Node) -> None:\n"
                "    WRITTEN.add(node)\n"
                "    _rebase(tensor, node)\n\n\n"
                "def _rebase(tensor: Tensor, node: Node) -> None:\n"
            ),
        ),
        (
            "autograd.py",
            "            seeds.append((node, value))\n",
            (
                "            seeds.append((node, value))\n"
                "            if node in WRITTEN:\n"
                "                seeds.append((node, value))\n"
            ),
        ),
        (
            "autograd.py",
            "from .transform_state import active\n",
            "from .transform_state import active\nfrom .views import WRITTEN\n",
        ),
    ),
    broken(
        "E04",
        "Assigning to elements of a plain tensor gives the history to the version from before the write, and "
        "the tensor stays plain.",
        "PaddlePaddle/Paddle#38014",
        ("in-place/differentiable-element-assigned", "in-place/buffer-filled-row-by-row"),
        (
            "indexing.py",
            "    source = value if isinstance(value, Tensor) else _number(input, value)\n",
            (
                "    source = value if isinstance(value, Tensor) else _number(input, value)\n"
                "    if input._node is None:\n"
                "        input = input.detach()\n"
            ),
        ),
    ),
    broken(
        "E05",
        "A write of what requires grad into a plain tensor leaves its flag, and that it is a leaf, as they "
        "were.",
        "PaddlePaddle/Paddle#35451, Oneflow-Inc/oneflow#8872",
        "graph/write-makes-a-result",
        (
            "views.py",
            "    if view is None:\n        _set_history(tensor, node)\n",
            (
                "    if view is None:\n"
                "        if tensor._node is not None:\n"
                "            _set_history(tensor, node)\n"
            ),
        ),
    ),
    broken(
        "E07",
        "The backward of a product multiplies the gradient that it is given in place, to save memory.",
        "k2-fsa/k2#1106",
        (
            "vector-jacobian-products/cotangent-is-not-changed",
            "retain-graph/retained-graph-can-be-used-again",
        ),
        (
            "rules/arithmetic.py",
            'forward="self * other",\n    self="grad * conj(other)",\n    other="grad * conj(self)",\n',
            (
                'forward="self * other",\n    self="grad * conj(other)",\n'
                '    other="multiplied(grad, conj(self))",\n'
            ),
        ),
        (
            "rules/formulas.py",
            "        inverse_permutation,\n        laid_out,",
            "        inverse_permutation,\n        multiplied,\n        laid_out,",
        ),
        (
            "rules/formulas.py",
            "def zeros_like(value: T) -> T:\n",
            (
                "def multiplied(grad, factor):\n"
                "    product = grad * factor\n"
                "    if not isinstance(grad, torch.Tensor) or grad.dtype is not product.dtype:\n"
                "        return product\n"
                "    return grad.copy_(product) if grad.is_contiguous() else product\n\n\n"
                "def zeros_like(value: T) -> T:\n"
            ),
        ),
    ),
    # --- versions of what shares memory ---
    as_mutant(
        "E09",
        "detach() shares memory and not the version, so a write through it is not noticed.",
        "pytorch/pytorch#7860, pytorch/pytorch#197054",
        "detach/write-through-it-is-noticed",
        "detach_has_its_own_version",
    ),
    broken(
        "E10",
        "A view that is saved has a version of its own, so a write to its base does not count for it.",
        "pytorch/pytorch#197887",
        "views/write-beside-a-saved-view",
        (
            "generate.py",
            '            f"node.s_{saved} = {saved}",\n            f"if',
            '            f"node.s_{saved} = own_version({saved})",\n            f"if',
        ),
        (
            "compile.py",
            '        "LEVELS": LEVELS,\n',
            '        "LEVELS": LEVELS,\n        "own_version": own_version,\n',
        ),
        ("compile.py", "from .saved import ", "from .saved import own_version, "),
        (
            "saved.py",
            "def torch_scalar(",
            (
                "def own_version(operand):\n"
                "    if not isinstance(operand, Tensor) or operand._view is None or operand._node is LEAF:\n"
                "        return operand\n"
                "    out = Tensor._of(operand._data)\n"
                "    out._node = operand._node\n"
                "    return out\n\n\n"
                "def torch_scalar("
            ),
        ),
    ),
    as_mutant(
        "E10b",
        "A view counts the writes through itself alone, so one through it does not count for what saved its "
        "base.",
        "pytorch/pytorch#197887",
        ("views/write-through-a-view-is-noticed", "in-place/element-write-is-noticed"),
        "views_have_their_own_version",
    ),
    # --- views ---
    broken(
        "F02",
        "One of several views may not be written to, but a view of it may: the mark is not handed on.",
        "pytorch/pytorch#36608, pytorch/pytorch#49824",
        "views/view-of-one-of-several-is-refused",
        (
            "views.py",
            "base, guard = above.base, guard or above.guard\n",
            (
                "base, guard = above.base, guard or (\n"
                "            None if above.guard is ONE_OF_SEVERAL else above.guard\n"
                "        )\n"
            ),
        ),
    ),
    as_mutant(
        "F03",
        "A view that was taken in no_grad and is written to in grad mode gets the history of its base.",
        "pytorch/pytorch#26546, pytorch/pytorch#32839",
        "views/view-made-in-no-grad-is-refused",
        "no_grad_views_are_written_to",
    ),
    broken(
        "F04",
        "Where as_strided takes an element more than once, the gradient is one of its cotangents and not "
        "their sum.",
        "pytorch/pytorch#8626, pytorch/pytorch#8721, Oneflow-Inc/oneflow#9451",
        ("views/overlapping-elements-of-a-view", "operators/as_strided/gradients"),
        (
            "rules/strided.py",
            "    storage.index_add_(0, places.as_strided(*have).reshape(-1), value.reshape(-1))\n",
            "    storage.index_copy_(0, places.as_strided(*have).reshape(-1), value.reshape(-1))\n",
        ),
    ),
    broken(
        "F04b",
        "The gradient of as_strided is brought back as if its input lay contiguously in memory.",
        "pytorch/pytorch#8626, pytorch/pytorch#8721, Oneflow-Inc/oneflow#9451",
        "views/as-strided-of-any-layout",
        (
            "rules/strided.py",
            '        self="share(restride(grad, taken, geometry), geometry)",\n',
            '        self="restride(grad, taken, contiguous_like(geometry))",\n',
        ),
        (
            "rules/strided.py",
            "@formula\ndef share(",
            (
                "@formula\n"
                "def contiguous_like(geometry):\n"
                "    size, _, offset = geometry\n"
                '    return size, torch.empty(size, device="meta").stride(), offset\n\n\n'
                "@formula\ndef share("
            ),
        ),
    ),
    broken(
        "F07",
        "Hooks go with their tensor to its new history when it is written to, as retain_grad does.",
        "pytorch/pytorch#79996",
        "hooks/write-leaves-hooks-behind",
        (
            "hooks.py",
            _OWN_HOOKS,
            (
                "    known = old is not None and new is not None and not _is_leaf(old)\n"
                "    if tensor._hooks is not None and known:\n"
                "        table, (owner, index) = tensor._hooks, _output(old)\n"
                "        hooks = hooks_of(owner)\n"
                "        hooks.tensor = [entry for entry in hooks.tensor if entry[1] is not table]\n"
                "        owner, index = _output(new)\n"
                "        hooks_of(owner).tensor.append((index, table))\n"
            ),
        ),
    ),
    as_mutant(
        "F07b",
        "retain_grad stays with the history that its tensor had before a write, as hooks do.",
        "pytorch/pytorch#79996",
        ("hooks/retain-grad-through-writes", "views/retained-gradient-follows-a-write"),
        "retaining_stays_behind",
    ),
)
