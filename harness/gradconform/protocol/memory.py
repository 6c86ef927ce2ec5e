"""The memory that a process and those it started hold.

Asked of the system's own table (`/proc`, or `ps` where there is none) and not of a library: it is one number,
looked at while a program takes long. Limits of the system (`ulimit -v`) would count address space, of which
some runtimes reserve a hundred times what they use.
"""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from pathlib import Path

GIB = 2**30

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def resident(process: int) -> int:
    """The bytes of memory in use by a process and its descendants; 0 where the process is gone, or where the
    system does not tell."""
    if (_PROC / "self" / "statm").exists():
        return sum(map(_of_process, _family(process)))
    return _from_ps(process)


def _family(process: int) -> list[int]:
    family = [process]
    for each in family:
        try:
            tasks = [*(_PROC / str(each) / "task").iterdir()]
            for task in tasks:
                family += map(int, (task / "children").read_text().split())
        except OSError:  # it has just ended
            continue
    return family


def _of_process(process: int) -> int:
    try:
        return int((_PROC / str(process) / "statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _from_ps(process: int) -> int:
    try:
        table = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,rss="],  # noqa: S607 - wherever the system has it
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    sizes: dict[int, int] = {}
    children: dict[int, list[int]] = defaultdict(list)
    for line in table.splitlines():
        pid, parent, size = map(int, line.split())
        sizes[pid] = size * 1024
        children[parent].append(pid)
    family = [process]
    for each in family:
        family += children[each]
    return sum(sizes.get(each, 0) for each in family)
