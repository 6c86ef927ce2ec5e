"""Workers in JavaScript: the library adds no difference of its own, and two real engines show theirs."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from click.testing import CliRunner

from gradconform.cli import main
from gradconform.engines.torch import TorchEngine
from gradconform.errors import Unsupported
from gradconform.execution.interpreter import Detail, run
from gradconform.hosts import find_host
from gradconform.oracle.compare import compare
from gradconform.program.cotangents import cotangent
from gradconform.program.steps import Input
from gradconform.trace import TensorSeen

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

    from gradconform.execution.host import Host

ROOT = Path(__file__).parents[2]
JAVASCRIPT = ROOT / "examples" / "javascript"
TAPE = Path(__file__).parent / "tape.mjs"
NODE = shutil.which("node") or ""

pytestmark = [pytest.mark.javascript, pytest.mark.skipif(not NODE, reason="node is not installed")]
installed = pytest.mark.skipif(
    not (JAVASCRIPT / "node_modules").is_dir(),
    reason="the engines are not there: `npm ci --ignore-scripts` in examples/javascript installs them",
)

DEEP = """
schema: 1
feature: own
about: Deep graphs.
scenarios:
- id: own/deep
  says: A chain of a thousand additions.
  let:
    x: {tensor: any, values: dyadic, example: [1.0], requires_grad: true}
  program: |
    y = x + 1
    for i in range(100):
        y = y + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1
    y.backward(ones_like(y))
    shows(x.grad, [1.0])
- id: own/flat
  says: One addition.
  let:
    x: {tensor: any, values: dyadic, example: [1.0], requires_grad: true}
  program: |
    y = x + 1
    y.backward(ones_like(y))
    shows(x.grad, [1.0])
"""

Case = dict[str, Any]
Flags = tuple[str, ...]
Cases = Callable[..., dict[str, Case]]


def target(script: Path, *flags: str) -> str:
    return f"worker:{shlex.join((NODE, *flags, str(script)))}"


@pytest.fixture(scope="module")
def tape() -> Iterator[Host]:
    """A faithful engine over the worker library."""
    with find_host(target(TAPE)) as host:
        yield host


@pytest.fixture(scope="module")
def functions() -> Iterator[Host]:
    """TensorFlow.js, which differentiates functions."""
    with find_host(target(JAVASCRIPT / "tfjs.mjs")) as host:
        yield host


@pytest.fixture
def cases(tmp_path: Path) -> Cases:
    """Runs an engine on the documented examples of some scenarios; the results by scenario."""

    def found(script: Path, *select: str, specs: Path | None = None, flags: Flags = ()) -> dict[str, Case]:
        path = tmp_path / "results.jsonl"
        own = ("--specs", str(specs)) if specs else ()
        chosen = ("--select", ",".join(select), "--dtype", "float32", "--examples", "0", "-j", "1")
        arguments = ("run", target(script, *flags), *chosen, *own, "--results", str(path))
        result = CliRunner().invoke(main, arguments, prog_name="gradconform")
        assert result.exit_code in {0, 1}, result.output
        lines = map(json.loads, path.read_text("utf-8").splitlines())
        return {line["id"].partition("[")[0]: line for line in lines if "verdict" in line}

    return found


def kind(case: Case) -> str:
    return str(case["verdict"]["kind"])


def first(case: Case) -> dict[str, str]:
    """The first divergence of a case."""
    assert kind(case) == "diverges", case["verdict"]
    return dict(case["verdict"]["divergences"][0])


# the library


def test_its_own_parts() -> None:
    # File by file: from Node 22 on a folder is taken for a module.
    tests = sorted(map(str, (JAVASCRIPT / "test").glob("*.test.mjs")))
    told = subprocess.run((NODE, "--test", *tests), capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout


def test_a_faithful_engine_conforms(cases: Cases) -> None:
    found = cases(TAPE, "accumulation", "backward", "grad-modes", "retain-graph", "zeroing")
    kinds = [kind(case) for case in found.values()]
    assert set(kinds) == {"conforms", "unsupported"}, [first(case) for case in found.values()]
    assert kinds.count("conforms") >= 40


@pytest.mark.parametrize("detail", Detail)
def test_it_is_looked_at_as_often_as_torch(tape: Host, program: MakeProgram, detail: Detail) -> None:
    text = """
y = x * 2
z = y
with no_grad():
    w = z * x
s = (y * x).sum()
with raises(RuntimeError, phase="backward"):
    w.backward(x)
