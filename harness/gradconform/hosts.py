"""From what names an engine to the host that runs programs on it."""

from __future__ import annotations

from gradconform.engines.registry import find_engine
from gradconform.execution.host import Host, InProcess


def find_host(target: str) -> Host:
    """The host of an engine: `target` is a registered name or `package.module:attribute`.

    Raises EngineError and AdapterError as `find_engine` does.
    """
    return InProcess(find_engine(target))
