"""Torch's own samples of its operators: the one module that knows where torch keeps them.

`torch.testing._internal` is a private module of the torch package; its `op_db` has an entry for each operator
and variant, with functions that make inputs for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from gradconform.errors import UsageError


@dataclass(frozen=True, slots=True)
class Sample:
    """One call: `run` makes it with an input, positional and keyword arguments of these structures.
    operator: the function that is sampled. given: torch's own sample."""

    operator: Callable[..., Any]
    input: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    run: Callable[..., Any]
    given: Any


@dataclass(frozen=True, slots=True)
class Entry:
    """An operator, or a variant of one. name: `linalg.qr`, `norm.fro`. dtypes: those that it supports on the
    CPU, by name. info: torch's own entry."""

    name: str
    dtypes: tuple[str, ...]
    info: Any

    def samples(self, dtype: str) -> list[Sample]:
        """The samples in a dtype; random numbers are torch's, from where its generator stands."""
        kind = getattr(torch, dtype)
        found = self.info.sample_inputs("cpu", kind, requires_grad=True, set_seed=False)
        return [self._sample(one, self.info.op) for one in found]

    def in_place(self, sample: Sample) -> Sample | None:
        """The same in place, on a clone of the input. None where autograd has no such form, and where the
        input is broadcast, which no form in place can do."""
        change = self.info.inplace_variant
        if change is None or not self.info.supports_inplace_autograd or sample.given.broadcasts_input:
            return None

        def run(input: torch.Tensor, *arguments: Any, **options: Any) -> Any:
            return change(input.clone(), *arguments, **options)

        return self._sample(sample.given, run)

    def errors(self) -> list[Sample]:
        """Calls that torch refuses."""
        if self.info.error_inputs_func is None:
            return []
        return [
            self._sample(one.sample_input, self.info.op)
            for one in self.info.error_inputs("cpu", set_seed=False)
        ]

    def _sample(self, given: Any, operator: Callable[..., Any]) -> Sample:
        def run(*arguments: Any, **options: Any) -> Any:
            result = self.info.gradcheck_wrapper(operator, *arguments, **options)
            finish = given.output_process_fn_grad
            return result if finish is None else finish(result)

        return Sample(operator, given.input, tuple(given.args), dict(given.kwargs), run, given)


@cache
def entries() -> tuple[Entry, ...]:
    """The entries that support autograd, in torch's order.

    Raises UsageError where this torch has no such module, or the package that it needs is missing.
    """
    return tuple(_entries())


def _entries() -> Iterator[Entry]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torch.testing._internal.common_methods_invocations import op_db
    except ModuleNotFoundError as error:
        if error.name == "expecttest":
            raise UsageError(
                "torch's operator samples need the package expecttest; pip install 'gradconform[opinfo]'"
            ) from None
        raise UsageError(_lack(error)) from None
    except ImportError as error:
        raise UsageError(_lack(error)) from None
    known: list[Any] = op_db
    for info in known:
        if info.supports_autograd:
            name = f"{info.name}.{info.variant_test_name}" if info.variant_test_name else info.name
            found = sorted(str(dtype).removeprefix("torch.") for dtype in info.supported_dtypes("cpu"))
            yield Entry(name, tuple(found), info)


def _lack(error: ImportError) -> str:
    return (
        f"torch {torch.__version__} does not have the operator samples that --corpus opinfo runs "
        f"(torch.testing._internal.common_methods_invocations.op_db): {error}"
    )
