"""Which operation gave nan?"""

import torch

x = torch.tensor([0.0, 1.0], requires_grad=True)
with torch.autograd.detect_anomaly():
    y = (x.sqrt() * 0).sum()
    try:
        y.backward()
    except RuntimeError as caught:
        error = caught
print(torch.is_anomaly_enabled())
torch.autograd.set_detect_anomaly(True, check_nan=False)
(x.sqrt() * 0).sum().backward()
torch.autograd.set_detect_anomaly(False)
print(x.grad)
