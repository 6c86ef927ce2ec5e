"""Writing programs out: text that means the same when it is read again, scripts that run on plain torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gradconform.engines.torch import TorchEngine
from gradconform.errors import SpecError
from gradconform.execution.interpreter import Detail, run
from gradconform.program.bind import Draw, bind
from gradconform.program.inputs_text import input_text, numbers
from gradconform.program.layouts import fresh
from gradconform.program.parse import Template, parse
from gradconform.program.render import program_text, step_text, step_texts
from gradconform.program.script import torch_script
from gradconform.program.steps import (
    Apply,
    Input,
    Layout,
    Mutate,
    Program,
    Ref,
    Step,
    body_of,
    with_body,
)
from gradconform.program.vocabulary import DTYPES
from gradconform.randomize.values import fill
from gradconform.trace import OpaqueSeen, TensorSeen

if TYPE_CHECKING:
    from tests.conftest import MakeProgram, MakeTemplate


def without_lines(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Steps are the same wherever they stand in a text."""
    bare: list[Step] = []
    for step in steps:
        body = body_of(step)
        bare.append(replace(with_body(step, without_lines(body)) if body else step, line=0))
    return tuple(bare)


def assert_text_reads_back(template: Template, draw: Draw) -> None:
    bound = bind(template, draw)
    text = program_text(bound)
    if not text:
        assert bound.steps == ()
        return
    scenario = template.scenario
    again = bind(parse(replace(scenario, text=replace(scenario.text, text=text))), draw)
    # A nan equals nothing; representations tell all constants apart.
    assert repr(without_lines(again.steps)) == repr(without_lines(bound.steps)), text
    assert program_text(again) == text


