"""Grad modes as blocks, decorators and a switch."""

import torch

x = torch.ones(2, requires_grad=True)


@torch.no_grad()
def doubled(t):
    return t * 2


@torch.enable_grad()
def tripled(t):
    return t * 3


with torch.no_grad():
    inside = x + 1
    with torch.enable_grad():
        deeper = x + 1
    decorated = tripled(x)
flags = [t.requires_grad for t in (inside, deeper, decorated, doubled(x), x * 1)]
for training in (True, False):
    with torch.set_grad_enabled(training):
        print(training, (x * 2).requires_grad, torch.is_grad_enabled())
torch.set_grad_enabled(False)
off = x * 2
torch.set_grad_enabled(True)
