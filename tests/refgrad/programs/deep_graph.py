"""A chain that recursion could not follow."""

import torch

x = torch.tensor(1.0, requires_grad=True)
y = x
for _ in range(20_000):
    y = y + 1e-4
y.backward()
print(x.grad)
del y
wide = sum((x * i for i in range(500)), torch.zeros(()))
wide.backward()
