"""Views of views, transposed, narrowed, expanded."""

import torch

x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
y = x.t().contiguous().view(-1)[1:5].unsqueeze(0).expand(3, -1)
print(y.shape, y.stride(), y.requires_grad)
y.pow(2).sum().backward()
with torch.no_grad():
    silent = x.view(-1)
silent_flags = (silent.requires_grad, silent.grad_fn is None)
diagonal = x[:, :2].diagonal()
diagonal.sum().backward()
swapped = x.permute(1, 0).reshape(6).flip(0)
(swapped * torch.arange(6.0)).sum().backward()
