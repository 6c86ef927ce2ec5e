"""Functional gradients that nest."""

import torch
from torch.func import grad, grad_and_value

f = torch.sin
first = grad(f)(torch.tensor(1.0))
second = grad(grad(f))(torch.tensor(1.0))


def loss(params, x, y):
    return ((x @ params["w"] + params["b"] - y) ** 2).mean(), y + 1


params = {"w": torch.ones(2), "b": torch.zeros(())}
x, y = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1.0, 0.0])
gradients, (value, aux) = grad_and_value(loss, has_aux=True)(params, x, y)
by_second = grad(lambda a, b: (a * b).sum(), argnums=(0, 1))(x, x + 1)
print(gradients, value, aux, value.requires_grad)
try:
    grad(lambda t: t * 2)(x)
except RuntimeError as caught:
    error = caught
