"""No worker outlives the harness, however the harness ends.

A worker that waits for a program sees the end of its standard input; one that is in the middle of a program
does not look. So each process that has workers has one guard, a small process that holds the end of a pipe
and is told their process groups. When the pipe ends, because the harness did, the guard ends what is left.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading

_SCRIPT = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""

_lock = threading.Lock()
_guard: subprocess.Popen[bytes] | None = None
_owner = 0


def watch(group: int) -> None:
    """From here on the process group ends with this process."""
    _tell(f"+{group}\n")


def release(group: int) -> None:
    """The process group has ended; its number may become that of another."""
    _tell(f"-{group}\n")


def _tell(line: str) -> None:
    global _guard, _owner  # noqa: PLW0603 - one guard a process
    with _lock:
        if _guard is None or _owner != os.getpid():
            _guard, _owner = _started(), os.getpid()
        assert _guard.stdin is not None  # noqa: S101 - it was asked for
        try:
            _guard.stdin.write(line.encode())
        except OSError:  # somebody ended the guard: workers end by themselves, as far as they do
            _guard = None


def _started() -> subprocess.Popen[bytes]:
    # In a session of its own: Ctrl-C and the end of a terminal do not reach it.
    return subprocess.Popen(  # noqa: S603 - this interpreter, with a script of ours
        [sys.executable, "-I", "-S", "-c", _SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        start_new_session=True,
    )
