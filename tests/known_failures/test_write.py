"""Editing a file of known failures: what people wrote stays, to the byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gradconform.errors import Place, SpecError
from gradconform.known_failures.entries import Entry, Manner, Pinned
from gradconform.known_failures.read import read_known
from gradconform.known_failures.write import Edits, write_known
from gradconform.program.exact_text import ExactText

NEW = Entry(
    "leaves/new[cuda:1-float64]",
    Manner("diverges", "grad is None", "outputs[0]: x"),
    Pinned(ExactText({"x": "tensor([1.0], dtype=float64)"}, "def f(a):\n    return a * 2\n\ny = f(x)")),
    Place("", 1, 1),
    'a "quoted": reason',
)
ADDED = """\
- id: "leaves/new[cuda:1-float64]"
  fails: diverges
  what: grad is None
  where: "outputs[0]: x"
  reason: "a \\"quoted\\": reason"
  inputs:
    x: tensor([1.0], dtype=float64)
  program: |
    def f(a):
        return a * 2

    y = f(x)
"""


def edited(path: Path, edits: Edits) -> tuple[str, str]:
    before = path.read_text()
    write_known(path, "mine", read_known(path), edits)
    assert not list(path.parent.glob("*.draft"))
    return before, path.read_text()


def test_nothing_to_do_changes_no_byte(kept: Path) -> None:
    before, after = edited(kept, Edits())
    assert after == before
    for text in (before.removesuffix("\n"), "known: 1\nengine: mine\nfailures: []  # none yet"):
        kept.write_text(text)
        assert edited(kept, Edits()) == (text, text)


def test_the_comment_of_a_list_without_entries_stays(kept: Path) -> None:
    kept.write_text("known: 1\nengine: mine\nfailures: []  # those of [#12]\n")
    _, after = edited(kept, Edits(added=(NEW,)))
    assert after == "known: 1\nengine: mine\nfailures:  # those of [#12]\n" + ADDED
    _, after = edited(kept, Edits(dropped=(NEW.id,)))
    assert after == "known: 1\nengine: mine\nfailures: []  # those of [#12]\n"


def test_an_entry_comes_behind_the_others(kept: Path) -> None:
    before, after = edited(kept, Edits(added=(NEW,)))
    end = "\n# The end: nothing below.\n"
    assert after == before.removesuffix(end) + ADDED + end
    assert read_known(kept).entries[2].reason == NEW.reason


def test_an_entry_goes_with_the_comments_right_above_it(kept: Path) -> None:
    before, after = edited(kept, Edits(dropped=("accumulation/two-branches",)))
    start, end = before.index("# Waits"), before.index("# A crash.")
    assert after == before[:start] + before[end:], "what stands further up stays, and so does the next one's"
    before, after = edited(kept, Edits(dropped=("hooks/order[cpu-float32]",)))
    assert "A crash" not in after
    assert after.endswith("failures: []\n# --- accumulation ---\n\n\n# The end: nothing below.\n")


def test_a_changed_entry_keeps_what_is_the_authors(kept: Path) -> None:
    (first, _) = read_known(kept).entries
    assert NEW.pinned.text is not None
    now = replace(first, manner=Manner("timed out"), pinned=NEW.pinned)
    before, after = edited(kept, Edits(changed={first.id: now}))
    start, end = before.index("  fails: diverges"), before.index("# A crash.")
    expected = """\
  fails: timed out
  # found by Ada
  reason: 'it   overwrites'
  link: "https://example.org/1"
  expires: 2999-01-31
  inputs:
    x: tensor([1.0], dtype=float64)
  program: |
    def f(a):
        return a * 2

    y = f(x)
"""
    assert after == before[:start] + expected + before[end:]


def test_all_at_once(kept: Path) -> None:
    first, second = read_known(kept).entries
    now = replace(second, manner=Manner("timed out"))
    _, after = edited(kept, Edits((first.id,), {second.id: now}, (NEW,)))
    assert [entry.id for entry in read_known(kept).entries] == [second.id, NEW.id]
    assert "# A crash.\n" in after


def test_the_last_entry_and_a_first_one(kept: Path) -> None:
    everything = tuple(entry.id for entry in read_known(kept).entries)
    _, after = edited(kept, Edits(dropped=everything))
    assert "failures: []\n" in after
    assert after.startswith("# The failures of mine. Ask Ada before adding any.\n")
    _, after = edited(kept, Edits(added=(NEW,)))
    assert f"failures:\n{ADDED}" in after


def test_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    write_known(path, "torch@cuda: 2", None, Edits(added=(NEW,)))
    found = read_known(path)
    assert (found.engine, [entry.id for entry in found.entries]) == ("torch@cuda: 2", [NEW.id])
    assert path.read_text().endswith(f'engine: "torch@cuda: 2"\nfailures:\n{ADDED}')


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
def test_line_endings_of_entries_that_stay(kept: Path, ending: str) -> None:
    kept.write_bytes(kept.read_text().replace("\n", ending).encode())
    before = kept.read_bytes()
    write_known(kept, "mine", read_known(kept), Edits())
    assert kept.read_bytes() == before
    first = read_known(kept).entries[0]
    changed = {first.id: replace(first, manner=Manner("timed out"))}
    write_known(kept, "mine", read_known(kept), Edits(changed=changed, added=(NEW,)))
    assert kept.read_bytes().count(ending.encode()) == kept.read_bytes().count(b"\n")


def test_a_file_that_cannot_be_edited_is_left_alone(kept: Path) -> None:
    text = 'known: 1\nengine: mine\nfailures: [{id: a/b, fails: crashed, reason: "", program: y = 1}]\n'
    kept.write_text(text)
    with pytest.raises(SpecError, match="does not stand on lines of its own"):
        write_known(kept, "mine", read_known(kept), Edits(dropped=("a/b",)))
    assert kept.read_text() == text
