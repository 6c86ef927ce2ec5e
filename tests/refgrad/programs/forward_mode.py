"""Dual numbers."""

import torch
import torch.autograd.forward_ad as fwAD

primal = torch.tensor([1.0, 2.0])
tangent = torch.tensor([0.1, -1.0])


def fn(a, b):
    return a**2 + b * a.exp()


with fwAD.dual_level():
    dual = fwAD.make_dual(primal, tangent)
    assert fwAD.unpack_dual(dual).tangent is tangent
    out = fn(dual, torch.ones(2))
    value, derivative = fwAD.unpack_dual(out)
    plain = fwAD.unpack_dual(primal * 2)
    print(plain.tangent, derivative)
after = fwAD.unpack_dual(out) if False else out.sum()
weight = torch.tensor(3.0, requires_grad=True)
with fwAD.dual_level():
    mixed = fwAD.make_dual(primal, tangent) * weight
    fwAD.unpack_dual(mixed).tangent.sum().backward()
try:
    fwAD.make_dual(primal, tangent)
except RuntimeError as caught:
    error = caught
