"""Whole runs of workers that fail in every way: nothing is lost, and nothing is left."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gradconform.engines.torch import TorchEngine
from gradconform.exploration.batches import program_seed
from gradconform.program.json_form import to_json
from gradconform.randomize.direct import DirectChooser
from gradconform.randomize.explore.generate import write
from gradconform.randomize.explore.writer import Profile
from gradconform.results import Results, read_results
from gradconform.verdict import Crashed, TimedOut, Unsupporting

Ends = Callable[[int], bool]

WORKERS = Path(__file__).parent / "workers"
FAULTY = f"worker:{shlex.join((sys.executable, str(WORKERS / 'faulty.py')))}"

SCENARIO = """
- id: faults/{name}
  says: The worker has its own idea of this one.
  source: {{docs: torch.Tensor.backward}}
  let:
    x: {{tensor: "[2]", values: dyadic, example: [1.0, 2.0], requires_grad: true}}
  program: |
    y = (x * x).sum()
    y.backward()
    assert close(x.grad, 2 * x)
"""

FAULTS = (
    "segfault",
    "exit-code",
    "garbage",
    "hang",
    "wrong-id",
    "dies-after",
    "flood-lines",
    "closes-stdout",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a spec file: a fault, a program without one, a fault, ..."""
    names = [name for fault in FAULTS for name in (fault, f"after-{fault}")]
    scenarios = "".join(SCENARIO.format(name=name) for name in names)
    (tmp_path / "faults.yaml").write_text(
        f"schema: 1\nfeature: faults\nabout: Faults.\nscenarios:\n{scenarios}"
    )
    return tmp_path


LIMIT = 6
"""Seconds for a program: filling the memory takes one or two, and more beside other work."""


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    # Where the tests themselves run in the background, Ctrl-C is ignored, and so by what they start.
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from gradconform.cli import main; main(prog_name='gradconform')"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def campaign(folder: Path, *more: str, target: str = FAULTY) -> tuple[int, Results, str]:
    process = started(
        folder,
        *("run", target, "--specs", "faults.yaml", "--no-corpus", "--examples", "0", "--results", "r.jsonl"),
        *("--timeout", f"{LIMIT}", "--dtype", "float32", *more),
    )
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err, err
    return process.returncode, read_results(folder / "r.jsonl"), out


def workers() -> set[int]:
    """The processes of this test that run a worker."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.endswith(b"/faulty.py") and str(WORKERS).encode() in word for word in words):
            found.add(int(path.parent.name))
    return found


@pytest.mark.parametrize(("target", "options"), [(FAULTY, ()), ("refgrad", ("--isolate",))])
def test_a_device_that_no_process_of_its_own_can_have_is_unsupported(
    folder: Path, target: str, options: tuple[str, ...]
) -> None:
    code, results, _ = campaign(folder, "--device", "meta", *options, target=target)
    assert code == 0
    lack = Unsupporting("device meta in a process of its own: traces hold numbers")
    assert {case.verdict for case in results.cases} == {lack}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_each_fault_costs_one_case_and_the_run_goes_on(folder: Path, jobs: str) -> None:
    code, results, out = campaign(folder, "--jobs", jobs)
    assert code == 1
    assert results.end is not None
    verdicts = {case.scenario.removeprefix("faults/"): case.verdict for case in results.cases}
    assert list(verdicts) == [name for fault in FAULTS for name in (fault, f"after-{fault}")]
    assert verdicts["hang"] == TimedOut(LIMIT)
    lost = {name for name, verdict in verdicts.items() if isinstance(verdict, Crashed)}
    # What a worker that dies between two programs costs is the next one that it would have run.
    elsewhere = {"dies-after"}
    assert lost >= {*FAULTS} - {"hang"} - elsewhere
    assert results.end.counts["timed out"] == 1
    assert results.end.counts["crashed"] == len(FAULTS) - 1
    assert results.end.counts["conforms"] == len(FAULTS)
    assert results.head.target == FAULTY
    assert (results.head.timeout, results.head.memory, results.head.isolate) == (LIMIT, 4.0, False)
    assert f"in a process of its own, {LIMIT} s and 4 GiB" in out
    assert all(case.example for case in results.cases if case.verdict.kind != "conforms")
    again = re.search(rf"gradconform run 'worker:.*--timeout {LIMIT}", out)
    assert again is not None


def test_the_same_bytes_come_of_the_same_faults(folder: Path) -> None:
    # Those whose end could come a moment earlier or later than the harness looks for it.
    chosen = ("segfault", "exit-code", "garbage", "dies-after", "after-dies-after", "flood-lines")
    arguments = ("--jobs", "1", "--select", ",".join(f"faults/{name}" for name in chosen))
    campaign(folder, *arguments)
    first = (folder / "r.jsonl").read_bytes()
    campaign(folder, *arguments)
    assert (folder / "r.jsonl").read_bytes() == first


def hanging(folder: Path, *more: str) -> tuple[subprocess.Popen[str], set[int]]:
    """A run in the middle of a program that does not end, and its workers."""
    before = workers()
    process = started(
        folder,
        *(
            "run",
            FAULTY,
            "--specs",
            "faults.yaml",
            "--no-corpus",
            "--examples",
            "0",
            "--select",
            "faults/hang",
        ),
        *("--dtype", "float32", "--jobs", "1", *more),
    )
    end = time.monotonic() + 120
    while not (mine := {each for each in workers() - before if busy(each)}):
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.05)
    return process, mine


def busy(process: int) -> bool:
    """Whether a process has computed for half a second."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[11]) > os.sysconf("SC_CLK_TCK") / 2


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_the_harness(folder: Path, ends: Ends, how: signal.Signals) -> None:
    process, mine = hanging(folder)
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode == (130 if how is signal.SIGINT else -how)
    assert all(map(ends, mine))


