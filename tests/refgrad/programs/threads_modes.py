"""Grad mode belongs to a thread; leaves are shared."""

import threading

import torch

x = torch.ones(2, requires_grad=True)
seen = []


def work():
    seen.append(torch.is_grad_enabled())
    (x * 2).sum().backward()


with torch.no_grad():
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(seen, x.grad)
