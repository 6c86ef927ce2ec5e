"""Whose difference it is, on another device than the CPU: the engine's, the device's, or that of both.

There an engine is held against torch on the same device, so that what the device does otherwise is not blamed
on the engine. Torch on the CPU is the third party: what torch itself has otherwise on the device is told
beside the verdict, and changes nothing about it. The same policy decides as everywhere when numbers differ.

Programs that draw random numbers, or say where a tensor is to be, are not the same program on two devices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gradconform.execution.home import mapped
from gradconform.execution.meta import is_meta
from gradconform.oracle.judge import judge
from gradconform.program.steps import Apply, Get, Mutate, Program
from gradconform.program.vocabulary import RANDOM
from gradconform.trace import TensorSeen, Trace
from gradconform.verdict import Conforms, Differs, Divergence, Diverges, Verdict

PLACING = frozenset({"cpu", "cuda"})
"""Operators that say where a tensor is to be."""


def attributed(
    verdict: Verdict,
    program: Program,
    expected: Trace,
    got: Trace,
    on_cpu: Callable[[], Trace],
    *,
    device: str,
    torch_errors: bool = True,
) -> Verdict:
    """The verdict, with whose difference it is.

    verdict: what was made of the traces of torch (`expected`) and of the engine (`got`) on the device.
    on_cpu: runs the program on torch on the CPU; it is not asked for where there is nothing to tell.
    """
    if not isinstance(verdict, Conforms | Diverges) or not is_elsewhere(device) or not _is_the_same(program):
        return verdict
    here = on_cpu()
    there = judge(program, here, _as_on_cpu(expected, device), stated=False)
    if not isinstance(there, Conforms | Diverges):
        return verdict
    apart = there.divergences[0] if isinstance(there, Diverges) else None
    if isinstance(verdict, Conforms):
        return replace(verdict, differs="device", device=apart) if apart else verdict
    differs: Differs = "engine"
    if apart is not None:
        shown = _as_on_cpu(got, device)
        engine = judge(program, here, shown, torch_errors=torch_errors, stated=False)
        differs = "device" if isinstance(engine, Conforms) else "both"
    first, *rest = verdict.divergences
    detail = "; ".join(filter(None, (first.detail, _in_words(differs, apart, device))))
    return replace(verdict, divergences=(replace(first, detail=detail), *rest), differs=differs, device=apart)


def is_elsewhere(device: str) -> bool:
    """Whether a device has numbers of its own."""
    return device != "cpu" and not is_meta(device)


def _is_the_same(program: Program) -> bool:
    for _, step in program.walk():
        if isinstance(step, Apply | Mutate) and (
            step.operator in RANDOM or step.operator in PLACING or "device" in step.options
        ):
            return False
        if isinstance(step, Get) and step.attribute == "device":
            return False
    return True


def _as_on_cpu(trace: Trace, device: str) -> Trace:
    """The trace with the CPU in place of the device."""
    names = {device, device if ":" in device else f"{device}:0"}

    def placed(seen: TensorSeen) -> TensorSeen:
        return replace(seen, device="cpu") if seen.device in names else seen

    return mapped(trace, placed)


def _in_words(differs: Differs, apart: Divergence | None, device: str) -> str:
    if apart is None:
        return f"engine differs: torch itself is on {device} as it is on the CPU"
    torch = (
        f"torch itself has {apart.where}: {apart.what} {apart.got} on {device}, {apart.expected} on the CPU"
    )
    if differs == "device":
        return f"device differs: the engine is as torch on the CPU; {torch}"
    return f"both differ: {torch}"
