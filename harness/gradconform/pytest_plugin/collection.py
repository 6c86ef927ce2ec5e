"""What pytest collects: the corpus under the node `gradconform`, and spec files of the user's own.

Spec files are collected where pytest meets a file named `*.gradconform.yaml` (or `.yml`), and where an
argument names one, whatever it is called. Those that `specs` in `[tool.gradconform]` names are collected with
the corpus, and not where pytest meets them a second time. The corpus is collected unless arguments name spec
files or tests of it (`gradconform::accumulation/two-branches[cpu-float32]`), or `corpus = false` says so.
PyTorch's operator samples are no items of pytest: `gradconform run` has them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradconform.errors import GradconformError, Place, Problem, SpecError, UsageError, did_you_mean
from gradconform.hosts import find_host
from gradconform.pinning import knowns_of, refuse_unknown
from gradconform.plan import (
    Plan,
    Task,
    known_dtypes,
    nothing_in_dtype,
    present_devices,
    select,
    tasks_of,
    unfit,
)
from gradconform.prepare import files_for, head_of, row_of, settings_of, shown
from gradconform.program.library import load_library
from gradconform.program.parse import Template
from gradconform.pytest_plugin.item import ScenarioItem
from gradconform.results import Head
from gradconform.session import Session
from gradconform.settings import Options, options, words
from gradconform.spec.corpus import spec_files
from gradconform.spec.index import Row

NODE = "gradconform"
"""The node that holds the corpus; the ids of its tests start with it."""

NAMED = (".gradconform.yaml", ".gradconform.yml")
YAML = (".yaml", ".yml")


class Collection:
    """The plugin's part that lives while an engine is named. Raises pytest.UsageError for options that do not
    fit."""

    def __init__(self, config: pytest.Config, target: str, given: Mapping[str, Any]) -> None:
        self.config = config
        try:
            self.options = _options(config, given)
            host = find_host(target, self.options.isolation)
            settings = settings_of(self.options)
            known_dtypes(settings.dtypes)
            devices, absent = present_devices(settings.devices)
            knowns = knowns_of(self.options, host.name)
        except GradconformError as error:
            raise pytest.UsageError(str(error)) from None
        self.settings = replace(settings, devices=devices)
        self.session = Session(host, self.settings)
        self.knowns = knowns
        files_known = tuple(shown(Path(file.path)) for file in knowns.files)
        head = head_of(host, target, self.options, Plan((), absent, known=files_known))
        self.head = replace(head, devices=devices)
        self.rows: list[Row] = []
        self.matched: set[str] = set()
        self.taken: list[Template] = []
        self.places: dict[str, Place] = {}
        self.ids = self._take_ids()
        files = [argument for argument in config.args if argument.partition("::")[0].endswith(YAML)]
        wanted = self.options.corpus != "none" or bool(self.options.specs)
        self.shipped = bool(self.ids or not files) and wanted
        # Their tests are the corpus's already, all of them unless arguments name some.
        self.beside = frozenset(
            file.resolve()
            for path in self.options.specs
            for file in spec_files(path)
            if self.shipped and not self.ids
        )

    def _take_ids(self) -> tuple[str, ...]:
        """Takes the ids of the corpus's tests out of pytest's arguments; left there, they would be paths."""
        mine = [argument for argument in self.config.args if argument.startswith(f"{NODE}::")]
        self.config.args[:] = [argument for argument in self.config.args if argument not in mine]
        return tuple(argument.partition("::")[2] for argument in mine)

    def load(self, files: Iterable[Path]) -> tuple[Template, ...]:
        """The scenarios of some files. Raises SpecError with every problem in them; an id that stands in
        another file too is one, as it is where all files are read at once."""
        templates = load_library(files)
        self.rows += map(row_of, templates)
        problems = []
        for scenario in (template.scenario for template in templates):
            place = replace(scenario.place, file=str(Path(scenario.place.file).resolve()))
            for name in (scenario.id, *scenario.aliases):
                other = self.places.setdefault(name, place)
                if other != place:
                    hint = f"it stands at {other} already"
                    problems.append(
                        Problem(scenario.place, f"the id '{name}' is taken", scenario.id, hint=hint)
                    )
        if problems:
            raise SpecError(problems)
        return templates

    def tasks(self, templates: tuple[Template, ...]) -> tuple[Task, ...]:
        """The tests of some scenarios. A selector that takes none of these may take some of another
        file's. Raises SpecError for known failures whose programs are none."""
        mine = tuple(word for word in self.settings.select if _takes(word, templates))
        self.matched.update(mine)
        if self.settings.select and not mine:
            return ()
        chosen = select(templates, mine)
        self.taken += chosen
        return self.knowns.pinned(tasks_of(chosen, self.settings.devices, self.settings.dtypes))

    def pytest_unconfigure(self) -> None:
        """Ends the engine's process, if it has one."""
        self.session.host.close()

    def pytest_report_header(self) -> list[str]:
        """What is compared with what."""
        lines = [self.head.compared, *(f"not run: device {reason}" for reason in self.head.absent)]
        lines += filter(None, [self.knowns.foreign(self.session.host.name)])
        return [f"gradconform: {line}" for line in lines]

    def pytest_report_collectionfinish(self) -> list[str]:
        """Which scenarios have no test, since they need another device; of tests that arguments name there is
        nothing to tell: one that is left out is an error."""
        left_out = () if self.ids else unfit(self.taken, self.settings.devices, self.settings.dtypes)
        return [f"gradconform: not run: {reason}" for reason in left_out]

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Adds the corpus to what the session collects; it is at no path that an argument could name."""
        report = yield
        if isinstance(collector, pytest.Session) and report.passed and self.shipped:
            report.result.append(Corpus.make(collector, self))
        return report

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Collects the user's spec files."""
        named = file_path.name.endswith(NAMED) or (
            file_path.suffix in YAML and parent.session.isinitpath(file_path)
        )
        if not named or file_path.resolve() in self.beside:
            return None
        return SpecFile.make(parent, file_path, self)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self) -> None:
        """Refuses selectors and dtypes that took nothing anywhere, and known failures of no scenario. Raises
        pytest.UsageError."""
        for word in self.settings.select:
            if word not in self.matched:
                raise pytest.UsageError(
                    f"'{word}' selects no scenario; `gradconform list` shows what there is"
                )
        for dtype in self.settings.dtypes if self.taken else ():
            if not any(dtype in template.scenario.dtypes for template in self.taken):
                raise pytest.UsageError(nothing_in_dtype(dtype, self.taken))
        if self.config.args_source is not pytest.Config.ArgsSource.ARGS:  # or other files have the scenarios
            try:
                refuse_unknown(self.knowns, self.options, self.rows)
            except GradconformError as error:
                raise pytest.UsageError(str(error)) from None


