"""Fine-tuning: the trunk is frozen, the head learns."""

import torch
from torch import nn

torch.manual_seed(2)
trunk, head = nn.Linear(3, 3), nn.Linear(3, 1)
for p in trunk.parameters():
    p.requires_grad_(False)
out = head(torch.relu(trunk(torch.randn(4, 3))))
out.sum().backward()
print([p.grad is None for p in trunk.parameters()], [p.grad is None for p in head.parameters()])
trunk.requires_grad_(True)
head(trunk(torch.ones(1, 3))).sum().backward()
gradients = [p.grad for p in [*trunk.parameters(), *head.parameters()]]
