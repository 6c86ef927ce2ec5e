"""A custom function's context goes with its graph."""

import weakref

import torch


class Payload:
    pass


class Keep(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, payload):
        ctx.payload = payload
        return x * 1

    @staticmethod
    def backward(ctx, grad):
        print(type(ctx.payload).__name__)
        return grad, None


x = torch.ones(1, requires_grad=True)
payload = Payload()
alive = weakref.ref(payload)
y = Keep.apply(x, payload)
del payload
y.backward()
print(alive() is None)
del y
print(alive() is None)
