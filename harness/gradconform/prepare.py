"""What both front ends do before a run: from options to spec files, scenarios, settings and the head of the
results.

Importing this module costs nothing; what is heavy is imported where it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gradconform import __version__
from gradconform.errors import UsageError
from gradconform.settings import SHIPPED, Options
from gradconform.spec.corpus import corpus_files, spec_files

if TYPE_CHECKING:
    from gradconform.engines.base import Engine
    from gradconform.plan import Origin, Plan, Settings
    from gradconform.program.parse import Template
    from gradconform.results import Head
    from gradconform.spec.scenario import Scenario


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


def templates_of(options: Options) -> tuple[Template, ...]:
    """The checked scenarios of those files. Raises SpecError with every problem of every file.

    Of the shipped scenarios only those are checked that the options select.
    """
    from gradconform.plan import takes
    from gradconform.program.library import load_library

    # The level of a derived scenario is known when its program is.
    known = bool(options.select) and not any(one.startswith("level:") for one in options.select)

    def wanted(scenario: Scenario) -> bool:
        return not known or any(takes(selector, scenario) for selector in options.select)

    found = load_library(files_of(options), wanted)
    return found or load_library(files_of(options))


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


def head_of(engine: Engine, target: str, options: Options, planned: Plan) -> Head:
    """The head of a run's results. The engine's version is its own `version`, or its module's
    `__version__`."""
    import torch

    from gradconform.results import Head

    module = getattr(engine, "module", None)
    found = getattr(engine, "version", None) or getattr(module, "__version__", None)
    return Head(
        gradconform=__version__,
        torch=torch.__version__,
        engine=engine.name,
        target=target,
        engine_version=None if found is None else str(found),
        seed=options.seed,
        examples=options.examples,
        devices=tuple(dict.fromkeys(task.device for task in planned.tasks)),
        absent=planned.absent,
        dtypes=options.dtype,
        select=options.select,
        specs=() if options.corpus == "opinfo" else tuple(map(_shown, options.specs)),
        corpus=options.corpus in SHIPPED,
        samples="opinfo" if options.corpus == "opinfo" else "",
        tables=options.corpus == "operators",
        tasks=len(planned.tasks),
    )


def _shown(path: Path) -> str:
    """A path as it is written from here, so that results do not depend on where a project stands."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
