"""Initialising a model, and printing it."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width, bias=i > 0) for i in range(2)])
        self.act = nn.ReLU(inplace=True)
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x):
        for layer in self.layers:
            x = self.act(layer(x))
        return x * self.scale


def constant(module):
    if isinstance(module, nn.Linear):
        nn.init.constant_(module.weight, 0.5)
        print("initialised", module)


model = nn.Sequential(Block(2), nn.Dropout(0.1), nn.Flatten(), nn.Sequential(nn.GELU(), nn.Softmax(dim=1)))
model.apply(constant)
model.eval()
out = model(torch.tensor([[1.0, -2.0]]))
nn.CrossEntropyLoss()(out, torch.tensor([1])).backward()
print(model, nn.Module())
print([name for name, _ in model.named_parameters()])
