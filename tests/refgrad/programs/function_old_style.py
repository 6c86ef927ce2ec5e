"""Operations with a derivative of one's own: an exponential and a straight-through sign."""

import torch
from torch.autograd import Function


class Exp(Function):
    @staticmethod
    def forward(ctx, i):
        result = i.exp()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        (result,) = ctx.saved_tensors
        return grad_output * result


class StraightThrough(Function):
    @staticmethod
    def forward(ctx, x, limit):
        ctx.limit = limit
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= ctx.limit), None


x = torch.tensor([-2.0, 0.5, 1.0], requires_grad=True)
y = StraightThrough.apply(Exp.apply(x), 2.0)
print(y, y.grad_fn.name())
y.sum().backward()
(second,) = torch.autograd.grad(Exp.apply(x).sum(), x, create_graph=True)
second.sum().backward()
