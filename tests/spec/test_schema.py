from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from gradconform.program import vocabulary
from gradconform.spec import model
from gradconform.spec.dtypes import DTYPES, LARGEST, RELATIVE, differentiable, resolve_dtype
from gradconform.spec.model import ENTRIES, SpecFile
from gradconform.spec.names import ID_PATTERN, RESERVED, variable_name_error
from gradconform.spec.schema import schema, schema_text

ROOT = Path(__file__).parents[2]


def properties(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        for name, described in node.get("properties", {}).items():
            yield f"{path}/{name}", described
        for key, inner in node.items():
            yield from properties(inner, f"{path}/{key}")


def test_the_committed_schema_is_the_generated_one() -> None:
    committed = (ROOT / "specs" / "schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(), "run: python -m gradconform.spec.schema > specs/schema.json"


def test_every_key_is_described() -> None:
    found = dict(properties(schema()))
    assert {path for path, described in found.items() if len(described.get("description", "")) < 10} == set()
    assert "/schema" in found
    assert sum("/$defs/" in path for path in found) > 30


def test_no_part_takes_unknown_keys() -> None:
    document = schema()
    objects = [document, *document["$defs"].values()]
    assert all(part["additionalProperties"] is False for part in objects)
    assert set(document["$defs"]) >= {entry.__name__ for entry in ENTRIES.values()}


def test_the_words_of_dtypes_are_the_same_everywhere() -> None:
    assert get_args(model.DtypeName) == DTYPES
    assert vocabulary.DTYPES == DTYPES
    assert get_args(model.DtypeWord) == (*RELATIVE, *DTYPES)


def test_dtypes_are_torchs() -> None:
    import torch

    for name, largest in LARGEST.items():
        dtype = getattr(torch, name)
        info = torch.iinfo(dtype) if name.startswith("int") else torch.finfo(dtype)
        assert largest == info.max
    for name in DTYPES:
        dtype = getattr(torch, name)
        assert differentiable(name) == (dtype.is_floating_point or dtype.is_complex)
        if name == "float16":
            continue  # torch's counterpart, complex32, is none of the language's dtypes
        if dtype.is_floating_point and name != "bfloat16":
            assert resolve_dtype("complex", name) == str(dtype.to_complex()).removeprefix("torch.")
        if dtype.is_complex:
            assert resolve_dtype("floating", name) == str(dtype.to_real()).removeprefix("torch.")


@pytest.mark.parametrize(
    ("word", "case", "dtype"),
    [
        ("any", "int64", "int64"),
        ("any", "complex64", "complex64"),
        ("floating", "float16", "float16"),
        ("floating", "complex128", "float64"),
        ("floating", "int64", None),
        ("complex", "float32", "complex64"),
        ("complex", "complex64", "complex64"),
        ("complex", "float16", None),
        ("complex", "bfloat16", None),
        ("complex", "bool", None),
        ("int32", "float64", "int32"),
    ],
)
def test_a_dtype_word_stands_for_a_dtype_in_each_case(word: str, case: str, dtype: str | None) -> None:
    assert resolve_dtype(word, case) == dtype


def test_the_form_is_closed_and_frozen() -> None:
    entry = SpecFile.model_validate(
        {"schema": 1, "feature": "a", "scenarios": ({"id": "a/b", "says": "x", "program": "y = 1"},)}
    )
    with pytest.raises(ValueError, match="frozen"):
        entry.feature = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("id", "fits"),
    [
        ("a/b", True),
        ("retain-graph/frees-2-buffers", True),
        ("a", False),
        ("operators/linalg.solve/gradients", True),
        ("a/b/c/d", False),
        ("a/b-b/c", False),
        ("A/b", False),
        ("a/b_c", False),
        ("a/-b", False),
        ("a/b-", False),
        ("a//b", False),
        ("a/b\n", False),
    ],
)
def test_ids_are_kebab_case(id: str, fits: bool) -> None:
    assert (re.fullmatch(ID_PATTERN.removeprefix("^").removesuffix("$"), id) is not None) == fits


def test_reserved_names_are_refused_and_others_are_not() -> None:
    assert all(
        variable_name_error(name)
        for name in (*RESERVED, "lambda", "None", "_", "_x", "1x", "a-b", "", "\u00e9", "a\n")
    )
    assert not any(variable_name_error(name) for name in ("x", "X1", "weight_decay", "match", "type", "xs_"))
