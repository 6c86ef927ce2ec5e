"""A gradient penalty as in WGAN-GP."""

import torch
from torch import autograd, nn

torch.manual_seed(0)
critic = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
samples = torch.randn(4, 2, requires_grad=True)
scores = critic(samples)
gradients = autograd.grad(
    outputs=scores, inputs=samples, grad_outputs=torch.ones_like(scores), create_graph=True
)[0]
penalty = ((gradients.norm(2, dim=1) - 1) ** 2).mean()
penalty.backward()
print(penalty.item())
by_parameter = [p.grad for p in critic.parameters()]
