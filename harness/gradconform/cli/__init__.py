"""The command line: `gradconform run | known | explore | probe | new-engine | list | show | validate` and
others.

Start-up is part of the product: this module imports click and next to nothing else, and each command imports
what it needs when it runs.

Exit codes: 0 nothing diverges; 1 the engine diverges or crashes, or, of `validate`, torch does not keep a
spec; 2 a usage, spec or adapter error (to `run`, a scenario that torch itself does not keep is a spec error);
130 interrupted, with the results so far.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradconform import __version__
from gradconform.cli.group import Cli
from gradconform.cli.options import (
    FilePath,
    Paths,
    here,
    isolation_of,
    isolation_options,
    jobs_option,
    known_option,
    options_of,
    spec_options,
    split,
    without,
)
from gradconform.errors import UsageError
from gradconform.settings import Isolation


@click.group(cls=Cli, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gradconform")
def main() -> None:
    """Shows where an autograd engine differs from PyTorch, and the smallest program that shows it.

    Options of `run` may stand in pyproject.toml under [tool.gradconform]; the command line wins. `explore`
    and `probe` read there whether and how the engine has a process of its own.
    """


@main.command()
@click.argument("engine")
@click.option(
    "--device",
    multiple=True,
    callback=split,
    metavar="NAMES",
    help="Devices: cpu, cuda, cuda:1, all. Repeatable.  [default: cpu]",
)
@click.option(
    "--dtype",
    multiple=True,
    callback=split,
    metavar="NAMES",
    help="Only these of each scenario's dtypes (float32, ...). Repeatable.",
)
@click.option(
    "--select",
    multiple=True,
    callback=split,
    metavar="WHAT",
    help="Ids, globs, features or levels (level:2, level:1-3), separated by commas. Repeatable.",
)
@click.option(
    "--examples",
    type=click.IntRange(min=0),
    metavar="N",
    help="Random draws of each scenario, device and dtype beside the documented example; a fourth of them of "
    "each that is derived from an operator table. For every three of them the example runs once "
    "more, under a derivation. With 0 the examples run alone, without corners and derivations.  "
    "[default: 20]",
)
@click.option("--seed", type=int, metavar="N", help="The same seed gives the same results.  [default: 0]")
@click.option(
    "--results",
    type=FilePath(dir_okay=False, path_type=Path),
    metavar="FILE.jsonl",
    help="Write each verdict to this file as it comes.",
)
@known_option
@click.option(
    "--resume", is_flag=True, help="Goes on with the run that was writing the results file when it ended."
)
@click.option("--fail-fast/--no-fail-fast", default=None, help="Stop at the first failure.")
@jobs_option
@isolation_options
@spec_options
def run(engine: str, *, resume: bool, **given: Any) -> int:
    """Holds ENGINE against PyTorch.

    ENGINE is a registered name (refgrad, torch), package.module:attribute, an engine or a callable that
    makes one, or worker:COMMAND, a program in any language that speaks gradconform's protocol.
    """
    found = options_of(given)
    if found.corpus == "opinfo":
        without(given, "specs", "examples")
    from gradconform.cli.run import run_command

    return run_command(engine, found, resume=resume)


@main.command()
@click.argument("engine")
@click.option(
    "--update", is_flag=True, help="Writes the file: adds what fails, drops what does not any more."
)
@click.option(
    "--from",
    "source",
    type=FilePath(dir_okay=False, path_type=Path),
    metavar="FILE.jsonl",
    help="The results of a whole run to update from, in place of a run now.",
)
@click.option("--device", multiple=True, callback=split, metavar="NAMES")
@click.option("--dtype", multiple=True, callback=split, metavar="NAMES")
@click.option("--examples", type=click.IntRange(min=0), metavar="N")
@click.option("--seed", type=int, metavar="N")
@known_option
@jobs_option
@isolation_options
@spec_options
def known(engine: str, *, update: bool, source: Path | None, **given: Any) -> int:
    """Lists the known failures of ENGINE and how they stand, or updates their file.

    The file is that of --known or of pyproject.toml, or gradconform-known.yaml. Exits with 1 where an entry
    does not stand as it says.
    """
    if source is not None and not update:
        raise UsageError("--from is for --update, which reads the results; add --update")
    found = options_of(given)
    from gradconform.cli.known import known_command

    return known_command(engine, found, update=update, source=source)


@main.command()
@click.argument("engine")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    metavar="M",
    help="Begin no round after so long.",
)
@click.option("--programs", type=click.IntRange(min=1), metavar="N", help="So many programs in all.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N")
@click.option(
    "--dtype",
    multiple=True,
    callback=split,
    metavar="NAMES",
    help="Dtypes of the leaves.  [default: float32, float64, complex128]",
)
@click.option("--device", default="cpu", show_default=True, metavar="NAME")
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Processes; 0: one for each core.  [default: 0]",
)
@click.option(
    "--finds",
    type=FilePath(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where finds are kept, and replayed from.  [default: gradconform-finds/ENGINE]",
)
@click.option("--resume", is_flag=True, help="Goes on where the last exploration of this folder ended.")
@isolation_options
def explore(engine: str, **given: Any) -> int:
    """Writes random programs, and holds ENGINE against PyTorch on each.

    Without --minutes and --programs it ends after a minute. Each find is made small and written into a
    folder: as a script for torch, as one for the engine, and as a scenario. The next run replays them first.
    """
    here()
    from gradconform.cli.explore import Asked, explore_command

    minutes = given["minutes"]
    if minutes is None and given["programs"] is None:
        minutes = 1.0
    asked = Asked(
        programs=given["programs"],
        minutes=minutes,
        seed=given["seed"],
        dtypes=given["dtype"] or ("float32", "float64", "complex128"),
        device=given["device"],
        jobs=given["jobs"],
        finds=given["finds"],
        resume=given["resume"],
        isolation=isolation_of(given),
    )
    return explore_command(engine, asked)


@main.command()
@click.argument("command")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="What the worker may take for an answer.  [default: 60]",
)
def smoke(command: str, timeout: float | None) -> int:
    """Checks that the worker which COMMAND starts keeps gradconform's protocol.

    What its engine computes is not judged: `gradconform run worker:COMMAND` does. Exits with 1 where a check
    fails, and with 2 where the worker cannot be started.
    """
    here()
    from gradconform.cli.smoke import smoke_command

    return smoke_command(command, Isolation(timeout=timeout))


@main.command()
@click.argument("engine")
@click.option("--declared", type=FilePath(dir_okay=False, path_type=Path), help="What it should have.")
@click.option("--write", type=FilePath(dir_okay=False, path_type=Path), help="Where to write what it has.")
@isolation_options
def probe(engine: str, declared: Path | None, write: Path | None, **given: Any) -> int:
    """Finds out what ENGINE has, by a tiny program for each feature.

    What it declares it must have, and what it has it must declare, or the exit code is 1.
    """
    here()
    from gradconform.cli.probe import probe_command

    return probe_command(engine, declared, write, isolation_of(given))


@main.command("new-engine")
@click.argument("name")
@click.option("--functional", is_flag=True, help="For an engine that differentiates functions, by a vjp.")
@click.option(
    "--worker",
    type=click.Choice(("js", "python")),
    help="A process of its own that speaks the protocol: with a library for Node, or in Python, without "
    "gradconform, as a pattern for other languages.",
)
def new_engine(name: str, *, functional: bool, worker: str | None) -> int:
    """Writes an adapter for an engine NAME into this repository, with tests and CI.

    It works at once, on a small engine that comes with it and that yours replaces. Without options it is for
    an engine with tensors that have a backward. No file is overwritten.
    """
    folder = here()
    from gradconform.cli.new_engine import new_engine_command

    return new_engine_command(name, folder, functional=functional, worker=worker)


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="A JSON array, for programs.")
@click.option(
    "--select",
    multiple=True,
    callback=split,
    metavar="WHAT",
    help="Only these: ids, globs, features or levels, as of `run`. Repeatable.",
)
@spec_options
def list_scenarios(*, as_json: bool, select: tuple[str, ...], **given: Any) -> int:
    """Lists the scenarios: id, level and what it says."""
    found = options_of(given)
    from gradconform.cli.listing import list_command

    return list_command(found, select, as_json=as_json)


@main.command()
@click.argument("scenario", metavar="ID")
@click.option("--device", default="cpu", show_default=True, metavar="NAME")
@click.option("--dtype", metavar="NAME", help="[default: the scenario's first]")
@spec_options
def show(scenario: str, device: str, dtype: str | None, **given: Any) -> int:
    """Shows a scenario and PyTorch's trace of its documented example, step by step."""
    found = options_of(given)
    from gradconform.cli.show import show_command

    return show_command(scenario, device, dtype, found)


