"""Small networks, written against torch's names, as a check of an engine has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

Module = Any
"""A module with torch's names."""

Bring = Callable[[torch.Tensor], Any]
"""Makes a tensor of the engine, a constant, of one of torch."""


Parameters = Any
"""The parameters, as attributes."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network. shapes: its parameters by name. loss: the loss on fixed data, of the engine's module, what
    brings it data, and the parameters."""

    name: str
    shapes: Mapping[str, tuple[int, ...]]
    loss: Callable[[Module, Bring, Parameters], Any]

    def parameters(self, dtype: str) -> dict[str, torch.Tensor]:
        """Random parameters, the same ones for each name."""
        return {
            name: _numbers(f"{self.name}.{name}", shape, dtype) / math.sqrt(max(shape[-1], 1))
            for name, shape in self.shapes.items()
        }


def _numbers(name: str, shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    """Normal numbers that are the same for a name in every dtype."""
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(getattr(torch, dtype))


def _like(name: str, shape: tuple[int, ...], parameter: Any) -> torch.Tensor:
    return _numbers(name, shape, str(parameter.dtype).rpartition(".")[2])


def _perceptron(engine: Module, bring: Bring, p: Parameters) -> Any:
    x = bring(_like("x", (4, 3), p.w1))
    target = bring(_like("target", (4, 2), p.w1))
    hidden = engine.tanh(x @ p.w1 + p.b1)
    output = engine.relu(hidden @ p.w2 + p.b2)
    return ((output - target) ** 2).mean() + 0.01 * (p.w1 * p.w1).sum()


def _classifier(engine: Module, bring: Bring, p: Parameters) -> Any:
    x = bring(_like("x", (6, 4), p.w1))
    labels = bring(torch.tensor([0, 2, 1, 1, 0, 2]))
    hidden = engine.nn.functional.linear(x, p.w1)
    mean, variance = hidden.mean(0, keepdim=True), hidden.var(0, keepdim=True, unbiased=False)
    hidden = engine.nn.functional.gelu((hidden - mean) / engine.sqrt(variance + 1e-5) * p.scale + p.shift)
    return engine.nn.functional.cross_entropy(hidden @ p.w2, labels)


def _recurrent(engine: Module, bring: Bring, p: Parameters) -> Any:
    x = bring(_like("x", (5, 3, 2), p.w_in))
    state = bring(torch.zeros(3, 4, dtype=getattr(torch, str(p.w_in.dtype).rpartition(".")[2])))
    states = []
    for step in range(5):
        gate = engine.sigmoid(x[step] @ p.w_in)
        state = gate * engine.tanh(state @ p.w_state) + (1 - gate) * state
        states.append(state)
    last = engine.stack(states, 0)
    return engine.logsumexp(last @ p.w_out, -1).mean() + engine.cat(states, 1).pow(2).sum() / 10


def _convolutional(engine: Module, bring: Bring, p: Parameters) -> Any:
    x = bring(_like("x", (2, 1, 5, 5), p.kernel))
    found = engine.nn.functional.conv2d(x, p.kernel, p.bias, padding=1)
    found = engine.nn.functional.max_pool2d(engine.nn.functional.leaky_relu(found, 0.1), 2)
    scores = engine.log_softmax(found.flatten(1) @ p.w, -1)
    return engine.nn.functional.nll_loss(scores, bring(torch.tensor([1, 2])))


def _attention(engine: Module, bring: Bring, p: Parameters) -> Any:
    words = bring(torch.tensor([[0, 2, 2, 3], [1, 1, 4, 0]]))
    x = engine.nn.functional.layer_norm(engine.nn.functional.embedding(words, p.table), (6,), p.gain, p.bias)
    query, key, value = (x @ p.w).chunk(3, dim=-1)
    weights = engine.softmax(query @ key.transpose(-2, -1) / math.sqrt(4), dim=-1)
    seen = bring(torch.tensor([[True, False, True, True]] * 2).unsqueeze(1))
    mixed = engine.where(seen, weights, weights * 0.5) @ value
    return (mixed + x[..., :4]).abs().sum(-1).clamp(max=4.0).mean()


NETWORKS = (
    Network("perceptron", {"w1": (3, 5), "b1": (5,), "w2": (5, 2), "b2": (2,)}, _perceptron),
    Network("classifier", {"w1": (5, 4), "scale": (5,), "shift": (5,), "w2": (5, 3)}, _classifier),
    Network("recurrent", {"w_in": (2, 4), "w_state": (4, 4), "w_out": (4, 3)}, _recurrent),
    Network("convolutional", {"kernel": (2, 1, 3, 3), "bias": (2,), "w": (8, 3)}, _convolutional),
    Network("attention", {"table": (5, 6), "w": (6, 12), "gain": (6,), "bias": (6,)}, _attention),
)
