"""Fit a cubic to a sine with tensors alone."""

import math

import torch

x = torch.linspace(-math.pi, math.pi, 50)
y = torch.sin(x)
torch.manual_seed(5)
a, b, c, d = (torch.randn((), requires_grad=True) for _ in range(4))
for t in range(10):
    y_pred = a + b * x + c * x**2 + d * x**3
    loss = (y_pred - y).pow(2).sum()
    if t % 5 == 4:
        print(t, f"{loss.item():.3f}")
    loss.backward()
    with torch.no_grad():
        for p in (a, b, c, d):
            p -= 1e-5 * p.grad
            p.grad = None
