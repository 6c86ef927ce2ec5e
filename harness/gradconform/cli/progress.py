"""How far a run is: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from gradconform.report.lines import Line, plain, print_rich

if TYPE_CHECKING:
    from rich.console import Console

    from gradconform.plan import Task


class Output(ABC):
    """Where a run is written to. A context manager around the part that has a progress bar."""

    @abstractmethod
    def start(self, tasks: int) -> None:
        """The run is about to begin."""

    @abstractmethod
    def task(self, task: Task) -> None:
        """A test begins."""

    @abstractmethod
    def failed(self, text: str) -> None:
        """A test has failed for the first time."""

    @abstractmethod
    def finished(self) -> None:
        """A test is over."""

    @abstractmethod
    def lines(self, lines: Iterable[Line]) -> None:
        """Writes the lines of a report."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None


class PlainOutput(Output):
    """One line for each feature and each failing test."""

    def __init__(self) -> None:
        self._feature = ""

    def start(self, tasks: int) -> None:
        click.echo(f"{tasks} {'test' if tasks == 1 else 'tests'}")

    def task(self, task: Task) -> None:
        feature = task.subject.feature
        if feature != self._feature:
            self._feature = feature
            click.echo(f"running {feature}")

    def failed(self, text: str) -> None:
        click.echo(plain([Line(f"  {text}")]), nl=False)

    def finished(self) -> None:
        return None

    def lines(self, lines: Iterable[Line]) -> None:
        click.echo(plain(lines), nl=False)


class TerminalOutput(Output):
    """A bar that goes when the run is over, with the failing tests above it."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self.console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._number = self._bar.add_task("", total=None)

    def start(self, tasks: int) -> None:
        self._bar.update(self._number, total=tasks)

    def task(self, task: Task) -> None:
        self._bar.update(self._number, description=task.subject.feature)

    def failed(self, text: str) -> None:
        print_rich([Line(text, "bad")], self.console)

    def finished(self) -> None:
        self._bar.advance(self._number)

    def lines(self, lines: Iterable[Line]) -> None:
        print_rich(lines, self.console)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()


def output() -> Output:
    """The output that fits where standard output goes."""
    if not sys.stdout.isatty():
        return PlainOutput()
    from rich.console import Console

    # rich leaves bold where NO_COLOR asks for no colour; whoever sets it wants neither.
    bare = bool(os.environ.get("NO_COLOR"))
    return TerminalOutput(Console(highlight=False, color_system=None if bare else "auto"))
