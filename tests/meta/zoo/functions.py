"""Bugs of shapes, hooks, custom functions, higher order, threads and infinities."""

from __future__ import annotations

from .base import Bug, as_mutant, broken

# Two bugs of this kind are not here.
# R01 (pytorch/pytorch#7343), the circle of a leaf and the recorded gradient in its .grad: torch has it, so
# an engine with it agrees; lifetimes/gradients-with-a-graph states what torch does.
# X02 (pytorch/pytorch#33870), the gradient of a scalar on the CPU that stays on the GPU: no scenario has
# tensors on two devices, and the tests run where there is one.

_VAR_MEAN = "    return {}\n\n\n@formula\ndef var_mean_transposed("
_SOFTMAX = '    forward="self.softmax(dim)",\n    self="{}",\n'


BUGS: tuple[Bug, ...] = (
    # --- shapes ---
    broken(
        "M01",
        "A gradient without elements is not summed to the size of 1 that broadcasting stretched to 0.",
        "pytorch/pytorch#15223",
        "broadcasting/with-nothing",
        ("rules/formulas.py", "if n == 1 and have[lead + i] != 1)]", "if n == 1 and have[lead + i] > 1)]"),
    ),
    broken(
        "M01b",
        "A node whose gradient has no elements is skipped, so that what is behind it gets none.",
        "tinygrad/tinygrad#3108; tracel-ai/burn#5287",
        ("shapes/nothing", "broadcasting/with-nothing"),
        (
            "backward.py",
            "            elif grad is None:\n                grads = node.nothing(keep)\n",
            "            elif _is_nothing(grad):\n                grads = node.nothing(keep)\n",
        ),
        (
            "backward.py",
            "\n        elif grad is None:\n            grads = node.nothing(keep)\n",
            "\n        elif _is_nothing(grad):\n            grads = node.nothing(keep)\n",
        ),
        (
            "backward.py",
            "def _run_captured(",
            (
                "def _is_nothing(grad):\n"
                "    return grad is None or (hasattr(grad, 'numel') and grad.numel() == 0)\n\n\n"
                "def _run_captured("
            ),
        ),
    ),
    broken(
        "M01c",
        "The gradient of cumsum is the last running sum less all of them, and nothing has no last one.",
        "pytorch/pytorch#31515",
        "operators/cumsum/gradients",
        (
            "rules/running.py",
            (
                "    if grad.numel() <= 1 or grad.shape[dim] == 1:\n"
                "        return grad\n    return _summed_from_end(grad, dim)\n"
            ),
            (
                "    if not grad.dim():\n"
                "        return grad\n"
                "    sums = grad.cumsum(dim)\n"
                "    return sums.narrow(dim, grad.shape[dim] - 1, 1) - sums + grad\n"
            ),
        ),
    ),
    broken(
        "M01d",
        "The gradient of repeat is cut into as many chunks as there are copies, which cannot be none.",
        "pytorch/pytorch#45201",
        "shapes/copies-of-a-tensor",
        ("rules/arrangement.py", "    if 0 in repeats:\n        return grad.new_zeros(shape)\n", ""),
        (
            "rules/arrangement.py",
            "    return grad.reshape(sizes).sum(copies) if copies else grad\n",
            (
                "    for dim, times in enumerate(repeats[lead:]):\n"
                "        if times != 1:\n"
                "            first, *others = grad.chunk(times, dim)\n"
                "            grad = first\n"
                "            for other in others:\n"
                "                grad = grad + other\n"
                "    return grad\n"
            ),
        ),
    ),
    broken(
        "M02",
        "The gradient of a product along the only dimension of one zero has no dimension.",
        "pytorch/pytorch#82644",
        "shapes/products-of-one-factor",
        ("rules/running.py", "    if not keepdim:\n", "    if not keepdim and value.dim() != 1:\n"),
    ),
    broken(
        "M02b",
        "The gradient of a product is the product divided by each element, 0 / 0 at a zero.",
        "pytorch/pytorch#82644",
        ("kinks/product-with-a-zero", "points/prod-with-one-zero", "points/prod-with-two-zeros"),
        ("rules/running.py", "if not zeros:", "if True:"),
    ),
    broken(
        "M03",
        "The gradient of the variance of one element is inf, and a number whatever the shape of the input.",
        "pytorch/pytorch#94184; tensorflow/tensorflow#56830",
        "points/var-of-one-value",
        (
            "rules/extremes.py",
            "    left = count(value.shape, dims) - correction\n",
            (
                "    left = count(value.shape, dims) - correction\n"
                "    if dims is None and not left:\n"
                "        return grad * math.inf\n"
            ),
        ),
    ),
    as_mutant(
        "N01",
        "The gradient of a sum stays expanded in .grad: its elements are one in memory.",
        "pytorch/pytorch#64529, #75312",
        "accumulation/gradient-of-a-sum-is-dense",
        "keeps_expanded_gradients",
    ),
    # --- hooks ---
    broken(
        "O01",
        "What a hook returns is checked against the hook that is registered, which may have removed itself.",
        "pytorch/pytorch#58354",
        "hooks/removed-by-itself",
        (
            "hooks.py",
            "    for hook in list(table.values()):\n",
            "    for key, hook in list(table.items()):\n",
        ),
        (
            "hooks.py",
            (
                "            _check_tuple(value, result, hook)\n"
                "        else:\n            _check(value, result, hook)\n"
            ),
            (
                "            _check_tuple(value, result, table[key])\n"
                "        else:\n            _check(value, result, table[key])\n"
            ),
        ),
    ),
    as_mutant(
        "O04",
        "Hooks of a tensor run in backward(), and not where autograd.grad asks for its gradient.",
        "pytorch/pytorch#35802",
        "hooks/of-what-grad-asks-for",
        "no_hooks_where_grad_asks",
    ),
    broken(
        "O04b",
        "Where autograd.grad asks for a gradient hooks see it, but what they return is not what it gives.",
        "pytorch/pytorch#35802",
        "hooks/of-what-grad-asks-for",
        (
            "backward.py",
            "                    shown = hooks.run_tensor_hooks(node, shown, task)\n",
            "                    hooks.run_tensor_hooks(node, shown, task)\n",
        ),
    ),
    broken(
        "O07",
        "A hook runs with the gradient from each use of its tensor, and not once with their sum.",
        "Oneflow-Inc/oneflow#9402",
        "hooks/once-with-the-sum",
        (
            "backward.py",
            "    if node in pending:\n        have = arrived.get(node)\n",
            (
                "    if node.hooks is not None and grad is not None:\n"
                "        grad = hooks.on_arrival(node, grad, mode.task)\n"
                "    if node in pending:\n        have = arrived.get(node)\n"
            ),
        ),
        (
            "backward.py",
            '    state["running"] = next(SEQUENCE)\n',
            '    state["running"] = next(SEQUENCE)\n    state["task"] = Task(roots, path)\n',
        ),
        (
            "backward.py",
            "elif following in pending or (ready and ready[0][0] <= -following.seq):",
            (
                "elif following.hooks is not None or following in pending or "
                "(ready and ready[0][0] <= -following.seq):"
            ),
        ),
        (
            "backward.py",
            "                if ends:\n                    shown =",
            "                if False:\n                    shown =",
        ),
        (
            "hooks.py",
            "        grads = _on_outputs(hooks, grads)\n        if hooks.pre:\n",
            "        if hooks.pre:\n",
        ),
        (
            "hooks.py",
            "def run_tensor_hooks(",
            (
                "def on_arrival(node, grad, task):\n"
                "    grads = separate(node, node.received(grad))\n"
                "    graph = any(isinstance(one, Tensor) for one in grads)\n"
                "    hooks = NodeHooks()\n"
                "    hooks.tensor = [pair for pair in node.hooks.tensor if grads[pair[0]] is not None]\n"
                "    hooks.retained = node.hooks.retained\n"
                "    with UserCode(task):\n"
                "        grads = _on_outputs(hooks, _wrap(grads, graph, task))\n"
                "    return combine(node, _unwrap(grads, graph, task))\n\n\n"
                "def run_tensor_hooks("
            ),
        ),
    ),
    # --- custom functions ---
    as_mutant(
        "P02",
        "once_differentiable does not raise in a second derivative, in which what backward used is constant.",
        "pytorch/pytorch#58509, #76185",
        "custom-functions/once-differentiable",
        "differentiable_any_number_of_times",
    ),
    broken(
        "P03",
        "A dirty input comes back with the history that it had, so the other inputs get no gradient.",
        "pytorch/pytorch#5871, #33069, #90209",
        "custom-functions/dirty-input",
        ("function.py", "            rebase(value, node.output(index))\n", ""),
    ),
    broken(
        "P03b",
        "An input that is marked dirty need not be returned.",
        "pytorch/pytorch#5871, #33069, #90209",
        "custom-functions/dirty-input-that-is-not-returned",
        ("function.py", "    if not dirty <= returned:\n", "    if False:\n"),
    ),
    broken(
        "P03c",
        "A dirty input comes back as another object than it was.",
        "pytorch/pytorch#5871, #33069, #90209",
        "custom-functions/dirty-input",
        (
            "function.py",
            "            rebase(value, node.output(index))\n            return value\n",
            (
                "            rebase(value, node.output(index))\n"
                "            out = _same(value)\n"
                "            out._node = value._node\n"
                "            return out\n"
            ),
        ),
    ),
    as_mutant(
        "P04",
        "backward of a function gets None for an output that was not used, and passes None on.",
        "pytorch/pytorch#58511",
        "custom-functions/gradients-of-unused-outputs",
        "never_materializes",
    ),
    # --- several outputs, higher order ---
    broken(
        "P06",
        "The node of a variance and a mean passes the gradient of the variance alone where both have one.",
        "candle-org/candle#183",
        "operators/var_mean/whole-gradients",
        (
            "rules/joint.py",
            _VAR_MEAN.format("_total(spreads, _mean_backward(grad_mean, value, dims, keepdim))"),
            _VAR_MEAN.format(
                "_mean_backward(grad_mean, value, dims, keepdim) if spreads is None else spreads"
            ),
        ),
    ),
    broken(
        "Q01",
        "The gradient of a product with two zeros is a constant, also where it is recorded.",
        "pytorch/pytorch#106789",
        "create-graph/product-with-zeros",
        ("rules/running.py", "if zeros > 1 and not recorded(value):", "if zeros > 1:"),
    ),
    as_mutant(
        "S01",
        "strict=True accepts a function that does not use its argument; the Jacobian is zeros.",
        "pytorch/pytorch#49830",
        "functional/strict",
        "strict_is_ignored",
    ),
    # --- threads ---
    # Both threads read before either writes: they meet in between.
    broken(
        "T01",
        "Threads read .grad of a leaf and write the sum without a lock, so that they lose each other's.",
        "tensor4all/tenferro-rs#1075; EnzymeAD/Enzyme.jl#3378",
        "threads/accumulate-into-one-leaf",
        (
            "accumulate.py",
            "_LOCKS = tuple(threading.RLock() for _ in range(64))",
            (
                "_LOCKS = tuple(threading.Semaphore(64) for _ in range(64))\n"
                "_meeting = threading.Barrier(2)\n\n\n"
                "def _meet():\n"
                "    if threading.current_thread() is not threading.main_thread():\n"
                "        try:\n"
                "            _meeting.wait(1)\n"
                "        except threading.BrokenBarrierError:\n"
                "            _meeting.reset()"
            ),
        ),
        (
            "accumulate.py",
            (
                "            have = leaf._grad\n"
                "            if have is not None:\n"
                "                have._data.add_(grad)\n"
                "                bump(have)\n"
                "            elif getrefcount(grad) > owners or"
            ),
            (
                "            have = leaf._grad\n"
                "            before = None if have is None else have._data.clone()\n"
                "            _meet()\n"
                "            if have is not None:\n"
                "                have._data.copy_(before + grad)\n"
                "                bump(have)\n"
                "            elif getrefcount(grad) > owners or"
            ),
        ),
    ),
    broken(
        "T02",
        "The end of a backward in one thread frees what another thread has recorded from the same leaf.",
        "tracel-ai/burn#5573",
        "threads/backward-beside-a-recording",
        (
            "backward.py",
            "        if crossing is not None:\n            crossing.leave()\n",
            (
                "        if crossing is not None:\n            crossing.leave()\n"
                "    if not keep:\n"
                "        _clean_up(Task(roots))\n\n\n"
                "_steps = []\n"
                "OBSERVERS.append(lambda node, out: _steps.append((get_ident(), weakref.ref(node))))\n\n\n"
                "def _clean_up(task):\n"
                "    for thread, reference in list(_steps):\n"
                "        step = reference()\n"
                "        if step is None:\n"
                "            _steps.remove((thread, reference))\n"
                "        elif thread != get_ident() and any(\n"
                "            hasattr(edge, 'variable') and task.runs(edge) for edge in step.edges\n"
                "        ):\n"
                "            object.__setattr__(step, 'next', ())\n"
            ),
        ),
        (
            "backward.py",
            "from .node import SEQUENCE, Node, detection\n",
            (
                "from .node import OBSERVERS, SEQUENCE, Node, detection\n"
                "import weakref\nfrom threading import get_ident\n"
            ),
        ),
    ),
    # --- infinities and zeros ---
    broken(
        "V01",
        "logsumexp takes the gradient of nothing but -inf for zeros, where torch gives nan.",
        "pytorch/pytorch#31829; jax-ml/jax#6811",
        "points/logsumexp-of-minus-infinity-alone",
        (
            "rules/extremes.py",
            "    return grad * conj((value - result).exp())\n",
            "    return grad * conj((value - result.masked_fill(result.isinf(), 0)).exp())\n",
        ),
    ),
    broken(
        "V02",
        "softmax picks the sums of rows with factors of 0 and 1, so that the nan of a masked row is in all.",
        "tensorflow/tensorflow#11756; pytorch/pytorch#25110",
        "special-values/softmax-with-a-masked-row",
        (
            "rules/extremes.py",
            _SOFTMAX.format("softmax_backward_data(grad, result, dim, self_dtype)"),
            _SOFTMAX.format("softmax_by_factors(grad, result, dim).to(self_dtype)"),
        ),
        (
            "rules/extremes.py",
            "@formula\ndef logsumexp_backward(",
            (
                "@formula\n"
                "def softmax_by_factors(grad, result, dim):\n"
                "    if not result.dim():\n"
                "        return grad - grad * result\n"
                "    sums = (grad * result).sum(dim, keepdim=True)\n"
                "    rows = sums.reshape(-1)\n"
                "    own = rows.new_ones(rows.shape).diag()\n"
                "    return result * (grad - (own * rows).sum(1).reshape(sums.shape))\n\n\n"
                "@formula\ndef logsumexp_backward("
            ),
        ),
    ),
    broken(
        "V02b",
        "A factor whose cotangent is 0 gets 0, also beside a mask of -inf, where 0 times infinity is nan.",
        "tensorflow/tensorflow#11756; pytorch/pytorch#25110",
        "special-values/mask-that-multiplies",
        (
            "rules/arithmetic.py",
            '    self="grad * conj(other)",\n    other="grad * conj(self)",\n    saves="self other",\n    e',
            (
                '    self="(grad * conj(other)).masked_fill(grad == 0, 0)",\n'
                '    other="(grad * conj(self)).masked_fill(grad == 0, 0)",\n    saves="self other",\n    e'
            ),
        ),
    ),
    broken(
        "V03",
        "The gradient of running products is divided by each element, 0 / 0 at a zero.",
        "tensorflow/tensorflow#3862, #119430; tracel-ai/burn#5141",
        ("kinks/cumulative-product-with-zeros", "points/cumprod-with-one-zero"),
        ("rules/running.py", "not bool(zero.any()):", "True:"),
    ),
    broken(
        "V03b",
        "The gradient of running products is divided by each element, and 0 where that is 0 / 0.",
        "tensorflow/tensorflow#3862, #119430; tracel-ai/burn#5141",
        ("kinks/cumulative-product-with-zeros", "points/cumprod-with-one-zero"),
        ("rules/running.py", "not bool(zero.any()):", "True:"),
        (
            "rules/running.py",
            "        return _summed_from_end(grad * conj(result), dim) / conj(value)\n",
            (
                "        quotient = _summed_from_end(grad * conj(result), dim) / conj(value)\n"
                "        return quotient.masked_fill(zero, 0)\n"
            ),
        ),
    ),
)
