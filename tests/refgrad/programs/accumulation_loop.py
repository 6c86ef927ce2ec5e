"""Gradient accumulation over micro-batches equals the full batch."""

import torch

torch.manual_seed(3)
data = torch.randn(8, 4)
target = torch.randn(8, 1)
w = torch.zeros(4, 1, requires_grad=True)
((data @ w - target) ** 2).mean().backward()
full = w.grad.clone()
w.grad = None
for part, wanted in zip(data.chunk(4), target.chunk(4)):
    (((part @ w - wanted) ** 2).mean() / 4).backward()
same_object = w.grad
w.grad.zero_()
cleared = same_object.abs().sum().item()
print(w.grad.shape, cleared)
close = torch.allclose(full, full + same_object)
