"""In-place writes: versions, refusals, rebased histories; compared with torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PROGRAMS = {
    "versions": """
        x = torch.ones(2)
        print(x._version)
        x.add_(1).mul_(2)
        print(x._version)
        y = x + 1
        x[0] = 5
        x.zero_()
        print(x._version, y._version)
        d = x.detach()
        e = x.data
        v = x.view(2)
        c = x.clone()
        d.add_(1)
        e.add_(1)
        v.fill_(3)
        print(x._version, d._version, e._version, v._version, c._version)
        """,
    "a leaf": "leaf([1., 2.]).add_(1)",
    "a leaf, augmented": "x = leaf([1.]); x += 1",
    "a leaf, zero_": "leaf([1.]).zero_()",
    "a leaf, item": "x = leaf([1., 2.]); x[0] = 5.",
    "a leaf, gathered items": "x = leaf([1., 2.]); x[[0]] = 5.",
    "a non-leaf": """
        y = leaf([1.]) + 0; z = y; y += 1; print(y.grad_fn, z is y); y *= 2; print(y.grad_fn, y)
        y -= 1; y /= 3; y **= 2; print(y)
        """,
    "a constant joins the graph": """
        a = torch.ones(2)
        b = leaf([1.0, 1.0])
        a += b
        print(a, a.is_leaf)
        a.sum().backward()
        print(b.grad, a.grad)
        """,
    "a saved input": "x = leaf([1., 2., 3.]); y = x + 1; z = y * y; y.add_(1); z.sum().backward()",
    "a saved leaf": "x = leaf([1.]); z = x * x; x.detach().add_(1); z.backward()",
    "a saved constant": "x = leaf([1.]); c = torch.ones(1); z = x * c; c.add_(1); z.backward()",
    "a saved output": "y = leaf([1.]).exp(); y.add_(1); y.backward()",
    "the saved input of a running extreme": """
        y = leaf([1., 2.]) * 1; m, i = y.cummax(0); y.mul_(2); m.sum().backward()
        """,
    "a running extreme of nothing": """
        x = torch.zeros(0, requires_grad=True); m, i = x.cummin(0)
        g, = torch.autograd.grad(m, [x], torch.zeros(0)); print(g is x)
        """,
    "a saved view": """
        x = torch.ones(4, requires_grad=True).clone(); v = x[:2]; y = v * v; x[2:].mul_(3); y.sum().backward()
        """,
    "a saved index": "i = torch.tensor([0, 1]); y = leaf([1., 2.])[i]; i.add_(-1); y.sum().backward()",
    "a saved condition": """
        c = torch.tensor([True, False])
        x = leaf([1.0, 2.0])
        y = torch.where(c, x, x * 2)
        c.fill_(True)
        y.sum().backward()
        """,
    "a saved exponent": "x = leaf([2.]); e = torch.tensor([2.]); y = x ** e; e.add_(1); y.backward()",
    "saved under create_graph": """
        x = leaf([1., 2.]); y = x.exp(); y.add_(1); torch.autograd.grad(y.sum(), x, create_graph=True)
        """,
    "undoing does not help": "x = leaf([1.]); y = x + 1; z = y * y; y.add_(1); y.sub_(1); z.backward()",
    "before it is saved": """
        x = leaf([2.0])
        y = x + 1
        y.mul_(2)
        z = y * y
        y = z + 1
        y.backward()
        print(x.grad)
        """,
    "not needed": """
        x = leaf([1.0])
        z = x * torch.tensor([3.0])
        x.detach().add_(1)
        z.backward()
        print(x.grad)
        """,
    "through detach": "x = leaf(3.); y = x ** 2; x.detach().zero_(); y.backward()",
    "through data, unnoticed": "x = leaf(3.); y = x ** 2; x.data.zero_(); y.backward(); print(y, x.grad)",
    "through numpy, unnoticed": "x = torch.zeros(2); x.numpy()[0] = 5.; print(x, x._version)",
    "operands of an add": """
        x = torch.ones(2, requires_grad=True)
        y = torch.full((2,), 4.0, requires_grad=True)
        z = x * y
        q = z + y
        z.add_(2)
        q.sum().backward()
        print(x.grad, y.grad)
        """,
    "outputs that may be changed": """
        def ok(f):
            y = f(torch.full((2,), 0.5, requires_grad=True))
            y.mul_(2)
            try:
                y.sum().backward()
            except RuntimeError:
                return False
            return True
        names = ['exp', 'sqrt', 'sigmoid', 'tanh', 'relu', 'reciprocal', 'rsqrt', 'tan', 'sin', 'log',
            'abs', 'square']
        print({name: ok(getattr(torch, name)) for name in names})
        """,
    "with itself": "y = leaf([3.]).clone(); y.mul_(y); y.backward()",
    "a power": "x = leaf([3.]); y = x.clone(); y.pow_(2); y.backward(); print(x.grad)",
    "chained": "x = leaf([3.]); y = x.clone(); y.mul_(2).add_(1).pow_(2); y.backward(); print(y, x.grad)",
    "zero_ and fill_": """
        x = leaf([1., 2.]); v = leaf(5.); y = x * 3; y.zero_(); y.sum().backward(); print(x.grad)
        y = x * 3; y.fill_(7.); print(y); y.fill_(v); y.sum().backward(); print(x.grad, v.grad)
        """,
    "zero_ of a recorded gradient": """
        x = leaf([2.0])
        (x ** 3).backward(create_graph=True)
        print(x.grad.zero_())
        x.grad = None
        """,
    "integers": "torch.tensor([1]).add_(leaf([0.5]))",
    "integers, an item": "t = torch.zeros(2, dtype=torch.int64); t[0] = leaf(1.5); print(t, t.requires_grad)",
    "a shape that would grow": "torch.ones(1, 3).add_(torch.ones(2, 3))",
    "expanded": "torch.ones(1).expand(3).add_(1)",
    "doubles into floats": """
        x = leaf([1.0])
        b = leaf([2.0], dtype=torch.float64)
        y = x * 1
        y.mul_(b)
        y.sum().backward()
        print(x.grad, b.grad)
        """,
    "items": """
        x = torch.ones(3, requires_grad=True); t = leaf(7.); y = x + 2; y[1] = 2.; y[0] = t
        y.backward(torch.ones(3)); print(x.grad, t.grad, y._version)
        """,
    "items, twice": """
        a = leaf(1.0)
        b = leaf(2.0)
        y = torch.zeros(2)
        y[0] = a
        y[0] = b
        y.sum().backward()
        print(a.grad, b.grad)
        """,
    "items, broadcast": """
        x = leaf([1.0])
        y = torch.zeros(2, 3)
        y[1] = x
        y.backward(torch.arange(6.0).view(2, 3))
        print(x.grad)
        """,
    "items, a mask": """
        x = leaf([1.0, -2.0, 3.0])
        y = x * 2
        y[y < 0] = 0.0
        y.sum().backward()
        print(x.grad, y.grad_fn)
        """,
    "items, augmented": """
        x = leaf([1.0, 2.0, 3.0])
        y = x * 1
        y[0] += 5
        y[1:] *= 2
        y[[0, 2]] -= 1
        y.sum().backward()
        print(y, x.grad)
        """,
    "rows of a buffer": """
        x = torch.zeros(2, 2); y = leaf([1., 2.]); z = leaf([3., 4.]); x[0] = y; x[1] = 2 * z
        print(x); x.sum().backward(); print(y.grad, z.grad)
        """,
    "masked with itself": """
        a = torch.tensor([1.0, 0.0, 0.0])
        b = torch.zeros(3, requires_grad=True)
        t = b + 0
        t[a != 0] = t[a != 0]
        t.backward(torch.zeros_like(t))
        print(b.grad)
        """,
    "a buffer in a loop": """
        mu = torch.ones(1, requires_grad=True); x = torch.empty(1); loss = 0
        for i in range(3): x.detach_(); x.copy_(mu + i); loss = loss + (x * torch.tensor([float(i)])).sum()
        loss.backward(); print(mu.grad)
        """,
    "a wider constant": """
        for write in ("add_", "sub_", "mul_", "div_"):
            x = torch.ones(3, dtype=torch.float16, requires_grad=True)
            y = x * 1
            getattr(y, write)(torch.full((3,), 2.0, dtype=torch.float64))
            y.backward(torch.ones(3, dtype=torch.float16))
            print(x.grad)
        """,
    "a gradient of a narrow tensor": """
        for write in ("add_", "sub_", "mul_", "div_", "pow_", "atan2_", "true_divide_"):
            for narrow, wide in (
                (torch.float32, torch.float64),
                (torch.bfloat16, torch.float32),
                (torch.bfloat16, torch.float64),
            ):
                x = torch.tensor([1.3, 2.7], dtype=narrow, requires_grad=True)
                y = x.clone()
                getattr(y, write)(torch.tensor([0.7, 1.9], dtype=wide))
                (g,) = torch.autograd.grad(y.sum(), x, retain_graph=True)
                y.sum().backward()
                print(write, g, g.dtype, x.grad, x.grad.dtype)
        """,
    "a wider operand's gradient": """
        writes = ("add_", "mul_", "div_", "pow_", "atan2_", "arctan2_", "hypot_", "xlogy_", "fmod_",
            "remainder_", "copysign_", "multiply_", "subtract_", "divide_", "true_divide_")
        for write in writes:
            for narrow in (torch.float16, torch.bfloat16, torch.float32):
                x = torch.tensor([1.3, 2.7, 0.4], dtype=narrow, requires_grad=True)
                w = torch.tensor([1.7, 0.3, 2.1], dtype=torch.float64, requires_grad=True)
                y = x.clone()
                getattr(y, write)(w)
                y.backward(torch.tensor([1.1, 0.7, 1.9], dtype=narrow))
                print(write, y.grad_fn.name(), x.grad.tolist(), w.grad.tolist())
        """,
    "products added to a narrower tensor": """
        x = torch.tensor([1.3, 2.7, 0.4], dtype=torch.float16, requires_grad=True)
        a = torch.tensor([1.7, 0.3, 2.1], requires_grad=True)
        b = torch.tensor([0.7, 1.3, 1.1], dtype=torch.float64, requires_grad=True)
        for write in ("addcmul_", "addcdiv_"):
            y = x.clone()
            getattr(y, write)(a, b, value=0.5)
            y.backward(torch.tensor([1.1, 0.7, 1.9], dtype=torch.float16))
            print(y.grad_fn.name(), x.grad, a.grad, b.grad)
        """,
    "a narrow exponent": """
        x = torch.tensor([1.3, 2.7, 0.4], dtype=torch.float64, requires_grad=True)
        w = torch.tensor([1.7, 0.3, 2.1], dtype=torch.float16, requires_grad=True)
        y = x.clone().float_power_(w); y.sum().backward(); print(x.grad.tolist(), w.grad)
        """,
    "between forward and step": """
        w = leaf([1.0])
        o = torch.optim.SGD([w], lr=0.1)
        y = w * w
        y.backward(retain_graph=True)
        o.step()
        y.backward()
        """,
    "assigned numbers": """
        def assign(dtype, key, value):
            y = torch.zeros(3, dtype=dtype)
            try:
                y[key] = value
                print(y, y._version)
            except (TypeError, RuntimeError) as error:
                print(type(error).__name__)
        assign(torch.float64, 0, 0.1)
        assign(torch.float64, torch.tensor([0]), 0.1)
        assign(torch.float64, 0, 1j)
        assign(torch.complex64, 0, 1j)
        assign(torch.int64, slice(None), 1.5)
        assign(torch.uint8, 0, 300)
        assign(torch.float64, ..., [1., 2., 3.])
        assign(torch.float64, True, 2.)
        assign(torch.float64, None, 2.)
        assign(torch.float64, False, 2.)
        """,
    "assigned tensors": """
        w = leaf([3.])
        def assign(value, key):
            y = leaf([[1., 2.], [4., 5.]]) * 1
            y[key] = value
            print(type(y.grad_fn).__name__, y, y._version)
            w.grad = None
            y.backward(torch.tensor([[1., 10.], [100., 1000.]]))
            print(w.grad)
        for value in (w, w[0], w.view(1, 1, 1), w.expand(2), w.double()):
            for key in (..., 0, slice(None), (slice(None), 1), (None, 0), True):
                assign(value, key)
        assign(w[0], torch.tensor([1, 0]))
        assign(w.view(1, 1, 1), torch.tensor([1]))
        assign(w.double(), torch.tensor([0]))
        """,
    "an assigned element of itself": """
        x = leaf([1., 2.])
        y = x * 1
        y[1:] = y.unbind()[1]
        y[:1] = y[1]
        print(y)
        y.backward(torch.tensor([1., 10.]))
        print(x.grad)
        """,
    "a saved tensor is cut from its history": """
        def attempt(change):
            x = leaf([1., 2.])
            y = x * 2
            z = y * y
            z = change(x, y, z) or z
            try:
                z.backward(torch.ones(2))
                print(x.grad)
            except RuntimeError as error:
                print(str(error)[:60])
        attempt(lambda x, y, z: (y.detach_(), None)[1])
        attempt(lambda x, y, z: (y.detach_().requires_grad_(), None)[1])
        attempt(lambda x, y, z: (y.detach_().mul_(x), None)[1])
        attempt(lambda x, y, z: y.detach_() * x * y)
        attempt(lambda x, y, z: (x.detach_(), None)[1])
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(name: str, same: Callable[[str], str]) -> None:
    assert same(PROGRAMS[name]), "the program shows nothing"


