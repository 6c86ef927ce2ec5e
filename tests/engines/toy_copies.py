"""Tensors on the toy device come back as each of them, those of a dtype in one copy. Says how many."""

from __future__ import annotations

import sys

import torch
import toy_device  # type: ignore[import-not-found]

from gradconform.engines.torch_device import TorchOnDevice

originals = [torch.tensor(1.5), torch.ones(2, 3), torch.tensor([1, 2]), torch.zeros(0, 2), torch.rand(2)]
engine = TorchOnDevice("toy")
handles = [one.to("toy") for one in originals]
handles[1].requires_grad_()
copies = toy_device.COPIES["cpu"]
numbers, requires_grad, _, _ = engine.glance(handles)
for mine, original in zip(numbers, originals, strict=True):
    assert mine.device.type == "cpu"
    assert mine.dtype == original.dtype
    assert torch.equal(mine, original)
assert requires_grad == [False, True, False, False, False]
sys.stdout.write(f"copies to the CPU: {toy_device.COPIES['cpu'] - copies}\n")
