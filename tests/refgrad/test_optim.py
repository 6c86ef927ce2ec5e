"""Optimizers, parameters and modules, compared with torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RUN = """
w = leaf([1., -2.]); u = leaf([[3.]]); frozen = leaf([1.])
optimizer = torch.optim.SGD([w, u, frozen], {options})
for step in range(4):
    optimizer.zero_grad(); ((w * w).sum() * u.sum() + w.sum()).backward(); print(optimizer.step(), w, u,
        frozen, w._version)
"""
ADAM = RUN.replace("SGD", "Adam")
PROGRAMS = {
    "Adam": ADAM.format(options="lr=0.1"),
    "Adam, the default rate": ADAM.format(options=""),
    "Adam, other averages": ADAM.format(options="lr=0.1, betas=(0.5, 0.75), eps=0.125"),
    "Adam, weight decay": ADAM.format(options="lr=0.1, weight_decay=0.3"),
    "Adam, amsgrad": ADAM.format(options="lr=0.1, amsgrad=True, betas=(0.9, 0.5)"),
    "Adam, maximize": ADAM.format(options="lr=0.1, maximize=True"),
    "Adam, no parameters": "torch.optim.Adam([])",
    "Adam, a negative rate": "torch.optim.Adam([leaf([1.])], lr=-1.0)",
    "Adam, a negative epsilon": "torch.optim.Adam([leaf([1.])], eps=-1.0)",
    "Adam, no average": "torch.optim.Adam([leaf([1.])], betas=(0.9, 1.0))",
    "plain": RUN.format(options="lr=0.1"),
    "momentum": RUN.format(options="lr=0.1, momentum=0.9"),
    "dampening": RUN.format(options="lr=0.1, momentum=0.9, dampening=0.5"),
    "nesterov": RUN.format(options="lr=0.1, momentum=0.9, nesterov=True"),
    "weight decay": RUN.format(options="lr=0.1, weight_decay=0.3, momentum=0.5"),
    "maximize": RUN.format(options="lr=0.1, maximize=True"),
    "the default rate": RUN.format(options=""),
    "groups": """
        a = leaf([1.0])
        b = leaf([1.0])
        o = torch.optim.SGD([{'params': [a]}, {'params': b, 'lr': 1.0}], lr=0.1)
        (a + b).backward()
        o.step()
        print(a, b)
        """,
    "complex": """
        z = leaf([3 + 4j])
        o = torch.optim.SGD([z], lr=0.25)
        (z.abs() ** 2).sum().backward()
        o.step()
        print(z)
        """,
    "None and zero": """
        a = leaf([1.]); b = leaf([1.]); o = torch.optim.SGD([a, b], lr=0.1, weight_decay=1.)
        b.grad = torch.zeros(1); o.step(); print(a, b)
        """,
    "zero_grad": """
        w = torch.ones(2, requires_grad=True); u = leaf([1.]); o = torch.optim.SGD([w, u], lr=0.01)
        (w * 3).sum().backward(); o.zero_grad(); print(w.grad); (w * 3).sum().backward(); g = w.grad
        o.zero_grad(set_to_none=False); print(w.grad, w.grad is g, u.grad)
        """,
    "zero_grad of a recorded gradient": """
        x = leaf([2.0])
        (x ** 3).backward(create_graph=True)
        torch.optim.SGD([x], lr=1.0).zero_grad(set_to_none=False)
        print(x.grad)
        """,
    "step with a closure": """
        w = leaf([1.]); o = torch.optim.SGD([w], lr=0.1)
        def closure(): o.zero_grad(); loss = (w * 2).sum(); loss.backward(); return loss
        with torch.no_grad(): print(o.step(closure), w)
        """,
    "a stateless step": """
        w = leaf([1.0])
        o = torch.optim.SGD([w], lr=0.01)
        print(o.step(), o.zero_grad(), w, w.grad)
        """,
    "by hand": """
        w = leaf(1.)
        for _ in range(3):
            loss = (w * 2 - 6) ** 2; loss.backward()
            with torch.no_grad(): w -= 0.05 * w.grad; w.grad = None
        print(w)
        """,
    "no parameters": "torch.optim.SGD([], lr=0.1)",
    "a non-leaf": "torch.optim.SGD([leaf([1.]) * 2], lr=0.1)",
    "a bare tensor": "torch.optim.SGD(leaf([1.]), lr=0.1)",
    "a number": "torch.optim.SGD([1.0], lr=0.1)",
    "a negative rate": "torch.optim.SGD([leaf([1.])], lr=-1.0)",
    "nesterov without momentum": "torch.optim.SGD([leaf([1.])], lr=0.1, nesterov=True)",
    "Parameter": """
        p = torch.nn.Parameter(torch.ones(2)); print(p, p.is_leaf, p.requires_grad, (p * 2).sum())
        x = leaf([2.]); q = torch.nn.Parameter(x * 3); (q * q).sum().backward(); print(q.grad, x.grad)
        print(torch.nn.Parameter(torch.ones(2, dtype=torch.int64), requires_grad=False))
        print(p + q, 2 * p, p @ p, torch.ones(2) * p); torch.nn.Parameter(torch.ones(2, dtype=torch.int64))
        """,
    "Module": """
        class Layer(torch.nn.Module):

            def __init__(self, n, m):
                super().__init__()
                self.weight = torch.nn.Parameter(torch.ones(n, m))
                self.bias = torch.nn.Parameter(torch.zeros(m))

            def forward(self, x):
                return x @ self.weight + self.bias

        class Net(torch.nn.Module):

            def __init__(self):
                super().__init__()
                self.a = Layer(2, 3)
                self.b = Layer(3, 1)
                self.tied = self.a
                self.scale = torch.nn.Parameter(torch.ones(1))

            def forward(self, x):
                return self.b(self.a(x).relu()) * self.scale
        net = Net()
        net(torch.ones(4, 2)).mean().backward()
        for name, p in net.named_parameters():
            print(name, p.grad)
        net.zero_grad()
        print([p.grad for p in net.parameters()])
        net(torch.ones(1, 2)).sum().backward()
        net.zero_grad(set_to_none=False)
        print([p.grad for p in net.parameters()])
        print(net.training, net.eval().training, net.b.training, net.train() is net, len(list(net.modules())))
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(name: str, same: Callable[[str], str]) -> None:
    assert same(PROGRAMS[name]), "the program shows nothing"
