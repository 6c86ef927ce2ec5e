"""An in-place activation that is fine, and one that is not."""

import torch
import torch.nn.functional as F

x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
h = F.relu(x * 3, inplace=True)
h.sum().backward()
print(h, x.grad)
h = (x * x).requires_grad_()
g = h.sqrt()
F.relu(g, inplace=True)
try:
    g.sum().backward()
except RuntimeError as caught:
    error = caught
