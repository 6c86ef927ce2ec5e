"""The worker of scalar.py by careless authors: `sloppy.py FLAW`."""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from scalar import answer, hello, say  # type: ignore[import-not-found]

FLAW = sys.argv[1]
COUNT = count()


def rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) and 1 < value < 1e9 else value


def flawed(message: Any) -> dict[str, Any]:
    program = message["program"]
    if FLAW == "strict" and set(message) - {"type", "id", "device", "detail", "program"}:
        raise SystemExit("a field that I do not know")
    said: dict[str, Any] = answer(message)
    if FLAW == "declares" and said["type"] == "trace" and program["inputs"][0]["dtype"] == "float64":
        return {"type": "unsupported", "id": message["id"], "feature": "dtype float64"}
    if FLAW == "errors" and said["type"] == "unsupported" and "dtype" not in said["feature"]:
        return {"type": "error", "id": message["id"], "message": said["feature"]}
    if said["type"] != "trace":
        return said
    state = said["trace"]["states"][0]
    match FLAW:
        case "rounds":
            for seen in state["live"].values():
                seen["values"] = rounded(seen["values"])
        case "temporaries":
            if program["steps"]:
                state["live"]["_1"] = {"unseen": True}
        case "facts":
            said["trace"]["facts"] = {}
        case "steps":
            state["step"] = 0
        case "counts" if "y" in state["live"]:
            state["live"]["y"]["identity"] = next(COUNT)
        case "large" if program["inputs"][0]["shape"] == [20_000]:
            os._exit(1)
        case "differs" if "y" in state["live"]:
            state["live"]["y"]["values"] = 6.0
        case "controls" if "y" in state["live"]:
            state["live"]["y"] = {"opaque": "an\nar\x1bray\ud800"}
    return said


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        match message["type"]:
            case "hello":
                say({**hello(), **({"policies": {"relu-at-zero": "no"}} if FLAW == "policy" else {})})
            case "run":
                say(flawed(message))
            case "shutdown" if FLAW == "prints":
                sys.stdout.write("bye\n")
                break
            case "shutdown" if FLAW != "stays":
                break
    if FLAW == "code":
        sys.exit(5)
    while FLAW == "stays":
        time.sleep(0.1)


main()
