"""Gradients for some of the leaves."""

import torch

a = torch.tensor(1.0, requires_grad=True)
b = torch.tensor(2.0, requires_grad=True)
middle = a * b
loss = middle**2
loss.backward(inputs=[a, middle], retain_graph=True)
print(a.grad, b.grad, middle.grad)
torch.autograd.backward([loss, middle], [torch.tensor(0.5), None], inputs=b)
