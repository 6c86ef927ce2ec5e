"""`gradconform run`: every test of a plan, the results file, the report and the exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from gradconform.cases import CaseResult
from gradconform.cli.group import INTERRUPTED, USAGE
from gradconform.cli.progress import Output, output
from gradconform.errors import GradconformError, UsageError
from gradconform.execution.host import Host
from gradconform.hosts import find_host
from gradconform.pinning import knowns_of, pinned, refuse_unknown
from gradconform.plan import Plan, Task, plan
from gradconform.prepare import head_of, origins_of, settings_of
from gradconform.report.failure import fails, outcome
from gradconform.report.lines import Line
from gradconform.report.terminal import closing_line, run_report
from gradconform.results import Head, Results, ResultsWriter, end_of, note_of
from gradconform.resuming import Begun, begun, refuse_other_file
from gradconform.session import Session
from gradconform.settings import Options
from gradconform.verdict import OracleDisputed
from gradconform.workers import Workers, jobs_of


def run_command(target: str, options: Options, *, resume: bool = False) -> int:
    """Runs the engine that `target` names. Returns the exit code.

    resume: goes on with the run that the results file tells of. Raises GradconformError for anything that
    cannot be used as given, and where an adapter breaks its contract: then after the report of what ran
    before.
    """
    if options.results is not None and not resume:
        refuse_other_file(options.results)
    host = find_host(target, options.isolation)
    knowns = knowns_of(options, host.name)
    refuse_unknown(knowns, options)
    planned = pinned(plan(origins_of(options), settings_of(options)), knowns)
    head = head_of(host, target, options, planned)
    out = output()
    if foreign := knowns.foreign(host.name):
        out.lines([Line(foreign, "bad")])
    before = _begun(options, head, planned) if resume else Begun()
    if before.whole is not None:
        done = Line(f"{options.results} is complete: there is nothing left to run")
        out.lines([done, closing_line(before.whole)])
        return exit_code(before.whole)
    with runner(host, target, options, planned, before.tests) as run:
        campaign = Campaign(run, head, planned.tasks, options, before)
        try:
            results = campaign.run(out)
        except GradconformError:
            if campaign.cases:
                out.lines(run_report(campaign.results()))
            raise
    out.lines(run_report(results))
    return exit_code(results)


def _begun(options: Options, head: Head, planned: Plan) -> Begun:
    """What the results file holds already. Raises UsageError where that is of another run."""
    if options.results is None:
        raise UsageError("--resume needs --results FILE.jsonl, the file that the run was writing")
    tests = [task.id for task in planned.tasks]
    return begun(options.results, head, tests, fail_fast=options.fail_fast)


@contextmanager
def runner(host: Host, target: str, options: Options, planned: Plan, over: int = 0) -> Iterator[Run]:
    """What runs the tests of a plan, but for the first `over` ones: a session in this process, or workers."""
    jobs = jobs_of(options, len(planned.tasks) - over)
    if jobs == 1:
        with host:
            yield Session(host, settings_of(options)).run
    else:
        host.close()  # each worker process has an engine of its own
        with Workers(target, options, planned, jobs, over) as workers:
            yield workers.run


def exit_code(results: Results) -> int:
    """0 nothing diverges, 1 the engine fails somewhere or a known failure has expired, 2 torch breaks a spec,
    130 interrupted; the last two only where nothing else does, and in this order."""
    if results.end is not None and results.end.interrupted:
        return INTERRUPTED
    failing = [case.verdict for case in results.cases if fails(case)]
    if results.head.expired or any(not isinstance(verdict, OracleDisputed) for verdict in failing):
        return 1
    return USAGE if failing else 0


Run = Callable[[Task, Callable[[CaseResult], None]], None]
"""Runs one test, and reports each of its results."""


class _EnoughError(Exception):
    """Ends a run after its first failure."""


@dataclass(slots=True)
class Campaign:
    """The tests of one run, and what has come of them so far. begun: what came of them when the run was begun
    and killed."""

    run_task: Run
    head: Head
    tasks: tuple[Task, ...]
    options: Options
    begun: Begun = field(default_factory=Begun)
    cases: list[CaseResult] = field(init=False)
    finished: int = field(init=False)
    interrupted: bool = False

    def __post_init__(self) -> None:
        self.cases = list(self.begun.cases)
        self.finished = self.begun.tests

    def run(self, out: Output) -> Results:
        """Runs the tests in order; Ctrl-C ends it early, with the results so far."""
        with ExitStack() as stack:
            path, kept = self.options.results, self.begun.size
            writer = stack.enter_context(ResultsWriter(path, kept)) if path else None
            if writer and not kept:
                writer.head(self.head)
            stack.enter_context(out)
            out.start(len(self.tasks) - self.finished)
            try:
                self.each(out, writer)
            except KeyboardInterrupt:
                self.interrupted = True
            results = self.results()
            if writer and results.end:
                writer.end(results.end)
        return results

    def each(self, out: Output, writer: ResultsWriter | None) -> None:
        over, left = self.tasks[: self.finished], self.tasks[self.finished :]
        noted = over[-1].origin.id if over else ""
        for task in left:
            out.task(task)
            if writer and task.origin.id != noted:
                noted = task.origin.id
                writer.scenario(note_of(task.subject))
            try:
                self.run_task(task, self.case(out, writer))
            except _EnoughError:
                return
            self.finished += 1
            out.finished()

    def case(self, out: Output, writer: ResultsWriter | None) -> Callable[[CaseResult], None]:
        """What is done with each result of a task when it is known. Raises _EnoughError after a failure that
        ends the run."""
        failed = False

        def report(case: CaseResult) -> None:
            nonlocal failed
            if writer:
                writer.case(case)
            self.cases.append(case)
            if fails(case) and not failed:
                failed = True
                out.failed(f"{case.id} {outcome(case)}")
            if failed and self.options.fail_fast:
                raise _EnoughError

        return report

    def results(self) -> Results:
        """The run so far."""
        notes = {task.origin.id: note_of(task.subject) for task in self.tasks}
        end = end_of(self.cases, tasks=self.finished, interrupted=self.interrupted)
        return Results(self.head, notes, tuple(self.cases), end)