s.backward(retain_graph=True)
g = x.grad
s.backward()
x.grad = None
n = 3
t = s.item()
assert g == 8 * x
"""
    given = program(text)
    ours, theirs = run(given, TorchEngine(), "cpu", detail), tape.run(given, "cpu", detail)
    assert [state.step for state in theirs.states] == [state.step for state in ours.states]
    assert not compare(ours, theirs, torch_errors=False).divergences
    assert None not in theirs.caught.values()
    assert theirs.facts.keys() == ours.facts.keys()


@pytest.mark.parametrize(
    "numbers",
    [
        torch.tensor([0.1, -0.0, float("nan"), float("inf"), 1e-45]),
        torch.tensor([[0.1], [5e-324]], dtype=torch.float64),
        torch.tensor([2**63 - 1, -(2**63), 2**53 + 1]),
        torch.tensor([True, False]),
        torch.zeros(0, 3),
        torch.tensor(2.5),
    ],
    ids=lambda numbers: f"{numbers.dtype}".removeprefix("torch."),
)
def test_numbers_come_back_as_they_went(tape: Host, program: MakeProgram, numbers: torch.Tensor) -> None:
    trace = tape.run(program("y = x", Input("x", numbers)), "cpu", Detail.END)
    seen = trace.states[-1].live["y"]
    assert isinstance(seen, TensorSeen)
    assert (seen.value.dtype, seen.value.shape) == (numbers.dtype, numbers.shape)
    assert seen.value.numpy().tobytes() == numbers.numpy().tobytes()


@pytest.mark.parametrize("shape", [(), (2, 3), (700,)])
@pytest.mark.parametrize("seed", [0, 12, 2**31])
def test_cotangents_are_the_harness_s(
    tape: Host, program: MakeProgram, shape: tuple[int, ...], seed: int
) -> None:
    given = program(f"v = cotangent(x, {seed})", Input("x", torch.ones(shape)))
    seen = tape.run(given, "cpu", Detail.END).states[-1].live["v"]
    assert isinstance(seen, TensorSeen)
    assert torch.equal(seen.value, cotangent(torch.ones(shape), seed))


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("def f(t):\n    return t * 2\ny = f(x)", "functions of the program"),
        ("x.register_hook(print_)", "functions of the program"),
        ("w = watch(x)", "lifetimes"),
        ("with warns(UserWarning):\n    y = x * 2", "warnings"),
        ("with inference_mode():\n    y = x * 2", "mode inference_mode"),
        ("y = x.tan()", "operator tan"),
        ("(g,) = autograd.grad(x.sum(), [x])", "autograd.grad"),
        ("y = x.sum(dim=0)", "sum(dim=...)"),
        ("y = x * 2j", "complex numbers"),
        ("y = tensor([1.0], dtype=bfloat16)", "dtype bfloat16"),
        ("y = x._version", "attribute _version"),
        ("x.data = x", "writing attribute data"),
        ("a, b = x", "unpacking a tensor"),
    ],
)
def test_what_it_cannot_do_is_unsupported(tape: Host, program: MakeProgram, text: str, feature: str) -> None:
    text = text if "print_" not in text else "def print_(g):\n    record(g)\n" + text
    with pytest.raises(Unsupported) as lack:
        tape.run(program(text), "cpu", Detail.CHANGES)
    assert lack.value.feature == feature


# the engines


@installed
@pytest.mark.parametrize("script", [TAPE, JAVASCRIPT / "tfjs.mjs", JAVASCRIPT / "jspytorch.mjs"])
def test_they_keep_the_protocol(script: Path) -> None:
    command = target(script).removeprefix("worker:")
    result = CliRunner().invoke(main, ("smoke", command), prog_name="gradconform")
    assert result.exit_code == 0, result.output


@installed
def test_conventions_of_tensorflow_js_are_declared(cases: Cases) -> None:
    expected = {
        "points/abs-at-zero-and-nan": ["abs-at-zero: minus-one", "abs-at-nan: nan"],
        "points/maximum-of-equal-numbers": ["ties-between-tensors: first"],
        "points/minimum-with-nan": ["nan-between-tensors: none"],
        "points/amax-of-all-with-ties": ["ties-within-a-tensor: each"],
        "points/norm-of-order-two-at-zero": ["norm-at-zero: nan"],
        "points/power-zero": ["zero-to-the-zero: nan"],
        "points/atan2-at-the-origin": ["atan2-at-the-origin: nan"],
        "views/view-refuses-what-is-not-contiguous": ["views: copies"],
    }
    found = cases(JAVASCRIPT / "tfjs.mjs", *expected)
    assert {name: case["verdict"].get("policies") for name, case in found.items()} == expected


@installed
def test_bugs_of_tensorflow_js(cases: Cases) -> None:
    expected = {
        "operators/batch-times-a-matrix": ("unexpected error", "Error in gradient for op BatchMatMul"),
        "broadcasting/ties-before-sums": ("unexpected error", "Error in gradient for op Maximum"),
        "broadcasting/batches-of-matrices": ("type", "12 numbers in the shape [2,3,2,2]"),
        "special-values/logsumexp-with-infinities": ("value", "nan"),
        "points/relu-at-nan-and-infinity": ("value", "[nan, 1.0]"),
        "points/where-keeps-an-infinite-slope": ("unexpected error", "function not found for Greater"),
    }
    lacking = "shapes/einsum"
    conforming = ("operators/exp/gradients", "create-graph/third-derivative")
    found = cases(JAVASCRIPT / "tfjs.mjs", *expected, lacking, *conforming)
    for name, (what, got) in expected.items():
        assert first(found[name])["what"] == what, name
        assert got in first(found[name])["got"], name
    assert found[lacking]["verdict"]["feature"] == "the derivative of Einsum"
    assert [kind(found[name]) for name in conforming] == ["conforms", "conforms"]


@installed
@pytest.mark.parametrize(
    "text",
    [
        "y = x * x\nz = y * x\na, b = autograd.grad(z, [x, y], ones_like(z))",
        "y = (x * x * x).sum()\n(a,) = autograd.grad(y, [x], create_graph=True)\na.sum().backward()",
        "a, b = x.unbind(0)\ny = a * b * b\ny.backward()",
        "y = x * 1\nfor i in range(1000):\n    y = y + x\ny.backward(ones_like(y))",
        "y = tensor([3.0]).requires_grad_()\nz = (x * y)[1:]\nz.backward(cotangent(z))",
    ],
    ids=["source-behind-source", "second-order", "several-results", "long-chain", "two-leaves"],
)
def test_programs_are_recorded_and_run_again(functions: Host, program: MakeProgram, text: str) -> None:
    given = program(text)
    ours = run(given, TorchEngine(), "cpu", Detail.CHANGES)
    found = compare(ours, functions.run(given, "cpu", Detail.CHANGES), torch_errors=False)
    assert (found.divergences, found.misses) == ((), ())
    assert found.accepted["bits"] >= 3


@installed
def test_what_an_engine_breaks_is_no_fault_of_its_adapter(functions: Host, program: MakeProgram) -> None:
    given = program("v = ones_like(x)\ny = x.remainder(x)\ny.backward(v)")
    ours, theirs = run(given, TorchEngine()), functions.run(given, "cpu", Detail.CHANGES)
    [difference] = compare(ours, theirs, torch_errors=False).divergences
    assert (difference.where, difference.got) == ("v", "0 numbers in the shape [2]")


@installed
def test_tapes_are_not_imitated_for_tensorflow_js(cases: Cases) -> None:
    expected = {"accumulation", "retain_graph", "in-place writes", "a second backward through a graph"}
    listed = cases(JAVASCRIPT / "tfjs.mjs", "accumulation", "retain-graph")
    assert {case["verdict"]["feature"] for case in listed.values() if case["verdict"].get("shim")} >= expected


@installed
def test_a_deep_graph_is_too_much_for_js_pytorch(tmp_path: Path, cases: Cases) -> None:
    specs = tmp_path / "own.yaml"
    specs.write_text(DEEP, encoding="utf-8")
    # With the stack that Node has it takes several thousand.
    found = cases(JAVASCRIPT / "jspytorch.mjs", "own/*", specs=specs, flags=("--stack-size=120",))
    assert "RangeError: Maximum call stack size exceeded" in first(found["own/deep"])["got"]
    assert kind(found["own/flat"]) == "conforms"


@installed
def test_bugs_of_js_pytorch(cases: Cases) -> None:
    expected = {
        "operators/relu/gradients": ("y", "[0.5, -0.001, 2.0]"),
        "backward/two-leaves-and-a-power": ("a.grad", "[4.0, 6.0]"),
        "operators/sum-over-the-last-dimension": ("x.grad", "[[1.0, 10.0], [1.0, 10.0]]"),
        "retain-graph/retained-graph-can-be-used-again": ("x.grad", "[12.0]"),
        "backward/unused-leaf-keeps-none": ("u.grad", "[0.0]"),
    }
    conforming = ("backward/sum-of-an-addition", "vector-jacobian-products/cotangent-scales-a-scalar")
    found = cases(JAVASCRIPT / "jspytorch.mjs", *expected, "broadcasting/row-and-column", *conforming)
    for name, (where, got) in expected.items():
        assert (first(found[name])["where"], first(found[name])["got"]) == (where, got), name
    assert first(found["broadcasting/row-and-column"])["what"] == "unexpected error"
    assert [kind(found[name]) for name in conforming] == ["conforms", "conforms"]
