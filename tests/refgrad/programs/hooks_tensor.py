"""Hooks on gradients: to print, to scale, to clip, to remove."""

import torch

x = torch.tensor([1.0, 2.0], requires_grad=True)
h = x * 3
seen = []
printing = h.register_hook(lambda g: print("h", g))
scaling = h.register_hook(lambda g: g * 2)
x.register_hook(seen.append)
(h**2).sum().backward()
printing.remove()
scaling.remove()
(x * 3).sum().backward()
print(len(seen), seen[0])
try:
    torch.ones(1).register_hook(print)
except RuntimeError as caught:
    error = caught
