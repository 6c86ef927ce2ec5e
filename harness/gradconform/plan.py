"""What a run will do: settings, the scenarios they select, and the devices that are there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gradconform.errors import UsageError, did_you_mean
from gradconform.program.parse import Template
from gradconform.spec.scenario import Scenario

_LEVEL = re.compile(r"level:(\d)(?:-(\d))?")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run.

    dtypes: restricts each scenario's own dtypes (empty: no restriction). select: ids, globs, features and
    levels (`level:2`, `level:1-3`); a scenario is in if any of them takes it (empty: all). examples: random
    draws for each scenario, device and dtype, beside the documented example.
    """

    devices: tuple[str, ...] = ("cpu",)
    dtypes: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    examples: int = 20
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """A scenario on one device in one dtype; its draws share one seed."""

    template: Template
    device: str
    dtype: str

    @property
    def id(self) -> str:
        return f"{self.template.id}[{self.device}-{self.dtype}]"


@dataclass(frozen=True, slots=True)
class Plan:
    """The tasks of a run in corpus order, and the devices that were asked for and are not here."""

    tasks: tuple[Task, ...]
    absent: tuple[str, ...] = ()


def plan(templates: Iterable[Template], settings: Settings) -> Plan:
    """The tasks that the settings ask for.

    Raises UsageError for a selector, dtype or device that takes nothing, with the nearest that would.
    """
    devices, absent = present_devices(settings.devices)
    chosen = select(tuple(templates), settings.select)
    tasks = tuple(
        Task(template, device, dtype)
        for template in chosen
        for device in devices
        for dtype in template.scenario.dtypes
        if not settings.dtypes or dtype in settings.dtypes
    )
    if not tasks:
        known = sorted({dtype for template in chosen for dtype in template.scenario.dtypes})
        hints = (did_you_mean(dtype, known) for dtype in settings.dtypes)
        hint = next(filter(None, hints), f"they have {', '.join(known)}")
        raise UsageError(f"no selected scenario runs in dtype {', '.join(settings.dtypes)}; {hint}")
    return Plan(tasks, absent)


def select(templates: tuple[Template, ...], selectors: tuple[str, ...]) -> tuple[Template, ...]:
    """The templates that any of the selectors takes. Raises UsageError for one that takes none."""
    if not selectors:
        return templates
    for selector in selectors:
        if not any(_takes(selector, template.scenario) for template in templates):
            known = [word for t in templates for word in (t.id, t.scenario.feature, *t.scenario.aliases)]
            hint = did_you_mean(selector, known) or "`gradconform list` shows ids, features and levels"
            raise UsageError(f"'{selector}' selects no scenario; {hint}")
    return tuple(t for t in templates if any(_takes(selector, t.scenario) for selector in selectors))


def _takes(selector: str, scenario: Scenario) -> bool:
    level = _LEVEL.fullmatch(selector)
    if level:
        return int(level[1]) <= scenario.level <= int(level[2] or level[1])
    names = (scenario.id, scenario.feature, *scenario.aliases)
    return selector in names or any(fnmatchcase(name, selector) for name in names)


def present_devices(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The devices of a list that are here, and those that are not; `all` stands for the CPU and every GPU.

    Raises UsageError for a name that is no device, and where none of the list is here.
    """
    import torch

    wanted: list[str] = []
    for name in names:
        gpus = range(max(torch.cuda.device_count(), 1))
        more = ["cpu", *(f"cuda:{index}" for index in gpus)] if name == "all" else [name]
        wanted += [device for device in more if device not in wanted]
    absent = {name: reason for name in wanted if (reason := _absence(name))}
    here = tuple(name for name in wanted if name not in absent)
    if not here:
        raise UsageError("; ".join(f"device {name}: {reason}" for name, reason in absent.items()))
    return here, tuple(f"{name}: {reason}" for name, reason in absent.items())


def _absence(name: str) -> str:
    """Why a device cannot be used here, or "". Raises UsageError where torch knows no such device."""
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        near = did_you_mean(name, ("cpu", "cuda", "cuda:0", "all", "mps", "xpu"))
        hint = near or "for instance cpu, cuda, cuda:1 or all"
        raise UsageError(f"'{name}' is not a device that torch {torch.__version__} knows; {hint}") from None
    if device.type == "meta":
        raise UsageError("device meta has no numbers to compare")
    try:
        torch.ones(1, device=device).cpu()
    except Exception as error:  # noqa: BLE001 - each backend has its own way to say that it is not here
        return str(error).splitlines()[0]
    return ""
