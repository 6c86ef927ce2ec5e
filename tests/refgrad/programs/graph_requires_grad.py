"""What requires grad, and what is a leaf."""

import torch

a = torch.rand(2)
b = torch.rand(2, requires_grad=True)
c = a + 1
d = b + 1
e = c * d
flags = [(t.requires_grad, t.is_leaf, t.grad_fn is None) for t in (a, b, c, d, e)]
integer = e.argmax()
compared = e > 0
print(integer.requires_grad, compared.requires_grad, e.round().requires_grad)
for tensor in (d, integer):
    try:
        tensor.requires_grad = not tensor.requires_grad
    except RuntimeError as caught:
        print(caught)
