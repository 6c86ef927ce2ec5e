"""Mutants of refgrad's text: what slips there are, which tests reach them, and that these are noticed."""

from __future__ import annotations

import ast
import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import refgrad
from gradconform.plan import Settings, tasks_of
from gradconform.program.library import load_library
from refgrad import grad_mode

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def _load(name: str) -> ModuleType:
    """A module beside this file."""
    sys.path.insert(0, str(HERE))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(HERE))


sites = _load("mutation.sites")
hunt = _load("mutation.hunt")
page = _load("mutation.page")
reach = _load("reach")
tests = _load("reach.tests")

TEXT = '''\
from typing import cast

LIMIT = 1


def outer(a, b=None, *, deep=False, text="x"):
    """Documented."""
    if a == 0 and not deep:
        raise ValueError(f"{a + 1} is none")
    def inner(c):
        return c * 2
    a.grad = cast("int", b) + 1
    total: int = 0
    note(total)
    pairs = zip(a, b, strict=True)
    return inner(a) if deep else -a
'''


def test_the_slips_of_a_text() -> None:
    found = {(one.function, one.kind, one.old, one.new) for one in sites.mutations("file.py", TEXT)}
    assert found == {
        ("outer", "default changed", "None", "0"),
        ("outer", "default changed", "False", "True"),
        ("outer", "condition negated", "a == 0 and not deep", "not (a == 0 and (not deep))"),
        ("outer", "and, or swapped", "a == 0 and not deep", "(a == 0 or not deep)"),
        ("outer", "comparison swapped", "a == 0", "(a != 0)"),
        ("outer", "constant changed", "0", "1"),
        ("outer", "sign or not dropped", "not deep", "(deep)"),
        ("outer", "statement left out", 'raise ValueError(f"{a + 1} is none")', "pass"),
        ("outer.inner", "nothing returned", "return c * 2", "return None"),
        ("outer.inner", "arithmetic swapped", "c * 2", "(c / 2)"),
        ("outer", "statement left out", 'a.grad = cast("int", b) + 1', "pass"),
        ("outer", "arithmetic swapped", 'cast("int", b) + 1', "(cast('int', b) - 1)"),
        ("outer", "constant changed", "1", "0"),
        ("outer", "statement left out", "note(total)", "pass"),
        ("outer", "nothing returned", "return inner(a) if deep else -a", "return None"),
        ("outer", "condition negated", "deep", "(not (deep))"),
        ("outer", "sign or not dropped", "-a", "(a)"),
    }


def test_a_slip_changes_its_place_alone() -> None:
    for one in sites.mutations("file.py", TEXT):
        assert one.text.count(one.new) > TEXT.count(one.new) or one.new in {"1", "0"}
        before, after = TEXT.splitlines(), one.text.splitlines()
        assert len(before) == len(after)
        assert [place for place, (a, b) in enumerate(zip(before, after, strict=True), 1) if a != b] == [
            one.line
        ]
        ast.parse(one.text)


def test_every_slip_in_refgrad_is_a_program() -> None:
    found = [*hunt.all_mutations()]
    assert len(found) > 5000
    for one in found[::97]:
        compile(one.text, one.path, "exec")
    assert not {one.path for one in found if one.path.startswith("rules/")}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    return 1\n", "    return 2\n", {8}),
        ("def f(a=0):", "def f(a=1):", {4, 5, 6, 7, 8}),
        ("    if a:\n", "    if not a:\n", {5, 6, 7}),
        ("        a = 7\n", "        a = 8\n", {6}),
        ("        b = a\n", "", {6, 7}),
        ("        b = a\n", "        b = a\n        b += 1\n", {7}),
        ("        b = a\n", "        b = a\n    else:\n        b = 1\n", {5, 6, 7}),
        ("        b = a\n", "        b = K = a\n", {7}),
        ("    return 1\n", "    yield 1\n", {4, 5, 6, 7, 8}),
        ("    return 1\n", "    a = 2\n    return 1\n", {5, 6, 7, 8}),
        ("        return 3 + K\n", "        return 4 + K\n", {12}),
        ("        return 3 + K\n", "        K = 5\n        return 3 + K\n", {11, 12}),
        ("import a\n", "import a, b\nX = 1\n\ndef h():\n    return 0\n\n", set()),
        ("import a\n", "import a\n\ndef f():\n    return 0\n\n", None),
        ("K = 5\n", "K = 6\n", None),
        ("class C:\n", "class C:\n    d = 1\n", None),
        ('rule("exp", "x")', 'rule("exp", "y")', {"row:exp"}),
        ("@cached\n", "@other\n", None),
    ],
)
def test_what_a_change_touches(old: str, new: str, expected: set[int | str] | None) -> None:
    text = (
        "import a\nK = 5\n\ndef f(a=0):\n    if a:\n        a = 7\n        b = a\n    return 1\n\n"
        "class C:\n    def g(self):\n        return 3 + K\n\n"
        '@cached\ndef k():\n    return 0\n\nrule("exp", "x")\n'
    )
    assert text.count(old) == 1
    touched = reach.touched("file.py", text, text.replace(old, new))
    wanted = expected and {f"file.py:{one}" if isinstance(one, int) else one for one in expected}
    assert touched == wanted
    assert reach.touched("generate.py", text, text.replace(old, new)) is None


