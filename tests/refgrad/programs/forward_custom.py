"""A custom function with a jvp, checked in forward mode."""

import torch
import torch.autograd.forward_ad as fwAD


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * x * grad

    @staticmethod
    def jvp(ctx, x_t):
        (x,) = ctx.saved_tensors
        return 2 * x * x_t


x = torch.tensor([1.0, 3.0], dtype=torch.float64, requires_grad=True)
with fwAD.dual_level():
    out = fwAD.unpack_dual(Square.apply(fwAD.make_dual(x.detach(), torch.ones_like(x))))
    primal, tangent = out
print(primal, tangent)
passed = torch.autograd.gradcheck(Square.apply, (x,), check_forward_ad=True)
