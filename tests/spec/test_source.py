from __future__ import annotations

import os
from pathlib import Path

import pytest

from gradconform.errors import Place, Problem
from gradconform.spec.source import MAX_BYTES, Report, SourceText, read_source


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfschema: 1\r\nfeature: caf\xc3\xa9\r\n")
    source = read_source(path)
    assert isinstance(source, SourceText)
    assert source.text == "schema: 1\r\nfeature: caf\u00e9\r\n"
    assert source.lines == ("schema: 1", "feature: caf\u00e9")
    assert (source.line(2), source.line(3), source.line(0)) == ("feature: caf\u00e9", "", "")


@pytest.mark.parametrize(
    ("data", "line", "column", "message"),
    [
        (b"a: \xff\n", 1, 4, "byte 0xff is not UTF-8 text"),
        (b"a: 1\nb: caf\xc3\xa9 \xe9\n", 2, 9, "byte 0xe9 is not UTF-8 text"),
        (b"\xef\xbb\xbfa: \x80", 1, 4, "byte 0x80 is not UTF-8 text"),
        (b"\xff\xfea\x00", 1, 1, "the file is UTF-16 text"),
        (b"\xfe\xff\x00a", 1, 1, "the file is UTF-16 text"),
        (b"#" * (MAX_BYTES + 1), 1, 1, "the file is larger than 1 MiB"),
    ],
)
def test_bytes_that_are_no_text_are_a_problem(
    data: bytes, line: int, column: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(data)
    problem = read_source(path)
    assert isinstance(problem, Problem)
    assert (problem.place, problem.message) == (Place(str(path), line, column), message)
    assert problem.hint


def test_the_largest_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * MAX_BYTES)
    assert isinstance(read_source(path), SourceText)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_a_problem(name: str, tmp_path: Path) -> None:
    problem = read_source(tmp_path / name)
    assert isinstance(problem, Problem)
    reason = os.strerror(2) if name == "missing.yaml" else os.strerror(21)
    assert problem.message == f"the file cannot be read: {reason}"


def test_a_report_quotes_the_line_and_cuts_it() -> None:
    report = Report(SourceText("f.yaml", "", ("  short  ", "x" * 200)), [])
    report.add(Place("f.yaml", 1, 3), "one")
    report.of("tests/one").add(Place("f.yaml", 2, 1), "two", "hint")
    assert report.problems == [
        Problem(Place("f.yaml", 1, 3), "one", "", "short"),
        Problem(Place("f.yaml", 2, 1), "two", "tests/one", "x" * 100 + " ...", "hint"),
    ]
