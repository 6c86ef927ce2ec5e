"""`gradconform new-engine`: an adapter, its tests and its CI, to start from."""

from __future__ import annotations

from pathlib import Path

import click

from gradconform.engines.registry import registered
from gradconform.errors import UsageError
from gradconform.scaffold import FOLDER, FUNCTIONAL, IMPERATIVE, WORKERS, files_of, target_of, write_files


def new_engine_command(name: str, root: Path, *, functional: bool, worker: str | None) -> int:
    """Writes the files for the engine `name` under `root` and tells them. Raises UsageError for a name that
    cannot be used, and where a file is there already."""
    if functional and worker:
        raise UsageError("--functional is for adapters in Python, and a worker is none; drop one of the two")
    if name in registered():
        raise UsageError(f"there is an engine {name!r} already: gradconform run {name}; choose another name")
    variant = WORKERS[worker] if worker else FUNCTIONAL if functional else IMPERATIVE
    files = files_of(name, variant)
    write_files(root, files)
    for path in files:
        click.echo(f"wrote {path}")
    click.echo(
        f"\nIt works as it is, on a small engine in {FOLDER / variant.tape.replace('@NAME@', name)}:\n"
    )
    click.echo(f"  cd {FOLDER}")
    click.echo(f"  gradconform run '{target_of(name, variant)}'")
    click.echo("  pytest")
    click.echo(f"\nPut your own engine in its place: {FOLDER / 'README.md'} tells how.")
    return 0
