"""Writing into a buffer, element by element."""

import torch

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
out = torch.zeros(4)
for i in range(3):
    out[i + 1] = out[i] + x[i] ** 2
print(out, out.grad_fn.name())
out[-1].backward()
mask = torch.tensor([True, False, True])
y = x * 1
y[mask] = -1.0
y.sum().backward()
z = x.clone()
z[[0, 0]] = x[1:] * 5
z[2].zero_()
z.masked_fill_(z > 9, 0.0).sum().backward()
