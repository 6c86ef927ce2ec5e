"""Attributes, conversions, printing and their errors, compared with torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PROGRAMS = {
    "flags of computed tensors": """
        x = torch.ones(2, 2, requires_grad=True)
        y = x + 2
        z = torch.ones(2) * 3
        print([(t.is_leaf, t.requires_grad, t.grad_fn, t.output_nr) for t in (x, z)], y.is_leaf,
            y.requires_grad)
        """,
    "requires_grad_": """
        x = torch.ones(1); print(x.requires_grad_() is x, x.requires_grad); y = x * 2
        print(y.requires_grad_() is y, y.grad_fn); x.requires_grad = False; print(x)
        """,
    "not a bool": "x = torch.ones(1); x.requires_grad = 1",
    "off for a non-leaf": "(leaf([1.]) * 2).requires_grad_(False)",
    "an integer leaf": "torch.ones(2, dtype=torch.int64, requires_grad=True)",
    "an integer tensor": "torch.tensor([1, 2], requires_grad=True)",
    "requires_grad_ of integers": "torch.tensor([1, 2]).requires_grad_()",
    "False for integers": "x = torch.tensor([1]); x.requires_grad = False; print(x.requires_grad_(False))",
    "no attribute": "torch.ones(1).nothing",
    "deleting": "x = leaf([1.]); x.sum().backward(); del x.grad; print(x.grad); del x.data",
    "deleting the flag": "x = torch.ones(1); del x.requires_grad",
    "data is no tensor": "x = torch.ones(1); x.data = None",
    "grad of a non-leaf": "y = leaf(1.) * 2; print(y.grad)",
    "assigning grad": """
        x = leaf([1.0, 2.0])
        g = torch.tensor([10.0, 20.0])
        x.grad = g
        (x * 2).sum().backward()
        print(x.grad, x.grad is g)
        y = torch.ones(2)
        y.grad = torch.ones(2)
        print(y.grad)
        x.grad = None
        print(x.grad)
        """,
    "grad: a number": "torch.ones(2).grad = 0",
    "grad: another shape": "torch.ones(2, 2).grad = torch.ones(3)",
    "grad: integers": "torch.ones(2).grad = torch.ones(2, dtype=torch.int64)",
    "grad: double": "torch.ones(2).grad = torch.ones(2, dtype=torch.float64)",
    "grad: half": "torch.ones(2, dtype=torch.complex64).grad = torch.ones(2, dtype=torch.float16)",
    "grad: another device": "torch.ones(2).grad = torch.ones(2, device='meta')",
    "grad: itself": "x = torch.ones(2); x.grad = x",
    "retain_grad": """
        x = leaf([1.0, 2.0])
        y = x * 2
        y.retain_grad()
        print(y.retains_grad, x.retains_grad)
        (y * y).sum().backward()
        g = y.grad
        print(y.grad)
        (y + 0).sum().backward()
        print(y.grad, y.grad is g)
        x.retain_grad()
        print(x.retains_grad)
        """,
    "retain_grad follows a write": """
        x = leaf([1.0, 2.0])
        y = x * 2
        y.retain_grad()
        y.mul_(3)
        (y * y).sum().backward()
        print(y.grad, x.grad)
        """,
    "retain_grad without history": "torch.ones(2).retain_grad()",
    "numpy": "x = leaf([1.]); print(x.numpy(force=True), x.detach().numpy()); x.numpy()",
    "asarray": "np.asarray(leaf([1.]))",
    "numpy inside no_grad": "x = leaf([1.])\nwith torch.no_grad(): print(x.numpy())",
    "numpy arrays": "print(np.asarray(torch.ones(2)), np.asarray(torch.ones(2), dtype=np.float64).dtype)",
    "item": "x = leaf(2.5); print(x.item(), x.tolist(), int(x), bool(x > 2)); print(float(x))",
    "bool of several": "bool(torch.ones(2))",
    "len and iteration": """
        x = leaf([1., 2.]); print(len(x)); a, b = x; print(a, b, a.grad_fn is b.grad_fn, b.output_nr)
        (a * b).backward(); print(x.grad); len(leaf(1.))
        """,
    "iteration over 0-d": "list(leaf(1.))",
    "index": "print([10, 20, 30][torch.tensor(1)])",
    "comparisons": """
        x = leaf([1.0, 3.0])
        print(x == x, x != 1, x < 2, x <= 3, x > 2, x >= 3, (x > 2).requires_grad)
        """,
    "hash": "x = torch.ones(1); print(hash(x) == id(x), x in {x: 1})",
    "constants": """
        x = leaf([1.0, -2.0])
        print(x.argmax(), x.isnan(), x.long(), x.bool(), x.int(), x.any(), x.all())
        print(x.count_nonzero(), torch.isin(x, x), torch.searchsorted(torch.arange(3.), x))
        print(torch.bucketize(x, torch.arange(3.)), torch.positive(x) is x)
        torch.positive(x.bool())
        """,
    "what nodes are called and keep": """
        x = leaf([[1.0, 2.0]])
        print((x // 2).grad_fn.name(), (x % 2).grad_fn, (x % x).grad_fn)
        print(torch.nn.functional.mse_loss(x, x * 2).grad_fn)
        for y in (torch.cat([x, x], 1), torch.stack([x, x], 1)):
            y.sum().backward(); print(y.grad_fn._saved_dim)
        """,
    "facts": """
        x = torch.arange(6.0).view(2, 3).t()
        print(x.shape, x.size(), x.size(0), x.dim(), x.ndim, x.numel(), x.stride(), x.is_contiguous(),
            x.dtype, x.device)
        print(x.is_floating_point(), x.is_complex(), x.type(), x.storage_offset(), x.element_size(), x.layout)
        """,
    "data": """
        x = leaf([1., 2.]); d = x.data; print(d, d.data_ptr() == x.data_ptr(), d is x.data)
        x.data.mul_(10); print(x, x._version); x.data = torch.ones(2, 2); print(x, x._version)
        x.data = torch.ones(1, dtype=torch.float64); print(x); x.data = torch.ones(1, dtype=torch.int64)
        """,
    "stale grad": """
        x = leaf([1.0, 2.0])
        (x * 3).sum().backward()
        x.data = torch.ones(3)
        (x * 2).sum().backward()
        """,
    "detach": """
        x = leaf([1.0, 2.0])
        z = x * 2
        d = z.detach()
        print(d, d.grad_fn, d.is_leaf, d.data_ptr() == z.data_ptr())
        (x * x.detach()).sum().backward()
        print(x.grad, x.detach() is x, x.detach()._base)
        """,
    "detach_": """
        x = leaf([1.0])
        a = x * 2
        s = (x + a).sum()
        a.detach_()
        print(a)
        s.backward()
        print(x.grad)
        """,
    "detach_ of a leaf": "x = leaf([1.]); x.detach_(); print(x)",
    "detach_ of a view": "leaf([1., 2.])[0:1].detach_()",
    "casts that do nothing": """
        x = leaf([1.0])
        print(x.float() is x, x.to(torch.float32) is x, x.contiguous() is x, x.cpu() is x, +x is x)
        print(x.to('cpu') is x, x.to(torch.ones(1)) is x, x.type(torch.float32) is x, x.to('cpu',
            copy=True).grad_fn)
        """,
    "casts to integers": """
        x = leaf([1.9])
        print(x.to(torch.int64), x.type(torch.uint8), x.to(torch.ones(1).int()))
        """,
    "casts": """
        x = leaf([1.0])
        print(x.double(), x.to(torch.float64), x.half(), x.bfloat16(), x.type_as(x.double()))
        """,
    "no-operand": "leaf([1.]) + None",
    "no-operand, text": "leaf([1.]) - 'a'",
    "no-operand, power": "leaf([1.]) ** 'a'",
    "shapes that do not broadcast": "leaf([1., 2.]) + leaf([1., 2., 3.])",
    "printing": """
        print(torch.zeros(3, 4, requires_grad=True), leaf([[1.0, 2.0]], dtype=torch.float64) * 2)
        print(leaf(1.5), torch.empty(0, requires_grad=True), torch.empty(0, 3), leaf([1j, 2.0]),
            torch.arange(3))
        print(torch.arange(20.0).double().requires_grad_(),
            (torch.arange(20.0) * 1000).double().requires_grad_() * 2.5)
        print(torch.arange(12.0).requires_grad_() * 100, torch.ones(1000, requires_grad=True).exp())
        print(torch.ones(17, dtype=torch.bfloat16, requires_grad=True), f'{leaf(2.5):.3f}', f'{leaf([2.5])}')
        print(torch.ones(13, dtype=torch.float64, requires_grad=True), torch.ones(12,
            dtype=torch.float64).requires_grad_())
        """,
    "deepcopy": """
        import copy
        x = leaf([1.]); (x * 3).backward(); y = copy.deepcopy(x)
        print(y, y.grad, y.data_ptr() == x.data_ptr(), y.grad is x.grad); copy.deepcopy(x * 2)
        """,
    "saved tensors": "x = leaf([2.]); y = x.exp(); y.backward(); print(y + 1, y)",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(name: str, same: Callable[[str], str]) -> None:
    assert same(PROGRAMS[name]), "the program shows nothing"
