from __future__ import annotations

from pathlib import Path

import pytest

from gradconform.spec import corpus
from gradconform.spec.corpus import all_files, spec_files, specs_root


def test_the_shipped_specs_are_found() -> None:
    files = all_files()
    assert len(files) > 5
    assert len(set(files)) == len(files)
    assert all(file.is_file() and file.suffix == ".yaml" for file in files)
    folders = {file.parent.relative_to(specs_root()).as_posix() for file in files}
    assert folders == {".", "operators", "points"}


def test_a_path_names_itself_or_the_files_below_it(tmp_path: Path) -> None:
    for name in ("b.yaml", "a/z.yaml", "a/y.yaml", "a.yaml", "c.yml", "schema.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert [str(path.relative_to(tmp_path)) for path in spec_files(tmp_path)] == [
        str(Path(name)) for name in ("a/y.yaml", "a/z.yaml", "a.yaml", "b.yaml")
    ]
    assert spec_files(tmp_path / "c.yml") == (tmp_path / "c.yml",)
    assert spec_files(tmp_path / "missing.yaml") == (tmp_path / "missing.yaml",)


def test_a_wheel_and_a_checkout_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "harness" / "gradconform"
    (package / "spec").mkdir(parents=True)
    monkeypatch.setattr(corpus, "__file__", str(package / "spec" / "corpus.py"))
    with pytest.raises(FileNotFoundError, match="reinstall"):
        specs_root()
    (tmp_path / "specs").mkdir()
    assert specs_root() == tmp_path / "specs"
    (package / "specs").mkdir()
    assert specs_root() == package / "specs"