def _options(config: pytest.Config, given: Mapping[str, Any]) -> Options:
    found: dict[str, Any] = {
        name: tuple(word for text in value for word in words(text)) if isinstance(value, list) else value
        for name, value in given.items()
    }
    found["known"] = tuple(config.invocation_params.dir / path for path in given["known"])
    examples = given.get("examples")
    if examples is not None and examples < 0:
        raise UsageError(f"--gradconform-examples is 0 or more, got {examples}")
    for name in ("timeout", "memory"):
        amount = given.get(name)
        if amount is not None and not 0 < amount < float("inf"):
            raise UsageError(f"--gradconform-{name} is a number above 0, got {amount}")
    return options(config.rootpath, found)


def _takes(word: str, templates: tuple[Template, ...]) -> bool:
    try:
        return bool(select(templates, (word,)))
    except UsageError:
        return False


class Corpus(pytest.Collector):
    """The shipped scenarios and those of the spec files that the settings name."""

    collection: Collection

    @classmethod
    def make(cls, parent: pytest.Session, collection: Collection) -> Corpus:
        """The node below the session."""
        node: Corpus = cls.from_parent(parent, name=NODE, nodeid=NODE)
        node.collection = collection
        return node

    def collect(self) -> Iterable[pytest.Item]:
        """One test a scenario, device and dtype. Raises CollectError for spec errors and unknown ids."""
        try:
            ids = tuple(name.partition("[")[0] for name in self.collection.ids)
            # With ids, what is set for select may leave tests of theirs out, and must take some somewhere.
            files = files_for(self.collection.options, (*ids, *self.collection.settings.select))
            templates = self.collection.load(files)
            tasks = self.collection.tasks(templates)
        except GradconformError as error:
            raise self.CollectError(str(error)) from None
        ids = self.collection.ids
        known = {name for task in tasks for name in (task.id, task.origin.id)}
        for unknown in (name for name in ids if name not in known):
            hint = did_you_mean(unknown, known) or "`gradconform list` shows ids"
            if unknown.partition("[")[0] in {template.id for template in templates}:
                hint = "the scenario exists; what is set for select, device and dtype leaves this test out"
            raise self.CollectError(f"there is no test {NODE}::{unknown}; {hint}")
        chosen = [task for task in tasks if not ids or {task.id, task.origin.id} & set(ids)]
        return list(_items(self, chosen, self.collection.head))


class SpecFile(pytest.File):
    """A spec file of the user's own."""

    collection: Collection

    @classmethod
    def make(cls, parent: pytest.Collector, path: Path, collection: Collection) -> SpecFile:
        """The node of a file."""
        node: SpecFile = cls.from_parent(parent, path=path)
        node.collection = collection
        return node

    def collect(self) -> Iterable[pytest.Item]:
        """One test a scenario, device and dtype. Raises CollectError with every problem of the file."""
        try:
            tasks = self.collection.tasks(self.collection.load([self.path]))
        except GradconformError as error:
            raise self.CollectError(str(error)) from None
        head = self.collection.head
        if (
            mine := shown(self.path)
        ) not in head.specs:  # the command that runs it again has to name the file
            head = replace(head, specs=(*head.specs, mine))
        return list(_items(self, tasks, head))


def _items(parent: Corpus | SpecFile, tasks: Iterable[Task], head: Head) -> Iterator[ScenarioItem]:
    for task in tasks:
        yield ScenarioItem.make(parent, task, parent.collection.session, head)
