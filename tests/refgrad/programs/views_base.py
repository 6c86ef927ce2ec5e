"""A write to a view is a write to its base."""

import torch

x = torch.arange(6.0, requires_grad=True)
base = x.clone()
view = base.view(2, 3)
row = view[0]
row.mul_(10)
print(base._version, view._version, view._base is base, row._is_view())
print(base.grad_fn.name(), view.grad_fn.name(), row.grad_fn.name())
base.sum().backward()
leaf = torch.zeros(2, 2, requires_grad=True)
try:
    leaf[0].add_(1)
except RuntimeError as caught:
    error = caught
a, b = (x * 1).split(3)
try:
    a.mul_(2)
except RuntimeError as caught:
    split_error = caught
