"""Ways to make a leaf, and what each says about itself."""

import torch

leaves = [
    torch.zeros(2, requires_grad=True),
    torch.tensor([[1.0, 2.0]], dtype=torch.float64, requires_grad=True),
    torch.arange(3.0).requires_grad_(),
    torch.eye(2, requires_grad=True),
    torch.full((2, 1), 0.5, requires_grad=True),
    torch.randn(3, requires_grad=True),
]
for leaf in leaves:
    print(leaf.shape, leaf.dtype, leaf.is_leaf, leaf.grad_fn)
like = torch.ones_like(leaves[1])
rand = torch.rand_like(leaves[0], requires_grad=True)
new = leaves[3].new_tensor([1, 2])
total = sum((leaf.sum() for leaf in leaves), torch.zeros(()))
total.backward()
grads = [leaf.grad for leaf in leaves]
try:
    torch.tensor([1, 2], requires_grad=True)
except RuntimeError as caught:
    error = caught
