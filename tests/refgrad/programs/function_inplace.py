"""An in-place custom function, a dirty input, and a backward that must not be differentiated."""

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class AddOne_(Function):
    @staticmethod
    def forward(ctx, x):
        x.add_(1)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        return grad


x = torch.zeros(2, requires_grad=True)
h = x * 2
out = AddOne_.apply(h)
print(out is h, h._version, h.grad_fn.name())
out.sum().backward()
g = torch.autograd.grad((AddOne_.apply(x * 2) ** 2).sum(), x, create_graph=True)[0]
try:
    g.sum().backward()
except RuntimeError as caught:
    error = caught
