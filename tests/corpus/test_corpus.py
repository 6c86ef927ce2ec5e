"""Every scenario of the shipped specs states something, and PyTorch keeps it on the documented example."""

from __future__ import annotations

from gradconform.engines.torch import TorchEngine
from gradconform.execution.interpreter import Detail, run
from gradconform.oracle.facts import check
from gradconform.program.bind import bind
from gradconform.program.parse import Template
from gradconform.program.steps import Expect, Fact, Warns
from gradconform.randomize import draws
from gradconform.spec.scenario import will_do


def test_every_scenario_states_a_law_an_error_or_a_warning(corpus: tuple[Template, ...]) -> None:
    silent = []
    for template in corpus:
        program = bind(template, draws.example(template.scenario, template.scenario.dtypes[0]))
        if template.scenario.text.derived and not template.id.endswith("gradients"):
            continue  # torch's answer is what they are held to; the row's gradients state a law
        steps = [step for _, step in program.walk()]
        states = (isinstance(step, Expect | Warns) or (isinstance(step, Fact) and step.law) for step in steps)
        if not any(states):
            silent.append(template.id)
    assert not silent


def on_the_cpu(corpus: tuple[Template, ...]) -> list[Template]:
    """Those that the CPU will do for; the others are run by test_devices.py."""
    return [template for template in corpus if will_do("cpu", template.scenario.device)]


def test_torch_keeps_every_fact_and_leaves_none_undecided(corpus: tuple[Template, ...]) -> None:
    torch = TorchEngine()
    wrong = []
    for template in on_the_cpu(corpus):
        for dtype in template.scenario.dtypes:
            program = bind(template, draws.example(template.scenario, dtype))
            facts = check(program, run(program, torch, "cpu", Detail.CHANGES))
            silent = not facts.kept and not template.scenario.text.derived
            if facts.broken or facts.apart or facts.rounded or facts.undecided or silent:
                wrong.append((template.id, dtype, facts))
    assert not wrong


def test_the_documented_example_reaches_every_fact(corpus: tuple[Template, ...]) -> None:
    torch = TorchEngine()
    vacuous = []
    for template in on_the_cpu(corpus):
        program = bind(template, draws.example(template.scenario, template.scenario.dtypes[0]))
        trace = run(program, torch, "cpu", Detail.END)
        reached = {*trace.facts, *trace.caught, *trace.warned}
        vacuous += [
            (template.id, step.line)
            for number, step in program.walk()
            if isinstance(step, Fact | Expect | Warns) and number not in reached
        ]
    assert not vacuous


def test_every_feature_is_named_as_its_file(corpus: tuple[Template, ...]) -> None:
    strangers = [
        template.id
        for template in corpus
        if not template.scenario.place.file.endswith(f"/{template.scenario.feature}.yaml")
        or template.id.partition("/")[0] != template.scenario.feature.partition("/")[0]
    ]
    assert not strangers