ENGINES = """
import os
import torch
from gradconform.engines import TorchLikeEngine

class Dies(TorchLikeEngine):
    def __init__(self):
        super().__init__(torch, name="dies")

    def operation(self, name):
        if name == "mul":
            os.abort()
        return super().operation(name)
"""


def test_a_python_engine_that_dies_costs_cases_and_not_the_run(folder: Path) -> None:
    (folder / "own_engines.py").write_text(ENGINES)
    chosen = ("--select", "faults/hang,faults/garbage", "--jobs", "1")
    code, results, out = campaign(folder, "--isolate", *chosen, target="own_engines:Dies")
    assert code == 1
    assert [case.verdict.kind for case in results.cases] == ["crashed", "crashed"]
    assert "SIGABRT" in out
    assert results.head.isolate
    assert f"--isolate --timeout {LIMIT}" in out


def test_what_a_worker_says_is_shown_in_one_line_whatever_it_is(folder: Path) -> None:
    sloppy = f"worker:{shlex.join((sys.executable, str(WORKERS / 'sloppy.py'), 'controls'))}"
    code, _, out = campaign(folder, "--select", "faults/after-hang", "--jobs", "1", target=sloppy)
    assert code == 1, out
    assert r"ar\x1bray\ud800" in out
    assert "\x1b" not in out


def test_verdicts_do_not_depend_on_where_the_engine_runs(folder: Path) -> None:
    arguments = (
        *("run", "refgrad", "--corpus", "documented", "--select", "accumulation,retain-graph"),
        *("--dtype", "float32", "--examples", "1", "--jobs", "1", "--results"),
    )
    lines = []
    for name, more in (("here.jsonl", ()), ("there.jsonl", ("--isolate",))):
        process = started(folder, *arguments, name, *more)
        process.communicate(timeout=600)
        lines.append((folder / name).read_text().splitlines())
    here, there = lines
    assert here[1:] == there[1:]  # the head says how it ran
    assert len(here) > 20


