from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from gradconform.cases import CaseResult, Example
from gradconform.report.lines import Line, plain, print_rich
from gradconform.report.terminal import TOLD, closing_line, run_report, table
from gradconform.results import Head, Results, ScenarioNote, end_of
from gradconform.verdict import (
    Conforms,
    Crashed,
    Declared,
    Divergence,
    Diverges,
    Inconclusive,
    Numbers,
    OracleDisputed,
    TimedOut,
    Unsupporting,
)

Make = Callable[..., CaseResult]

HEAD = Head(
    "0.1.0",
    "2.13.0",
    "mine",
    "my_adapter:engine",
    "1.4",
    seed=7,
    examples=2,
    absent=("cuda: no NVIDIA driver",),
    tasks=4,
)
GOLDEN = Path(__file__).parent / "golden"


def results(cases: list[CaseResult], *, tasks: int = 4, interrupted: bool = False) -> Results:
    notes = {
        case.scenario: ScenarioNote(case.scenario, case.feature, case.level, "It says so.") for case in cases
    }
    return Results(HEAD, notes, tuple(cases), end_of(cases, tasks=tasks, interrupted=interrupted))


def test_a_whole_run(case: Make, overwritten: Diverges, example: Example) -> None:
    rounded = Conforms("tolerance", Numbers(bits=2, tolerance=1))
    undecided = Inconclusive("x.grad: on a kink", Numbers(bits=3, inconclusive=1))
    cases = [
        case(overwritten, example=example),
        case(Conforms(numbers=Numbers(bits=7)), "accumulation/same-object"),
        *(case(rounded, "broadcasting/row-and-column", draw=draw) for draw in range(3)),
        case(Unsupporting("operator sqrt"), "backward/sum-of-a-square-root"),
        case(Unsupporting("operator sqrt"), "backward/sum-of-a-square-root", dtype="float64"),
        case(Unsupporting("dtype complex64"), "dtypes/product-rule", dtype="complex64"),
        case(undecided, "backward/chain-rule", draw=1),
    ]
    text = plain(run_report(results(cases)))
    assert text == (GOLDEN / "run.txt").read_text(encoding="utf-8")


def test_the_same_lines_reach_a_terminal_in_colour(
    case: Make, overwritten: Diverges, example: Example
) -> None:
    lines = list(run_report(results([case(overwritten, example=example)])))
    written = StringIO()
    print_rich(lines, Console(file=written, force_terminal=True, width=20, color_system="standard"))
    assert "\x1b[1;31m" in written.getvalue()
    bare = StringIO()
    print_rich(lines, Console(file=bare, width=200))
    assert [line.rstrip() for line in bare.getvalue().splitlines()] == plain(lines).splitlines()


def test_on_a_narrow_terminal_all_but_what_is_run_is_wrapped(
    case: Make, overwritten: Diverges, example: Example
) -> None:
    lines = list(run_report(results([case(overwritten, example=example)])))
    written = StringIO()
    print_rich(lines, Console(file=written, width=40))
    shown = written.getvalue().splitlines()
    whole = {line.text.rstrip() for line in lines if line.whole}
    assert all(len(line) <= 40 or line in whole or " " not in line.strip() for line in shown)
    assert example.script.splitlines()[2] in (line.strip() for line in shown)
    assert "".join(" ".join(shown).split()) == "".join(plain(lines).split())
    title = shown.index("feature       cases  conform  diverge")
    assert shown[title + 1] == "  unsupported  other"


def test_square_brackets_are_no_markup() -> None:
    written = StringIO()
    print_rich([Line("[bold]x[/bold] [cpu-float32]")], Console(file=written))
    assert written.getvalue() == "[bold]x[/bold] [cpu-float32]\n"


