"""A mode ends with its block, however the block ends."""

import contextlib

import torch

x = torch.ones(1, requires_grad=True)
for mode in (torch.no_grad(), torch.inference_mode(), torch.set_grad_enabled(False)):
    with contextlib.suppress(ZeroDivisionError), mode:
        print(torch.is_grad_enabled())
        1 / 0
    print(torch.is_grad_enabled(), (x + 1).requires_grad)


class Model:
    @torch.no_grad()
    def predict(self, x):
        """Predict."""
        return x * 2


model = Model()
print(model.predict(x).requires_grad, Model.predict.__name__, Model.predict.__doc__)
