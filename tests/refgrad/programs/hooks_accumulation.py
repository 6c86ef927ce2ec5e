"""An optimizer step inside of backward."""

import torch

params = [torch.ones(2, requires_grad=True), torch.zeros(3, requires_grad=True)]


def step(p):
    print("step", tuple(p.shape), p.grad)
    with torch.no_grad():
        p -= 0.1 * p.grad
    p.grad = None


handles = [p.register_post_accumulate_grad_hook(step) for p in params]
loss = (params[0] * 2).sum() + params[1].cos().sum() + params[1].sum()
loss.backward()
handles[0].remove()
(params[0] * 5).sum().backward()
