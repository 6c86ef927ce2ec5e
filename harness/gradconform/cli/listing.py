"""`gradconform list`: answered from the cached index, without YAML or torch."""

from __future__ import annotations

import click

from gradconform.prepare import listed
from gradconform.settings import Options
from gradconform.spec.index import Row
from gradconform.spec.selectors import chosen_by


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _needs(row: Row) -> str:
    return f" (device: {row.device})" if row.device else ""


def list_command(options: Options, selectors: tuple[str, ...], *, as_json: bool) -> int:
    """Prints the scenarios that any of the selectors takes, or all. Returns the exit code.

    Raises UsageError for a selector that takes none.
    """
    rows = chosen_by(selectors, listed(options), lambda row: row)
    if as_json:
        import json

        click.echo(json.dumps([row._asdict() for row in rows], indent=2))
        return 0
    width = max((len(row.id) for row in rows), default=0)
    lines = [f"{row.id:<{width}}  level {row.level}  {row.says}{_needs(row)}\n" for row in rows]
    features = len({row.feature for row in rows})
    count = f"{_counted(len(rows), 'scenario')} in {_counted(features, 'feature')}"
    click.echo("".join(lines) + count)
    return 0
