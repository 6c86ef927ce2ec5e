"""Modules that call one function: activations, dropout and changes of shape.

Source: https://docs.pytorch.org/docs/stable/nn.html#non-linear-activations-weighted-sum-nonlinearity
"""

from __future__ import annotations

from refgrad.shapes import flatten
from refgrad.tensor import Tensor

from . import functional
from .module import Module


class Identity(Module):
    """Its input, whatever it is made with."""

    def __init__(self, *args: object, **kwargs: object) -> None:  # noqa: ARG002 - as torch's
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """Return `input` itself."""
        return input


class ReLU(Module):
    """The larger of x and 0; with `inplace` the input is written to."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return `relu(input)`."""
        return functional.relu(input, self.inplace)

    def extra_repr(self) -> str:
        """Name the option, if it is on."""
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """x where it is positive, `negative_slope` times x elsewhere."""

    def __init__(self, negative_slope: float = 1e-2) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """Return `leaky_relu(input)`."""
        return functional.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        """Name the slope."""
        return f"negative_slope={self.negative_slope}"


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `sigmoid(input)`."""
        return functional.sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `tanh(input)`."""
        return functional.tanh(input)


class GELU(Module):
    """x times the normal distribution function of x; `approximate` is "none" or "tanh"."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Return `gelu(input)`."""
        return functional.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """Name the approximation."""
        return f"approximate={self.approximate!r}"


class _Along(Module):
    """A function along one dimension."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        """Name the dimension."""
        return f"dim={self.dim}"


class Softmax(_Along):
    """exp(x), divided by its sum along `dim`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `softmax(input, dim)`."""
        return functional.softmax(input, self.dim)


class LogSoftmax(_Along):
    """The logarithm of softmax along `dim`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `log_softmax(input, dim)`."""
        return functional.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        """Say nothing, as torch does."""
        return ""


class Dropout(Module):
    """In training, zeros with probability `p`; raises ValueError for a `p` that is no probability."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return `dropout(input)` for the mode that the module is in."""
        return functional.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """Name the options."""
        return f"p={self.p}, inplace={self.inplace}"


class Flatten(Module):
    """The dimensions from `start_dim` to `end_dim` as one; without arguments all but the batch."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        """Return `input`, flattened."""
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Name the dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
