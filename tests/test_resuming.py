"""What a results file may be written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradconform.errors import UsageError
from gradconform.resuming import refuse_other_file


@pytest.mark.parametrize("text", ["", '{"type"', '{"type": "run"', '{"type": "run", "format": 9}\n'])
def test_results_are_written_over(text: str, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(text, encoding="utf-8")
    refuse_other_file(path)


@pytest.mark.parametrize("text", ["import mine\n", "\n", '{"type": "case"}\n', "[]"])
def test_another_file_is_not_written_over(text: str, tmp_path: Path) -> None:
    path = tmp_path / "my_adapter.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"my_adapter\.py is there and no results file"):
        refuse_other_file(path)


def test_what_is_no_file_is_left_to_the_writer(tmp_path: Path) -> None:
    refuse_other_file(tmp_path)
    refuse_other_file(tmp_path / "absent")
    refuse_other_file(Path("/dev/null"))
