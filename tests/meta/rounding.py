"""Engines that differ from torch in their numbers alone: gradients that are wrong by a factor near one, which
must be caught, and roundings that are merely others, which must not be blamed.

`gradconform run rounding:scaled` runs one of them when this folder is importable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from gradconform.engines.torch import TorchEngine
from gradconform.program.vocabulary import OPERATORS

Tensor = torch.Tensor
Operation = Callable[..., Any]

FACTOR = 1.0005
"""Well beyond any rounding of float32, and small enough to pass for one at a glance."""

NARROW = (torch.float16, torch.bfloat16, torch.float32)


class Rounds(TorchEngine):
    """Torch; the subclass computes other numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()


class Scaled(Rounds):
    """All gradients are FACTOR times what they should be."""

    def backward(self, root: Tensor, gradient: Any = None, *rest: Any, **options: Any) -> None:
        super().backward(root, _scaled(root, gradient), *rest, **options)

    def backward_function(self, tensors: Any, grad_tensors: Any = None, *rest: Any, **options: Any) -> None:
        super().backward_function(tensors, _each_scaled(tensors, grad_tensors), *rest, **options)

    def grad(
        self, outputs: Any, inputs: Any, grad_outputs: Any = None, *rest: Any, **options: Any
    ) -> tuple[Any, ...]:
        return super().grad(outputs, inputs, _each_scaled(outputs, grad_outputs), *rest, **options)


def _scaled(root: Any, gradient: Any) -> Any:
    """The cotangent of a root times FACTOR; what torch would refuse stays as it is."""
    if gradient is None and isinstance(root, Tensor) and root.numel() == 1 and root.requires_grad:
        gradient = torch.ones_like(root)
    return gradient * FACTOR if isinstance(gradient, Tensor) and gradient.is_floating_point() else gradient


def _each_scaled(roots: Any, gradients: Any) -> Any:
    if isinstance(roots, Tensor):
        return _scaled(roots, gradients)
    if gradients is None:
        return [_scaled(root, None) for root in roots]
    if isinstance(gradients, Tensor) or len(gradients) != len(roots):
        return gradients
    return [_scaled(root, gradient) for root, gradient in zip(roots, gradients, strict=True)]


