"""The dtypes that a spec may name, and what `any`, `floating` and `complex` stand for in a case."""

from __future__ import annotations

FLOATING = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64", "complex128")
INTEGER = ("int32", "int64")
DTYPES = (*FLOATING, *COMPLEX, *INTEGER, "bool")
RELATIVE = ("any", "floating", "complex")
DEFAULT_DTYPES = ("float32", "float64")

LARGEST = {
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
    "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308,
    "complex64": 3.4028234663852886e38,
    "complex128": 1.7976931348623157e308,
    "int32": 2**31 - 1,
    "int64": 2**63 - 1,
}
"""The largest finite number of a dtype, as `torch.finfo` and `torch.iinfo` give it."""

_REAL_OF = {"complex64": "float32", "complex128": "float64"}
_COMPLEX_OF = {real: name for name, real in _REAL_OF.items()}


def resolve_dtype(word: str, case: str) -> str | None:
    """The dtype that `word` stands for in a case of dtype `case`; None where `case` has no such counterpart.

    `any` is the case's dtype itself, `floating` its real counterpart (float64 for complex128), `complex` its
    complex one (complex64 for float32). float16 and bfloat16 have no complex counterpart that torch computes
    with on every device, integers and bool have neither. An explicit name stands for itself.
    """
    match word:
        case "any":
            return case
        case "floating":
            return case if case in FLOATING else _REAL_OF.get(case)
        case "complex":
            return case if case in COMPLEX else _COMPLEX_OF.get(case)
        case _:
            return word


def differentiable(dtype: str) -> bool:
    """Whether a tensor of this dtype may require grad: torch lets floating and complex ones only."""
    return dtype in FLOATING or dtype in COMPLEX
