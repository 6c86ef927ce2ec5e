"""gradcheck with gradgradcheck, as PyTorch's own tests of operators call them: in double precision, in slow
mode, in forward mode and over batches of gradients too, where torch has these.

The engine's own `autograd.gradcheck` is asked. refgrad's is written after torch's, with its steps and
tolerances.

Source: torch/testing/_internal/common_methods_invocations.py, test/test_ops_gradients.py of PyTorch
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gradconform.engines.base import Engine
from gradconform.engines.torch import TorchEngine

from .base import Check
from .functions import Function, differentiable, of_networks
from .tables import calls

Options = Mapping[str, bool]

_FIRST: tuple[Options, ...] = (
    {"check_forward_ad": True, "check_batched_grad": True},
    {"check_forward_ad": True},
    {"check_batched_grad": True},
    {},
)
_SECOND: tuple[Options, ...] = ({"check_batched_grad": True}, {})

Way = tuple[tuple[str, Options], ...]
"""The checks to call, each with its options."""


def _ways(function: Function) -> Iterator[Way]:
    """Both checks with all that torch has of their options for this function."""
    torch = TorchEngine()

    def passes(name: str, options: Options) -> bool:
        return not GRADCHECK.heard(function, ((name, options),), torch)

    several = (("gradcheck", _FIRST), ("gradgradcheck", _SECOND))
    first = ((name, next((one for one in options if passes(name, one)), None)) for name, options in several)
    chosen = tuple((name, options) for name, options in first if options is not None)
    if chosen:
        yield chosen


def _complaint(function: Function, way: Way, engine: Engine) -> str:
    call = function.on(engine)
    for name, options in way:
        check = getattr(engine.module.autograd, name)  # type: ignore[attr-defined]
        check(
            lambda *tensors: tuple(differentiable(engine, call(*tensors))), function.leaves(engine), **options
        )
    return ""


def _functions() -> Iterable[Function]:
    yield from of_networks(("float64",))
    yield from calls(("float64", "complex128"))


GRADCHECK = Check(
    "gradcheck",
    "`gradcheck` with `gradgradcheck` in double precision, with forward mode and batches of gradients",
    _functions,
    _ways,
    _complaint,
)
