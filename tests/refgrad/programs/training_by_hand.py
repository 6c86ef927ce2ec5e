"""Linear regression with a hand-written update."""

import torch

torch.manual_seed(0)
x = torch.linspace(-1, 1, 20).unsqueeze(1)
y = 3 * x + 0.5
w = torch.zeros(1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
losses = []
for step in range(15):
    loss = ((x * w + b - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.4 * w.grad
        b -= 0.4 * b.grad
        w.grad.zero_()
        b.grad.zero_()
    losses.append(loss.item())
print(w.requires_grad, w.is_leaf, losses[-1] < losses[0])
