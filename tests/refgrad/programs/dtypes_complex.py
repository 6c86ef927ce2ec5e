"""Gradients of complex numbers, and across dtypes."""

import torch

z = torch.tensor([1 + 2j, -0.5j], requires_grad=True)
loss = (z * z.conj()).real.sum()
loss.backward()
print(z.grad)
half = torch.tensor([1.0, 2.0], dtype=torch.float16, requires_grad=True)
(half.float() * 3).sum().backward()
double = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
single = torch.tensor([2.0], requires_grad=True)
(double * single).sum().backward()
real = torch.tensor([3.0, 4.0], requires_grad=True)
torch.view_as_complex(real.view(1, 2)).abs().sum().backward()
try:
    (z * 2).sum().backward()
except RuntimeError as caught:
    error = caught
