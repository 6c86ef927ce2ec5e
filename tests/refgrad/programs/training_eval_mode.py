"""train(), eval() and dropout have nothing to do with grad mode."""

import torch
from torch import nn

model = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
model.eval()
out = model(torch.ones(1, 2))
print(model.training, out.requires_grad)
with torch.no_grad():
    model.train()
    print(model.training, model(torch.ones(1, 2)).requires_grad)
count = sum(p.numel() for p in model.parameters())
