"""Stop-gradient, and what shares memory with what."""

import torch

x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x * 3
stopped = y.detach()
loss = (y * stopped).sum()
loss.backward()
print(stopped.requires_grad, stopped.is_leaf, stopped.data_ptr() == y.data_ptr())
z = x.exp()
z.detach().zero_()
try:
    z.sum().backward()
except RuntimeError as caught:
    error = caught
copied = x.detach().clone().requires_grad_()
(copied * 2).sum().backward()
