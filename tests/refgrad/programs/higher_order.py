"""Derivatives of derivatives: a polynomial, and a Hessian-vector product."""

import torch

x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
value = x**5
derivatives = []
for _ in range(6):
    (value,) = torch.autograd.grad(value, x, create_graph=True)
    derivatives.append(value)
    if not value.requires_grad:
        break
p = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
f = (p.sin() * p.prod()).sum()
(g,) = torch.autograd.grad(f, p, create_graph=True)
(g @ torch.tensor([1.0, 0.0, -1.0])).backward()
print(p.grad)
