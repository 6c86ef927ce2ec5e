from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gradconform.cases import CaseResult, Example
from gradconform.report.failure import failures, is_failure, report, rerun, summary
from gradconform.report.lines import plain
from gradconform.results import Head, ScenarioNote
from gradconform.verdict import (
    Conforms,
    Crashed,
    Declared,
    Divergence,
    Diverges,
    Inconclusive,
    OracleDisputed,
    TimedOut,
    Unsupporting,
    Verdict,
)

Make = Callable[..., CaseResult]

HEAD = Head("0.1.0", "2.13.0", "mine", "my_adapter:engine", seed=7, examples=20)
NOTE = ScenarioNote(
    "accumulation/two-branches",
    "accumulation",
    1,
    "Backward calls through two branches add both gradients into the shared leaf.",
    "torch.Tensor.backward",
)
NOTES = {NOTE.id: NOTE}
GOLDEN = Path(__file__).parent / "golden"


def test_one_failure_told_in_full(case: Make, overwritten: Diverges, example: Example) -> None:
    elsewhere = Diverges((Divergence("dtype", "x.grad", 3, "a.backward(_1)", "float16", "float32"),))
    cases = [
        case(overwritten, example=example),
        case(overwritten, draw=1, example=example),
        case(overwritten, dtype="float64", example=example),
        case(elsewhere, dtype="float16", example=example),
    ]
    (failure,) = failures(cases)
    assert plain(report(failure, HEAD, NOTES)) == (GOLDEN / "failure.txt").read_text(encoding="utf-8")


def test_a_failure_at_a_corner_says_what_is_other(
    case: Make, overwritten: Diverges, example: Example
) -> None:
    (failure,) = failures([replace(case(overwritten, draw=3, example=example), corner="which=3")])
    first = next(iter(report(failure, HEAD, NOTES)))
    assert first.text.endswith(", the documented example, changed: which=3")


def test_a_failure_under_a_derivation_names_it(case: Make, overwritten: Diverges, example: Example) -> None:
    (failure,) = failures([replace(case(overwritten, draw=9, example=example), derivation="two-roots")])
    first = next(iter(report(failure, HEAD, NOTES)))
    assert first.text.endswith(", the documented example under the derivation two-roots")


def test_failures_are_one_a_scenario_and_the_documented_example_is_the_one_shown(
    case: Make, overwritten: Diverges, example: Example
) -> None:
    cases = [
        case(Conforms()),
        case(overwritten, draw=3, example=example),
        case(Conforms(), "backward/leaf-as-root"),
        case(overwritten, "backward/leaf-as-root", draw=2, example=example),
        case(overwritten, "backward/leaf-as-root", dtype="float64", draw=1, example=example),
    ]
    first, second = failures(cases)
    assert (first.shown, first.alike, first.otherwise) == (cases[1], (), ())
    assert (second.shown, second.alike, second.otherwise) == (cases[3], (cases[4],), ())


def test_of_a_scenarios_failures_the_smallest_program_is_shown(
    case: Make, overwritten: Diverges, example: Example
) -> None:
    shorter = replace(example, program=replace(example.program, steps=example.program.steps[:2]))
    cases = [case(overwritten, example=example), case(overwritten, draw=4, example=shorter)]
    (failure,) = failures(cases)
    assert failure.shown is cases[1]


def test_another_way_to_fail_in_the_same_test_is_named(case: Make, overwritten: Diverges) -> None:
    other = Diverges((Divergence("missing error", "step 3", 3, "", "RuntimeError", "no error"),))
    (failure,) = failures([case(overwritten), case(other, draw=4)])
    assert (failure.alike, [each.draw for each in failure.otherwise]) == ((), [4])


@pytest.mark.parametrize(
    ("verdict", "failing", "text"),
    [
        (Conforms(), False, "conforms"),
        (Unsupporting("operator sqrt"), False, "unsupported: operator sqrt"),
        (Unsupporting("accumulation", shim=True), False, "provided by the shim: accumulation"),
        (Declared(("a: b", "c: d")), False, "as declared: a: b, c: d"),
        (Inconclusive("on a kink"), False, "inconclusive: on a kink"),
        (Crashed("SystemExit: 3"), True, "crashed: SystemExit: 3"),
        (TimedOut(2.5), True, "no answer within 2.5 seconds"),
        (OracleDisputed("torch itself\n breaks it"), True, "oracle-disputed: torch itself breaks it"),
        (
            Diverges((Divergence("value", "x.grad", 1, "", "[1.0,\n 2.0]", "[0.0]"),)),
            True,
            "x.grad: value: expected [1.0, 2.0], got [0.0]",
        ),
    ],
)
def test_each_verdict_in_one_line(verdict: Verdict, *, failing: bool, text: str) -> None:
    assert is_failure(verdict) is failing
    assert summary(verdict) == text


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Crashed("Segmentation fault"), ["CRASHED", "mine crashed:", "    Segmentation fault"]),
        (TimedOut(10), ["TIMED OUT", "no answer within 10 seconds"]),
        (
            OracleDisputed("torch breaks it"),
            ["ORACLE DISPUTED", "the engine is not to blame", "    torch breaks it"],
        ),
    ],
)
def test_what_is_no_divergence_shows_its_reason_and_its_program(
    case: Make, example: Example, verdict: Verdict, words: list[str]
) -> None:
    (failure,) = failures([case(verdict, draw=2, example=example)])
    text = plain(report(failure, HEAD, NOTES))
    assert all(word in text for word in (*words, "random draw 2", "a = x * 2", "import torch"))


def test_many_differences_are_counted(case: Make, example: Example) -> None:
    differences = tuple(Divergence("value", f"x{index}", 0, "", "1", "2") for index in range(8))
    (failure,) = failures([case(Diverges(differences), example=example)])
    text = plain(report(failure, HEAD, {}))
    assert text.count("  also x") == 4
    assert "and 3 further differences" in text


def test_several_lines_of_a_value_stay_below_each_other(case: Make) -> None:
    verdict = Diverges((Divergence("value", "x", -1, "", "[1,\n 2]", "[1,\n 3]", "off by 1; allowed 0"),))
    (failure,) = failures([case(verdict)])
    assert plain(report(failure, HEAD, {})).splitlines()[2:9] == [
        "  x: value",
        "    expected (torch)  [1,",
        "                       2]",
        "    got (mine)        [1,",
        "                       3]",
        "    off by 1",
        "    allowed 0",
    ]


def test_the_command_to_run_it_again_is_complete_and_quoted() -> None:
    head = Head(
        "0.1.0", "2.13.0", "mine", "a b:engine", seed=3, examples=5, specs=("my specs/x.yaml",), corpus="none"
    )
    assert rerun(head, "a/b", "cuda:1", "float16") == (
        "gradconform run 'a b:engine' --select a/b --device cuda:1 --dtype float16 --seed 3 --examples 5 "
        "--specs 'my specs/x.yaml' --no-corpus"
    )
    assert rerun(HEAD, "a/b", "cpu", "float32") == (
        "gradconform run my_adapter:engine --select a/b --dtype float32 --seed 7"
    )
