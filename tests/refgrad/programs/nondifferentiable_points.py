"""Subgradients where there is no derivative."""

import torch

x = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
found = {}
for name in ("relu", "abs", "sign", "sigmoid", "floor"):
    (found[name],) = torch.autograd.grad(getattr(torch, name)(x).sum(), x)
(found["clamp"],) = torch.autograd.grad(x.clamp(0, 1).sum(), x)
(found["max"],) = torch.autograd.grad(torch.zeros(3).add(x * 0).max(), x)
(found["norm"],) = torch.autograd.grad((x * 0).norm(), x)
(found["sqrt"],) = torch.autograd.grad((x * x).sqrt().sum(), x)
safe = torch.where(x > 0, x, torch.ones(()))
(found["where"],) = torch.autograd.grad(torch.where(x > 0, safe.log(), x * 2).sum(), x)
print(found)
