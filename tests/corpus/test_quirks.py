"""The registry of torch's quirks: its scenarios exist, and the installed torch still has each of them."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from gradconform.engines.torch import TorchEngine
from gradconform.execution.interpreter import Detail, run
from gradconform.program.bind import bind
from gradconform.program.parse import Template
from gradconform.randomize import draws
from gradconform.spec.quirks import QuirkEntry, quirks
from gradconform.trace import TensorSeen, Trace

SUFFIX = "-forward-mode"
HELD = [quirk for quirk in quirks() if quirk.holds_for(torch.__version__)]
WITH_SCENARIOS = [quirk for quirk in HELD if not quirk.script]
WITH_SCRIPT = [quirk for quirk in HELD if quirk.script]


@pytest.fixture(scope="module")
def templates(corpus: tuple[Template, ...]) -> dict[str, Template]:
    return {template.id: template for template in corpus}


def _seen(template: Template) -> Trace:
    program = bind(template, draws.example(template.scenario, "float64"))
    return run(program, TorchEngine(), "cpu", Detail.END)


def _reverse(trace: Trace) -> float:
    """1^T J 1 as reverse mode has it: the sum of all gradients for a cotangent of ones."""
    live = trace.states[-1].live.values()
    grads = [
        seen.grad.value for seen in live if isinstance(seen, TensorSeen) and isinstance(seen.grad, TensorSeen)
    ]
    assert grads
    return sum(float(grad.sum()) for grad in grads)


def _forward(trace: Trace) -> float | None:
    """1^T J 1 as forward mode has it: the sum of the tangent for tangents of ones."""
    tangent = trace.states[-1].live["t"]
    return float(tangent.value.sum()) if isinstance(tangent, TensorSeen) else None


def test_every_scenario_that_is_named_exists(templates: dict[str, Template]) -> None:
    assert not [name for quirk in quirks() for name in quirk.scenarios if name not in templates]


def test_ids_are_unique() -> None:
    assert len({quirk.id for quirk in quirks()}) == len(quirks())


@pytest.mark.parametrize("quirk", WITH_SCENARIOS, ids=[quirk.id for quirk in WITH_SCENARIOS])
def test_the_modes_still_disagree(quirk: QuirkEntry, templates: dict[str, Template]) -> None:
    for name in quirk.scenarios:
        reverse, forward = (
            _reverse(_seen(templates[name.removesuffix(SUFFIX)])),
            _forward(_seen(templates[name])),
        )
        assert forward is None or not torch.isclose(
            torch.tensor(forward), torch.tensor(reverse), equal_nan=True
        )


def _run(script: str) -> subprocess.CompletedProcess[str]:
    """A script for torch, in a process of its own, since it may take it down. What is deprecated may be
    used."""
    command = [sys.executable, "-W", "ignore", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("quirk", WITH_SCRIPT, ids=[quirk.id for quirk in WITH_SCRIPT])
def test_the_script_still_fails(quirk: QuirkEntry) -> None:
    assert quirk.script is not None
    ended = _run(quirk.script)
    if quirk.fails == "crash":
        assert ended.returncode == -signal.SIGSEGV, ended.stderr
    else:
        assert ended.returncode == 1, ended.stderr
        assert ended.stderr.splitlines()[-1].startswith("AssertionError"), ended.stderr


def _line(identifier: str, start: str) -> tuple[str, str]:
    """The script of a quirk, and the line of it that starts so."""
    (script,) = (quirk.script for quirk in quirks() if quirk.id == identifier)
    assert script is not None
    (line,) = (line for line in script.splitlines() if line.startswith(start))
    return script, line


def test_without_the_write_the_hook_is_no_crash() -> None:
    script, write = _line("hook-on-a-view-that-was-written-through-another", "v[0][0]")
    assert _run(script.replace(write, "")).returncode == 0
    assert _run(script.replace(write, f"{write}\nv.grad_fn")).returncode == 0


def test_a_later_result_that_does_not_retain_its_gradient_may_be_written_through_a_view() -> None:
    script, retains = _line(
        "write-through-a-view-to-a-later-result-that-retains-its-gradient", "mean.retain_grad"
    )
    assert _run(script.replace(retains, "")).returncode == 0
    assert _run(script.replace("_, mean", "mean, _").replace("std_mean", "var_mean")).returncode == 0


@pytest.mark.parametrize(
    ("shown", "complaint"),
    [
        ({}, "a quirk has scenarios or a script"),
        ({"script": "pass"}, "fails in one way"),
        ({"scenarios": ("points/some",), "fails": "crash"}, "fails in one way"),
        ({"script": "pass", "fails": "nothing"}, "assertion"),
    ],
)
def test_a_quirk_is_shown(shown: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        QuirkEntry(id="some-quirk", says="It does.", since="2.11", **shown)


def test_where_the_modes_disagree_at_a_point_it_is_registered(templates: dict[str, Template]) -> None:
    registered = {name for quirk in WITH_SCENARIOS for name in quirk.scenarios}
    noted = {
        name
        for name, template in templates.items()
        if name.startswith("points/") and template.scenario.source.note
    }
    assert noted == registered


@pytest.mark.parametrize(
    ("version", "holds"),
    [("2.10.1", False), ("2.11.0", True), ("2.13.0+cpu", True), ("2.14.0a0", False), ("3.0", False)],
)
def test_a_quirk_holds_from_since_until(version: str, holds: bool) -> None:
    quirk = QuirkEntry(
        id="some-quirk", says="It does.", scenarios=("points/some",), since="2.11", until="2.14"
    )
    assert quirk.holds_for(version) is holds
