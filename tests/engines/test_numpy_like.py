"""Torch's operators in numpy's words: over numpy itself, each call comes to what it is in torch."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gradconform.engines import Unsupported
from gradconform.engines.numpy_like import Names, operators

DTYPES = {name: np.dtype(name) for name in ("float32", "float64", "int64", "bool")}
TABLE = operators(np, dtypes=DTYPES)
X = torch.tensor([[3.0, -1.0, 2.0], [0.5, 4.0, -2.0]])
CUBE = torch.arange(24.0).reshape(2, 3, 4)
PLACES = torch.tensor([[2, 0, 1], [0, 0, 2]])

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("sum", (X,), {}),
    ("sum", (X, 1), {"keepdim": True}),
    ("sum", (CUBE, [0, 2]), {}),
    ("amax", (X, ()), {}),
    ("amin", (CUBE, (0, 1)), {"keepdim": True}),
    ("max", (X,), {}),
    ("max", (X, 1), {}),
    ("min", (X, 0), {"keepdim": True}),
    ("max", (X, X * 0), {}),
    ("std", (X, 1), {}),
    ("var", (X,), {"correction": 0}),
    ("sort", (X,), {}),
    ("sort", (X, 0), {}),
    ("norm", (X[0],), {}),
    ("norm", (X[0], 3), {}),
    ("linalg.vector_norm", (X, 2, 1), {"keepdim": True}),
    ("linalg.norm", (X,), {}),
    ("linalg.norm", (X, 2), {}),
    ("linalg.norm", (X, "nuc"), {}),
    ("linalg.norm", (X[0], 3), {"keepdim": True}),
    ("linalg.norm", (CUBE, 2, (0, 1)), {}),
    ("cumsum", (X, 1), {}),
    ("flatten", (CUBE, 1), {}),
    ("flatten", (CUBE, 0, 1), {}),
    ("reshape", (X, 3, 2), {}),
    ("reshape", (X, (6,)), {}),
    ("squeeze", (X.reshape(1, 2, 1, 3),), {}),
    ("squeeze", (X.reshape(1, 2, 1, 3), 1), {}),
    ("squeeze", (X.reshape(1, 2, 1, 3), (0, 1)), {}),
    ("unsqueeze", (X, -1), {}),
    ("expand", (X[0], 2, -1), {}),
    ("transpose", (CUBE, 0, -1), {}),
    ("permute", (CUBE, 2, 0, 1), {}),
    ("movedim", (CUBE, 0, 2), {}),
    ("split", (X, 2, 1), {}),
    ("split", (X, [1, 2], 1), {}),
    ("chunk", (CUBE, 3, 2), {}),
    ("unbind", (CUBE, 1), {}),
    ("narrow", (CUBE, 2, 1, 2), {}),
    ("select", (CUBE, -1, 3), {}),
    ("gather", (X, 1, PLACES), {}),
    ("index_select", (X, 1, PLACES[0]), {}),
    ("take", (X, PLACES), {}),
    ("masked_select", (X, X > 1), {}),
    ("getitem", (X, (slice(None), [2, 0])), {}),
    ("clamp", (X,), {"min": 0.0}),
    ("where", (X > 0, X, X * 2), {}),
    ("repeat", (X, 2, 1, 2), {}),
    ("repeat_interleave", (X, 2), {"dim": 1}),
    ("t", (X,), {}),
    ("atleast_1d", (X[0, 0],), {}),
    ("atleast_1d", ([X[0, 0], X],), {}),
    ("atleast_2d", (X[0],), {}),
    ("atleast_2d", ([X[0, 0], X[0]],), {}),
    ("roll", (X, 1, 1), {}),
    ("flip", (X, 0, 1), {}),
    ("rot90", (X,), {"k": 1}),
    ("diagonal", (CUBE, 1, 1, 2), {}),
    ("tril", (X, -1), {}),
    ("cat", ([X, X],), {"dim": 1}),
    ("stack", ([X, X], 2), {}),
    ("einsum", ("ij,kj->ik", X, X), {}),
    ("atan2", (X, X + 1), {}),
    ("nan_to_num", (X,), {"nan": 1.0}),
    ("fft.rfft", (X,), {"n": 4}),
    ("double", (X,), {}),
    ("full_like", (X, 2.0), {}),
    ("arange", (1, 7, 2), {}),
]


def to_numpy(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.numpy()
    return type(value)(map(to_numpy, value)) if isinstance(value, list | tuple) else value


def of_torch(name: str) -> Callable[..., Any]:
    own = {
        "getitem": torch.Tensor.__getitem__,
        "where": torch.where,
    }  # the method takes its operands otherwise
    found: Any = own.get(name) or getattr(torch.Tensor, name, None)
    if found is None:
        found = torch
        for part in name.split("."):
            found = getattr(found, part)
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "arguments", "options"), CALLS)
def test_a_call_is_what_it_is_in_torch(
    name: str, arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    expected = of_torch(name)(*arguments, **options)
    got = TABLE[name](*map(to_numpy, arguments), **options)
    pairs = zip(expected, got, strict=True) if isinstance(expected, tuple | list) else [(expected, got)]
    for ours, theirs in pairs:
        torch.testing.assert_close(torch.as_tensor(np.array(theirs)), ours, check_stride=False)


def test_what_a_module_lacks_is_not_in_the_table() -> None:
    assert "softmax" not in TABLE  # numpy has none, and nothing is put together
    assert "relu" not in TABLE
    with pytest.raises(Unsupported, match="function no_such"):
        Names(np).no_such  # noqa: B018 - that reading it raises is the question


def test_another_spelling_is_the_same_function() -> None:
    module = SimpleNamespace(soft_sign=np.sign)
    assert operators(module, dtypes={})["nn.functional.softsign"](-2.0) == -1.0


def test_what_is_left_out_is_not_in_the_table() -> None:
    assert "to" in TABLE
    assert "to" not in operators(np, dtypes={}, without=("to",))


@pytest.mark.parametrize(
    ("name", "arguments", "lack"),
    [
        ("half", (X.numpy(),), "dtype float16"),
        ("to", (X.numpy(), "cpu"), "another tensor or a device"),
        ("masked_select", (X.numpy(), np.array([True, False, True])), "a mask that broadcasts"),
        ("norm", (X.numpy(), 3), "norms over several dimensions"),
        ("t", (CUBE.numpy(),), "t of more than two dimensions"),
        ("repeat", (X.numpy(), 2), "repeat in fewer dimensions"),
    ],
)
def test_what_numpy_has_no_word_for_is_unsupported(name: str, arguments: tuple[Any, ...], lack: str) -> None:
    with pytest.raises(Unsupported, match=lack):
        TABLE[name](*arguments)
