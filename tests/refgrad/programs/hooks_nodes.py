"""Hooks on nodes of the graph, before and after they run."""

import torch

a = torch.tensor(2.0, requires_grad=True)
b = torch.tensor(5.0, requires_grad=True)
c = a * b
d = c.exp()
c.grad_fn.register_prehook(lambda grads: print("before", grads))
c.grad_fn.register_hook(lambda inputs, outputs: print("after", inputs, outputs))
d.grad_fn.register_prehook(lambda grads: (grads[0] * 0.5,))
d.backward()
accumulate = (a + 1).grad_fn.next_functions[0][0]
handle = accumulate.register_hook(lambda *_: print("accumulated", a.grad))
(a * 3).backward()
handle.remove()
