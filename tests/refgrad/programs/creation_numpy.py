"""A model written in numpy around a differentiable core."""

import numpy as np
import torch

weights = np.linspace(-1, 1, 4).astype(np.float32)
shared = torch.from_numpy(weights)
shared[0] = 5.0
print(weights)
x = torch.as_tensor(weights).clone().requires_grad_()
loss = (x**2).sum()
loss.backward()
gradient = x.grad.numpy().tolist()
try:
    x.numpy()
except RuntimeError as caught:
    error = caught
back = x.detach().numpy().sum().item()
