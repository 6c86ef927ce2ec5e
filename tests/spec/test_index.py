from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gradconform.spec import index
from gradconform.spec.index import Row, cache_folder, read_index

ROWS = (
    Row("tests/one", "tests", 1, "A rule with caf\u00e9.", "a.yaml", 3),
    Row("tests/two", "tests", 6, "Another.", "a.yaml", 9, ("tests/former",), ("float32", "float64")),
)


class Builder:
    """Counts how often the index is made anew."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> tuple[Row, ...]:
        self.calls += 1
        return ROWS


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setenv("GRADCONFORM_CACHE", str(tmp_path / "cache" / "deep"))
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for file in files:
        file.write_text("schema: 1\n", encoding="utf-8")
    return files


def cache_file() -> Path:
    folder = cache_folder()
    assert folder is not None
    (file,) = folder.iterdir()
    return file


def test_the_second_reading_builds_nothing(files: list[Path]) -> None:
    build = Builder()
    assert read_index(files, build) == ROWS
    assert read_index(files, build) == ROWS
    assert build.calls == 1


def grow(files: list[Path]) -> list[Path]:
    files[1].write_text("schema: 1 # more\n", encoding="utf-8")
    return files


def touch(files: list[Path]) -> list[Path]:
    os.utime(files[0], ns=(1, 1))
    return files


@pytest.mark.parametrize(
    "change",
    [grow, touch, lambda files: files[:1], lambda files: files[::-1]],
    ids=["size", "time", "fewer", "order"],
)
def test_a_change_of_the_files_makes_it_stale(
    change: Callable[[list[Path]], list[Path]], files: list[Path]
) -> None:
    build = Builder()
    read_index(files, build)
    read_index(change(files), build)
    assert build.calls == 2


def test_another_version_makes_it_stale(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    build = Builder()
    read_index(files, build)
    monkeypatch.setattr(index, "__version__", "999")
    read_index(files, build)
    assert build.calls == 2


def test_two_sets_of_files_do_not_take_each_others_place(files: list[Path]) -> None:
    build = Builder()
    for _ in range(2):
        read_index(files, build)
        read_index(files[:1], build)
    assert build.calls == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[]", b"null", b"{}", b'{"key": 1}', b"[" * 100_000, b'{"key": {"rows": 1}}'],
)
def test_a_broken_cache_is_made_anew(content: bytes, files: list[Path]) -> None:
    build = Builder()
    read_index(files, build)
    cache_file().write_bytes(content)
    assert read_index(files, build) == ROWS
    assert build.calls == 2
    assert read_index(files, build) == ROWS
    assert build.calls == 2


@pytest.mark.parametrize("rows", [1, [1], [[]], [["a"] * 8], [["a", "b", "1", "c", "d", 1, [], []]], None])
def test_rows_that_are_none_are_made_anew(rows: object, files: list[Path]) -> None:
    build = Builder()
    read_index(files, build)
    file = cache_file()
    content = json.loads(file.read_bytes())
    file.write_text(json.dumps({**content, "rows": rows}), encoding="utf-8")
    assert read_index(files, build) == ROWS
    assert build.calls == 2


def test_a_cache_that_cannot_be_written_is_no_error(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GRADCONFORM_CACHE", str(tmp_path / "file" / "below"))
    build = Builder()
    assert read_index(files, build) == ROWS
    assert read_index(files, build) == ROWS
    assert build.calls == 2


def test_a_failed_write_leaves_nothing_behind(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: object) -> Path:
        raise OSError(28, "No space left on device", str(self), None, str(target))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        read_index(files, Builder())
    folder = cache_folder()
    assert folder is not None
    assert list(folder.iterdir()) == []


def test_what_the_builder_raises_is_passed_on_and_not_cached(files: list[Path]) -> None:
    def broken() -> tuple[Row, ...]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read_index(files, broken)
    assert read_index(files, Builder()) == ROWS


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_index([tmp_path / "missing.yaml"], Builder())


@pytest.mark.parametrize("chosen", [None, "", "/elsewhere"])
def test_the_folder_is_platformdirs_own(chosen: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    from platformdirs import user_cache_path

    monkeypatch.delenv("GRADCONFORM_CACHE", raising=False)
    if chosen is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", chosen)
    assert cache_folder() == user_cache_path("gradconform", appauthor=False)


def test_without_a_home_nothing_is_cached(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("GRADCONFORM_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder() is None
    assert read_index(files, Builder()) == ROWS


def test_reading_a_warm_index_imports_next_to_nothing(files: list[Path]) -> None:
    read_index(files, Builder())
    script = (
        "import sys; from pathlib import Path; from gradconform.spec.index import read_index\n"
        f"rows = read_index([Path(p) for p in {[str(file) for file in files]}], None)\n"
        "assert len(rows) == 2\n"
        "slow = {'yaml', 'pydantic', 'torch', 'numpy', 'hypothesis', 'rich', 'platformdirs', 'dataclasses'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
