"""Files of known failures: what stands in them, and every mistake at its place."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from gradconform.errors import SpecError, UsageError
from gradconform.known_failures.entries import Manner, manner_of
from gradconform.known_failures.read import KEYS, read_known
from gradconform.verdict import (
    Conforms,
    Crashed,
    Divergence,
    Diverges,
    OracleDisputed,
    TimedOut,
    Unsupporting,
)


def test_an_entry_is_read_as_it_stands(kept: Path) -> None:
    found = read_known(kept)
    first, second = found.entries
    assert (found.engine, found.path) == ("mine", str(kept))
    assert (first.id, first.scenario) == ("accumulation/two-branches", "accumulation/two-branches")
    assert first.manner == Manner("diverges", "value", "x.grad")
    assert (first.reason, first.link, first.expires) == (
        "it   overwrites",
        "https://example.org/1",
        date(2999, 1, 31),
    )
    assert not first.expired
    assert (first.place.line, first.place.file) == (9, str(kept))
    (x,) = first.program("float64").inputs
    assert str(x.data.dtype) == "torch.float64"
    assert len(first.program("float64").steps) == 3
    assert (second.scenario, second.manner, second.reason) == ("hooks/order", Manner("crashed"), "")


def test_a_day_is_over_when_it_has_ended(tmp_path: Path, kept: Path) -> None:
    kept.write_text(kept.read_text().replace("2999-01-31", "2020-01-31"))
    assert read_known(kept).entries[0].expired


def test_a_failure_is_known_by_what_differs_where_and_by_no_number() -> None:
    def diverges(*places: tuple[str, str], got: str = "1") -> Diverges:
        return Diverges(tuple(Divergence(what, where, 0, "", "0", got) for what, where in places))

    manner = manner_of(diverges(("value", "x.grad"), ("value", "w.grad")))
    assert manner == Manner("diverges", "value", "x.grad")
    assert manner.is_of(diverges(("value", "x.grad"), got="2"))
    assert manner.is_of(diverges(("dtype", "y"), ("value", "x.grad")))
    assert not manner.is_of(diverges(("value", "w.grad")))
    assert not manner.is_of(diverges(("dtype", "x.grad")))
    assert not manner.is_of(Crashed("SIGSEGV"))
    assert not manner.is_of(Conforms())
    assert Manner("crashed").is_of(Crashed("another reason"))
    assert not Manner("crashed").is_of(TimedOut(1.0))
    for verdict in (Conforms(), Unsupporting("hooks"), OracleDisputed("torch")):
        assert manner_of(verdict) is None


AGAIN = '{id: a/b, fails: crashed, reason: "", program: y = 1}'
ENTRY = "known: 1\nengine: mine\nfailures:\n- id: a/b\n  fails: crashed\n  reason: r\n  program: y = 1\n"


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("known: 1", "known: 2", "1:8", "these are no known failures of version 1"),
        ("engine: mine\n", "", "1:1", "'engine' is missing"),
        ("engine: mine", "engin: mine", "2:1", "unknown key 'engin'"),
        ("a/b", "no id", "4:3", "'no id' is the id of no scenario and no test"),
        ("fails: crashed", "fails: crash", "5:10", "'crash' is no kind of failure"),
        ("fails: crashed", "fails: diverges", "5:10", "'what' differs and 'where' are told of a divergence"),
        ("fails: crashed", "fails: crashed\n  what: value", "5:10", "'what' differs and 'where'"),
        ("  reason: r\n", "", "4:3", "'reason' is missing"),
        ("reason: r", "reason: 7", "6:11", "'reason' is text"),
        ("reason: r", "reasn: r", "6:3", "unknown key 'reasn'"),
        ("reason: r", "reason: r\n  expires: 2027-02-30", "7:12", "'2027-02-30' is no day"),
        ("reason: r", "reason: r\n  expires: soon", "7:12", "'soon' is no day"),
        ("  program: y = 1\n", "", "4:3", "an entry has a 'program' with its 'inputs', or a 'document'"),
        ("program: y = 1", "program: y = 1\n  document: '{}'", "4:3", "an entry has a 'program'"),
        ("- id: a/b\n", f"- {AGAIN}\n- id: a/b\n", "5:3", "this id has two entries"),
    ],
)
def test_mistakes_are_told_at_their_places(tmp_path: Path, old: str, new: str, place: str, says: str) -> None:
    path = tmp_path / "known.yaml"
    assert old in ENTRY
    path.write_text(ENTRY.replace(old, new, 1))
    with pytest.raises(SpecError) as caught:
        read_known(path)
    assert f"{path}:{place}: " in str(caught.value)
    assert says in str(caught.value)


def test_a_program_that_is_none_is_told_when_it_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "known.yaml"
    for old, new, says in (
        ("program: y = 1", "program: y = z + 1", "unknown name 'z'"),
        ("program: y = 1", "inputs: {x: 'tensor(1)'}\n  program: y = x", "input x: its dtype is missing"),
        ("program: y = 1", "document: '{}'", "this is no program document"),
        ("program: y = 1", "document: '{'", "Expecting property name"),
    ):
        path.write_text(ENTRY.replace(old, new))
        (entry,) = read_known(path).entries
        with pytest.raises(SpecError, match=says) as caught:
            entry.program("float32")
        assert f"{path}:4:3: [a/b]" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"`gradconform known ENGINE --update --known .* writes the file"):
        read_known(tmp_path / "none.yaml")


def test_the_example_of_the_manual(tmp_path: Path) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "known-failures.md").read_text()
    path = tmp_path / "known.yaml"
    path.write_text(manual.partition("```yaml\n")[2].partition("```")[0])
    (entry,) = read_known(path).entries
    assert (entry.reason, len(entry.program("float64").steps)) == ("zero_grad drops the tensor", 3)
    told = manual.partition("| key |")[2].partition("## In a run")[0]
    for key in KEYS:
        assert f"`{key}`" in told, key
