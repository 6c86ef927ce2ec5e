"""The programs of PyTorch's samples, on torch, on refgrad and on engines that err."""

from __future__ import annotations

import builtins
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from gradconform.cases import CaseResult
from gradconform.cli import main
from gradconform.engines.base import Engine
from gradconform.engines.refgrad import RefgradEngine
from gradconform.engines.torch import TorchEngine
from gradconform.errors import Unsupported
from gradconform.execution.host import InProcess
from gradconform.opinfo import samples
from gradconform.opinfo.corpus import OperatorSamples
from gradconform.opinfo.programs import PARTS
from gradconform.plan import Settings, Task
from gradconform.program.render import program_text
from gradconform.session import Session

Found = dict[str, OperatorSamples]

FEW = ("atan2", "cumsum", "linalg.det", "expand", "mul", "nn.functional.dropout", "sort", "norm.fro")


def cases(engine: Engine, one: OperatorSamples, dtype: str = "float64") -> list[CaseResult]:
    return list(Session(InProcess(engine), Settings()).check(Task(one, "cpu", dtype)))


def opinfo(*options: str) -> Result:
    return CliRunner().invoke(main, ["run", "torch", "--corpus", "opinfo", *options])


def test_every_operator_that_autograd_supports_is_there(found: Found) -> None:
    assert sum("float64" in one.scenario.dtypes for one in found.values()) >= 500
    assert all(one.id == f"opinfo/{name}" for name, one in found.items())


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "complex128"])
def test_torch_agrees_with_itself(found: Found, name: str, dtype: str) -> None:
    if dtype not in found[name].scenario.dtypes:
        return
    results = cases(TorchEngine(), found[name], dtype)
    assert results
    assert {case.verdict.kind for case in results} == {"conforms"}


@pytest.mark.parametrize("name", ["atan2", "cumsum", "mul", "__rsub__"])
def test_refgrad_conforms(found: Found, name: str) -> None:
    results = cases(RefgradEngine(), found[name])
    assert Counter(case.verdict.kind for case in results if case.part in PARTS[:2]).keys() == {"conforms"}


def test_the_programs_of_a_sample(found: Found) -> None:
    given = list(found["atan2"].programs("float64", "cpu", 0))
    assert {one.part for one in given} == set(PARTS)
    first, second = given[:2]
    assert (first.part, first.sample, second.part, second.sample) == (PARTS[0], 0, PARTS[1], 0)
    assert program_text(first.program).splitlines() == [
        "y = atan2(x, a0)",
        "g_x, g_a0 = autograd.grad([y], [x, a0], [v], allow_unused=True)",
    ]
    assert program_text(second.program).splitlines()[1:] == [
        "g_x, g_a0 = autograd.grad([y], [x, a0], [v], create_graph=True, allow_unused=True)",
        "h_x, h_a0, h_v = autograd.grad([g_x, g_a0], [x, a0, v], [w, w1], allow_unused=True)",
    ]


def test_tensors_of_one_memory_are_views_of_one_input(found: Found) -> None:
    refused = [one for one in found["gather"].programs("float64", "cpu", 0) if one.part == "error"]
    texts = [program_text(one.program) for one in refused]
    assert [one.lack for one in refused] == [""] * len(refused)
    assert texts[-1].splitlines() == [
        "y = memory.as_strided((2,), (1,), 1)",
        "y1 = memory.as_strided((1,), (1,), 0)",
        "with raises(RuntimeError):",
        "    gather(x, 0, y, out=y1)",
        "del y1",
    ]


def test_sparse_tensors_are_lacking_and_end_nothing(found: Found) -> None:
    given = list(found["sparse.sampled_addmm"].programs("float64", "cpu", 0))
    assert given
    assert all(one.lack.endswith("a tensor of layout sparse_csr") for one in given)


