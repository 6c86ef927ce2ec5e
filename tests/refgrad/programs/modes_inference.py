"""Inference mode, and what its tensors refuse."""

import torch

w = torch.ones(2, requires_grad=True)
with torch.inference_mode():
    cached = w * 2
    print(cached.requires_grad, cached.is_inference(), torch.is_inference_mode_enabled())


@torch.inference_mode()
def predict(x):
    return x @ w


answer = predict(torch.tensor([1.0, 2.0]))
errors = []
for attempt in (
    lambda: w * cached,
    lambda: cached.add_(1),
    lambda: cached.requires_grad_(),
    lambda: (cached.clone() * w).sum().backward(),
):
    try:
        attempt()
    except RuntimeError as caught:
        errors.append(caught)
print(len(errors), w.grad)