@main.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=FilePath(path_type=Path))
@click.option("--device", multiple=True, callback=split, metavar="NAMES")
@click.option("--dtype", multiple=True, callback=split, metavar="NAMES")
@click.option("--select", multiple=True, callback=split, metavar="WHAT")
@click.option("--examples", type=click.IntRange(min=0), metavar="N")
@click.option("--seed", type=int, metavar="N")
@jobs_option
def validate(paths: Paths, **given: Any) -> int:
    """Checks spec files (the corpus where no PATH is given), then that PyTorch keeps every scenario in them.

    Exits with 1 where PyTorch does not, and with 2 where a spec cannot be read.
    """
    found = options_of({**given, "specs": paths, "corpus": "none" if paths else "shipped"})
    from gradconform.cli.validate import validate_command

    return validate_command(found)


@main.command()
@click.argument("what", type=click.Choice(("specs", "operators", "points", "protocol")), default="specs")
def schema(what: str) -> int:
    """Prints a JSON Schema: that of spec files, operator tables or tables of points, for editors; or that of
    the messages of the worker protocol.

    Without an argument it is that of spec files.
    """
    if what == "protocol":
        from gradconform.protocol.schema import schema_text as protocol_schema

        click.echo(protocol_schema(), nl=False)
        return 0
    from gradconform.spec.schema import schema_text

    click.echo(schema_text("" if what == "specs" else what), nl=False)
    return 0
