"""backward() and grad(): roots, cotangents, inputs, freed graphs and every error, compared with torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PROGRAMS = {
    "a scalar root": "x = leaf(3.); (x * x).backward(); print(x.grad)",
    "a leaf as root": "x = leaf([5.]); x.backward(); print(x.grad)",
    "returns None": "print((leaf(1.) * 2).backward())",
    "one element of any shape": """
        for shape in [(), (1,), (1, 1)]:
            x = torch.ones(shape, requires_grad=True); (x * 3).backward(); print(x.grad)
        """,
    "diamond": "x = leaf(2.); a = x * 3; b = x * x; (a * b + a).backward(); print(x.grad)",
    "unused leaf": "x = leaf(1.); u = leaf(1.); (x * 2).backward(); print(u.grad)",
    "a leaf without influence": "x = leaf(1.); u = leaf(5.); (x * 2 + u * 0).backward(); print(u.grad)",
    "several roots": "x = leaf(2.); torch.autograd.backward([x * 3, x * x]); print(x.grad)",
    "a root behind a root": """
        x = leaf([2.]); y = x ** 2; z = y ** 3
        torch.autograd.backward([y, z], [torch.tensor([10.]), torch.tensor([1.])]); print(x.grad)
        """,
    "the same root twice": """
        x = leaf([2.]); y = x * x
        torch.autograd.backward([y, y], [torch.ones(1), torch.ones(1)]); print(x.grad)
        """,
    "a leaf as root and inside": "x = leaf(2.); torch.autograd.backward([x, x * x]); print(x.grad)",
    "inside no_grad": "x = leaf(2.); y = x * x\nwith torch.no_grad(): y.backward()\nprint(x.grad)",
    "explicit cotangent": "x = leaf([1., 2.]); (x * x).backward(torch.tensor([3., 4.])); print(x.grad)",
    "integer cotangent": """
        x = leaf([1.0, 2.0])
        (x * 2).backward(torch.ones(2, dtype=torch.int64))
        print(x.grad)
        """,
    "double cotangent": "x = leaf([1., 2.]); (x * 2).backward(torch.ones(2).double()); print(x.grad)",
    "expanded cotangent": "x = leaf([1., 2.]); (x * 2).backward(torch.tensor(3.).expand(2)); print(x.grad)",
    "cotangent that requires grad": """
        x = leaf([1.]); v = leaf([3.]); (x * x).backward(v); print(x.grad, v.grad)
        x = leaf([2.]); g, = torch.autograd.grad(x * x, x, v, create_graph=True)
        print(g, torch.autograd.grad(g, v))
        """,
    "nan and inf in the cotangent": """
        x = leaf([0., 1.])
        print(torch.autograd.grad(x ** 2, x, torch.tensor([np.inf, np.inf])))
        print(torch.autograd.grad(x.relu(), x, torch.tensor([np.nan, np.nan])))
        print(torch.autograd.grad((-x).relu(), x, torch.tensor([np.nan, np.nan])))
        """,
    "no graph": "torch.ones(1).backward()",
    "no graph beside a good root": """
        x = leaf([1.]); torch.autograd.backward([x * 2, torch.ones(1)], [torch.ones(1), torch.ones(1)])
        """,
    "vector root": "(leaf([1., 2.]) * 2).backward()",
    "empty root": "(torch.empty(0, requires_grad=True) * 2).backward()",
    "complex root": "(leaf([0.]) * 0.5j).backward()",
    "wrong shape": "(leaf([1., 2., 3.]) * 2).backward(torch.ones(1))",
    "wrong rank": "(leaf(2.) * 3).backward(torch.ones(1))",
    "complex cotangent of a real root": "(leaf([1.]) * 2).backward(torch.ones(1, dtype=torch.complex64))",
    "real cotangent of a complex root": "(leaf([1j]) * 2).backward(torch.ones(1))",
    "a number as cotangent": "(leaf([1.]) * 2).backward(3.0)",
    "a list as cotangent": "(leaf([1.]) * 2).backward([1.0])",
    "too few cotangents": "x = leaf([1.]); torch.autograd.backward([x * 2, x * 3], [torch.ones(1)])",
    "too many cotangents": """
        x = leaf([1.0])
        torch.autograd.backward([x * 2], [torch.ones(1)] * 2)
        print(x.grad)
        """,
    "None for a vector": "torch.autograd.backward([leaf([1., 2.]) + 2], [None])",
    "grad_variables": """
        x = leaf([1.0])
        torch.autograd.backward([x * 2], grad_variables=[torch.ones(1)])
        print(x.grad)
        """,
    "both names": """
        torch.autograd.backward([leaf([1.0]) * 2], [torch.ones(1)], grad_variables=[torch.ones(1)])
        """,
    "unknown argument": "(leaf(1.) * 2).backward(retain_variables=True)",
    "inputs": "x = leaf(2.); y = leaf(3.); (x * y).backward(inputs=[x]); print(x.grad, y.grad)",
    "inputs, one tensor": "x = leaf(3.); (x ** 2).backward(inputs=x); print(x.grad)",
    "inputs, a dict": "x = leaf(2.); y = leaf(3.); (x * y).backward(inputs={'a': x}); print(x.grad, y.grad)",
    "inputs, another mapping": "import types; (leaf(2.) * 2).backward(inputs=types.MappingProxyType({}))",
    "inputs, empty": "(leaf(2.) * 2).backward(inputs=[])",
    "inputs, a non-leaf": """
        x = leaf(2.); h = x * 3; (h * h).backward(inputs=[h]); print(h.grad, x.grad, h.retains_grad)
        """,
    "inputs, not reached": "x = leaf(2.); z = leaf(1.); (x * 2).backward(inputs=[z]); print(z.grad, x.grad)",
    "second backward": "x = leaf([2.]); y = x * x; y.backward(); print(x.grad); y.backward()",
    "second backward through an add": "x = leaf([2.]); y = x + 2; y.backward(); y.backward(); print(x.grad)",
    "second backward of a product with a number": "x = leaf([2.]); y = x * 2; y.backward(); y.backward()",
    "retain_graph": """
        x = leaf([2.]); y = x * x
        y.backward(retain_graph=True); y.backward(retain_graph=True); y.backward(); print(x.grad)
        """,
    "which operations save": """
        def again(f):
            y = f(torch.ones(2, 2, requires_grad=True))
            v = torch.ones_like(y)
            y.backward(v)
            try:
                y.backward(v)
            except RuntimeError:
                return False
            return True
        functions = dict(add=lambda x: x + 2, sub=lambda x: x - x, neg=lambda x: -x, mul=lambda x: x * 2,
            div=lambda x: x / 2, square=lambda x: x * x, sum=lambda x: x.sum(), mean=lambda x: x.mean(),
                view=lambda x: x.view(4), t=lambda x: x.t(), clone=lambda x: x.clone(),
                    expand=lambda x: x.expand(3, 2, 2), half=lambda x: x.half(),
                        cat=lambda x: torch.cat([x, x]), select=lambda x: x[0], slice=lambda x: x[0:1],
                            index=lambda x: x[[0]], pow=lambda x: x ** 2, exp=lambda x: x.exp(),
                                relu=lambda x: x.relu(), abs=lambda x: x.abs(), floor=lambda x: x.floor(),
                                    mm=lambda x: x @ x, where=lambda x: torch.where(x > 0, x, x))
        print({name: again(f) for name, f in functions.items()})
        """,
    "a failing backward has filled some leaves": """
        a = leaf([1.]); x = leaf([2.]); y = a + x * x; y.backward(); a.grad = None; x.grad = None
        try: y.backward()
        except RuntimeError: print(a.grad, x.grad)
        x.grad = None; (x * x).backward(); print(x.grad)
        """,
    "only what was run is freed": """
        x = leaf([3.]); y = x * x; z = y * y
        g, = torch.autograd.grad(z, y); print(g, torch.autograd.grad(y, x, g))
        """,
    "create_graph without retain_graph": """
        x = leaf([3.]); y = x * x; g, = torch.autograd.grad(y, x, create_graph=True, retain_graph=False)
        torch.autograd.grad(y, x)
        """,
    "create_graph keeps the graph": """
        x = leaf([3.]); y = x * x
        print(torch.autograd.grad(y, x, create_graph=True), torch.autograd.grad(y, x))
        """,
    "backward with create_graph": """
        x = leaf([2.]); (x ** 3).backward(create_graph=True); print(x.grad, x.grad.grad_fn.name())
        g = x.grad; (x ** 2).backward(create_graph=True); print(x.grad, x.grad is g); x.grad = None
        """,
    "third order": """
        x = leaf([2.]); y = x ** 4
        for _ in range(3): y, = torch.autograd.grad(y, x, create_graph=True); print(y)
        """,
    "create_graph inside no_grad": """
        x = leaf([2.]); y = x ** 3
        with torch.no_grad(): g, = torch.autograd.grad(y, x, create_graph=True)
        print(g.requires_grad, torch.autograd.grad(g, x))
        """,
    "grad leaves .grad alone": "x = leaf(3.); print(torch.autograd.grad(x ** 2, x), x.grad)",
    "grad in the order of inputs": "x = leaf(2.); y = leaf(5.); print(torch.autograd.grad(x * y, [y, x]))",
    "grad, the same input twice": "x = leaf(2.); print(torch.autograd.grad(x * x, [x, x]))",
    "grad at a non-leaf": "x = leaf(2.); h = x * 3; print(torch.autograd.grad(h * h + x, [h, x]))",
    "grad of itself": """
        x = leaf([1.0, 2.0])
        y = x * x
        print(torch.autograd.grad(y, y, torch.tensor([5.0, 6.0])))
        """,
    "grad, unused": "x = leaf(2.); u = leaf(1.); torch.autograd.grad(x * 2, [x, u])",
    "grad, allow_unused": """
        x = leaf(2.0)
        u = leaf(1.0)
        print(torch.autograd.grad(x * 2, [x, u], allow_unused=True))
        """,
    "grad, materialize_grads": """
        x = leaf(2.); u = leaf([1., 1.]); print(torch.autograd.grad(x * 2, [x, u], materialize_grads=True))
        """,
    "grad, contradiction": """
        x = leaf(2.0)
        torch.autograd.grad(x * 2, x, allow_unused=False, materialize_grads=True)
        """,
    "grad, constant input": """
        x = leaf(2.0)
        c = torch.tensor(1.0)
        torch.autograd.grad(x * c, c, allow_unused=True)
        """,
    "grad, constant output": "torch.autograd.grad(torch.tensor(1.), leaf(2.), allow_unused=True)",
    "grad, no inputs": "torch.autograd.grad(leaf(2.) * 2, [])",
    "grad, not a tensor": "torch.autograd.grad(leaf(2.) * 2, [1.0])",
    "grad, vector": "x = leaf([1., 2.]); torch.autograd.grad(x * 2, x)",
    "grad, several outputs": "x = leaf(2.); print(torch.autograd.grad([x * 3, x ** 2], x))",
    "grad, None for a scalar": """
        x = leaf([1., 2.]); print(torch.autograd.grad([x * 2, x.sum()], x, [torch.tensor([1., 10.]), None]))
        """,
    "grad, a dict": "x = leaf(2.); y = leaf(5.); print(torch.autograd.grad(x * y, {'a': x, 'b': y}))",
    "grad, only_inputs": "x = leaf(2.); print(torch.autograd.grad(x * 2, x, only_inputs=False))",
    "grad, a later view": "x = leaf([1., 2.]); y = (x * 2).sum(); torch.autograd.grad(y, x[0])",
    "grad, a view that was used": """
        x = leaf([1.0, 2.0])
        v = x[0]
        print(torch.autograd.grad(v * v * 3, [v, x]))
        """,
    "grad may be the cotangent": """
        x = leaf([1., 2.]); v = torch.ones(2); g, = torch.autograd.grad(x + 1, x, v); print(g is v)
        """,
    "two results may be one tensor": """
        x = leaf([1.0, 2.0])
        y = leaf([1.0, 2.0])
        a, b = torch.autograd.grad((x + y).exp().sum(), [x, y])
        print(a is b)
        """,
    "a result may be expanded": """
        x = torch.ones(3, requires_grad=True)
        g, = torch.autograd.grad(x.sum(), x)
        print(g.stride())
        g.add_(1)
        """,
    "other leaves are left alone": """
        x = leaf(2.); y = leaf(3.); y.grad = torch.tensor(7.); print(torch.autograd.grad(x * y, x), y.grad)
        """,
    "after an in-place write": """
        x = torch.ones(2, requires_grad=True).clone()
        x *= 2
        print(torch.autograd.grad(x.sum(), x))
        """,
    "nodes": """
        x = leaf([1.0])
        f = (x + 5).grad_fn
        print(f, f.name(), f.next_functions)
        y = leaf([2.0])
        print([node.variable is v for (node, _), v in zip((x * y).grad_fn.next_functions, (x, y))])
        print((x + 1).grad_fn.next_functions, isinstance(f, torch.autograd.graph.Node))
        a = x * 2
        b = a * 2
        print(a.grad_fn is a.grad_fn, a.grad_fn._sequence_nr() < b.grad_fn._sequence_nr())
        z = x ** 2
        print(z.grad_fn(torch.ones(1)))
        z.grad_fn()
        """,
    "the graph from root to leaf": """
        node = ((leaf([[1.0, 2.0]]) + 2) * 3).mean().grad_fn
        while node is not None:
            print(node.name(), len(node.next_functions))
            node = node.next_functions[0][0] if node.next_functions else None
        """,
    "no derivative": "y = leaf([5.]) // 2; print(y); y.backward()",
    "Variable": """
        t = torch.Tensor([[1.0, 2.0], [2.0, 3.0]])
        v = torch.autograd.Variable(t, requires_grad=True)
        print(v, t.requires_grad, v.data_ptr() == t.data_ptr(), v is t, isinstance(t,
            torch.autograd.Variable))
        print(torch.autograd.Variable(torch.ones(1), volatile=True).requires_grad)
        """,
    "grad, zeros in a recorded pass": """
        x, u = leaf([1.]), leaf([1., 2.])
        for recorded in (False, True):
            y = x * x
            g, zeros = torch.autograd.grad(y, (x, u), create_graph=recorded, materialize_grads=True)
            print(zeros, zeros.requires_grad, zeros.is_leaf)
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(name: str, same: Callable[[str], str]) -> None:
    assert same(PROGRAMS[name]), "the program shows nothing"
