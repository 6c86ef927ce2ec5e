"""Looking at gradients in the middle."""

import torch

x = torch.linspace(0, 1, 3, requires_grad=True)
h = x.sigmoid()
h.retain_grad()
out = (h * h).sum()
out.backward()
print(h.retains_grad, x.retains_grad, h.grad, x.grad)
k = x * 2
k.sum().backward()
nothing = k.grad
