"""Workers of this folder, programs that each of them knows what to do with, and what is left of processes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gradconform.protocol.client import WorkerHost
from gradconform.protocol.pipes import Limits

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

    from gradconform.program.steps import Program

WORKERS = Path(__file__).parent / "workers"
TEXT = "y = (x * x).sum()\ny.backward()\nassert close(x.grad, 2 * x)"

Start = Callable[..., WorkerHost]
Named = Callable[[str], "Program"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a worker of this folder; `limits` are Limits by name. All are ended after the test."""
    hosts: list[WorkerHost] = []

    def started(name: str, *arguments: str, **limits: Any) -> WorkerHost:
        command = (sys.executable, str(WORKERS / f"{name}.py"), *arguments)
        host = WorkerHost(command, replace(Limits(), **limits), called=f"worker {name}")
        hosts.append(host)
        return host

    yield started
    for host in hosts:
        host.close()


@pytest.fixture
def named(program: MakeProgram) -> Named:
    """A small program that says it comes from a scenario."""
    return lambda scenario: replace(program(TEXT), scenario=scenario)


def is_there(process: int) -> bool:
    """Whether a process runs; what has ended and was not asked for yet does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def gone(process: int, seconds: float = 20) -> bool:
    """Whether a process ends within so many seconds."""
    end = time.monotonic() + seconds
    while is_there(process):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="session")
def ends() -> Callable[[int], bool]:
    """Asks whether a process ends soon."""
    return gone
