"""Attention in ten lines."""

import math

import torch
import torch.nn.functional as F

torch.manual_seed(0)
x = torch.randn(2, 3, 4)
wq, wk, wv = (torch.randn(4, 4, requires_grad=True) for _ in range(3))
q, k, v = x @ wq, x @ wk, x @ wv
print(q.shape, k.stride())
scores = q @ k.transpose(-2, -1) / math.sqrt(4)
mask = torch.tril(torch.ones(3, 3)) == 0
scores = scores.masked_fill(mask, float("-inf"))
out = F.softmax(scores, dim=-1) @ v
F.cross_entropy(out.reshape(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])).backward(retain_graph=True)
total = torch.einsum("bij,bkj->bik", q, k).sum()
grads = torch.autograd.grad(total, [wq, wk])
