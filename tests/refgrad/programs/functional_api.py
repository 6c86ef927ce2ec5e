"""jacobian, hessian and the products of torch.autograd.functional."""

import torch
from torch.autograd.functional import hessian, hvp, jacobian, jvp, vhp, vjp


def f(x, y):
    return (x * y).sin()


def g(x):
    return (x**3).sum()


x, y = torch.tensor([1.0, 2.0]), torch.tensor([0.5, -1.0])
j = jacobian(f, (x, y))
h = hessian(g, x)
vectorized = jacobian(g, x, vectorize=True)
product = vjp(f, (x, y), v=torch.ones(2))
forward = jvp(f, (x, y), v=(torch.ones(2), torch.zeros(2)))
hv = hvp(g, x, torch.tensor([1.0, -1.0]))
vh = vhp(g, x, torch.tensor([1.0, -1.0]))
strictly = jacobian(g, x, create_graph=True)
print(strictly.requires_grad, x.requires_grad)
try:
    hessian(lambda t: t, x)
except RuntimeError as caught:
    error = caught
