"""Newton's method with the second derivative from autograd."""

import torch

x = torch.tensor([3.0], requires_grad=True)
for _ in range(4):
    y = (x - 1) ** 4 + x**2
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (h,) = torch.autograd.grad(g, x)
    x = (x - g / h).detach().requires_grad_()
    print(f"{x.item():.4f}")
x.pow(3).backward(create_graph=True)
print(x.grad.requires_grad)
x.grad = None
