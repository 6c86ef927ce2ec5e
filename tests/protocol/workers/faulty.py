"""The worker of scalar.py with faults: each is that of the programs of one scenario, `faults/NAME`; and those
with an operator that is named on the command line, `mul` or `mul=hang`, end the process, or have that fault.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from scalar import answer, hello, say  # type: ignore[import-not-found]

WROTE = "the worker was here\n" * 20


def segfault(_: Any) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(60)


def stack_overflow(_: Any) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler._stack_overflow()  # type: ignore[attr-defined]  # CPython's own, for its tests


def exit_code(_: Any) -> None:
    sys.stderr.write("first\nout of ideas\n")
    sys.exit(3)


def hang(_: Any) -> None:
    while True:
        pass


def flood(_: Any) -> None:
    while True:
        sys.stdout.write("x" * 65536)


def flood_lines(_: Any) -> None:
    while True:
        sys.stdout.write(WROTE)


def garbage(_: Any) -> None:
    sys.stdout.write("step 3: ok\n")


def no_trace(message: Any) -> None:
    say({"type": "trace", "id": message["id"], "trace": {"states": [{"live": {"x": 1.5}}]}})


def wrong_id(message: Any) -> None:
    say({**answer(message), "id": message["id"] + 1})


def wrong_value(message: Any) -> None:
    said = answer(message)
    said["trace"]["states"][0]["live"]["y"]["values"] = 5.5
    say(said)


def twice(message: Any) -> None:
    say(answer(message))
    say(answer(message))


def dies_after(message: Any) -> None:
    say(answer(message))
    os.kill(os.getpid(), signal.SIGKILL)


def dies_later(message: Any) -> None:
    say(answer(message))
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


def memory(_: Any) -> None:
    kept = []
    while True:
        kept.append(b"x" * (16 << 20))
        time.sleep(0.001)


def closes_stdout(_: Any) -> None:
    os.close(1)
    time.sleep(60)


def closes_stdin(message: Any) -> None:
    os.close(0)
    say(answer(message))
    time.sleep(60)


def chatters(message: Any) -> None:
    for _ in range(20_000):
        sys.stderr.write(WROTE)
    say(answer(message))


def has_children(_: Any) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    sys.stderr.write(f"child {child.pid}\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGABRT)


def adapter(message: Any) -> None:
    say({"type": "error", "id": message["id"], "message": "the table has no row for this"})


FAULTS = {
    "segfault": segfault,
    "stack-overflow": stack_overflow,
    "exit-code": exit_code,
    "hang": hang,
    "flood": flood,
    "flood-lines": flood_lines,
    "garbage": garbage,
    "no-trace": no_trace,
    "wrong-id": wrong_id,
    "wrong-value": wrong_value,
    "twice": twice,
    "dies-after": dies_after,
    "dies-later": dies_later,
    "memory": memory,
    "closes-stdout": closes_stdout,
    "closes-stdin": closes_stdin,
    "chatters": chatters,
    "has-children": has_children,
    "adapter": adapter,
}


def main() -> None:
    words = (word.partition("=") for word in sys.argv[1:])
    named = {operator: FAULTS[fault or "segfault"] for operator, _, fault in words}
    for line in sys.stdin:
        message = json.loads(line)
        match message["type"]:
            case "hello":
                say({**hello(), "engine": "faulty"})
            case "run":
                name = message["program"]["scenario"].removeprefix("faults/")
                for operator in (step.get("operator", "") for step in message["program"]["steps"]):
                    if operator in named:
                        named[operator](message)
                if name in FAULTS:
                    FAULTS[name](message)
                    sys.stdout.flush()
                else:
                    say(answer(message))
            case "shutdown":
                break


if __name__ == "__main__":
    main()
