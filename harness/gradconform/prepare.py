"""What both front ends do before a run: from options to spec files, scenarios, settings and the head of the
results.

Importing this module costs nothing; what is heavy is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gradconform import __version__
from gradconform.errors import UsageError
from gradconform.settings import SHIPPED, Options
from gradconform.spec.corpus import corpus_files, spec_files
from gradconform.spec.index import Row, read_index
from gradconform.spec.selectors import chosen_by, takes

if TYPE_CHECKING:
    from gradconform.execution.host import Host
    from gradconform.plan import Origin, Plan, Settings
    from gradconform.program.parse import Template
    from gradconform.results import Head


def files_of(options: Options) -> tuple[Path, ...]:
    """The spec files of a run, the corpus first, each once. Raises UsageError where there are none."""
    if options.corpus == "opinfo":
        raise UsageError(
            "PyTorch's operator samples stand in no files; --corpus opinfo is for `gradconform run`"
        )
    files = [*(corpus_files(options.corpus) if options.corpus in SHIPPED else ())]
    for path in options.specs:
        try:
            there = path.exists()
        except OSError as error:
            raise UsageError(f"specs: {path} cannot be read: {error.strerror}") from None
        if not there:
            raise UsageError(f"specs: there is no file or folder {path}")
        found = spec_files(path)
        if not found:
            raise UsageError(f"specs: there is no .yaml file in {path}")
        files += found
    if not files:
        raise UsageError("there are no specs to work on: without the corpus, name spec files of your own")
    return tuple({file.resolve(): file for file in files}.values())


def listed(options: Options) -> tuple[Row, ...]:
    """A row a scenario, in the order of the files. Files of one's own have an index of their own: a change in
    them does not make that of the shipped ones stale.

    Raises UsageError as `files_of` does, and SpecError where a file is not in order.
    """
    files = files_of(options)
    shipped = _shipped(options)
    theirs = tuple(file for file in files if file.resolve() in shipped)
    own = tuple(file for file in files if file.resolve() not in shipped)
    rows = (*_indexed(theirs), *_indexed(own))
    _told_once(rows, files)
    return rows


def _told_once(rows: tuple[Row, ...], files: tuple[Path, ...]) -> None:
    """Raises SpecError for an id that is taken, with both of its places."""
    standing: dict[str, list[str]] = {}
    for row in rows:
        for name in (row.id, *row.aliases):
            standing.setdefault(name, []).append(row.file)
    taken = {Path(file).resolve() for where in standing.values() if len(where) > 1 for file in where}
    if taken:
        # Reading the files that have it tells where; the others need not be read.
        tuple(_rows(tuple(file for file in files if file.resolve() in taken)))


def _shipped(options: Options) -> frozenset[Path]:
    files = corpus_files(options.corpus) if options.corpus in SHIPPED else ()
    return frozenset(file.resolve() for file in files)


def _indexed(files: tuple[Path, ...]) -> tuple[Row, ...]:
    return read_index(files, lambda: _rows(files)) if files else ()


def _rows(files: tuple[Path, ...]) -> Iterator[Row]:
    from gradconform.program.library import load_library

    for template in load_library(files):
        yield row_of(template)


def row_of(template: Template) -> Row:
    """What the index has of a scenario."""
    one = template.scenario
    return Row(
        one.id,
        one.feature,
        one.level,
        one.says,
        one.place.file,
        one.place.line,
        one.aliases,
        one.dtypes,
        one.device,
    )


def files_for(options: Options, select: tuple[str, ...]) -> tuple[Path, ...]:
    """The spec files of a run that selectors may take scenarios from: of the shipped ones those of which the
    index says so, or all where it says so of none.

    Raises as `listed` does.
    """
    files = files_of(options)
    shipped = _shipped(options)
    if not select or not shipped:
        return files
    rows = _indexed(tuple(file for file in files if file.resolve() in shipped))
    if not all(any(takes(selector, row) for row in rows) for selector in select) and not options.specs:
        return files  # what no scenario has is answered with what is most like it
    taken = {Path(row.file).resolve() for row in rows if any(takes(selector, row) for selector in select)}
    return tuple(file for file in files if file.resolve() not in shipped - taken)


def templates_of(options: Options) -> tuple[Template, ...]:
    """The checked scenarios of the files that the options' selection needs.

    Raises SpecError with every problem of every one of these files, or for an id that another file has too;
    UsageError for a selector that takes nothing: the index knows that without the files.
    """
    from gradconform.program.library import load_library

    if options.select:
        chosen_by(options.select, listed(options), lambda row: row)
    return load_library(files_for(options, options.select))


def origins_of(options: Options) -> tuple[Origin, ...]:
    """What the tests of a run are made from: the scenarios, or PyTorch's operator samples.

    Raises SpecError, and UsageError where torch has no samples.
    """
    if options.corpus != "opinfo":
        return templates_of(options)
    from gradconform.opinfo.corpus import operators

    return operators()


def settings_of(options: Options) -> Settings:
    """The part of the options that a session knows."""
    from gradconform.plan import Settings

    usual = ("float64",) if options.corpus == "opinfo" else ()
    return Settings(
        devices=options.device,
        dtypes=options.dtype or usual,
        select=options.select,
        examples=options.examples,
        seed=options.seed,
    )


def head_of(host: Host, target: str, options: Options, planned: Plan) -> Head:
    """The head of a run's results."""
    import torch

    from gradconform.execution.kernels import pinned_on
    from gradconform.results import Head

    return Head(
        gradconform=__version__,
        torch=torch.__version__,
        engine=host.name,
        target=target,
        engine_version=host.version,
        seed=options.seed,
        examples=options.examples,
        devices=tuple(dict.fromkeys(task.device for task in planned.tasks)),
        absent=planned.absent,
        unfit=planned.unfit,
        dtypes=options.dtype,
        select=options.select,
        specs=() if options.corpus == "opinfo" else tuple(map(shown, options.specs)),
        corpus=options.corpus,
        isolate=options.isolate,
        timeout=host.seconds,
        memory=host.memory,
        tasks=len(planned.tasks),
        digest=_digest(planned),
        declares=tuple(f"{name}: {option}" for name, option in sorted(host.policies.items())),
        composed=tuple(f"{name} = {text}" for name, text in sorted(host.composed.items())),
        kernels=pinned_on((*settings_of(options).devices, target.partition("@")[2] or "cpu")),
        known=planned.known,
        unreached=planned.unreached,
        expired=planned.expired,
    )


def _digest(planned: Plan) -> str:
    """Of the bytes of the spec files that the tests come from, and of the known failures; "" where the tests
    come from no file."""
    import hashlib

    from gradconform.program.parse import Template

    files = dict.fromkeys(
        task.origin.scenario.place.file for task in planned.tasks if isinstance(task.origin, Template)
    )
    found = hashlib.sha256()
    for file in (*files, *planned.known):
        found.update(Path(file).read_bytes())
    return found.hexdigest()[:16] if files else ""


def shown(path: Path) -> str:
    """A path as it is written from here, so that results do not depend on where a project stands."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
