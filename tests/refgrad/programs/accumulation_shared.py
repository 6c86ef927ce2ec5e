"""One parameter used in several places, and on both sides of an operation."""

import torch

w = torch.tensor([1.0, -2.0], requires_grad=True)
y = w * w + w.sum() * w.detach() - w / w
y.sum().backward()
first = w.grad
y = (w + w) @ w
y.backward()
print(first is w.grad, w.grad)
w.grad = torch.tensor([10.0, 10.0])
(3 * w).sum().backward()
