"""Checking a derivative against finite differences."""

import torch
from torch.autograd import Function, gradcheck, gradgradcheck


class Wrong(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, grad):
        return 3 * ctx.saved_tensors[0] * grad


x = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
right = gradcheck(torch.sin, (x,)), gradgradcheck(lambda t: t**3, (x,))
quiet = gradcheck(Wrong.apply, (x,), raise_exception=False)
try:
    gradcheck(Wrong.apply, (x,))
except RuntimeError as caught:
    error = caught
print(right, quiet)
