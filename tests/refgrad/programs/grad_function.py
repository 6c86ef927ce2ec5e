"""torch.autograd.grad in its variations."""

import torch
from torch.autograd import grad

x = torch.tensor(3.0, requires_grad=True)
y = torch.tensor(4.0, requires_grad=True)
unused = torch.ones(2, requires_grad=True)
f = x**2 * y
(gx,) = grad(f, x, create_graph=True)
(gxy,) = grad(gx, y, retain_graph=True)
both = grad(f, [x, y], retain_graph=True)
allowed = grad(f, (x, unused), allow_unused=True, retain_graph=True)
zeros = grad(f, (unused,), materialize_grads=True, retain_graph=True)
weighted = grad([f, x * y], [x, y], grad_outputs=[torch.tensor(2.0), torch.tensor(-1.0)], retain_graph=True)
middle = x * y
through = grad((middle.sin() + x, middle), middle)
batched = grad(torch.stack([x * 2, x * 3]), x, torch.eye(2), is_grads_batched=True)
print(x.grad, y.grad, gx.requires_grad, both[0].requires_grad)
try:
    grad(f, unused)
except RuntimeError as caught:
    error = caught
