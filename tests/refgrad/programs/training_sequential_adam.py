"""Sequential, Adam, and gradient clipping."""

import torch
from torch import nn

torch.manual_seed(1)
model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
loss_fn = nn.MSELoss()
x, y = torch.randn(6, 3), torch.randn(6, 2)
for _ in range(3):
    loss = loss_fn(model(x), y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.5)
    optimizer.step()
    print(f"{loss.item():.4f} {norm.item():.4f}")
print(model)
state = {name: value.clone() for name, value in model.state_dict().items()}
