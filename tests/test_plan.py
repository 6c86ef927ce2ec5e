"""What a run takes in: selectors, dtypes, devices, and what is said where they take nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from gradconform.errors import UsageError
from gradconform.plan import Settings, Task, plan, present_devices, select
from gradconform.program.parse import Template

Templates = tuple[Template, ...]


@pytest.fixture
def templates(template: Any) -> Templates:
    one = template("y = x * 2")

    def named(id: str, feature: str, level: int, **changes: Any) -> Template:
        scenario = dataclasses.replace(one.scenario, id=id, feature=feature, level=level, **changes)
        made: Template = dataclasses.replace(one, scenario=scenario)
        return made

    return (
        named("zeroing/by-hand", "zeroing", 1),
        named("zeroing/by-optimizer", "zeroing", 2, aliases=("zeroing/sgd",)),
        named("dtypes/half", "dtypes", 4, dtypes=("float16", "bfloat16")),
    )


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        ("zeroing", ["zeroing/by-hand", "zeroing/by-optimizer"]),
        ("zeroing/by-hand", ["zeroing/by-hand"]),
        ("zeroing/sgd", ["zeroing/by-optimizer"]),
        ("*/by-*", ["zeroing/by-hand", "zeroing/by-optimizer"]),
        ("level:4", ["dtypes/half"]),
        ("level:1-2", ["zeroing/by-hand", "zeroing/by-optimizer"]),
    ],
)
def test_a_selector_takes_ids_aliases_globs_features_and_levels(
    templates: Templates, selector: str, taken: list[str]
) -> None:
    assert [template.id for template in select(templates, (selector,))] == taken


def test_several_selectors_take_what_any_takes_in_corpus_order(templates: Templates) -> None:
    assert [t.id for t in select(templates, ("level:4", "zeroing/by-hand"))] == [
        "zeroing/by-hand",
        "dtypes/half",
    ]


def test_a_selector_that_takes_nothing_is_refused_even_beside_one_that_does(templates: Templates) -> None:
    with pytest.raises(
        UsageError, match=r"'zeroing/by-hnad' selects no scenario; did you mean 'zeroing/by-hand'"
    ):
        select(templates, ("dtypes", "zeroing/by-hnad"))


def test_tasks_are_scenario_by_device_by_dtype(templates: Templates) -> None:
    tasks = plan(templates, Settings(dtypes=("float32", "bfloat16"))).tasks
    assert [task.id for task in tasks] == [
        "zeroing/by-hand[cpu-float32]",
        "zeroing/by-optimizer[cpu-float32]",
        "dtypes/half[cpu-bfloat16]",
    ]
    assert all(isinstance(task, Task) for task in tasks)


@pytest.mark.parametrize(
    ("dtypes", "message"),
    [
        (("flaot32",), "'flaot32' is not a dtype; did you mean 'float32'"),
        (("float32", "garbage"), "'garbage' is not a dtype; the dtypes are float16, .*, bool$"),
        (
            ("float32", "complex64"),
            "no selected scenario runs in dtype complex64; they have bfloat16, float1",
        ),
    ],
)
def test_a_dtype_that_takes_nothing_is_refused_even_beside_one_that_does(
    templates: Templates, dtypes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        plan(templates, Settings(dtypes=dtypes))


def test_a_dtype_counts_by_the_selected_scenarios(templates: Templates) -> None:
    with pytest.raises(UsageError, match="no selected scenario runs in dtype float16; they have float32, fl"):
        plan(templates, Settings(dtypes=("float32", "float16"), select=("zeroing",)))


def test_an_absent_device_beside_a_present_one_is_not_run_and_said_so() -> None:
    here, absent = present_devices(("cpu", "cuda:99"))
    assert here == ("cpu",)
    assert len(absent) == 1
    assert absent[0].startswith("cuda:99: ")


def test_an_absent_device_alone_is_refused_with_torchs_reason() -> None:
    with pytest.raises(UsageError, match=r"device cuda:99: \w+"):
        present_devices(("cuda:99",))


def test_all_is_the_cpu_and_the_gpus() -> None:
    here, absent = present_devices(("all",))
    assert here == ("cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count())))
    assert bool(absent) == (not torch.cuda.is_available())


def elsewhere(templates: Templates, *ids: str, device: str = "other") -> Templates:
    """The scenarios, some of which need a device of a kind."""
    return tuple(
        dataclasses.replace(one, scenario=dataclasses.replace(one.scenario, device=device))
        if one.id in ids
        else one
        for one in templates
    )


def test_a_scenario_that_needs_another_device_is_not_run_on_the_cpu_and_said_so(templates: Templates) -> None:
    mixed = elsewhere(templates, "zeroing/by-hand", "dtypes/half")
    planned = plan(mixed, Settings(devices=("cpu", "meta"), dtypes=("float32",)))
    assert [task.id for task in planned.tasks] == [
        "zeroing/by-hand[meta-float32]",
        "zeroing/by-optimizer[cpu-float32]",
        "zeroing/by-optimizer[meta-float32]",
    ]
    several = elsewhere(templates, *(one.id for one in templates))
    (told,) = plan((templates[0], *several, *several), Settings()).unfit
    assert told.endswith(f"{several[2].id} and {2 * len(several) - 3} more")
    # The other one is in no dtype that was asked for.
    assert planned.unfit == ("on cpu, what needs another device than the CPU: zeroing/by-hand",)
    assert plan(mixed, Settings(devices=("meta",))).unfit == ()
    assert plan(templates, Settings(devices=("cpu",))).unfit == ()


def test_a_scenario_may_need_the_cpu(templates: Templates) -> None:
    mixed = elsewhere(templates, "zeroing/by-hand", device="cpu")
    planned = plan(mixed, Settings(devices=("cpu", "meta"), dtypes=("float32",), select=("zeroing/by-hand",)))
    assert [task.id for task in planned.tasks] == ["zeroing/by-hand[cpu-float32]"]
    assert planned.unfit == ("on meta, what needs the CPU: zeroing/by-hand",)


def test_where_no_device_will_do_that_is_one_line(templates: Templates) -> None:
    alone = elsewhere(templates, "dtypes/half")
    message = "^nothing is run: on cpu, what needs another device than the CPU: dtypes/half; --device names"
    with pytest.raises(UsageError, match=message):
        plan(alone, Settings(select=("dtypes",)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cpuu", "'cpuu' is not a device .* did you mean 'cpu'"),
        ("cuda:256", "'cuda:256' is not a device"),
        ("cpu:5", "'cpu:5': torch has one CPU and gives it no number; write cpu"),
    ],
)
def test_a_name_that_is_no_device_is_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        present_devices(("cpu", name))


def test_a_device_with_two_names_is_run_once() -> None:
    here, absent = present_devices(("cuda", "cpu", "cuda:0", "all", "cpu"))
    named = [*here, *(reason.partition(": ")[0] for reason in absent)]
    assert named.count("cpu") == 1
    assert named.count("cuda") == 1
    assert "cuda:0" not in named


def test_an_absent_device_has_the_first_sentence_of_torchs_reason() -> None:
    # PyTorch's wheels have no Vulkan backend; what they say about it runs to 1400 characters.
    _, (reason,) = present_devices(("cpu", "vulkan"))
    assert reason == (
        "vulkan: Could not run 'aten::empty.memory_format' with arguments from the 'Vulkan' backend."
    )


def test_the_meta_device_is_there_and_is_none_of_all() -> None:
    assert present_devices(("meta",)) == (("meta",), ())
    here, absent = present_devices(("all",))
    assert "meta" not in (*here, *absent)
