"""What several commands share: groups of options, and what is made of them.

Imports click and next to nothing else, as all that a start needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from gradconform.errors import UsageError
from gradconform.settings import CORPORA, Isolation, Options, options, words

Command = TypeVar("Command", bound=Callable[..., Any])
Paths = tuple[Path, ...]


def split(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    """Names that are separated by commas, of an option that may be repeated."""
    return tuple(word for value in values for word in words(value))


def here() -> Path:
    """The working directory. Asked for before a command's own imports: torch ends the process where there is
    none."""
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(f"the working directory cannot be used: {error.strerror}; go to another") from None


def options_of(given: Mapping[str, Any]) -> Options:
    """The options over those of pyproject.toml."""
    start = here()
    named = {name: value for name, value in given.items() if name != "no_corpus"}
    if given.get("no_corpus"):
        if given["corpus"] is not None:
            raise UsageError(
                f"--no-corpus leaves the corpus out, and --corpus {given['corpus']} asks for it; drop one"
            )
        named["corpus"] = "none"
    return options(start, named)


def isolation_of(given: Mapping[str, Any]) -> Isolation:
    """How the engine of a command runs that has no other setting of pyproject.toml."""
    found = options(here(), {name: given[name] for name in ("isolate", "timeout", "memory")})
    return Isolation(found.isolate, found.timeout, found.memory)


class FilePath(click.Path):
    """A path that the system can be asked for."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As in click. Fails for a null character, which click hands to the system."""
        if "\0" in str(value):
            self.fail(f"{str(value)!r} is no path: it holds a null character", param, ctx)
        return super().convert(value, param, ctx)


def spec_options(command: Command) -> Command:
    """Which spec files a command works on."""
    for option in (
        click.option("--no-corpus", is_flag=True, help="Leaves the shipped scenarios out."),
        click.option(
            "--corpus",
            is_flag=False,
            flag_value="shipped",
            default=None,
            type=click.Choice(CORPORA),
            help="All shipped scenarios, the documented behaviours alone, or the operators and their points "
            "alone; or PyTorch's own operator samples.  [default: shipped]",
        ),
        click.option(
            "--specs",
            multiple=True,
            type=FilePath(path_type=Path),
            metavar="PATH",
            help="A spec file or folder of your own, beside the corpus. Repeatable.",
        ),
    ):
        command = option(command)
    return command


def without(given: Mapping[str, Any], *names: str) -> None:
    """Raises UsageError for options that mean nothing to operator samples."""
    for name in names:
        if given[name] not in (None, ()):
            raise UsageError(
                f"--{name} is about scenarios; --corpus opinfo runs every sample that PyTorch has"
            )


def isolation_options(command: Command) -> Command:
    """How a command runs the engine."""
    above = click.FloatRange(min=0, min_open=True)
    for option in (
        click.option(
            "--memory", type=above, metavar="GIB", help="For a process: GiB that it may hold.  [default: 4]"
        ),
        click.option(
            "--timeout",
            type=above,
            metavar="SECONDS",
            help="For a process: seconds a program.  [default: 60]",
        ),
        click.option(
            "--isolate/--no-isolate",
            default=None,
            help="Runs a Python engine in a process of its own, where a worker always runs: one that dies or "
            "hangs costs one case.",
        ),
    ):
        command = option(command)
    return command


jobs_option = click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=0),
    metavar="N",
    help="Processes that run the tests; 0: one for each core, if there are many tests.  [default: 0]",
)


known_option = click.option(
    "--known",
    multiple=True,
    type=FilePath(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Known failures of the engine. Repeatable.",
)
