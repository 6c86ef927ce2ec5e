"""The words that torch and numpy have for the same operators, by how they are called."""

from __future__ import annotations

UNARY = {
    **{
        name: name
        for name in (
            *("abs", "positive", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt"),
            *(
                "reciprocal",
                "square",
                "sin",
                "cos",
                "tan",
                "sinh",
                "cosh",
                "tanh",
                "sinc",
                "deg2rad",
                "rad2deg",
            ),
            *("floor", "ceil", "round", "trunc", "fix", "sign", "isnan", "signbit", "logical_not"),
            *("conj", "real", "imag", "angle", "sigmoid", "erf", "erfinv", "ravel", "fliplr", "flipud"),
            *("diagflat", "count_nonzero", "i0"),
        )
    },
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "sgn": "sign",
    "inverse": "linalg.inv",
    "linalg.inv": "linalg.inv",
    "det": "linalg.det",
    "linalg.det": "linalg.det",
    "linalg.pinv": "linalg.pinv",
    "resolve_conj": "positive",
    "detach": "stop_gradient",
    "corrcoef": "corrcoef",
    "special.expit": "sigmoid",
    "special.erf": "erf",
    "special.erfinv": "erfinv",
    "erfc": "erfc",
    "lgamma": "gammaln",
    "digamma": "digamma",
    "special.ndtri": "ndtri",
    "special.log_ndtr": "log_ndtr",
    "special.entr": "entr",
    "special.i0e": "i0e",
    "special.i1": "i1",
    "special.i1e": "i1e",
    "logit": "logit",
    "relu": "relu",
    "nn.functional.relu": "relu",
    "nn.functional.relu6": "relu6",
    "nn.functional.selu": "selu",
    "nn.functional.silu": "silu",
    "nn.functional.mish": "mish",
    "nn.functional.softplus": "softplus",
    "nn.functional.softsign": "softsign",
    "nn.functional.logsigmoid": "log_sigmoid",
}
"""Operators of one tensor by their names in numpy's manner."""

BINARY = {
    **{
        name: name
        for name in (
            *("maximum", "minimum", "fmax", "fmin", "fmod", "remainder", "floor_divide", "heaviside"),
            *("copysign", "hypot", "logaddexp", "logaddexp2", "nextafter", "kron", "outer", "inner", "vdot"),
        )
    },
    "atan2": "arctan2",
    "ger": "outer",
    "linalg.solve": "linalg.solve",
    "mm": "matmul",
    "mv": "matmul",
    "bmm": "matmul",
    "dot": "dot",
}
"""Operators of two tensors."""

REDUCTIONS = {
    "mean": "mean",
    "sum": "sum",
    "prod": "prod",
    "amax": "max",
    "amin": "min",
    "nansum": "nansum",
    "nanmean": "nanmean",
    "logsumexp": "logsumexp",
    "all": "all",
    "any": "any",
}
"""`(input, dim=None, keepdim=False)`."""

ALONG = {
    "cumsum": "cumsum",
    "cumprod": "cumprod",
    "softmax": "softmax",
    "log_softmax": "log_softmax",
    "nn.functional.softmax": "softmax",
    "nn.functional.log_softmax": "log_softmax",
}
"""`(input, dim)`."""

FOURIER = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
CASTS = {
    "double": "float64",
    "float": "float32",
    "half": "float16",
    "int": "int32",
    "long": "int64",
    "bool": "bool",
}
"""Methods that give another dtype, by its name."""
NUMBERS = (
    *("float16", "float32", "float64", "bool"),
    *("uint8", "int8", "int16", "int32", "int64"),
)
"""Dtypes of real numbers, in torch's names, which are numpy's."""
SPELLINGS = {"log_softmax": "logsoftmax", "softsign": "soft_sign"}
"""What some engines call them."""
