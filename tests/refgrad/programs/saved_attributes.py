"""What a node keeps, and that backward lets go of it."""

import torch

x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x.pow(2)
z = y.exp()
same = torch.equal(y.grad_fn._saved_self, x), y.grad_fn._saved_exponent
result = z.grad_fn._saved_result
print(same, result, result is z)
z.sum().backward()
try:
    y.grad_fn._saved_self
except RuntimeError as caught:
    error = caught
