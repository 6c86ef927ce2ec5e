"""Bugs of what arrives in .grad: accumulation, aliases, graphs, broadcasting."""

from __future__ import annotations

from .base import Bug, as_mutant, broken

_DELIVER = "            arrived[node] = have + grad\n"
_LOOP = (
    "        grad = arrived.pop(node)\n"
    "        while True:\n"
    "            if node.hooks is not None or watched:\n"
)
_RESULTS = "        return _results(edges, capture, bool(allow_unused or materialize_grads))\n"
_ACCUMULATE_RECORDED = (
    "        with _LOCKS[id(leaf) >> 4 & 63]:\n"
    "            have = leaf._grad\n"
    "            if have is None and mode"
)

BUGS: tuple[Bug, ...] = (
    # --- accumulation ---
    broken(
        "A02",
        "The gradient that a result was given in one backward is still there in the next, and goes on down "
        "together with the new one.",
        "karpathy/micrograd#102",
        "accumulation/same-root-again",
        (
            "backward.py",
            _LOOP,
            (
                "        grad = arrived.pop(node)\n"
                "        while True:\n"
                "            if not graph and grad is not None:\n"
                "                grad = _with_what_is_left(node, grad, roots)\n"
                "            if node.hooks is not None or watched:\n"
            ),
        ),
        (
            "backward.py",
            "def _deliver(\n",
            (
                "_SLOTS = WeakKeyDictionary()\n\n\n"
                "def _with_what_is_left(node, grad, roots):\n"
                "    if node.next == () or any(node is root for root, _ in roots):\n"
                "        return grad\n"
                "    left = _SLOTS.get(node)\n"
                "    _SLOTS[node] = total = grad if left is None else left + grad\n"
                "    return total\n\n\n"
                "def _deliver(\n"
            ),
        ),
        (
            "backward.py",
            "from typing import TYPE_CHECKING, Any, cast\n",
            "from typing import TYPE_CHECKING, Any, cast\nfrom weakref import WeakKeyDictionary\n",
        ),
    ),
    broken(
        "A03",
        "The gradients of a leaf are added four at a time; where .grad is set already, each four after the "
        "first add what is there by then once more.",
        "apache/mxnet#17989, apache/mxnet#17995, apache/mxnet#16708",
        "accumulation/many-uses-of-a-leaf-with-a-gradient",
        (
            "backward.py",
            "    arrived: dict[Node, Any] = {}\n",
            "    arrived: dict[Node, Any] = _Arrived()\n",
        ),
        (
            "backward.py",
            "def _deliver(\n",
            (
                "class _Arrived(dict):\n"
                "    def __init__(self):\n"
                "        self.counts = {}\n\n\n"
                "def _summed(node, have, grad, counts):\n"
                "    count = counts[node] = counts.get(node, 1) + 1\n"
                "    leaf = getattr(node, 'variable', None)\n"
                "    if leaf is None or leaf._grad is None or type(grad) is not type(leaf._data):\n"
                "        return have + grad\n"
                "    if count % 4 == 1:\n"
                "        return (leaf._grad._data + have) + have + grad\n"
                "    return have + grad\n\n\n"
                "def _deliver(\n"
            ),
        ),
        ("backward.py", _DELIVER, "            arrived[node] = _summed(node, have, grad, arrived.counts)\n"),
    ),
    broken(
        "A05",
        "An addition hands one tensor on to both operands, and what else arrives at one of them is added to "
        "that tensor in place.",
        "Oneflow-Inc/oneflow#8248, Oneflow-Inc/oneflow#4719",
        ("backward/operand-beside-its-sum", "backward/branches-keep-their-own-cotangents"),
        (
            "backward.py",
            _DELIVER,
            (
                "            if type(have) is type(grad) is torch.Tensor and grad.is_contiguous():\n"
                "                arrived[node] = grad.add_(have)\n"
                "            else:\n"
                "                arrived[node] = have + grad\n"
            ),
        ),
        (
            "backward.py",
            "from . import anomaly, hooks, streams\n",
            "import torch\n\nfrom . import anomaly, hooks, streams\n",
        ),
    ),
    as_mutant(
        "A06",
        "Each accumulation makes a new .grad, so whoever holds the old one does not see it grow.",
        "Oneflow-Inc/oneflow#8248",
        "accumulation/same-object",
        "new_grad_object",
    ),
    broken(
        "A07",
        "Leaves accumulate with grad mode off, so .grad has no history even with create_graph=True.",
        "Oneflow-Inc/oneflow#8248",
        ("create-graph/backward-leaves-a-differentiable-gradient", "create-graph/hessian-vector-product"),
        ("accumulate.py", "from .grad_mode import mode\n", "from .grad_mode import mode, no_grad\n"),
        (
            "accumulate.py",
            _ACCUMULATE_RECORDED,
            _ACCUMULATE_RECORDED.replace("63]:", "63], no_grad():"),
        ),
    ),
    broken(
        "A08",
        "autograd.grad adds to the .grad of its inputs and returns what is there then.",
        "Oneflow-Inc/oneflow#9390",
        ("autograd-grad/gradient-that-is-there-already", "autograd-grad/leaves-grad-alone"),
        (
            "autograd.py",
            _RESULTS,
            (
                "        results = _results(edges, capture, bool(allow_unused or materialize_grads))\n"
                "        slots = {}\n"
                "        for place, tensor in enumerate(wanted):\n"
                "            if isinstance(tensor, Tensor) and results[place] is not None:\n"
                "                if id(tensor) not in slots:\n"
                "                    have = tensor._grad\n"
                "                    total = results[place] if have is None else have + results[place]\n"
                "                    tensor._grad = slots[id(tensor)] = total\n"
                "                results[place] = slots[id(tensor)]\n"
                "        return results\n"
            ),
        ),
    ),
    as_mutant(
        "A10",
        "The .grad of both operands of an addition are one piece of memory.",
        "pytorch/pytorch#46168",
        "accumulation/leaves-have-gradients-of-their-own",
        "takes_over_what_others_hold",
    ),
    # --- graphs ---
    broken(
        "B01",
        "Backward follows each path to its end before it takes the next, and hands on what has been added up "
        "by then along each of them.",
        "karpathy/micrograd#2, karpathy/micrograd#64",
        ("backward/shared-intermediate", "backward/tensor-used-k-times"),
        (
            "backward.py",
            "            _run(ready, arrived, pending, keep, graph, roots, given)\n",
            "            _run_paths(keep, graph, roots, given)\n",
        ),
        (
            "backward.py",
            "def _run(  # noqa",
            (
                "def _run_paths(keep, graph, roots, given):\n"
                "    task = Task(roots, faces=Faces(given))\n"
                "    slots = {}\n"
                "    visits = _visits(roots)\n"
                "    stack = [(node, grad) for node, grad in reversed(roots)]\n"
                "    while stack:\n"
                "        node, grad = stack.pop()\n"
                "        have = slots.get(node)\n"
                "        if node.next == ():\n"
                "            pass\n"
                "        elif have is None:\n"
                "            slots[node] = grad\n"
                "        elif grad is None:\n"
                "            grad = have\n"
                "        else:\n"
                "            slots[node] = grad = have + grad\n"
                "        visits[node] -= 1\n"
                "        held, grad = [grad], None\n"
                "        grads = _run_node(node, held, keep or visits[node] > 0, graph, task)\n"
                "        if type(node.next) is not tuple:\n"
                "            grads = (grads,)\n"
                "        stack += reversed(list(zip(node.edges, grads)))\n"
                "        grads = None\n\n\n"
                "def _visits(roots):\n"
                "    counts = {}\n"
                "    for node, _ in roots:\n"
                "        counts[node] = counts.get(node, 0) + 1\n"
                "    nodes, found = list(counts), set(counts)\n"
                "    for node in nodes:\n"
                "        for edge in node.edges:\n"
                "            if edge not in found:\n"
                "                found.add(edge)\n"
                "                nodes.append(edge)\n"
                "    inner = [node for node in nodes if node.next != ()]\n"
                "    for node in sorted(inner, key=lambda node: -node.seq):\n"
                "        for edge in node.edges:\n"
                "            counts[edge] = counts.get(edge, 0) + counts[node]\n"
                "    return counts\n\n\n"
                "def _run(  # noqa"
            ),
        ),
    ),
    broken(
        "B02",
        "A number that is the value of a leaf stands for that leaf, so a constant that happens to be equal "
        "is taken for it.",
        "tensorflow/tensorflow#21837",
        "backward/constant-that-equals-a-leaf",
        (
            "generate.py",
            "    lines = [f\"def apply({', '.join(parameters)}):\"]\n",
            (
                "    lines = [f\"def apply({', '.join(parameters)}):\"]\n"
                '    lines += [f"    {name} = interned({name})" for name in rule.differentiable]\n'
            ),
        ),
        (
            "compile.py",
            '        "LEVELS": LEVELS,\n',
            '        "LEVELS": LEVELS,\n        "interned": interned,\n',
        ),
        ("compile.py", "from .tensor import Tensor\n", "from .tensor import Tensor, interned\n"),
        (
            "tensor.py",
            "        self._grad, self._accumulator, self._hooks =",
            (
                "        if not self._shape:\n"
                "            _INTERNED[self._dtype, self._data.item()] = weakref.ref(self)\n"
                "        self._grad, self._accumulator, self._hooks ="
            ),
        ),
        (
            "creation.py",
            "        out._node = LEAF\n",
            "        out._become_leaf()\n",
        ),
        ("tensor.py", "import warnings\n", "import warnings\nimport weakref\n"),
        (
            "tensor.py",
            "class Tensor(Conversions):\n",
            (
                "_INTERNED = {}\n\n\n"
                "def interned(operand):\n"
                "    if isinstance(operand, Tensor) and operand._node is None and not operand._shape:\n"
                "        leaf = _INTERNED.get((operand._dtype, operand._data.item()), lambda: None)()\n"
                "        return operand if leaf is None or leaf._node is not LEAF else leaf\n"
                "    return operand\n\n\n"
                "class Tensor(Conversions):\n"
            ),
        ),
    ),
    broken(
        "B03",
        "Backward from a leaf does nothing, since no operation made it.",
        "apache/mxnet#8494, apache/mxnet#8687",
        ("backward/leaf-as-root", "backward/leaf-and-result-as-roots"),
        (
            "autograd.py",
            "            missing = index if missing is None else missing\n        else:\n",
            ("            missing = index if missing is None else missing\n        elif node.next != ():\n"),
        ),
    ),
    as_mutant(
        "B05",
        "The nodes of a graph are put in order by recursion, which ends at the limit of the stack.",
        "karpathy/micrograd#90",
        ("backward/long-chain", "lifetimes/deep-chain"),
        "recursive_backward",
    ),
    # In other languages this ends the process; what lies deeper than the stack is never let go here.
    broken(
        "B06",
        "A result that goes lets go of its node, and each node of those behind it, by recursion, so that a "
        "deep chain ends at the limit of the stack.",
        "pytorch/pytorch#5534",
        "lifetimes/what-a-deep-chain-saved",
        (
            "generate.py",
            '    lines += ["out._node = node", "if OBSERVERS:"',
            '    lines += ["out._node = node", "own(node)", "if OBSERVERS:"',
        ),
        ("compile.py", '        "LEVELS": LEVELS,\n', '        "LEVELS": LEVELS,\n        "own": own,\n'),
        ("compile.py", "note_version, observe\n", "note_version, observe, own\n"),
        ("tensor.py", "UNTRACKED, Node, Refusal\n", "UNTRACKED, Node, Refusal, let_go\n"),
        (
            "tensor.py",
            "    @classmethod\n    def _of(",
            (
                "    def __del__(self):\n"
                "        held, self._node = [self._node], None\n"
                "        try:\n"
                "            let_go(held)\n"
                "        except RecursionError:\n"
                "            pass\n\n"
                "    @classmethod\n    def _of("
            ),
        ),
        ("node.py", "from typing import TYPE_CHECKING", "import weakref\nfrom typing import TYPE_CHECKING"),
        (
            "node.py",
            "class Sentinel(Node):\n",
            (
                "_OWNED = {}\n\n\n"
                "def own(node):\n"
                "    _OWNED[id(node)] = node\n\n\n"
                "def let_go(held):\n"
                "    if held[0] is None:\n"
                "        return\n"
                "    number, edges, node = id(held[0]), list(held[0].edges), weakref.ref(held[0])\n"
                "    owned = _OWNED.pop(number, None) is not None\n"
                "    held.clear()\n"
                "    if node() is None:\n"
                "        while edges:\n"
                "            let_go([edges.pop()])\n"
                "    elif owned:\n"
                "        _OWNED[number] = node()\n\n\n"
                "class Sentinel(Node):\n"
            ),
        ),
    ),
    broken(
        "B07",
        "A value that is read computes all that it depends on, and what has been computed is a constant from "
        "then on.",
        "ml-explore/mlx#610",
        "graph/value-read-on-the-way",
        (
            "node.py",
            "class Sentinel(Node):\n",
            (
                "def evaluate(tensor):\n"
                "    data = tensor._data\n"
                "    read = (tensor, *getattr(data, 'sources', ()))\n"
                "    waiting = [one._node for one in read if one._node is not None]\n"
                "    while waiting:\n"
                "        node = waiting.pop()\n"
                "        waiting += node.edges\n"
                "        node.next = ()\n\n\n"
                "class Sentinel(Node):\n"
            ),
        ),
        (
            "pointwise.py",
            (
                "        plain = [arg._data if isinstance(arg, Tensor) else arg for arg in args]\n"
                "        result = getattr(input._data, name)(*plain, **kwargs)\n"
            ),
            (
                "        plain = [arg._data if isinstance(arg, Tensor) else arg for arg in args]\n"
                '        if name in {"item", "tolist"}:\n'
                "            evaluate(input)\n"
                "        result = getattr(input._data, name)(*plain, **kwargs)\n"
                "        if isinstance(result, torch.Tensor):\n"
                "            result.sources = [one for one in (input, *args) if isinstance(one, Tensor)]\n"
            ),
        ),
        (
            "pointwise.py",
            "        return result if result is NotImplemented else Tensor._of(result)\n",
            (
                "        if result is not NotImplemented:\n"
                "            result.sources = [one for one in (left, right) if isinstance(one, Tensor)]\n"
                "        return result if result is NotImplemented else Tensor._of(result)\n"
            ),
        ),
        (
            "pointwise.py",
            "from .tensor import Tensor\n",
            "from .node import evaluate\nfrom .tensor import Tensor\n",
        ),
        (
            "conversions.py",
            "        return bool(self._data)\n",
            "        evaluate(self)\n        return bool(self._data)\n",
        ),
        ("conversions.py", "from .node import Node\n", "from .node import Node, evaluate\n"),
    ),
    # --- broadcasting and choosing ---
    broken(
        "C01",
        "Operands are broadcast by the kernels, which nobody tells backward of: a gradient keeps the shape "
        "that its operand was broadcast to.",
        "pytorch/pytorch#1787",
        ("broadcasting/one-element-keeps-its-shape", "broadcasting/row-and-column"),
        (
            "rules/formulas.py",
            "    if grad.shape != shape:\n        grad = sum_to(grad, shape)\n",
            "",
        ),
        (
            "accumulate.py",
            (
                "                leaf._grad = leaf._like(_copy_for(leaf._data, grad))\n"
                "            else:\n"
                "                leaf._grad = leaf._like(grad)\n"
            ),
            (
                "                fits = grad.shape == leaf._shape\n"
                "                copy = _copy_for(leaf._data, grad) if fits else grad.clone()\n"
                "                leaf._grad = Tensor._of(copy)\n"
                "            else:\n"
                "                leaf._grad = Tensor._of(grad)\n"
            ),
        ),
    ),
    broken(
        "C04",
        "einsum gives an operand, along a letter of which another has size 1, a gradient of size 1 too.",
        "HIPS/autograd#376",
        "operators/einsum/stretched-gradients",
        (
            "contraction.py",
            "    return sum(tensor, alone, True) if alone else tensor\n",
            '    return apply("einsum_total", tensor, alone) if alone else tensor\n',
        ),
        (
            "contraction.py",
            "from .tensor import Tensor\n",
            "from .ops import apply\nfrom .tensor import Tensor\n",
        ),
        (
            "rules/reduction.py",
            'rule(\n    "mean",\n',
            (
                "rule(\n"
                '    "einsum_total",\n'
                '    grad_fn="SumBackward1",\n'
                '    tensors="self",\n'
                '    args="dim",\n'
                '    forward="self.sum(dim, True)",\n'
                '    self="grad",\n'
                '    saves="",\n'
                ")\n"
                'rule(\n    "mean",\n'
            ),
        ),
        (
            "accumulate.py",
            "                leaf._grad = leaf._like(grad)\n",
            "                leaf._grad = Tensor._of(grad)\n",
        ),
    ),
    broken(
        "C09",
        "where with a number for one of its operands gives the other one its gradient at the places of the "
        "number.",
        "apache/mxnet#17893",
        "operators/where/number-gradients",
        (
            "pointwise.py",
            '    return OPERATIONS["where"].apply(condition, *operands)\n',
            (
                "    numbers = not (isinstance(input, Tensor) and isinstance(other, Tensor))\n"
                '    return OPERATIONS["where_number" if numbers else "where"].apply(condition, *operands)\n'
            ),
        ),
        (
            "rules/arithmetic.py",
            'rule(\n    "where",\n',
            (
                "rule(\n"
                '    "where_number",\n'
                '    grad_fn="WhereBackward0",\n'
                '    tensors="condition self other",\n'
                '    forward="where(condition, self, other)",\n'
                "    condition=NON_DIFFERENTIABLE,\n"
                '    self="where(condition, 0, grad)",\n'
                '    other="where(condition, grad, 0)",\n'
                '    saves="condition",\n'
                "    elementwise=True,\n"
                ")\n"
                'rule(\n    "where",\n'
            ),
        ),
    ),
    # --- freeing ---
    as_mutant(
        "D01",
        "Nothing is freed by backward, so that a second one always works.",
        "pytorch/pytorch#11192",
        "retain-graph/second-backward-raises",
        "frees_nothing",
    ),
    broken(
        "D01b",
        "A second backward through a node always raises, also where nothing had been saved.",
        "pytorch/pytorch#11192",
        "retain-graph/addition-saves-nothing",
        (
            "backward.py",
            _LOOP,
            (
                "        grad = arrived.pop(node)\n"
                "        while True:\n"
                "            if node in _GONE:\n"
                "                raise freed()\n"
                "            if not keep and node.next != ():\n"
                "                _GONE.add(node)\n"
                "            if node.hooks is not None or watched:\n"
            ),
        ),
        ("backward.py", "def _run(  # noqa", "_GONE = WeakSet()\n\n\ndef _run(  # noqa"),
        (
            "backward.py",
            "from .node import SEQUENCE, Node, detection\n",
            "from .node import SEQUENCE, Node, detection, freed\n",
        ),
        (
            "backward.py",
            "from typing import TYPE_CHECKING, Any, cast\n",
            "from typing import TYPE_CHECKING, Any, cast\nfrom weakref import WeakSet\n",
        ),
    ),
)