def test_the_simplest_failures_are_told_and_the_rest_named(
    case: Make, overwritten: Diverges, example: Example
) -> None:
    cases = [
        case(overwritten, f"feature/case-{index}", level=9 - index // 2, example=example)
        for index in range(14)
    ]
    text = plain(run_report(results(cases)))
    told = [line.split()[1] for line in text.splitlines() if line.startswith("DIVERGES")]
    assert len(told) == TOLD
    assert told[0] == "feature/case-12[cpu-float32],"
    assert "4 more scenarios fail" in text
    assert "  feature/case-0[cpu-float32] x.grad: value: expected [5.0], got [3.0]\n" in text


def test_every_case_is_in_one_column(case: Make) -> None:
    kinds = [
        Conforms(),
        Unsupporting("x"),
        Crashed("x"),
        TimedOut(1),
        Inconclusive("x"),
        OracleDisputed("x"),
        Diverges(()),
    ]
    *_, total = table([case(kind) for kind in kinds])
    assert total.text.split() == ["total", "7", "1", "1", "1", "4", "0/1/1"]
    title, *_, total = table([case(kind) for kind in (*kinds, Declared(("a: b",)))])
    columns = ["cases", "conform", "diverge", "declared", "unsupported", "other", "pass/applicable/all"]
    assert title.text.split()[1:] == columns
    assert total.text.split() == ["total", "8", "1", "1", "1", "1", "4", "0/1/1"]


def test_what_is_declared_and_what_the_shim_provides_are_told_apart(case: Make) -> None:
    kinds = [
        Conforms(),
        Declared(("relu-at-zero: half",)),
        Declared(("relu-at-zero: half", "complex: conjugate")),
        Unsupporting("operator sqrt"),
        Unsupporting("accumulation", shim=True),
        Unsupporting("accumulation", shim=True),
    ]
    found = results([case(kind) for kind in kinds])
    head = replace(found.head, declares=("relu-at-zero: half",), composed=("relu = maximum(input, 0)",))
    text = plain(run_report(replace(found, head=head)))
    assert "declares: relu-at-zero: half\nmade by the adapter: relu = maximum(input, 0)\n" in text
    assert "as declared: relu-at-zero: half (2 cases), complex: conjugate (1 case)\n" in text
    assert "unsupported: operator sqrt (1 case)\n" in text
    assert "provided by the shim: accumulation (2 cases)\n" in text
    assert text.rstrip().endswith(
        "1 of 6 cases conform, 2 as declared, 1 unsupported, 2 provided by the shim"
    )


@pytest.mark.parametrize(
    ("interrupted", "tasks", "start"),
    [
        (True, 1, "interrupted after 1 of 4 tests; nothing diverges: 1 of 1 cases conform"),
        (False, 1, "stopped in test 2 of 4; nothing diverges: 1 of 1 cases conform"),
        (False, 4, "nothing diverges: 1 of 1 cases conform"),
    ],
)
def test_a_run_that_did_not_end_says_so(case: Make, *, interrupted: bool, tasks: int, start: str) -> None:
    line = closing_line(results([case(Conforms())], tasks=tasks, interrupted=interrupted))
    assert line.text == start


def test_what_fails_without_diverging_is_not_called_diverging(case: Make) -> None:
    cases = [case(Crashed("x")), case(Diverges(()), "b/c")]
    assert closing_line(results(cases)).text.startswith("2 scenarios fail: accumulation/two-branches, b/c;")
    assert closing_line(results(cases[1:])).text.startswith("1 scenario diverges: b/c;")


def test_a_run_without_cases_has_a_table_of_zeros() -> None:
    assert plain(run_report(results([], tasks=0, interrupted=True))).splitlines()[-1] == (
        "interrupted after 0 of 4 tests; nothing diverges: 0 of 0 cases conform"
    )


def test_each_manner_of_failing_is_told_before_one_is_told_again(case: Make, overwritten: Diverges) -> None:
    leaked = Diverges((Divergence("grad mode", "is_grad_enabled()", 3, "", "True", "False"),))
    cases = [case(overwritten, f"accumulation/number-{index}") for index in range(TOLD + 2)]
    cases.append(case(leaked, "grad-modes/restored", level=3))
    text = plain(run_report(results(cases)))
    told, _, named = text.partition("more scenarios fail")
    assert "DIVERGES grad-modes/restored[cpu-float32]" in told
    assert "grad-modes/restored" not in named.partition("feature")[0]


def test_many_lacks_are_not_all_named(case: Make) -> None:
    cases = [case(Unsupporting(f"operator {number % 15}"), draw=number) for number in range(20)]
    (line,) = (line.text for line in run_report(results(cases)) if line.text.startswith("unsupported:"))
    assert line.startswith("unsupported: operator 0 (2 cases), ")
    assert line.endswith(", operator 11 (1 case), 3 more (3 cases)")


def test_what_no_terminal_shows_as_it_stands_is_escaped() -> None:
    line = Line("got \x1b[31mred\nand \ud800 é")
    assert plain([line]) == "got \\x1b[31mred\\nand \\ud800 é\n"
    written = StringIO()
    print_rich([line], Console(file=written, width=200))
    assert written.getvalue() == plain([line])