def pytest_run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_pytest_plugin_goes_on_after_a_crash(folder: Path, ends: Ends) -> None:
    before = workers()
    ran = pytest_run(
        folder,
        *("--gradconform-engine", FAULTY, "--gradconform-timeout", "2", "--gradconform-examples", "0"),
        *("--gradconform-dtype", "float32", "faults.yaml"),
    )
    assert ran.returncode == 1, ran.stdout
    assert f"{len(FAULTS)} failed, {len(FAULTS)} passed" in ran.stdout
    assert "SIGSEGV" in ran.stdout
    assert all(map(ends, workers() - before))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--gradconform-timeout", "5"), "--timeout limits an engine that has a process of its own"),
        (("--gradconform-timeout", "0"), "--gradconform-timeout is a number above 0, got 0.0"),
        (
            ("--gradconform-isolate", "--gradconform-memory", "nan"),
            "--gradconform-memory is a number above 0",
        ),
    ],
)
def test_limits_that_make_no_sense_are_refused_by_the_plugin(
    folder: Path, arguments: tuple[str, ...], says: str
) -> None:
    ran = pytest_run(folder, "--gradconform-engine", "torch", *arguments)
    assert ran.returncode == 4, ran.stdout
    assert says in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "torch", "--timeout", "5"), "--timeout limits an engine that has a process of its own"),
        (("explore", "torch", "--memory", "5"), "--memory limits an engine that has a process of its own"),
        (("run", "worker:"), "'worker:' names no command"),
        (("run", "worker:no-such-command"), "`no-such-command` cannot be started: No such file or directory"),
        (
            ("run", f"worker:{shlex.join((sys.executable, str(WORKERS / 'hellos.py'), 'text'))}"),
            "this is no JSON: Expecting value: line 1 column 1 (char 0); its first line is 'Loading the ",
        ),
        (
            ("run", f"worker:{shlex.join((sys.executable, str(WORKERS / 'hellos.py'), 'at length'))}"),
            "Traceback: / load() / ValueError: \\x1b[31mno\\ud800",
        ),
        (("run", "no-such-engine", "--isolate"), "no engine is registered as 'no-such-engine'"),
    ],
)
def test_what_cannot_be_started_is_one_line(folder: Path, arguments: tuple[str, ...], says: str) -> None:
    process = started(folder, *arguments)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 2, out
    assert says in err
    assert len(err.splitlines()) == 1


def test_an_exploration_goes_on_after_a_crash_and_tells_of_it(folder: Path) -> None:
    arguments = ("--programs", "150", "--dtype", "float32", "--jobs", "1")
    process = started(folder, "explore", f"{FAULTY} mul", *arguments)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 1, err
    assert "\n150 programs" in out
    assert re.search(r"^find \w+, from program", out, re.MULTILINE)
    assert "SIGSEGV" in out
    # The smallest program has the one operator, and can be given to the worker by itself.
    dialogues = [path.read_text() for path in (folder / "gradconform-finds").rglob("*.worker.jsonl")]
    smallest = min(dialogues, key=len)
    hello, question, shutdown = map(json.loads, smallest.splitlines())
    assert [hello["type"], question["type"], shutdown["type"]] == ["hello", "run", "shutdown"]
    assert [step["operator"] for step in question["program"]["steps"]] == ["mul"]
    alone = subprocess.run(
        [sys.executable, str(WORKERS / "faulty.py"), "mul"],
        input=smallest.encode(),
        stdout=subprocess.PIPE,
        check=False,
    )
    assert alone.returncode == -signal.SIGSEGV


def test_an_exploration_keeps_a_timeout_as_it_was_written(folder: Path) -> None:
    """A search for a smaller program would take the limit at each of its steps."""
    arguments = ("--programs", "16", "--dtype", "float32", "--jobs", "1", "--timeout", "2")
    process = started(folder, "explore", f"{FAULTY} logsumexp=hang", *arguments)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 1, err
    assert "\n16 programs" in out
    (path,) = (folder / "gradconform-finds").rglob("*.worker.jsonl")
    find = json.loads(path.with_suffix("").with_suffix(".json").read_text())
    assert find["case"]["verdict"] == {"kind": "timed out", "seconds": 2.0}
    profile = Profile(dtypes=("float32",))
    chooser = DirectChooser(program_seed(find["seed"], find["number"]))
    written = write(chooser, profile, TorchEngine(), "cpu").program
    _, question, _ = map(json.loads, path.read_text().splitlines())
    assert question["program"]["steps"] == to_json(written)["steps"]
    assert len(written.steps) > 5
