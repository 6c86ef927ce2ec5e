"""Jacobian-vector products in a batch, through a leaf."""

import torch
from torch.func import jvp, vmap

w = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
directions = torch.eye(2)


def f(x):
    return (w @ x).tanh()


x = torch.tensor([0.1, -0.2])
total = vmap(lambda v: jvp(f, (x,), (v,))[1])(directions).sum()
total.backward()
print(total, w.grad)
