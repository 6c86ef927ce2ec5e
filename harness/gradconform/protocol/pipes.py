"""A process that is spoken to line by line: what it may take, and how it ends.

Nothing in here knows what the lines say. All three pipes are watched at once, so that a process that writes
where it should read, or complains without end, blocks nobody.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from gradconform.errors import EngineError, visible
from gradconform.protocol import guard
from gradconform.protocol.memory import GIB, resident

CHUNK = 1 << 16
"""Bytes that are read at once: what a pipe holds."""

TAIL = 4096
"""Bytes of the standard error that are kept."""

LAST_WORDS = 3
"""Lines of it that a message quotes."""

QUOTED = 200
"""Characters of a line that a message quotes."""

LOOK = 0.05
"""Seconds between two looks at the memory of a process that takes its time."""

PATIENCE = 10.0
"""Seconds that a process has for ending once it has closed its pipes, or was asked to."""


class Gone(Exception):  # noqa: N818 - how a process ends, and no error of the harness
    """The process has ended, or is of no use any more. The text says how, for a person."""


class Late(Exception):  # noqa: N818 - how a wait ends, and no error of the harness
    """The process took longer than it may."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may take. seconds: for one answer. start: seconds until the first one. line: bytes of an
    answer. memory: GiB that it and the processes it starts hold, or None for any."""

    seconds: float = 60.0
    start: float = 120.0
    line: int = 64 << 20
    memory: float | None = 4.0


class Pipes:
    """A process in a process group of its own, and the pipes to it.

    Raises EngineError where it cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        if sys.platform == "win32":
            raise EngineError("an engine in a process of its own needs pipes that Windows does not have")
        try:
            self._process = subprocess.Popen(  # noqa: S603 - what the user asked to be run
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                # Ctrl-C is the affair of the harness, and what the process starts ends with it.
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise EngineError(f"`{shlex.join(command)}` cannot be started: {reason}") from None
        guard.watch(self._process.pid)
        pipes = self._process.stdin, self._process.stdout, self._process.stderr
        self._in, self._out, self._err = (pipe.fileno() for pipe in pipes if pipe is not None)
        self._poll = select.poll()
        for pipe in (self._in, self._out, self._err):
            os.set_blocking(pipe, False)
        self._poll.register(self._out, select.POLLIN)
        self._poll.register(self._err, select.POLLIN)
        self._unsent = memoryview(b"")
        self._read = bytearray()
        self._scanned = 0  # so much of it holds no end of a line
        self._said = b""
        self._writes = True

    @property
    def ended(self) -> bool:
        """Whether the process is gone already."""
        return self._process.poll() is not None

    def unread(self) -> int:
        """Bytes of what was sent to the process that it has not read, as far as the system tells."""
        import fcntl  # Windows has neither
        import termios

        waiting = array("i", [0])
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._in, termios.FIONREAD, waiting)
        return len(self._unsent) + waiting[0]

    def memory(self) -> int:
        """Bytes that the process and those it started hold."""
        return resident(self._process.pid)

    def exchange(self, line: bytes, seconds: float, limits: Limits) -> bytes:
        """Sends a line, and returns the next one that the process writes, without its end.

        Raises Late after so many seconds, and Gone where the process ends, closes a pipe, writes a line that
        is too long or holds too much memory. After either it has to be closed.
        """
        begun = weighed = time.monotonic()
        # An answer may come before all of the question is read: what is left of that goes first.
        self._unsent = memoryview(bytes(self._unsent) + line if self._unsent else line)
        self._send()
        while (found := self._line(limits.line)) is None:
            if not self._writes:
                raise Gone(self.how())
            now = time.monotonic()
            left = begun + seconds - now
            if left <= 0:
                raise Late
            if limits.memory is not None and now - weighed >= LOOK:
                weighed = now
                self._weigh(limits.memory)
            if not self._wait(min(left, LOOK)) and self.ended:  # what it started may hold its pipes open
                raise Gone(self.how())
        return found

    def how(self) -> str:
        """How the process ended, and what it said last."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        self._hear()
        return how_it_ended(self._process.returncode) + self.last_words()

    def last_words(self) -> str:
        """The last lines of its standard error as the end of a sentence, or ""."""
        lines = [line for line in self._said.decode(errors="replace").splitlines() if line.strip()]
        told = " / ".join(shortened(line.strip()) for line in lines[-LAST_WORDS:])
        return f"; the last it said: {told}" if told else ""

    def finish(self, farewell: bytes, seconds: float) -> tuple[int | None, bytes]:
        """Says a last line, or nothing, and closes the pipe. Returns the exit code, or None where the process
        runs on for so many seconds, and all that it wrote and nobody asked for."""
        with contextlib.suppress(OSError):
            os.write(self._in, farewell)
        if self._process.stdin is not None:
            self._process.stdin.close()
        end = time.monotonic() + seconds
        while self._writes and (left := end - time.monotonic()) > 0:
            if not self._wait(min(left, LOOK)) and self.ended:
                break
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(end - time.monotonic(), 0))
        return self._process.returncode, bytes(self._read)

    def close(self, farewell: bytes = b"") -> None:
        """Ends the process and all that it started. farewell: a line after which it may end by itself."""
        if farewell:
            with contextlib.suppress(OSError):
                os.write(self._in, farewell)
        for pipe in (self._process.stdin, self._process.stdout if not farewell else None):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if farewell:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)
        with contextlib.suppress(OSError):  # nothing is left of the group
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        guard.release(self._process.pid)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _send(self) -> None:
        """Writes what fits into the pipe, and has it watched for the rest. Raises Gone."""
        try:
            self._unsent = self._unsent[os.write(self._in, self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:  # nobody reads any more
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)
            if self.ended:
                raise Gone(self.how()) from None
            self._hear()
            raise Gone("closed its standard input" + self.last_words()) from None
        if self._unsent:
            self._poll.register(self._in, select.POLLOUT)

    def _wait(self, seconds: float) -> bool:
        """Takes what comes, and sends what is left to send, as soon as either can be done. Returns whether
        there was anything."""
        ready = self._poll.poll(seconds * 1000)
        for pipe, _ in ready:
            if pipe == self._in:
                self._poll.unregister(self._in)
                self._send()
            elif pipe == self._err:
                self._hear()
            else:
                self._take()
        return bool(ready)

    def _take(self) -> None:
        chunk = _chunk(self._out)
        if chunk is None:
            return
        self._read += chunk
        if not chunk:
            self._writes = False
            self._poll.unregister(self._out)

    def _hear(self) -> None:
        """Keeps the end of what the process says on its standard error."""
        while (chunk := _chunk(self._err)) is not None:
            if not chunk:
                with contextlib.suppress(KeyError):
                    self._poll.unregister(self._err)
                return
            self._said = (self._said + chunk)[-TAIL:]

    def _line(self, most: int) -> bytes | None:
        """The first line of what was read, if one is whole. Raises Gone for one that is too long."""
        end = self._read.find(b"\n", self._scanned)
        self._scanned = len(self._read) if end < 0 else end
        if self._scanned > most:
            raise Gone(f"wrote more than {most / (1 << 20):g} MiB in one line")
        if end < 0:
            return None
        line = bytes(self._read[:end])
        del self._read[: end + 1]
        self._scanned = 0
        return line

    def _weigh(self, most: float) -> None:
        if self.memory() > most * GIB:
            raise Gone(f"held more than {most:g} GiB of memory")


def _chunk(pipe: int) -> bytes | None:
    """What can be read at once; b"" at the end, None where there is nothing yet."""
    try:
        return os.read(pipe, CHUNK)
    except BlockingIOError:
        return None


def how_it_ended(code: int | None) -> str:
    """The exit code of a process in words; None: it runs still."""
    if code is None:
        return "closed its standard output"
    shell = code > 128
    number = code - 128 if shell else -code
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"ended with exit code {code}"
    meaning = _MEANINGS.get(name, "")
    told = name + (f" ({meaning})" if meaning else "")
    return f"ended with exit code {code}, a shell's word for {told}" if shell else f"was ended by {told}"


_MEANINGS = {
    "SIGSEGV": "a segmentation fault or a stack overflow",
    "SIGBUS": "a segmentation fault or a stack overflow",
    "SIGABRT": "it gave up by itself",
    "SIGILL": "an instruction that the processor does not have",
    "SIGFPE": "an arithmetic error",
    "SIGKILL": "somebody else ended it, perhaps a system out of memory",
}
"""What a person makes of a signal."""


def shortened(text: str) -> str:
    """A line as a message quotes it."""
    shown = visible(text)
    return shown if len(shown) <= QUOTED else shown[:QUOTED] + " ..."
