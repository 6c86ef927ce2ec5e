"""Saved tensors are packed into something smaller."""

import torch
from torch.autograd.graph import saved_tensors_hooks

packed = []


def pack(t):
    packed.append(tuple(t.shape))
    return t.to(torch.float64) if t.dtype == torch.float32 else t


def unpack(t):
    print("unpack", t.dtype)
    return t.to(torch.float32)


x = torch.tensor([1.0, 2.0], requires_grad=True)
with saved_tensors_hooks(pack, unpack):
    y = (x * x.exp()).sum()
y.backward()
with torch.autograd.graph.save_on_cpu():
    (x**3).sum().backward()
with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
    try:
        with saved_tensors_hooks(pack, unpack):
            x * x
    except RuntimeError as caught:
        error = caught
