"""`.data` hides a write, `.detach()` does not."""

import torch

a = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
out = a.sigmoid()
hidden = out.data
hidden.zero_()
out.sum().backward()
print(a.grad, hidden.requires_grad, out._version)
b = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
out = b.sigmoid()
seen = out.detach()
seen.zero_()
try:
    out.sum().backward()
except RuntimeError as caught:
    error = caught
print(out._version, b.grad)
