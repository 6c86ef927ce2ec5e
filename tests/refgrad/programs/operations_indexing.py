"""An embedding by hand, gathers and sorts."""

import torch

table = torch.arange(8.0).reshape(4, 2).requires_grad_()
words = torch.tensor([0, 2, 2, 3])
vectors = table[words]
best, which = vectors.max(dim=1)
ordered = vectors.flatten().sort(descending=True).values[:3]
picked = torch.gather(table, 1, torch.tensor([[0], [1], [1], [0]]))
counts = torch.zeros(4).index_add(0, words, vectors.sum(1))
(best.sum() + ordered.sum() * 10 + picked.sum() * 100 + counts[2]).backward()
print(which, table.grad)
a, b = torch.cat([table, table * 2]).chunk(2)
(a * b).sum().backward()
