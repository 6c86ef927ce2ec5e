"""Per-sample gradients."""

import torch
from torch.func import functional_call, grad, vmap

torch.manual_seed(0)
model = torch.nn.Linear(3, 1)
params = {name: p.detach() for name, p in model.named_parameters()}
data, targets = torch.randn(4, 3), torch.randn(4, 1)


def loss(params, sample, target):
    prediction = functional_call(model, params, (sample.unsqueeze(0),))
    return ((prediction - target) ** 2).sum()


per_sample = vmap(grad(loss), in_dims=(None, 0, 0))(params, data, targets)
print({name: tuple(value.shape) for name, value in per_sample.items()})
dots = vmap(torch.dot)(data, data)
columns = torch.vmap(torch.sum, in_dims=1)(data)
outer = vmap(vmap(lambda a, b: a * b, (None, 0)), (0, None))(data[0], data[1])
