"""The database of finds: damaged documents, and files that are written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gradconform.exploration.finds import Database, FindsError


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"find": 9}, "this is no find (version 9; this gradconform reads 1); remove it"),
        (
            {"case": {"verdict": {"kind": "odd"}}},
            "this is no find (unknown kind of verdict 'odd'); remove it",
        ),
        ({"case": None}, "this is no find ("),
        ({"signature": 3}, "this is no find ("),
    ],
)
def test_a_damaged_find_is_told_with_its_path(damage: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "0123abcd.json"
    find = {"find": 1, "signature": ["value"], "seed": 0, "number": 0, "torch": "2", "case": {}}
    path.write_text(json.dumps({**find, **damage}), encoding="utf-8")
    with pytest.raises(FindsError) as caught:
        list(Database(tmp_path))
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_what_is_written_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(tmp_path / "finds")
    database.open()
    database.save({"programs": 1})
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", _ends)
        with pytest.raises(KeyboardInterrupt):
            database.save({"programs": 2})
    assert database.state() == {"programs": 1}
    assert list(database) == []


def test_explorations_of_one_folder_have_drafts_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(tmp_path)
    replace = Path.replace

    def after_the_other(draft: Path, path: Path) -> Path:
        with monkeypatch.context() as other:
            other.setattr(Path, "replace", replace)
            other.setattr(os, "getpid", lambda: -1)
            database.save({"programs": 2})
        return replace(draft, path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", after_the_other)
        database.save({"programs": 1})
    assert database.state() == {"programs": 1}


def _ends(*_arguments: object) -> None:
    raise KeyboardInterrupt
