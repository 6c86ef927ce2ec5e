"""Samples, drawn from torch's generators: bernoulli, normal, poisson, and tensors filled at random.

Source: "Random sampling" in https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .creation import factory
from .inplace import write
from .ops import apply
from .tensor import Tensor

if TYPE_CHECKING:
    import torch

_normal = factory("normal")


def bernoulli(input: Tensor, p: float | None = None, *, generator: torch.Generator | None = None) -> Tensor:
    """Return 1 with the probability that each element states, 0 otherwise; with `p`, the same for all.

    The gradient is zero; with `p` there is no derivative. Raises RuntimeError for what is no probability.
    """
    if p is None:
        return apply("bernoulli", input, generator)
    return apply("bernoulli_like", input, p, generator)


def poisson(input: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Return samples of the Poisson distributions whose rates the elements are; the gradient is zero."""
    return apply("poisson", input, generator)


def binomial(count: Tensor, prob: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Return how many of `count` trials succeed, each with probability `prob`; there is no derivative."""
    return apply("binomial", count, prob, generator)


def normal(
    mean: Any, std: Any = 1.0, size: Any = None, *, generator: torch.Generator | None = None, **options: Any
) -> Tensor:
    """Return samples around each element of `mean`, with the standard deviations `std`; the gradient is zero.

    With two numbers, a tensor of `size`, a leaf if `requires_grad`. Raises RuntimeError for a deviation below
    zero.
    """
    if size is not None:
        return _normal(mean, std, size, generator=generator, **options)
    if options:
        raise TypeError(f"normal() got unexpected keyword arguments {sorted(options)} without a size")
    if isinstance(mean, Tensor) and isinstance(std, Tensor):
        return apply("normal_of_mean_std", mean, std, generator)
    if isinstance(mean, Tensor):
        return apply("normal_of_mean", mean, std, generator)
    return apply("normal_of_std", std, mean, generator)


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return indices drawn with probabilities `input`; they have no history."""
    return Tensor._of(input._data.multinomial(num_samples, replacement, generator=generator))


def _filling(name: str) -> Callable[..., Tensor]:
    def operator(input: Tensor, *args: Any, **options: Any) -> Tensor:
        return write(
            input, lambda data: getattr(data, f"{name}_")(*args, **options), name, (), (args, options)
        )

    operator.__name__ = operator.__qualname__ = f"{name}_"
    operator.__doc__ = f"Fill `input` with random numbers; the arguments are those of torch.Tensor.{name}_."
    return operator


cauchy_ = _filling("cauchy")
exponential_ = _filling("exponential")
geometric_ = _filling("geometric")
log_normal_ = _filling("log_normal")
normal_ = _filling("normal")
random_ = _filling("random")
uniform_ = _filling("uniform")


def bernoulli_(input: Tensor, p: Any = 0.5, *, generator: torch.Generator | None = None) -> Tensor:
    """Fill `input` with 1 and 0; `p` is the probability of 1, a number or a tensor."""
    if isinstance(p, Tensor):
        return write(
            input,
            lambda data: data.bernoulli_(p._data, generator=generator),
            "bernoulli_fill_of",
            (p,),
            (generator,),
        )
    options = {"generator": generator}
    return write(input, lambda data: data.bernoulli_(p, **options), "bernoulli_fill", (), ((p,), options))


TORCH = ("bernoulli", "binomial", "multinomial", "normal", "poisson")
OUT = ("bernoulli", "multinomial")
METHODS = (
    "bernoulli", "bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "multinomial",
    "normal_", "random_", "uniform_",
)  # fmt: skip
