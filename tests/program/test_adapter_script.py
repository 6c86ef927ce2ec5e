"""Programs as scripts against an adapter."""

from __future__ import annotations

import contextlib
import io
import re
import warnings

import pytest
import torch

from gradconform.engines.torch import TorchEngine
from gradconform.program.adapter_script import adapter_script
from gradconform.program.script import torch_script
from gradconform.program.steps import (
    Apply,
    Backward,
    Dtype,
    Get,
    Input,
    Mutate,
    Program,
    Ref,
    Set,
    Slice,
    Within,
)
from gradconform.randomize.direct import DirectChooser
from gradconform.randomize.explore.generate import write
from gradconform.randomize.explore.writer import Profile


def printed(script: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(script, "script", "exec"), {})  # noqa: S102 - our own
    return out.getvalue()


def test_each_step_is_a_call_of_the_adapter() -> None:
    program = Program(
        (Input("x", torch.tensor([1.0, 2.0]), True),),
        (
            Apply("y", "to", (Ref("x"), Dtype("float64"))),
            Apply("z", "getitem", (Ref("y"), Slice(1, None))),
            Within("no_grad", (), (Mutate("", "mul_", (Ref("x"), 2)),)),
            Apply("_0", "sum", (Ref("z"),)),
            Backward((Ref("_0"),), {"retain_graph": True}),
            Get("g", "x", "grad"),
            Set("x", "grad", None),
        ),
    )
    script = adapter_script(program, "torch", shown=("g", "x.grad"))
    assert script.splitlines()[3:] == [
        "engine = find_engine('torch')",
        "def shown(value):",
        "    return engine.to_torch(value) if engine.is_tensor(value) else value",
        "x = engine.from_torch(torch.tensor([1.0, 2.0], dtype=torch.float32), requires_grad=True)",
        'y = engine.operation("to")(x, engine.dtype("float64"))',
        'z = engine.operation("getitem")(y, slice(1, None, None))',
        'with engine.mode("no_grad")():',
        '    engine.operation("mul_")(x, 2)',
        'engine.backward(engine.operation("sum")(z), retain_graph=True)',
        'g = engine.get(x, "grad")',
        'engine.set(x, "grad", None)',
        "print(shown(g))",
        'print(shown(engine.get(x, "grad")))',
    ]
    assert printed(script) == "tensor([0., 1.])\nNone\n"


@pytest.mark.parametrize("number", range(40))
def test_on_torch_it_prints_what_the_torch_script_prints(number: int) -> None:
    program = write(DirectChooser(number), Profile(), TorchEngine()).program
    shown = tuple(f"{item.name}.grad" for item in program.inputs)
    theirs = printed(torch_script(program, "cpu", shown))
    # What an adapter hands out has no history.
    theirs = re.sub(r", grad_fn=<\w+>", "", theirs)
    assert printed(adapter_script(program, "torch", shown=shown)) == theirs
