"""From what names an engine to the host that runs programs on it."""

from __future__ import annotations

import shlex
from dataclasses import replace

from gradconform.engines.registry import find_engine
from gradconform.errors import AdapterError, EngineError, UsageError
from gradconform.execution.host import Host, InProcess
from gradconform.oracle.named_policies import require_known
from gradconform.protocol.client import WorkerHost
from gradconform.protocol.pipes import Limits
from gradconform.protocol.serve import command
from gradconform.settings import Isolation

WORKER = "worker:"
"""What stands before the command of a worker."""

EXAMPLE = "'worker:node worker.mjs'"


def find_host(target: str, isolation: Isolation | None = None) -> Host:
    """The host of an engine: `target` is a registered name, `package.module:attribute` or `worker:COMMAND`.

    Raises EngineError and AdapterError as `find_engine` does, EngineError for a worker that cannot be started
    or does not say hello, AdapterError for an engine that declares what is no policy, and UsageError for
    limits on an engine that has no process of its own.
    """
    host = _host(target, isolation or Isolation())
    try:
        require_known(host.name, host.policies)
    except AdapterError:
        host.close()
        raise
    return host


def _host(target: str, how: Isolation) -> Host:
    if target.startswith(WORKER):
        return WorkerHost(words_of(target.removeprefix(WORKER)), limits_of(how))

    def isolated() -> Host:
        called = f"engine '{target}' in a process of its own"
        return WorkerHost(command(target, how.specs), limits_of(how), called=called)

    if how.isolate:
        return isolated()
    for name in ("timeout", "memory"):
        if getattr(how, name) is not None:
            raise UsageError(
                f"--{name} limits an engine that has a process of its own; add --isolate, or drop it"
            )
    return InProcess(find_engine(target), isolated)


def words_of(text: str) -> tuple[str, ...]:
    """The words of a worker's command, split as a shell does. Raises EngineError where there are none."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise EngineError(f"'{text}' is no command: {error}") from None
    if not words:
        raise EngineError(f"'{WORKER}{text}' names no command; for instance {EXAMPLE}")
    return words


def limits_of(isolation: Isolation) -> Limits:
    """The usual limits, and those that were asked for."""
    limits = Limits()
    if isolation.timeout is not None:
        limits = replace(limits, seconds=isolation.timeout)
    if isolation.memory is not None:
        limits = replace(limits, memory=isolation.memory)
    return limits
