"""The errors that everybody meets in their first week."""

import torch

messages = []


def attempt(function):
    try:
        function()
    except (RuntimeError, TypeError) as error:
        messages.append((type(error).__name__, str(error).splitlines()[0]))
        print(*messages[-1])


x = torch.ones(3, requires_grad=True)
attempt(lambda: (x * 2).backward())
attempt(lambda: torch.ones(1).backward())
attempt(lambda: (x * 2).backward(torch.ones(2)))
attempt(lambda: (x * 2).sum().backward(3.0))
loss = (x * x).sum()
loss.backward()
attempt(loss.backward)
attempt(lambda: torch.autograd.grad(loss, x))
attempt(lambda: torch.autograd.grad((x * 2).sum(), torch.ones(2, requires_grad=True)))
attempt(lambda: x.detach().sum().backward())
attempt(lambda: x.sum().backward(inputs=[]))
attempt(lambda: setattr(x, "grad", torch.ones(2)))
