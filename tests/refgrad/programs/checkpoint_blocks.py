"""Recomputation in backward."""

import torch
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

calls = []


def block(x, w):
    calls.append(torch.is_grad_enabled())
    return (x * w).tanh()


x = torch.tensor([0.1, 0.2], requires_grad=True)
w = torch.tensor([1.0, -1.0], requires_grad=True)
h = checkpoint(block, x, w, use_reentrant=False)
out = checkpoint(block, h, w, use_reentrant=True)
print(calls)
out.sum().backward()
print(calls)
torch.manual_seed(0)
stack = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh(), torch.nn.Linear(2, 2))
checkpoint_sequential(stack, 2, x, use_reentrant=False).sum().backward()
gradients = [p.grad for p in stack.parameters()]
