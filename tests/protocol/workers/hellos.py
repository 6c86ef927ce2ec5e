"""Workers that begin badly: `hellos.py HOW`. With a file as second argument the first start is a good one,
and those after it are bad."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

HELLO: dict[str, Any] = {
    "type": "hello",
    "protocol": 1,
    "engine": "hellos",
    "capabilities": {"details": ["end"]},
}


def say(message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def begin(how: str) -> None:
    match how:
        case "text":
            sys.stdout.write("Loading the model ...\n")
            say(HELLO)
        case "dies":
            sys.stderr.write("no such device\n")
            sys.exit(4)
        case "silent":
            time.sleep(60)
        case "version":
            say({**HELLO, "protocol": 99})
        case "refuses":
            say({"type": "error", "message": "the weights are missing"})
        case "at length":
            say({"type": "error", "message": "Traceback:\n  load()\n\nValueError: \x1b[31mno\ud800\n"})
        case "other":
            say({**HELLO, "version": "2"})
        case _:
            say(HELLO)


how, *rest = sys.argv[1:]
if rest:
    mark = Path(rest[0])
    if not mark.exists():
        mark.touch()
        how = "good"
begin(how)
for line in sys.stdin:
    if json.loads(line)["type"] == "run":
        sys.exit(9)
