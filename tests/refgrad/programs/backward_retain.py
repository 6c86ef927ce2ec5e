"""Two losses on one trunk."""

import torch

x = torch.tensor(2.0, requires_grad=True)
trunk = x.exp()
first = trunk.sin()
second = trunk.cos()
first.backward(retain_graph=True)
after_first = x.grad.clone()
second.backward()
try:
    first.backward()
except RuntimeError as caught:
    error = caught
print(after_first, x.grad)
