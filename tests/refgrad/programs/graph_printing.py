"""Tensors in a debugger."""

import torch

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x * 2
print(x)
print(y)
print(y.sum())
print(y.detach(), y[1], y.view(3, 1))
print(repr(x.to(torch.float64)), str(y.unsqueeze(0)))
y.sum().backward()
print(x.grad, y.grad_fn, f"{y.sum().item():.2f}", format(x.sum().item(), ".1f"))
print(torch.zeros(0, requires_grad=True), torch.tensor(2 + 1j, requires_grad=True))