def test_what_is_listed_as_an_error_and_torch_takes_is_a_call_like_others(found: Found) -> None:
    listed = [one for one in found["clamp_max"].programs("float64", "cpu", 0) if one.part == "error"]
    texts = [program_text(one.program).splitlines() for one in listed]
    assert ["y = clamp_max(x, 2)"] in texts
    assert ["with raises(TypeError):", "    clamp_max(2, 3)"] in texts
    numbers = [one for one in found["__rmod__"].programs("float64", "cpu", 0) if one.part == "error"]
    assert not numbers, "2 % 3 is no call of torch"


def test_one_seed_gives_one_run(found: Found) -> None:
    one, again, other = (
        [given.program.inputs[0].data for given in found["cumsum"].programs("float64", "cpu", seed)]
        for seed in (3, 3, 4)
    )
    assert all(map(torch.equal, one, again))
    assert not all(map(torch.equal, one, other))


def test_sampling_leaves_the_random_numbers_of_the_process_alone(found: Found) -> None:
    before = torch.get_rng_state()
    list(found["nn.functional.dropout"].programs("float64", "cpu", 0))
    assert torch.equal(torch.get_rng_state(), before)


class Halved(TorchEngine):
    """torch with a wrong derivative: half of that of atan2."""

    name = "halved"

    def grad(self, *arguments: Any, **options: Any) -> tuple[Any, ...]:
        found = super().grad(*arguments, **options)
        return tuple(one if one is None else one / 2 for one in found)


def test_a_wrong_derivative_is_found_in_every_sample_and_ends_nothing(found: Found) -> None:
    results = cases(Halved(), found["atan2"])
    first = [case for case in results if case.part == PARTS[0]]
    nonempty = [case for case in first if case.verdict.kind == "diverges"]
    assert len(nonempty) > len(first) / 2  # a gradient without elements is halved unseen
    example = nonempty[0].example
    assert example is not None
    exec(compile(example.script, "script", "exec"), {})  # noqa: S102 - what a person would run


def test_what_an_engine_lacks_is_no_pass(found: Found) -> None:
    class Lacking(TorchEngine):
        name = "lacking"

        def operation(self, name: str) -> Any:
            if name == "atan2":
                raise Unsupported("operator atan2")
            return super().operation(name)

    kinds = {case.part: case.verdict.kind for case in cases(Lacking(), found["atan2"])}
    assert kinds[PARTS[0]] == kinds[PARTS[1]] == "unsupported"


def test_the_command_counts_what_it_runs() -> None:
    result = CliRunner().invoke(
        main, ["run", "torch", "--corpus", "opinfo", "--select", "opinfo/atan2,expand"]
    )
    assert result.exit_code == 0, result.output
    first = re.search("first order: ([0-9]+) run, ([0-9]+) conform", result.output)
    assert first is not None
    assert first[1] == first[2] != "0"
    assert "nothing diverges" in result.output


@pytest.mark.parametrize("option", [("--examples", "3"), ("--specs", "x.yaml")])
def test_options_about_scenarios_are_refused(option: tuple[str, str]) -> None:
    result = CliRunner().invoke(
        main, ["run", "torch", "--corpus", "opinfo", *option], prog_name="gradconform"
    )
    assert result.exit_code == 2
    assert f"{option[0]} is about scenarios" in result.output


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("expecttest", "pip install 'gradconform[opinfo]'"),
        ("common_methods_invocations", "does not have the"),
    ],
)
def test_a_torch_without_samples_is_one_message(
    monkeypatch: pytest.MonkeyPatch, missing: str, said: str
) -> None:
    imported = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        if name.endswith("common_methods_invocations"):
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return imported(name, *arguments, **options)

    samples.entries.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    try:
        result = opinfo()
    finally:
        samples.entries.cache_clear()
    assert result.exit_code == 2
    assert said in result.output


def test_the_page_has_every_operator(found: Found) -> None:
    page = Path(__file__).parents[2] / "docs" / "operators.md"
    rows = [line.split(" | ")[0].strip("| `") for line in page.read_text("utf-8").splitlines()]
    named = {row for row in rows if row in found}
    assert named == {name for name, one in found.items() if "float64" in one.scenario.dtypes}
