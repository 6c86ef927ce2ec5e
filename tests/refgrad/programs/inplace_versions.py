"""Versions, and the error that they are for."""

import torch

x = torch.ones(3, requires_grad=True)
y = x * 2
print(y._version)
y += 1
y.mul_(2)
print(y._version, y.grad_fn.name())
z = y.exp()
z.add_(1)
try:
    z.sum().backward()
except RuntimeError as caught:
    error = caught
try:
    x.add_(1)
except RuntimeError as caught:
    leaf_error = caught
with torch.no_grad():
    x.add_(1)
print(x._version, x.is_leaf)
w = torch.zeros(3)
w.add_(x)
w.sum().backward()
