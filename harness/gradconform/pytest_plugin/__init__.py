"""The pytest plugin: `pytest --gradconform-engine NAME` collects the scenarios, one test a scenario, device
and dtype.

It is loaded in every pytest run of whoever has gradconform installed, so nothing but the options is here.
What does the work is imported, and torch with it, when an engine is named.
"""

from __future__ import annotations

from typing import Any

import pytest

OPTIONS = ("device", "dtype", "select", "known", "examples", "seed", "isolate", "timeout", "memory")
"""Options that the plugin shares with `gradconform run` and with `[tool.gradconform]` in pyproject.toml."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--gradconform-engine` and its company."""
    group = parser.getgroup("gradconform", "gradconform: an autograd engine against PyTorch")
    group.addoption(
        "--gradconform-engine",
        metavar="NAME",
        help="hold this engine against PyTorch: a registered name, package.module:attribute, worker:COMMAND",
    )
    for name, text in (
        ("device", "devices: cpu, cuda, cuda:1, all"),
        ("dtype", "only these of each scenario's dtypes"),
        ("select", "ids, globs, features or levels (level:1-3), separated by commas"),
    ):
        group.addoption(f"--gradconform-{name}", action="append", default=[], metavar=name.upper(), help=text)
    group.addoption(
        "--gradconform-known",
        action="append",
        default=[],
        metavar="FILE",
        help="known failures, which are expected to fail",
    )
    for name, text in (
        ("examples", "random draws of each test beside the documented example (default: 20)"),
        ("seed", "the same seed gives the same results (default: 0)"),
    ):
        group.addoption(f"--gradconform-{name}", type=int, default=None, metavar="N", help=text)
    group.addoption(
        "--gradconform-isolate",
        action="store_const",
        const=True,
        default=None,
        help="run a Python engine in a process of its own",
    )
    for name, unit, text in (
        ("timeout", "SECONDS", "for a process: seconds that a program may take (default: 60)"),
        ("memory", "GIB", "for a process: GiB that it may hold (default: 4)"),
    ):
        group.addoption(f"--gradconform-{name}", type=float, default=None, metavar=unit, help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Starts the collection where an engine is named. Raises pytest.UsageError for what cannot be used as
    given."""
    given: dict[str, Any] = {name: config.getoption(f"gradconform_{name}") for name in OPTIONS}
    engine = config.getoption("gradconform_engine")
    if not engine:
        lonely = [name for name, value in given.items() if value not in (None, [])]
        if lonely:
            raise pytest.UsageError(f"--gradconform-{lonely[0]} needs --gradconform-engine NAME")
        return
    from gradconform.pytest_plugin.collection import Collection

    config.pluginmanager.register(Collection(config, engine, given), "gradconform-collection")
