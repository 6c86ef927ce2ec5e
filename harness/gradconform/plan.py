"""What a run will do: settings, the scenarios they select, and the devices that are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from gradconform.engines.devices import absence, device_of
from gradconform.errors import UsageError, did_you_mean
from gradconform.known_failures.entries import Pin
from gradconform.program.parse import Template
from gradconform.report.lines import some
from gradconform.sources import Samples, Subject
from gradconform.spec.dtypes import DTYPES
from gradconform.spec.scenario import DEVICES, will_do
from gradconform.spec.selectors import chosen_by


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run.

    dtypes: restricts each scenario's own dtypes (empty: no restriction). select: ids, globs, features and
    levels (`level:2`, `level:1-3`); a scenario is in if any of them takes it (empty: all). examples: random
    draws for each scenario, device and dtype, beside the documented example; a derived scenario takes a part
    of them (`Scenario.draws`).
    """

    devices: tuple[str, ...] = ("cpu",)
    dtypes: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    examples: int = 20
    seed: int = 0


Origin = Template | Samples
"""Where the programs of a test come from."""

AnyOrigin = TypeVar("AnyOrigin", bound=Origin)


@dataclass(frozen=True, slots=True)
class Task:
    """A scenario, or samples, on one device in one dtype; its draws share one seed. pin: the program of a
    known failure, which it replays in place of its draws."""

    origin: Origin
    device: str
    dtype: str
    pin: Pin | None = None

    @property
    def subject(self) -> Subject:
        """What the test is about."""
        return self.origin.scenario

    @property
    def id(self) -> str:
        return f"{self.origin.id}[{self.device}-{self.dtype}]"


@dataclass(frozen=True, slots=True)
class Plan:
    """The tasks of a run in corpus order, and what was asked for and is not run: devices that are not here,
    and scenarios on a device that will not do for them. known, unreached, expired: as in the head of the
    results."""

    tasks: tuple[Task, ...]
    absent: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    unreached: int = 0
    expired: tuple[str, ...] = ()


def plan(origins: Iterable[Origin], settings: Settings) -> Plan:
    """The tasks that the settings ask for.

    Raises UsageError for a selector, dtype or device that takes nothing, with the nearest that would, and
    where no device will do for any of the scenarios.
    """
    known_dtypes(settings.dtypes)
    devices, absent = present_devices(settings.devices)
    chosen = select(tuple(origins), settings.select)
    tasks = tasks_of(chosen, devices, settings.dtypes)
    for dtype in settings.dtypes:
        if not any(dtype in origin.scenario.dtypes for origin in chosen):
            raise UsageError(nothing_in_dtype(dtype, chosen))
    left_out = unfit(chosen, devices, settings.dtypes)
    if left_out and not tasks:
        raise UsageError(f"nothing is run: {'; '.join(left_out)}; --device names another")
    return Plan(tasks, absent, left_out)


def tasks_of(
    origins: Iterable[Origin], devices: tuple[str, ...], dtypes: tuple[str, ...]
) -> tuple[Task, ...]:
    """A task for each scenario, device that will do for it, and dtype of the scenario that `dtypes` lets
    through (empty: all)."""
    return tuple(
        Task(origin, device, dtype)
        for origin in origins
        for device in devices
        if will_do(device, origin.scenario.device)
        for dtype in _dtypes(origin, dtypes)
    )


def unfit(origins: Iterable[Origin], devices: tuple[str, ...], dtypes: tuple[str, ...]) -> tuple[str, ...]:
    """Which scenarios are not run on a device because they need another one: a sentence for each device and
    need."""
    found: dict[tuple[str, str], list[str]] = {}
    for origin in origins:
        need = origin.scenario.device
        if need is None or not any(_dtypes(origin, dtypes)):
            continue
        for device in devices:
            if not will_do(device, need):
                found.setdefault((device, DEVICES[need]), []).append(origin.id)
    return tuple(f"on {device}, what needs {need}: {some(names)}" for (device, need), names in found.items())


def _dtypes(origin: Origin, dtypes: tuple[str, ...]) -> Iterator[str]:
    """The dtypes of a scenario that a run lets through."""
    return (dtype for dtype in origin.scenario.dtypes if not dtypes or dtype in dtypes)


def known_dtypes(names: Iterable[str]) -> None:
    """Raises UsageError for a name that is no dtype of any spec."""
    for name in names:
        if name not in DTYPES:
            hint = did_you_mean(name, DTYPES) or f"the dtypes are {', '.join(DTYPES)}"
            raise UsageError(f"'{name}' is not a dtype; {hint}")


def nothing_in_dtype(dtype: str, origins: Iterable[Origin]) -> str:
    """What is said of a dtype that none of the selected scenarios has."""
    theirs = {name for origin in origins for name in origin.scenario.dtypes}
    return f"no selected scenario runs in dtype {dtype}; they have {', '.join(sorted(theirs))}"


def select(origins: tuple[AnyOrigin, ...], selectors: tuple[str, ...]) -> tuple[AnyOrigin, ...]:
    """The origins that any of the selectors takes. Raises UsageError for one that takes none."""
    return chosen_by(selectors, origins, lambda origin: origin.scenario)


def present_devices(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The devices of a list that are here, each once, and those that are not, each with the reason; `all`
    stands for the CPU and every GPU. On `meta`, which has no numbers, all else is compared.

    Raises UsageError for a name that is no device, and where none of the list is here.
    """
    import torch

    wanted: dict[tuple[str, int], str] = {}
    for name in names:
        gpus = range(max(torch.cuda.device_count(), 1))
        for each in ["cpu", *(f"cuda:{index}" for index in gpus)] if name == "all" else [name]:
            device = device_of(each, "all")
            # `cuda` is the GPU that torch starts with, the first.
            wanted.setdefault((device.type, device.index or 0), each)
    absent = {name: reason for name in wanted.values() if (reason := absence(name))}
    here = tuple(name for name in wanted.values() if name not in absent)
    if not here:
        raise UsageError("; ".join(f"device {name}: {reason}" for name, reason in absent.items()))
    return here, tuple(f"{name}: {reason}" for name, reason in absent.items())