def test_the_lines_that_are_watched_are_told_where_they_run() -> None:
    lines = Path(grad_mode.__file__).read_text("utf-8").splitlines()
    classes, functions = (
        f"grad_mode.py:{1 + next(number for number, line in enumerate(lines) if text in line)}"
        for text in ("warnings.warn(", "return self._run(target")
    )
    watch = reach.Watch([classes, functions, "row:exp"])
    met: set[str] = set()
    with watch(met):
        wrapped = refgrad.no_grad()(refgrad.exp)
    assert not met
    with watch(met):
        wrapped(refgrad.ones(2, requires_grad=True))
    assert met == {functions, "row:exp"}


def test_a_mutant_meets_the_tests_that_run_its_line_and_is_caught() -> None:
    templates = load_library([ROOT / "specs" / "detach.yaml", ROOT / "specs" / "retain-graph.yaml"])
    runs = tests.of_tasks(tasks_of(templates, ("cpu",), ("float64",)), Settings(examples=0))
    records = tests.records(runs, reach.recorded_lines, 1)
    assert all(record.sound for record in records)
    drawn = {test.name: test for test in runs}
    hunter = hunt.Hunter([*zip(runs, records, strict=True)], drawn, hunt.lines_of_loading())
    # A method: functions that compiled rows hold keep their old text in a process that ran other tests.
    wanted = {"tensor.py Tensor.detach, nothing returned"}
    chosen = [one for one in hunt.all_mutations() if str(one).partition(":")[0] in wanted]
    assert chosen
    for found in hunter.hunted(chosen, 1):
        assert 0 < found.reach < len(runs)
        assert found.by


def test_a_mutant_that_matters_while_refgrad_is_loaded_meets_every_documented_behaviour() -> None:
    mutation = next(one for one in hunt.all_mutations() if one.function == "_Uncounted.__init__")
    place = f"{mutation.path}:{mutation.line}"
    names = [f"a/{number}[{dtype}]" for number in range(5) for dtype in ("cpu-float32", "cpu-float64")]
    names += [f"operators/{number}[cpu-float32]" for number in range(20)]
    record = tests.Record(True, frozenset(), 1, 0.0)
    known = [(tests.Test(name, lambda _: ("", 0)), record) for name in names]
    met = [test.name for test in hunt.Hunter(known, {}, frozenset({place}), 4).reaching(mutation)]
    assert [name for name in met if name.startswith("a/")] == [
        f"a/{number}[cpu-float32]" for number in range(5)
    ]
    assert [name for name in met if name.startswith("operators/")] == names[10::5]
    assert not hunt.Hunter(known, {}, frozenset(), 4).reaching(mutation)


def test_the_summary_has_the_score_and_the_survivors_alone() -> None:
    mutation = next(one for one in hunt.all_mutations() if one.path == "versions.py")
    found = [
        hunt.Found(mutation, by, "", 1, reach)
        for by, reach in (("a/b", 3), ("", 3), ("", 0), ("", 0), ("c", 1))
    ]
    lines = page.summary("\n".join(page.page(found, 9, "--seed 0", {}, "2.13.0")))
    assert "**2 of 3 mutants in these are caught, 66.7 %.**" in lines
    assert len([line for line in lines if line.startswith(f"| {mutation.path}:")]) == 1
    assert not [line for line in lines if line.startswith("## ")]


def test_explanations_are_of_mutants_that_there_are() -> None:
    why = yaml.safe_load((ROOT / "docs" / "mutation.yaml").read_text("utf-8")) or {}
    assert {*why} <= {str(one) for one in hunt.all_mutations()}
    text = (ROOT / "docs" / "mutation.md").read_text("utf-8")
    share = re.search(r"\*\*(\d+) of (\d+) mutants in these are caught", text)
    assert share
    assert int(share[1]) >= 0.85 * int(share[2])