class _Given(torch.autograd.Function):
    """Other numbers in the place of a tensor's own, and its gradient."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, numbers: Tensor) -> Tensor:
        ctx.set_materialize_grads(False)
        return numbers.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


ONE_ROUNDING = ("add", "sub", "neg")
"""Rounded once in any case; and where they hand a gradient on, its memory is seen."""


class AccumulatesInFloat64(Rounds):
    """Every pure operation, and its gradient, is computed in float64 and rounded once, to the dtype."""

    def operation(self, name: str) -> Operation:
        real = super().operation(name)
        if OPERATORS[name].effect != "pure" or name in ONE_ROUNDING:
            return real

        def wide(*arguments: Any, **options: Any) -> Any:
            dtypes = {value.dtype for value in arguments if isinstance(value, Tensor) and inexact(value)}
            dtype = dtypes.pop() if len(dtypes) == 1 else None
            if options or dtype not in NARROW or any(isinstance(value, torch.dtype) for value in arguments):
                return real(*arguments, **options)
            widened = real(*map(_widened, arguments))
            if not isinstance(widened, Tensor) or widened.dtype != torch.float64:
                return widened
            if name == "sum":  # its gradient is not computed, but spread without memory of its own
                return _Given.apply(real(*arguments), widened.detach().to(dtype))  # type: ignore[no-untyped-call]
            return widened.to(dtype)

        return wide


def _widened(value: Any) -> Any:
    return value.double() if isinstance(value, Tensor) and inexact(value) else value


def inexact(value: Tensor) -> bool:
    """Whether a tensor holds numbers that are rounded."""
    return value.is_floating_point() or value.is_complex()


class FusesMultiplyAdd(Rounds):
    """A sum or a difference with a product is rounded once: the product in it has all of its digits.

    float64 has 64 bits in between, where numpy's longdouble does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.products: dict[int, tuple[Tensor, int, np.ndarray[Any, Any]]] = {}

    def reset(self) -> None:
        super().reset()
        self.products.clear()

    def operation(self, name: str) -> Operation:
        real = super().operation(name)
        if name == "mul":
            return lambda *arguments, **options: self.product(real, arguments, options)
        if name in ("add", "sub"):
            return lambda *arguments, **options: self.sum(real, name, arguments, options)
        return real

    def product(self, real: Operation, arguments: Sequence[Any], options: Any) -> Any:
        result = real(*arguments, **options)
        if isinstance(result, Tensor) and result.dtype in (torch.float32, torch.float64) and not options:
            exact = np.multiply(*map(_extended, arguments))
            # Held with the tensor, whose id is then its own, and for as long as nothing is written into it.
            self.products[id(result)] = (result, result._version, exact)
        return result

    def sum(self, real: Operation, name: str, arguments: Sequence[Any], options: Any) -> Any:
        result = real(*arguments, **options)
        if options or not isinstance(result, Tensor) or result.is_complex() or len(arguments) != 2:
            return result  # the products that are known are real
        a, b = map(self.exact, arguments)
        if a is not None:  # of two products one is rounded first
            left, right = a, _extended(arguments[1])
        elif b is not None:
            left, right = _extended(arguments[0]), b
        else:
            return result
        fused = left + right if name == "add" else left - right
        # numpy has no bfloat16; a float32 is rounded to it once more.
        dtype = "float32" if result.dtype == torch.bfloat16 else str(result.dtype).removeprefix("torch.")
        numbers = torch.from_numpy(np.asarray(fused, dtype=dtype)).to(result.dtype)
        if numbers.shape != result.shape or torch.equal(numbers, result.detach()):
            return result
        return _Given.apply(result, numbers)  # type: ignore[no-untyped-call]

    def exact(self, value: Any) -> np.ndarray[Any, Any] | None:
        """The product that a tensor is, with all of its digits."""
        known = self.products.get(id(value))
        if known is None:
            return None
        held, version, exact = known
        return exact if held is value and held._version == version else None


def _extended(value: Any) -> np.ndarray[Any, Any]:
    if not isinstance(value, Tensor):
        return np.asarray(value).astype(np.longdouble)
    # numpy has no bfloat16.
    plain = value.detach().float() if value.dtype == torch.bfloat16 else value.detach()
    return plain.numpy().astype(np.longdouble)


class SumsBackwards(Rounds):
    """Sums, means and products of matrices add their terms from the last to the first."""

    def operation(self, name: str) -> Operation:
        real = super().operation(name)
        if name in ("sum", "mean"):
            return lambda *arguments, **options: self.total(real, arguments, options)
        if name == "matmul":
            return lambda a, b: self.turned(real, a, b)
        return real

    def turned(self, real: Operation, a: Tensor, b: Tensor) -> Tensor:
        """The matrix product with its sums in the other order. What is saved for its gradient is torch's."""
        numbers = real(a.detach().flip(-1), b.detach().flip(-1 if b.dim() == 1 else -2))
        return _Given.apply(real(a, b), numbers)  # type: ignore[no-any-return, no-untyped-call]

    def total(self, real: Operation, arguments: Sequence[Any], options: Any) -> Any:
        result = real(*arguments, **options)
        value = arguments[0]
        if len(arguments) > 1 or options or not isinstance(value, Tensor):
            return result
        return _Given.apply(result, real(value.detach().flip(tuple(range(value.dim())))))  # type: ignore[no-untyped-call]


scaled = Scaled
accumulates_in_float64 = AccumulatesInFloat64
fuses_multiply_add = FusesMultiplyAdd
sums_backwards = SumsBackwards
