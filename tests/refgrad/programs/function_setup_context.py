"""The newer style, with several inputs and outputs."""

import torch


class Norm(torch.autograd.Function):
    @staticmethod
    def forward(x, y, scale=1.0):
        length = (x * x + y * y).sqrt()
        return length * scale, length > 1

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, y, scale = inputs
        ctx.save_for_backward(x, y)
        ctx.scale = scale
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad, _):
        if grad is None:
            return None, None, None
        print(ctx.needs_input_grad)
        x, y = ctx.saved_tensors
        length = (x * x + y * y).sqrt()
        return grad * ctx.scale * x / length, grad * ctx.scale * y / length, None


x = torch.tensor([3.0, 0.1], requires_grad=True)
y = torch.tensor([4.0, 0.2])
length, outside = Norm.apply(x, y, 2.0)
print(length, outside, outside.requires_grad)
length.sum().backward()
