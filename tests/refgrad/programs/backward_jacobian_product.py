"""A vector through a Jacobian, by hand and by backward."""

import torch

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = torch.stack([x[0] * x[1], x[1].exp(), x[2] ** 3 - x[0]])
v = torch.tensor([1.0, 0.1, 0.01])
rows = []
for i in range(3):
    x.grad = None
    y.backward(torch.eye(3)[i], retain_graph=True)
    rows.append(x.grad)
jacobian = torch.stack(rows)
x.grad = None
y.backward(v)
print(jacobian)
agree = torch.allclose(x.grad, v @ jacobian)
