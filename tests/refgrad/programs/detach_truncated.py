"""Truncated backpropagation through time."""

import torch

torch.manual_seed(4)
w = torch.tensor(0.9, requires_grad=True)
state = torch.zeros(2)
total = 0.0
for step in range(6):
    state = torch.tanh(w * state + step * 0.1)
    if step % 3 == 2:
        state.sum().backward()
        total += w.grad.item()
        w.grad = None
        state = state.detach()
print(total)
state.requires_grad_()
(state * w).sum().backward()
