"""Convolution, pooling, resampling and normalisation: what torch does at ties, at borders, for none and for
one, and which of its errors it raises; all compared with torch.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

PRELUDE = """
F = torch.nn.functional
def plain(value):
    if value is None: return None
    if isinstance(value, (tuple, list)): return [plain(part) for part in value]
    return (value.detach().numpy().round(4) + 0.0).tolist(), tuple(value.shape), value.requires_grad
def show(*values): print(*map(plain, values))
def attempt(function):
    try: return show(function())
    except Exception as error: print(type(error).__name__)
def grads(result, *tensors):
    show(*torch.autograd.grad(result, tensors, torch.ones_like(result), allow_unused=True))
def node(tensor): return tensor.grad_fn.name()
def double(*shape):
    size = 1
    for one in shape: size *= one
    value = ((torch.arange(size, dtype=torch.float64) * 7) % 5 - 2).reshape(shape)
    value.requires_grad_(); return value
"""

PROGRAMS = {
    "convolution, options": """
        x, w, b = double(2, 4, 7), double(6, 2, 3), double(6)
        for padding in (0, 2, "same", "valid"):
            for dilation in (1, 2):
                y = F.conv1d(x, w, b, padding=padding, dilation=dilation, groups=2)
                show(y); grads(y, x, w, b); print(node(y))
        y = F.conv_transpose1d(x, double(4, 3, 2), None, 3, 1, 4, 2, 5); show(y); grads(y, x)
        show(F.conv1d(x[0], w, groups=2), F.conv1d(double(0, 4, 7), w, groups=2))
        show(F.conv1d(x, double(6, 2, 2), padding="same", groups=2))
        """,
    "convolution, complex": """
        x, w = double(1, 2, 5) * (1 + 2j), double(3, 2, 2) * (2 - 1j)
        y = F.conv1d(x, w, double(3) * 1j); show(y.real, y.imag)
        """,
    "convolution, refusals": """
        x, w = double(1, 2, 5), double(3, 2, 2)
        attempt(lambda: F.conv1d(x[0, 0], w)); attempt(lambda: F.conv1d(x, w, padding="other"))
        attempt(lambda: F.conv1d(x, w, padding="same", stride=2))
        attempt(lambda: F.conv1d(x, w, stride=(1, 1)))
        attempt(lambda: F.conv1d(x, w.float())); attempt(lambda: F.conv1d(x * 1j, w))
        attempt(lambda: F.conv1d(x, double(3, 1, 2)))
        attempt(lambda: F.conv_transpose2d(x, w)); attempt(lambda: F.conv1d(x, double(3, 2, 9)))
        """,
    "pooling, ties": """
        x = torch.tensor([[[1., 3., 3., 2., 3., 3.]]], requires_grad=True)
        y = F.max_pool1d(x, 2, 1); grads(y, x); y, i = F.max_pool1d(x, 3, return_indices=True)
        print(i, i.requires_grad); grads(y, x); y = F.adaptive_max_pool1d(x, 2); grads(y, x); print(node(y))
        y = F.max_pool1d(torch.tensor([[[1., float("nan"), 3.]]], requires_grad=True), 2, 1); show(y)
        """,
    "pooling, borders": """
        x = double(1, 1, 5, 5)
        for options in ((2,), (3, 2, 1), (3, 2, 1, True), (3, 2, 1, True, False), (3, 2, 1, True, False, 2)):
            y = F.avg_pool2d(x, *options); show(y); grads(y, x)
        y = F.max_pool2d(x, 2, 2, 1, 2, True); show(y); grads(y, x); print(node(y))
        y = F.adaptive_avg_pool2d(x, (1, 1)); print(node(y)); y = F.adaptive_avg_pool2d(x, (None, 2)); show(y)
        print(node(y), node(F.avg_pool1d(x[0], 2)), node(F.adaptive_avg_pool1d(x[0], 2)))
        show(F.max_pool2d(double(0, 1, 4, 4), 2), F.avg_pool2d(double(0, 1, 4, 4), 2))
        """,
    "pooling, and back": """
        x = double(1, 1, 6)
        y, i = F.max_pool1d(x, 2, return_indices=True); z = F.max_unpool1d(y, i, 2); show(z); grads(z, x)
        show(F.max_unpool1d(y, i, 2, output_size=(7,)))
        attempt(lambda: F.max_unpool1d(y, i, 2, output_size=(9,)))
        attempt(lambda: F.max_unpool1d(y, i, 2, output_size=(1, 2, 3, 4)))
        attempt(lambda: F.max_unpool1d(y, i + 9, 2))
        """,
    "pooling, refusals": """
        x = double(3)
        for f in (F.avg_pool1d, F.max_pool1d, F.max_pool2d, F.adaptive_avg_pool1d, F.adaptive_max_pool1d):
            attempt(lambda: f(x, 2))
        attempt(lambda: F.max_pool2d(double(1, 4, 4), 2, padding=2))
        attempt(lambda: F.max_pool1d(double(1, 4), (2, 2)))
        attempt(lambda: F.fractional_max_pool2d(double(1, 4, 4), 2))
        attempt(lambda: F.adaptive_avg_pool2d(x, (2, 2)))
        """,
    "a pooled tensor is saved": """
        x = double(1, 1, 4) * 1; y = F.avg_pool1d(x, 2); x.mul_(2)
        attempt(lambda: torch.autograd.grad(y.sum(), x))
        """,
    "resampling": """
        x = double(1, 1, 3, 4)
        for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area"):
            for wanted in ({"size": (5, 2)}, {"scale_factor": 1.7},
                           {"scale_factor": (0.6, 2), "recompute_scale_factor": True}):
                y = F.interpolate(x, mode=mode, **wanted); show(y); grads(y, x); print(node(y))
        y = F.interpolate(x, 2, mode="bicubic", antialias=True, align_corners=False); show(y); grads(y, x)
        print(node(y))
        """,
    "resampling, refusals": """
        x = double(1, 1, 3)
        for options in ({}, {"size": 2, "scale_factor": 2}, {"size": (2, 2)}, {"scale_factor": (2, 2)},
                        {"size": 2.5}, {"size": 2, "mode": "bilinear"}, {"size": 2, "mode": "other"},
                        {"size": 2, "antialias": True},
                        {"size": 2, "align_corners": True}, {"size": 2, "recompute_scale_factor": True}):
            attempt(lambda: F.interpolate(x, **options))
        """,
    "a grid, on pixels and borders": """
        x = double(1, 1, 3, 4)
        points = [[-1., -1.], [1., 1.], [0., 0.], [-1.5, 3.], [0.3, -0.2], [1.2, -2.6]]
        g = torch.tensor([[points]], dtype=torch.float64, requires_grad=True)
        for mode in ("bilinear", "nearest", "bicubic"):
            for padding in ("zeros", "border", "reflection"):
                for corners in (False, True):
                    y = F.grid_sample(x, g, mode, padding, corners); show(y); grads(y, x, g)
                    c = torch.ones_like(y).requires_grad_()
                    (gg,) = torch.autograd.grad(y, g, c, create_graph=True); grads(gg * g.detach(), x, g, c)
        print(node(y)); attempt(lambda: F.grid_sample(x, g, "other"))
        attempt(lambda: F.grid_sample(x, g, padding_mode="other"))
        attempt(lambda: F.grid_sample(x[0], g))
        """,
    "normalisation, constant and alone": """
        for x in (torch.ones(2, 3, 4, dtype=torch.float64, requires_grad=True), double(2, 3, 4)):
            w, b = double(3), double(3)
            for y in (F.batch_norm(x, None, None, w, b, True), F.instance_norm(x, weight=w, bias=b),
                      F.group_norm(x, 3, w, b)):
                show(y); grads(y * double(2, 3, 4), x, w, b)
            y = F.layer_norm(x, (4,), None, double(4)); grads(y * double(2, 3, 4), x); print(node(y))
        x = double(1); w = double(1); grads(F.layer_norm(x, (1,), w), x, w)
        grads(F.rms_norm(x, (1,), w), x, w)
        show(F.batch_norm(double(0, 3, 4), None, None, double(3), double(3), True))
        """,
    "normalisation, statistics": """
        x, w = double(2, 3, 4), double(3)
        mean, var = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
        y = F.batch_norm(x, mean, var, w, None, True, 0.3); grads(y, x, w); show(mean, var)
        print(mean._version, node(y))
        y = F.batch_norm(x, mean, var, w, None, False); grads(y, x, w); F.instance_norm(x, mean, var)
        show(mean, var)
        y, m, r = torch.native_group_norm(x, w, None, 2, 3, 4, 3, 1e-5)
        print(node(m), m.output_nr, r.output_nr); grads((m * r).sum(), x)
        show(torch.autograd.grad(m.sum(), (x, w), allow_unused=True, retain_graph=True))
        show(torch.autograd.grad((y * m.unsqueeze(2)).sum() + r.sum(), (x, w), retain_graph=True))
        for f in (torch.native_layer_norm(x, (4,), None, None, 1e-5),
                  torch.native_batch_norm(x, w, None, mean, var, True, 0.1, 1e-5)):
            print([part.requires_grad for part in f])
        """,
    "normalisation, refusals": """
        x, w, m = double(2, 4, 3), double(4), torch.zeros(4, dtype=torch.float64)
        attempt(lambda: F.group_norm(x, 3)); attempt(lambda: F.group_norm(x, 2, double(3)))
        attempt(lambda: F.group_norm(w, 2))
        attempt(lambda: F.layer_norm(x, (4,))); attempt(lambda: F.layer_norm(x, ()))
        attempt(lambda: F.rms_norm(x, (3,), w))
        attempt(lambda: F.batch_norm(x, None, None)); attempt(lambda: F.batch_norm(x, m[:3], m[:3]))
        attempt(lambda: F.batch_norm(x, m, m, eps=-1.))
        attempt(lambda: F.batch_norm(x[:1, :, :1], m, m, training=True))
        attempt(lambda: F.instance_norm(x[:, :, :1]))
        attempt(lambda: F.instance_norm(x, use_input_stats=False))
        attempt(lambda: F.local_response_norm(w, 2))
        """,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_as_torch(program: str, same: Callable[[str], str]) -> None:
    assert same(PRELUDE + textwrap.dedent(program))
