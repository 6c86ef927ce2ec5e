"""What a program asks of the streams of the toy device, in order; run beside toy_device.py."""

from __future__ import annotations

import sys

import torch
import toy_device  # type: ignore[import-not-found]

from gradconform.engines.torch import TorchEngine
from gradconform.engines.torch_device import TorchOnDevice
from gradconform.execution.interpreter import run
from gradconform.program.script import torch_script
from gradconform.program.steps import Apply, Fail, Input, Program, Ref, Within

inside = Within("stream", (), (Apply("y", "sin", (Ref("x"),)),))
failing = Within("stream", (), (Fail("ValueError"),))
program = Program(
    (Input("x", torch.ones(2)),), (inside, Apply("z", "exp", (Ref("y"),)), failing), scenario="toy/streams"
)
WANTED = ("waits", "aten::sin", "aten::exp")


def asked() -> str:
    found = [line for line in toy_device.ASKED if any(word in line for word in WANTED)]
    toy_device.ASKED.clear()
    return "; ".join(found)


trace = run(program, TorchOnDevice("toy"), "cpu")
assert trace.error is not None
sys.stdout.write(f"{trace.error.kind}\n{asked()}\n")
run(Program(program.inputs, program.steps[:1], scenario="toy/streams"), TorchEngine(), "toy")
sys.stdout.write(f"{asked()}\n")
script = torch_script(Program(program.inputs, program.steps[:2], scenario="toy/streams"), "toy")
exec(compile(script, "script", "exec"), {})  # noqa: S102 - it was written a line above
sys.stdout.write(f"{asked()}\n")
