"""What a wrong custom function is told."""

import torch
from torch.autograd import Function


class TooMany(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad, grad


class WrongShape(Function):
    @staticmethod
    def forward(ctx, x):
        return x.sum()

    @staticmethod
    def backward(ctx, grad):
        return torch.ones(5)


class NoBackward(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2


errors = []
for function in (TooMany, WrongShape, NoBackward):
    x = torch.ones(3, requires_grad=True)
    try:
        function.apply(x).sum().backward()
    except (RuntimeError, NotImplementedError) as caught:
        errors.append(caught)
        print(type(caught).__name__, caught)
try:
    TooMany()(torch.ones(1))
except (RuntimeError, TypeError) as caught:
    legacy = str(caught).splitlines()[0]