TEXTS = [
    "y = (x + x) * x - (x - x)",
    "y = x - (x + x) - x",
    "y = x / (x * x) / x",
    "y = (x ** x) ** x ** x",
    "y = (-x) ** 2",
    "y = -x ** 2",
    "y = x ** -x",
    "y = -(-x)",
    "y = -(x + x)",
    "y = (-2) ** x",
    "y = (-0.0) ** x",
    "y = 2 ** -x",
    "y = x - (-2)",
    "y = 3 - -0.0 * x",
    "y = (x < x) == (x > x)",
    "y = x @ x @ x",
    "y = x @ (x @ x)",
    "y = (x + x).sum()",
    "y = (-x).sum()",
    "y = (2 * x)[0]",
    "y = x[0][1]",
    "y = x.grad.data",
    "y = (x * x).grad",
    'y = x * float("nan") + float("inf") - float("-inf")',
    "y = x * (1 + 2j) * 2j * complex(-0.0, 1.0) ** x",
    "y = x[0, 1:2, ::2, ..., None, True]",
    "y = x[(0, 1),]",
    "y = x[(0, 1), 2]",
    "y = x[()]",
    "y = x[[0, 1]]",
    "y = x[x > 0, 1:]",
    "y = x[x.numel():]",
    "y = cat([x, x * 2], dim=-1)",
    "y = x.view(-1, 2)",
    "y = exp(x)\nexp(y)\ny.sum(dim=0)",
    "x += x\nx -= 2\nx *= -1\nx /= (x + 1)\nx = x.add_(1)\ny = x.add_(x, alpha=2)\nx.add_(1)",
    "x[0] = x.sum()\nx[0] += 1\nx.data += x\nx.grad = None",
    "y = [x, (x, x), (x,), ()]\nz = y[0]",
    "(g,) = autograd.grad(x, [x])\n(g, h) = autograd.grad(x, [x, x])\ng = autograd.grad(x, [x])",
    "x.backward()\n(x + x).backward(x, retain_graph=True)\nautograd.backward([x, x], grad_tensors=[x, None])",
    "with no_grad():\n    pass\nwith set_grad_enabled(x.requires_grad):\n    y = x",
    "with raises(RuntimeError, phase='backward', match='it\\'s \"so\" \\\\'):\n    fail(ValueError)",
    "o = optim.SGD([x], lr=0.5)\no.step()\no.zero_grad(set_to_none=True)\ndel o",
    "a = asarray(x)\ny = from_numpy(a)",
    "y = x.to(float64)\nd = float32\nz = ones(2, dtype=d)",
    "assert not (x == x) and (not x == x or x is x) == True",
    "assert (x < x) == (x < (x < x))",
    "assert -x ** 2 == (-x) ** 2 and (-2) ** x != x.numel() ** 2",
    "assert x[0:2, None, ...] == x[::2] and x[()] in [x, 1, (x,), ()]",
    "assert x.grad.sum(dim=0, dtype=float64).numel() * 2 == len([x])",
    "assert close((x + x) * 2, x - (x - x)) and x.dtype == float32 and is_grad_enabled()",
    "shows(x + 1, [[1, -0.0], [float('nan'), complex(0, -1)]])\nshows(x.grad_fn.name(), 'AddBackward0')",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_reads_back(template: MakeTemplate, text: str) -> None:
    assert_text_reads_back(template(text), draw_of_x())


def draw_of_x() -> Draw:
    return Draw((Input("x", torch.ones(2, 3), True),), {}, {}, example=True)


@given(st.data())
@settings(max_examples=300)
def test_the_text_of_any_program_reads_back(
    template: MakeTemplate, program_texts: st.SearchStrategy[str], data: st.DataObject
) -> None:
    text = data.draw(program_texts)
    try:
        made = template(text)
        bind(made, draw_of_x())
    except SpecError:
        assume(False)
    else:
        assert_text_reads_back(made, draw_of_x())


def test_the_text_of_the_whole_corpus_reads_back(corpus_draws: Mapping[str, tuple[Template, Draw]]) -> None:
    for template, draw in corpus_draws.values():
        assert_text_reads_back(template, draw)


def test_the_texts_of_steps(program: MakeProgram) -> None:
    bound = program(
        "y = (x + 1) * x\nwith raises(RuntimeError, match='a'):\n    y.sum().backward()\n    fail(ValueError)"
    )
    assert step_texts(bound) == (
        "x + 1",
        "y = (x + 1) * x",
        "with raises(RuntimeError, match='a'):",
        "y.sum()",
        "y.sum().backward()",
        "fail(ValueError)",
    )
    assert [step_text(step) for _, step in bound.walk()][:2] == ["_1 = x + 1", "y = _1 * x"]


def test_the_text_of_a_program_without_its_facts(program: MakeProgram) -> None:
    bound = program("with no_grad():\n    assert x == x\ny = x")
    assert program_text(bound, facts=False) == "with no_grad():\n    pass\ny = x"


# scripts for plain torch

RUNNER = """
import pickle, sys, traceback
import torch
scripts = pickle.load(open(sys.argv[1], "rb"))
def flag(value, name):
    try:
        return getattr(value, name)
    except RuntimeError:
        return "raises"
results = []
for script in scripts:
    torch.set_grad_enabled(True)
    names = {}
    try:
        exec(compile(script, "script", "exec"), names)
        error = None
    except Exception as raised:
        error = type(raised).__name__
    values = {}
    for name, value in names.items():
        if isinstance(value, torch.Tensor):
            is_leaf = flag(value, "is_leaf")
            grad = value.grad if is_leaf is True else None
            values[name] = (value.detach().clone(), None if grad is None else grad.detach().clone(),
                            flag(value, "requires_grad"), is_leaf, value.stride())
    results.append((error, values))
torch.save(results, sys.argv[2])
"""


def run_scripts(scripts: list[str], folder: Path) -> list[tuple[str | None, dict[str, Any]]]:
    """Runs scripts in a process of their own; gives each one's error and its tensors at the end."""
    import pickle

    (folder / "runner.py").write_text(RUNNER, encoding="utf-8")
    (folder / "scripts").write_bytes(pickle.dumps(scripts))
    command = [sys.executable, "-W", "ignore", "runner.py", "scripts", "results"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results: list[tuple[str | None, dict[str, Any]]] = torch.load(folder / "results", weights_only=False)
    return results


def bits(value: torch.Tensor) -> tuple[torch.dtype, torch.Size, list[int]]:
    numbers = value.contiguous().reshape(-1)
    raw = numbers.view(torch.uint8).tolist() if numbers.numel() else []
    return value.dtype, value.shape, raw


def same_values(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal bits; a nan may be any nan."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    parts = [torch.view_as_real(t) if t.is_complex() else t for t in (a, b)]
    clean = [torch.where(part.isnan(), 0, part) for part in parts]
    return bits(clean[0]) == bits(clean[1]) and torch.equal(parts[0].isnan(), parts[1].isnan())


def nearly(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether complex numbers differ by rounding alone: kernels choose by the alignment of memory, which
    another process need not share."""
    return (
        a.is_complex() and a.shape == b.shape and torch.allclose(a, b, rtol=1e-6, atol=1e-7, equal_nan=True)
    )


def values_of(seen: object) -> torch.Tensor:
    assert isinstance(seen, TensorSeen)
    return seen.value


def assert_scripts_do_what_programs_do(programs: list[Program], folder: Path) -> None:
    results = run_scripts([torch_script(one) for one in programs], folder)
    for one, (error, values) in zip(programs, results, strict=True):
        trace = run(one, TorchEngine(), detail=Detail.END)
        script = torch_script(one)
        assert error == (trace.error.kind if trace.error else None), script
        for name, seen in trace.states[-1].live.items():
            if not isinstance(seen, TensorSeen):
                continue
            value, grad, requires_grad, is_leaf, _ = values[name]
            assert same_values(value, seen.value) or nearly(value, seen.value), (name, script)
            for told, shown in ((requires_grad, seen.requires_grad), (is_leaf, seen.is_leaf)):
                assert (told == "raises") if isinstance(shown, OpaqueSeen) else (told is shown), (
                    name,
                    script,
                )
            if seen.is_leaf is True:
                assert (grad is None) == (seen.grad is None), (name, script)
                if grad is not None:
                    theirs = values_of(seen.grad)
                    assert same_values(grad, theirs) or nearly(grad, theirs), (name, script)


SCRIPTS = [
    "y = x * 2\ny.backward(ones_like(y))\nx.grad.zero_()\ny = x * 3",
    "with raises(RuntimeError, phase='backward'):\n    y = x * x\n    y.backward()\nz = x + 1",
    "with raises(RuntimeError):\n    with no_grad():\n        fail(RuntimeError)\nz = x + 1",
    "with raises(ValueError):\n    fail(RuntimeError)\nz = x",
    "fail(RuntimeError)",
    "with no_grad():\n    x += 1\n    x[0] = -0.0\n    x[1, 1:] = x[0, :2]\ny = x[..., None][:, ::2]",
    "x.data -= 0.5\nx.grad = ones_like(x)\ndel x.grad\ndel x",
    "a = asarray(x.detach())\ny = from_numpy(a)\na += 1\na[0, 0] = 7.0",
    "o = optim.SGD([x], lr=0.5)\nx.sum().backward()\no.step()\no.zero_grad()",
    "y = full([2, 0], float('nan'), dtype=float16)\nz = zeros(0, 3)\nw = tensor([[], []])",
    "y = tensor([float('inf'), -0.0, 1e-45])\nz = tensor(complex(-0.0, float('nan')))",
    "w = eye(2, dtype=bool)\nx += w",
    "y = nn.Parameter(x.detach())\nz = autograd.Variable(y, requires_grad=True)\nq = nn.ParameterList([y])",
    "y = Tensor([[1.0, 2.0]])\nz = arange(0, 1, 0.25, dtype=bfloat16)\nw = where(x > 0, x, -x)",
    "y = x == x.grad\nz = y.sum()",
    "y = x == x.grad\nz = y.grad",
    "k = 2 ** 40\ny = x * k + 1j\nz = y.to(complex128)",
    "(a, b) = autograd.grad(x.sum() * 2, [x, x])\nl = [a, b]\nc = l[1] + is_grad_enabled()",
]


def test_scripts_give_the_values_that_programs_give(program: MakeProgram, tmp_path: Path) -> None:
    given_input = Input("x", torch.tensor([[1.0, -2.0, 3.0], [0.5, -0.0, 4.0]]), True)
    assert_scripts_do_what_programs_do([program(text, given_input) for text in SCRIPTS], tmp_path)


def test_scripts_of_generated_programs(
    program: MakeProgram, program_texts: st.SearchStrategy[str], tmp_path: Path
) -> None:
    programs: list[Program] = []

    @given(program_texts)
    @settings(max_examples=200)
    def collect(text: str) -> None:
        try:
            programs.append(program(text, Input("x", torch.arange(-2.0, 4.0).reshape(2, 3), True)))
        except SpecError:
            assume(False)

    collect()
    assert len(programs) > 100
    assert_scripts_do_what_programs_do(programs, tmp_path)


def test_scripts_of_the_whole_corpus(corpus_programs: Mapping[str, Program], tmp_path: Path) -> None:
    assert_scripts_do_what_programs_do(list(corpus_programs.values()), tmp_path)


def test_scripts_make_inputs_of_every_dtype_shape_and_layout(tmp_path: Path) -> None:
    shapes: list[tuple[int, ...]] = [(), (1,), (3,), (0,), (2, 0), (0, 2), (2, 3), (2, 1, 3)]
    layouts: tuple[Layout, ...] = ("contiguous", "transposed", "strided", "expanded")
    programs: list[Program] = []
    for dtype in DTYPES:
        floating = getattr(torch, dtype).is_floating_point or getattr(torch, dtype).is_complex
        for shape in shapes:
            for layout in layouts:
                data = fill("special" if floating else "real", shape, dtype, len(programs))
                if layout == "expanded" and shape:
                    data = data[:1].expand(shape).contiguous()
                programs.append(
                    Program((Input("x", data, floating, layout),), (Apply("y", "clone", (Ref("x"),)),))
                )
    assert_scripts_do_what_programs_do(programs, tmp_path)
    results = run_scripts([torch_script(one) for one in programs], tmp_path)
    for one, (_, values) in zip(programs, results, strict=True):
        made, expected = values["x"][4], fresh(one.inputs[0], "cpu").stride()
        sizes = one.inputs[0].data.shape
        # A dimension of one element has no stride that matters, nor has a tensor of none.
        assert not sizes.numel() or all(
            size == 1 or step == other for size, step, other in zip(sizes, made, expected, strict=True)
        ), input_text(one.inputs[0])


def test_a_script_as_a_person_gets_it(program: MakeProgram) -> None:
    bound = program(
        "y = (x * 2).sum()\nwith raises(RuntimeError):\n    x.backward()\nassert y == 6\nd = x\ndel d"
    )
    assert torch_script(bound, shown=("x.grad", "y", "d.grad"), remarks={"y": "torch: 6.0; mine: 5.0"}) == (
        "import torch\n"
        "\n"
        "x = torch.tensor([1.0, 2.0], dtype=torch.float32, requires_grad=True)\n"
        "y = (x * 2).sum()\n"
        "try:\n"
        "    x.backward()\n"
        "except Exception as _error:\n"
        '    print("expected RuntimeError, got", type(_error).__name__ + ":", '
        'str(_error).partition("\\n")[0])\n'
        "else:\n"
        '    print("expected RuntimeError, got no error")\n'
        "d = x\n"
        "del d\n"
        "print(x.grad)\n"
        "print(y)  # torch: 6.0; mine: 5.0\n"
    )


def test_scripts_for_another_device(program: MakeProgram) -> None:
    script = torch_script(program("y = x + ones(2) * tensor([1.0, 2.0])"), device="cuda")
    assert "x = torch.tensor([1.0, 2.0], dtype=torch.float32, device='cuda', requires_grad=True)" in script
    assert "y = x + torch.ones(2, device='cuda') * torch.tensor([1.0, 2.0], device='cuda')" in script


def test_numbers_keep_their_bits() -> None:
    assert numbers(torch.tensor([0.1, -0.0, float("nan"), float("-inf")], dtype=torch.float64)) == (
        '[0.1, -0.0, float("nan"), float("-inf")]'
    )
    assert numbers(torch.tensor(complex(-0.0, 1.5))) == "complex(-0.0, 1.5)"


def test_words_of_the_script_are_no_names_of_programs(program: MakeProgram) -> None:
    for name in ("torch", "numpy", "print", "str"):
        with pytest.raises(SpecError, match="a word of the step language"):
            program(f"{name} = x")
    assert isinstance(program("error = x\ny = error.add_(1)").steps[-1], Mutate)