NOTICED = """\
def noticed(call, *inputs):
    \"""Print which writes to inputs, or to the result, backward notices, for each set of inputs that require
    grad.\"""
    real = [place for place, x in enumerate(inputs) if x.is_floating_point()]
    for mask in range(1, 1 << len(real)):
        wanted = [place for bit, place in enumerate(real) if mask >> bit & 1]
        for victim in range(len(inputs) + 1):
            given = [x.clone() for x in inputs]
            for place in wanted:
                given[place] = given[place].requires_grad_() * 1
            y = call(*given)
            with torch.no_grad():
                (*given, y)[victim].mul_(1)
            try:
                y.backward(torch.ones_like(y))
                print(wanted, victim, "unnoticed")
            except RuntimeError:
                print(wanted, victim, "noticed")
F = torch.nn.functional
x, y, z = torch.tensor([0.2, 0.5]), torch.tensor([0.3, 0.7]), torch.tensor([0.4, 0.6])
m, n = torch.tensor([[2.0, 0.5], [0.5, 2.0]]), torch.tensor([[1.0], [3.0]])
i, b = torch.tensor([1, 0]), torch.tensor([True, False])
"""

CALLS = {
    "addcdiv": "torch.addcdiv, x, y, z",
    "binary_cross_entropy": "F.binary_cross_entropy, x, y, z",
    "bilinear": "F.bilinear, x, y, torch.ones(1, 2, 2)",
    "cdist": "lambda x, y: torch.cdist(x.t(), y.expand(3, 2, 2), 3.0), m, m",
    "cholesky_solve": "torch.cholesky_solve, n, m",
    "conv1d": "F.conv1d, x.view(1, 1, 2), y.view(1, 1, 2)",
    "combinations": "torch.combinations, x",
    "copysign": "torch.copysign, x, y",
    "cross_entropy": "lambda x, i, y: F.cross_entropy(x, i, y), m, i, y",
    "embedding_bag": "lambda x, i, y: F.embedding_bag(i, x, i * 0, None, 2, False, 'sum', False, y), m, i, y",
    "erfinv": "torch.erfinv, x",
    "gather": "lambda x, i: x.gather(0, i), x, i",
    "grid_sample": "lambda m, g: F.grid_sample(m, g.view(1, 2, 1, 2)), m.view(1, 1, 2, 2), m",
    "index_add": "lambda x, i, y: x.index_add(0, i, y), x, i, y",
    "index_copy": "lambda x, i, y: x.index_copy(0, i, y), x, i, y",
    "index_put": "lambda x, i, y: x.index_put((i,), y, accumulate=True), x, i, y",
    "inverse": "lambda m: torch.linalg.matrix_power(m, -1), m",
    "kron": "torch.kron, x, n",
    "layer_norm": "lambda x, y, z: F.layer_norm(x, (2,), y, z), x, y, z",
    "lerp": "torch.lerp, x, y, z",
    "masked_select": "torch.masked_select, x, b",
    "multi_margin_loss": "lambda x, i, y: F.multi_margin_loss(x, i, weight=y), m, i, y",
    "multilabel_margin_loss": "F.multilabel_margin_loss, m, i.view(1, 2).repeat(2, 1)",
    "nll_loss": "lambda x, i, y: F.nll_loss(x, i, y), m.view(1, 2, 2), i.view(1, 2), y",
    "ormqr": "torch.ormqr, m, x, n",
    "pow": "torch.pow, x, y",
    "prelu": "F.prelu, x - 0.3, y[:1]",
    "put": "lambda x, i, y: x.put(i, y), x, i, y",
    "solve_triangular": "lambda m, n: torch.linalg.solve_triangular(m, n, upper=True), m, n",
    "take": "torch.take, x, i",
    "tensordot": "lambda m, n: torch.tensordot(m, n, ([1, 0], [0, 1])), m, m.t()",
    "triangular_solve": "lambda n, m: torch.triangular_solve(n, m)[0], n, m",
}


@pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated", "ignore:Default grid_sample")
@pytest.mark.parametrize("name", CALLS)
def test_backward_notices_writes_to_what_torch_saves(name: str, same: Callable[[str], str]) -> None:
    printed = same(f"{NOTICED}noticed({CALLS[name]})")
    assert "noticed" in printed
