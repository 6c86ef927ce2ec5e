"""One hook for several tensors, and hooks of gradient edges."""

import torch
from torch.autograd.graph import get_gradient_edge, register_multi_grad_hook

a = torch.ones(2, requires_grad=True)
b = torch.ones(2, requires_grad=True)
c = a * b
all_of_them = register_multi_grad_hook([a, b, c], lambda grads: print([g is not None for g in grads]))
any_of_them = register_multi_grad_hook([a, b], lambda g: print("first", g), mode="any")
c.sum().backward(retain_graph=True)
all_of_them.remove()
any_of_them.remove()
edge = get_gradient_edge(c)
(gradient,) = torch.autograd.grad(c.sum(), edge, retain_graph=True)
torch.autograd.backward(edge, torch.tensor([1.0, -1.0]))
print(edge.node.name(), edge.output_nr)
