"""vjp, jvp, jacrev, jacfwd and hessian agree."""

import torch
from torch.func import hessian, jacfwd, jacrev, jvp, vjp


def f(x):
    return torch.stack([x[0] ** 2 * x[1], x.sin().sum(), x.prod()])


x = torch.tensor([0.5, -1.5], dtype=torch.float64)
out, pull = vjp(f, x)
rows = torch.stack([pull(row)[0] for row in torch.eye(3, dtype=torch.float64)])
_, column = jvp(f, (x,), (torch.tensor([1.0, 0.0], dtype=torch.float64),))
reverse, forward = jacrev(f)(x), jacfwd(f)(x)
print(torch.allclose(reverse, forward), torch.allclose(rows, reverse), torch.allclose(column, forward[:, 0]))
curvature = hessian(lambda t: f(t).sum())(x)
