"""A decorated generator has its mode between its own lines only."""

import torch


@torch.no_grad()
def batches(n):
    for i in range(n):
        sent = yield torch.is_grad_enabled(), i
        print("sent", sent, torch.is_grad_enabled())


g = batches(2)
print(next(g), torch.is_grad_enabled())
print(g.send("hello"), torch.is_grad_enabled())
rest = list(g)


@torch.enable_grad()
def failing():
    raise ValueError("inside")
    yield


with torch.no_grad():
    try:
        list(failing())
    except ValueError as caught:
        error = caught
    still = torch.is_grad_enabled()
