"""Forward hooks and full backward hooks."""

import torch
from torch import nn

torch.manual_seed(0)
layer = nn.Linear(2, 2)
activations = {}
layer.register_forward_hook(lambda m, args, out: activations.update(out=out.detach()))
layer.register_forward_pre_hook(lambda m, args: (args[0] * 2,))
layer.register_full_backward_hook(lambda m, gin, gout: print(type(m).__name__, gin, gout))
x = torch.ones(1, 2, requires_grad=True)
layer(x).sum().backward()
print(activations["out"].shape)
