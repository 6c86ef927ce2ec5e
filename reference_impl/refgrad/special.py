"""`refgrad.special`: gamma, error, Bessel and entropy functions, element by element.

Those that torch has in its main namespace too, and as methods of tensors, are told under TORCH and METHODS.
Source: https://docs.pytorch.org/docs/stable/special.html
"""

from __future__ import annotations

import math
from typing import Any

import torch

from .functions import erf, erfinv, sinc, xlogy
from .functions import igamma as gammainc
from .ops import apply
from .pointwise import as_tensor_operand, constant_function, expm1, log1p, round, unary  # noqa: A004
from .pointwise import sigmoid as expit
from .reductions import log_softmax, logsumexp, softmax
from .scaling import exp2
from .tensor import Tensor

__all__ = [
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammainc",
    "gammaincc",
    "gammaln",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "sinc",
    "softmax",
    "xlog1py",
    "xlogy",
    "zeta",
]

digamma = unary("digamma")
entr = unary("entr")
erfc = unary("erfc")
erfcx = unary("erfcx")
i0 = unary("i0")
lgamma = unary("lgamma")
log_ndtr = unary("log_ndtr")
ndtri = unary("ndtri")


def polygamma(n: int, input: Tensor) -> Tensor:
    """Return the derivative of order `n` of digamma; raise RuntimeError for a negative order."""
    return apply("polygamma", input, n)


def mvlgamma(input: Tensor, p: int) -> Tensor:
    """Return the logarithm of the multivariate gamma function of dimension `p`.

    Raises RuntimeError for a dimension below 1.
    """
    return apply("mvlgamma", input, p)


def igammac(input: Tensor, other: Tensor) -> Tensor:
    """Return the regularized upper incomplete gamma function; it has no derivative by `input`."""
    return apply("igammac", input, other)


def zeta(input: Any, other: Any) -> Tensor:
    """Return the sum of (k + other) ** -input over k = 0, 1, ...; it has no derivative by `input`."""
    return apply("zeta", as_tensor_operand(input, other), as_tensor_operand(other, input))


def ndtr(input: Tensor) -> Tensor:
    """Return the probability that a standard normal variable is at most `input`."""
    return (1 + erf(input / math.sqrt(2))) * 0.5


def i0e(input: Tensor) -> Tensor:
    """Return exp(-|x|) i0(x)."""
    return apply("special_i0e", input)


def i1(input: Tensor) -> Tensor:
    """Return the modified Bessel function of the first kind of order 1."""
    return apply("special_i1", input)


def i1e(input: Tensor) -> Tensor:
    """Return exp(-|x|) i1(x)."""
    return apply("special_i1e", input)


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """Return log(x / (1 - x)), with x clamped to `eps` from 0 and 1 if it is given."""
    return apply("logit", input, eps)


def xlog1py(input: Any, other: Any) -> Tensor:
    """Return `input * log1p(other)`, and 0 where `input` is 0; one of the two may be a number."""
    return apply("xlog1py", as_tensor_operand(input, other), as_tensor_operand(other, input))


def _polygamma(input: Tensor, n: int) -> Tensor:
    """Return `polygamma(n, input)`; the method takes the order last."""
    return polygamma(n, input)


_polygamma.__name__ = "polygamma"
psi = digamma
gammaln = lgamma
multigammaln = mvlgamma
gammaincc = igammac

# torch has no derivatives of these.
CONSTANT = (
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "chebyshev_polynomial_t",
    "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w", "hermite_polynomial_h",
    "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p", "modified_bessel_i0",
    "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1", "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_u",
    "shifted_chebyshev_polynomial_v", "shifted_chebyshev_polynomial_w", "spherical_bessel_j0",
)  # fmt: skip
globals().update({name: constant_function(name, torch.special) for name in CONSTANT})

TORCH = ("digamma", "erfc", "i0", "igammac", "lgamma", "logit", "mvlgamma", "polygamma")
METHODS = {
    "digamma": digamma,
    "erfc": erfc,
    "i0": i0,
    "igammac": igammac,
    "lgamma": lgamma,
    "logit": logit,
    "mvlgamma": mvlgamma,
    "polygamma": _polygamma,
}
IN_PLACE = METHODS
