"""Entries against the cases of a run: what stays, changes, goes and comes."""

from __future__ import annotations

from collections.abc import Callable

from gradconform.cases import CaseResult
from gradconform.errors import Place
from gradconform.known_failures.changes import Found, compared
from gradconform.known_failures.entries import Entry, KnownFile, Manner, Pinned
from gradconform.program.exact_text import ExactText
from gradconform.verdict import Conforms, Crashed, OracleDisputed, Unsupporting

MakeCase = Callable[..., CaseResult]
DTYPES = {"a/b": ("float32", "float64"), "a/c": ("float32", "float64")}
MANNER = Manner("diverges", "value", "x.grad")
OLD = Pinned(ExactText({"x": "tensor([1.0], dtype=dtype)"}, "y = x"))


def entry(name: str, manner: Manner = MANNER) -> Entry:
    return Entry(name, manner, OLD, Place("f", 1, 1), "why", "where")


def against(cases: list[CaseResult], *entries: Entry) -> Found:
    known = KnownFile("f", "mine", entries) if entries else None
    return compared(known, cases, DTYPES)


def test_a_scenario_that_fails_alike_everywhere_is_one_entry(case: MakeCase) -> None:
    found = against([case("a/b", "float32"), case("a/b", "float64")])
    (new,) = found.edits.added
    assert (new.id, new.manner, new.reason) == ("a/b", MANNER, "")
    assert new.pinned.text is not None
    assert new.pinned.text.inputs == {"x": "tensor([1.0], dtype=dtype, requires_grad=True)"}
    assert new.pinned.text.program == "y = x * 3.0\ny.backward()"
    assert new.program("float64").inputs[0].data.dtype.itemsize == 8


def test_tests_that_fail_each_in_its_way_are_entries_each(case: MakeCase) -> None:
    for other in (
        case("a/b", "float64", where="y"),
        case("a/b", "float64", factor=2.0),
        case("a/b", "float64", verdict=Crashed("SIGSEGV")),
    ):
        found = against([case("a/b", "float32"), other])
        assert [new.id for new in found.edits.added] == ["a/b[cpu-float32]", "a/b[cpu-float64]"]
        assert found.edits.added[0].pinned.text is not None
        assert "dtype=float32" in found.edits.added[0].pinned.text.inputs["x"]


def test_a_test_that_conforms_or_did_not_run_is_not_known_to_fail(case: MakeCase) -> None:
    for others in ([case("a/b", "float64", where=None)], []):
        found = against([case("a/b", "float32"), *others])
        assert [new.id for new in found.edits.added] == ["a/b[cpu-float32]"]


def test_the_smallest_program_that_all_tests_share_is_pinned(case: MakeCase) -> None:
    cases = [
        case("a/b", "float32", long=True),
        case("a/b", "float32", factor=5.0, draw=1),
        case("a/b", "float64", long=True),
        case("a/b", "float64", factor=7.0, draw=1),
    ]
    (new,) = against(cases).edits.added
    assert new.pinned.text is not None
    assert (new.id, new.pinned.text.program) == ("a/b", "y = x * 3.0\nz = x * 2.0\ny.backward()")
    first, second = against([*cases[:2], cases[3]]).edits.added
    assert (first.pinned.text, second.pinned.text) != (None, None)
    assert first.pinned.text is not None
    assert first.pinned.text.program == "y = x * 5.0\ny.backward()"


def test_nobody_is_to_blame_for_the_oracle(case: MakeCase) -> None:
    cases = [
        case("a/b", verdict=OracleDisputed("torch")),
        case("a/c", verdict=Unsupporting("hooks")),
    ]
    assert against(cases).edits.added == ()


def test_entries_stay_change_and_go(case: MakeCase) -> None:
    for standing, verdict in (
        ("fails as known", None),
        ("fails otherwise", Crashed("oh")),
        ("conforms", Conforms()),
    ):
        known = ("a/b", standing, str(MANNER))
        cases = [case("a/b", dtype, known=known, verdict=verdict) for dtype in DTYPES["a/b"]]
        found = against(cases, entry("a/b"))
        edits = found.edits
        told = (found.kept, tuple(edits.changed), edits.dropped, edits.added)
        assert (
            told
            == {
                "fails as known": (("a/b",), (), (), ()),
                "fails otherwise": ((), ("a/b",), (), ()),
                "conforms": ((), (), ("a/b",), ()),
            }[standing]
        )
        for changed in edits.changed.values():
            assert (changed.manner, changed.pinned, changed.reason) == (Manner("crashed"), OLD, "why")


def test_an_entry_that_holds_for_some_of_its_tests_is_split(case: MakeCase) -> None:
    cases = [
        case("a/b", "float32", known=("a/b", "fails as known", str(MANNER))),
        case("a/b", "float64", known=("a/b", "conforms", str(MANNER)), verdict=Conforms()),
    ]
    found = against(cases, entry("a/b"))
    assert found.edits.dropped == ("a/b",)
    (new,) = found.edits.added
    assert (new.id, new.reason, new.link, new.pinned) == ("a/b[cpu-float32]", "why", "where", OLD)


def test_what_else_fails_where_an_entry_is_gone_is_a_new_failure(case: MakeCase) -> None:
    known = ("a/b", "conforms", str(MANNER))
    cases = [
        each
        for dtype in DTYPES["a/b"]
        for each in (
            case("a/b", dtype, known=known, verdict=Conforms()),
            case("a/b", dtype, where="y", draw=2),
        )
    ]
    found = against(cases, entry("a/b"))
    assert found.edits.dropped == ("a/b",)
    (new,) = found.edits.added
    assert (new.id, str(new.manner), new.reason) == ("a/b", "y: value", "")
