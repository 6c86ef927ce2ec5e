"""Programs as people write them for torch, run with refgrad in its place: what they leave behind is the same.

`programs/*.py` are ordinary programs that `import torch`, each on one subject. A program runs on torch, then
on refgrad with torch's autograd poisoned. Compared are what it prints, what it warns of, and every name that
it leaves: tensors with their values, flags, histories and gradients, errors with their class and first line.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import types
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import refgrad

Written = Callable[[str, str], ast.Module]
PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))
LIBRARIES: Mapping[str, Any] = {"torch": torch, "refgrad": refgrad}


class Values:
    """The values of a tensor, equal to others within torch.testing's tolerances for their dtype, nan to nan.

    Not bit for bit: what torch computes in one kernel refgrad may put together from several.
    """

    def __init__(self, data: torch.Tensor) -> None:
        self.data = data.clone()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Values):
            return NotImplemented
        try:
            torch.testing.assert_close(self.data, other.data, equal_nan=True)
        except AssertionError:
            return False
        return True

    def __hash__(self) -> int:
        raise TypeError("values that are equal within a tolerance have no hash")

    def __repr__(self) -> str:
        return repr(self.data)


def first_line(message: object) -> str:
    """Return what a message says, without addresses and without places in torch's own sources."""
    line = str(message).split("\n", 1)[0]
    return re.sub(r"0x[0-9a-f]+", "0x", re.sub(r" \(Triggered internally at .*", "", line))


def seen(value: Any, lib: Any) -> Any:
    """Return all that can be seen of a value that a program on `lib` left behind."""
    if isinstance(value, lib.Tensor):
        return {
            "kind": type(value).__name__,
            "values": Values(plain(value)),
            "dtype": value.dtype,
            "shape": value.shape,
            # the stride of a dimension of size 1 places nothing
            "stride": [stride for size, stride in zip(value.shape, value.stride(), strict=True) if size != 1],
            "requires_grad": value.requires_grad,
            "is_leaf": value.is_leaf,
            "grad_fn": seen(value.grad_fn, lib),
            "retains_grad": value.retains_grad,
            "grad": seen(value.grad, lib) if value.is_leaf or value.retains_grad else None,
            # of gradients they tell how an engine adds them up
            "version": value._version if value.requires_grad and not value.is_inference() else None,
            "is_view": value.requires_grad and value._is_view(),
        }
    if isinstance(value, lib.nn.Module):
        return type(value).__name__, seen(dict(value.named_parameters()), lib)
    if isinstance(value, lib.autograd.graph.Node):
        return value.name(), len(value.next_functions)
    if isinstance(value, BaseException):
        return type(value).__name__, first_line(value)
    if isinstance(value, dict):
        return {key: seen(item, lib) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value).__name__, [seen(item, lib) for item in value]
    if value is None or isinstance(value, int | float | str | torch.dtype):
        return value
    name = type(value).__name__
    return "private" if name.startswith("_") else name


def plain(tensor: Any) -> torch.Tensor:
    """Return the data of a tensor of either library."""
    data = tensor.detach() if isinstance(tensor, torch.Tensor) else tensor.to_torch()
    assert isinstance(data, torch.Tensor)
    return data


def run(program: Path, library: str, written: Written) -> dict[str, Any]:
    """Return all that `program` says and leaves behind, with every import of torch one of `library`."""
    lib = LIBRARIES[library]
    code = compile(written(program.read_text(encoding="utf-8"), library), program.name, "exec")
    names: dict[str, Any] = {"__name__": program.stem}
    out = io.StringIO()
    torch.manual_seed(0)
    with contextlib.redirect_stdout(out), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(code, names)  # noqa: S102 - this project's own programs
        skipped = types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type
        left = {
            name: seen(value, lib)
            for name, value in names.items()
            if not name.startswith("__") and not isinstance(value, skipped)
        }
    assert lib.is_grad_enabled()
    assert not lib.is_anomaly_enabled()
    return {
        "printed": re.sub(r"0x[0-9a-f]+", "0x", out.getvalue()).splitlines(),
        "warnings": [(warning.category.__name__, first_line(warning.message)) for warning in caught],
        "left": left,
    }


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_all_that_it_leaves_is_the_same(
    program: Path, written: Written, poison: Callable[[], None], warn_always: None
) -> None:
    expected = run(program, "torch", written)
    assert expected["left"]
    poison()
    found = run(program, "refgrad", written)
    assert found["printed"] == expected["printed"]
    assert found["warnings"] == expected["warnings"]
    assert found["left"] == expected["left"]


def test_each_subject_has_programs() -> None:
    subjects = {program.stem.partition("_")[0] for program in PROGRAMS}
    assert len(PROGRAMS) >= 60
    assert subjects == {
        *("accumulation", "anomaly", "backward", "checkpoint", "creation", "deep", "detach", "dtypes"),
        *("forward", "func", "function", "functional", "grad", "gradcheck", "graph", "higher", "hooks"),
        *("inplace", "lifetimes", "modes", "nondifferentiable", "operations", "saved", "threads"),
        *("training", "views"),
    }


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import torch", "import refgrad as torch"),
        ("import numpy, torch as t", "import numpy\nimport refgrad as t"),
        ("import torch.nn.functional as F", "import refgrad.nn.functional as F"),
        ("import torch.func", "import refgrad.func\nimport refgrad as torch"),
        ("from torch import nn", "from refgrad import nn"),
        ("from torch.autograd import Function as Fn", "from refgrad.autograd import Function as Fn"),
        ("from torchvision import models", "from torchvision import models"),
    ],
)
def test_imports_are_those_of_refgrad(written: Written, code: str, expected: str) -> None:
    assert ast.unparse(written(code, "refgrad")) == expected


def test_what_differs_is_seen() -> None:
    leaf = torch.ones(2, requires_grad=True)
    mine = refgrad.ones(2, requires_grad=True)
    assert seen(leaf, torch) == seen(mine, refgrad)
    mine.grad = refgrad.ones(2)
    assert seen(leaf, torch) != seen(mine, refgrad)
    assert seen(leaf * 2, torch) == seen(refgrad.ones(2, requires_grad=True) * 2, refgrad)
    assert seen(leaf * 2, torch) != seen(refgrad.ones(2, requires_grad=True) + 1, refgrad)
    assert seen(leaf * 2, torch) != seen(refgrad.ones(2, requires_grad=True) * 2.001, refgrad)
    assert seen(ValueError("a"), torch) != seen(ValueError("b"), refgrad)
