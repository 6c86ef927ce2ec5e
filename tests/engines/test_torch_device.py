"""torch@DEVICE: with what a torch for the CPU offers, and with a backend that is registered for the test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from gradconform.engines.base import Handle
from gradconform.engines.registry import find_engine
from gradconform.engines.torch import TorchEngine
from gradconform.engines.torch_device import TorchOnDevice
from gradconform.errors import AdapterError, EngineError, GradconformError, Unsupported, UsageError
from gradconform.execution.interpreter import run
from gradconform.program.layouts import fresh
from gradconform.program.steps import Input, Layout
from gradconform.results import Results, read_results
from gradconform.verdict import Conforms, Diverges, Unsupporting

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

LAYOUTS: list[Layout] = ["contiguous", "transposed", "strided", "expanded"]


def test_the_cpu_as_a_device_is_torch(program: MakeProgram) -> None:
    engine = find_engine("torch@cpu")
    assert engine.name == "torch@cpu"
    bound = program(
        "y = (x * ones(2, 3)).sum()\ny.backward()\nn = x.detach().numpy()\nz = x.clone().uniform_()",
        Input("x", torch.ones(2, 3), True),
    )
    expected, got = run(bound, TorchEngine()), run(bound, engine)
    assert repr(got.states) == repr(expected.states)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("torch@meta", UsageError, "device meta has no numbers to compare"),
        ("torch@cdua", UsageError, "'cdua' is not a device that torch .* knows; did you mean 'cuda'"),
        ("torch@", UsageError, "'' is not a device that torch .* knows; for instance cpu or cuda"),
        ("torch@all", UsageError, "'all' is not a device"),
        ("torch@xla", EngineError, "engine 'torch@xla': device xla cannot be used here: .+"),
        (
            "refgrad@cpu",
            EngineError,
            "engine 'refgrad@cpu': it is not made for a device; name it without '@cpu'",
        ),
        ("trch@cpu", EngineError, "no engine is registered as 'trch'; did you mean 'torch'?"),
    ],
)
def test_a_device_that_cannot_be_had(name: str, kind: type[GradconformError], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        find_engine(name)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about a machine without a GPU")
def test_a_gpu_that_is_not_there_is_one_line_and_exit_code_2() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from gradconform.cli import main; main()",
            "run",
            "torch@cuda",
            "--select",
            "level:1",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("gradconform: engine 'torch@cuda': device cuda cannot be used here: ")
    assert done.stderr.count("\n") == 1


def test_a_run_on_another_device_is_not_for_it() -> None:
    engine = TorchOnDevice("cpu")
    with pytest.raises(Unsupported, match="device meta of the run beside torch@cpu"):
        engine.from_torch(torch.ones(2, device="meta"))


def test_many_tensors_come_back_as_each_of_them() -> None:
    here = Path(__file__)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(here.with_name("toy_copies.py"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "copies to the CPU: 2\n"


def test_a_block_on_a_stream_waits_for_what_is_before_it_and_is_waited_for() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(Path(__file__).with_name("toy_streams.py"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "ValueError",
        "1 waits for 0; aten::sin on 1; 0 waits for 1; aten::exp on 0; 2 waits for 0; 0 waits for 2",
        "3 waits for 0; aten::sin on 3; 0 waits for 3",
        "4 waits for 0; aten::sin on 4; 0 waits for 4; aten::exp on 0",
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
def test_inputs_keep_their_layout_on_the_device(layout: Layout, shape: tuple[int, ...]) -> None:
    engine = TorchOnDevice("cpu")
    data = torch.ones(shape)
    here = fresh(Input("x", data, False, layout), "cpu")
    there = engine._moved(here)
    assert torch.equal(there, here)
    assert there.stride() == here.stride()
    assert not there._is_view()


# a backend that is registered with PyTorch

RIGHT = ("add", "sub", "mul", "neg", "sin", "cos", "addcmul")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What a run on the backend beside these tests finds."""
    file = tmp_path_factory.mktemp("toy") / "results.jsonl"
    command = [
        sys.executable,
        "-W",
        "error",
        str(Path(__file__).with_name("toy_device.py")),
        "run",
        "torch@toy",
    ]
    select = ",".join(f"operators/{name}/gradients" for name in (*RIGHT, "cosh", "cumsum"))
    options = ["--select", select, "--dtype", "float32", "--examples", "0", "-j", "1", "--results", str(file)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    return read_results(file)


def test_a_registered_backend_conforms_where_its_kernels_do(toy: Results) -> None:
    assert toy.head.engine == "torch@toy"
    kinds = {case.scenario: case.verdict.kind for case in toy.cases}
    assert {kinds[f"operators/{name}/gradients"] for name in RIGHT} == {"conforms"}


def test_a_wrong_kernel_is_found(toy: Results) -> None:
    (case,) = (case for case in toy.cases if case.scenario == "operators/cosh/gradients")
    assert isinstance(case.verdict, Diverges)
    assert case.verdict.divergences[0].what == "value"


def test_a_kernel_that_is_not_there_is_unsupported(toy: Results) -> None:
    lacks = {case.verdict for case in toy.cases if case.scenario == "operators/cumsum/gradients"}
    assert lacks == {Unsupporting("aten::cumsum on toy")}


def test_on_a_device_it_is_told_whose_a_difference_is(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    folder = Path(__file__).parent
    names = ("sin", "cosh", "asinh", "mul", "cumsum")
    command = [sys.executable, "-W", "error", "toy_device.py", "run", "toy_engine:ENGINE"]
    select = ",".join(f"operators/{name}/gradients" for name in names)
    options = ["--device", "cpu,toy", "--select", select, "--dtype", "float32", "--examples", "0", "-j", "1"]
    done = subprocess.run(
        [*command, *options, "--results", str(file)], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 1, done.stderr
    found = {case.id: case.verdict for case in read_results(file).cases}
    on_toy = {name: found[f"operators/{name}/gradients[toy-float32]"] for name in names}
    assert on_toy["mul"] == Conforms(numbers=on_toy["mul"].numbers)  # type: ignore[union-attr]
    assert on_toy["cumsum"] == Unsupporting(f"aten::cumsum on toy, in torch {torch.__version__} itself")
    differs = {name: on_toy[name].differs for name in ("sin", "cosh", "asinh")}  # type: ignore[union-attr]
    assert differs == {"sin": "engine", "cosh": "device", "asinh": "both"}
    words = {name: on_toy[name].divergences[0].detail for name in differs}  # type: ignore[union-attr]
    assert words["sin"].endswith("; engine differs: torch itself is on toy as it is on the CPU")
    assert "; device differs: the engine is as torch on the CPU; torch itself has y: value [" in words["cosh"]
    assert "; both differ: torch itself has y: value [" in words["asinh"]
    on_cpu = [verdict for name, verdict in found.items() if "[cpu-" in name]
    assert not any("differ: " in str(verdict) or getattr(verdict, "differs", "") for verdict in on_cpu)
    told = "device differs: torch itself is not on toy as it is on the CPU in 2 cases: "
    assert f"{told}operators/cosh/gradients, operators/asinh/gradients" in " ".join(done.stdout.split())


def test_numbers_on_another_device_than_the_tensor_are_the_adapter_s_fault(
    program: MakeProgram,
) -> None:
    class Lost(TorchEngine):
        def device(self, handle: Handle) -> str:
            return "cuda:0"

    with pytest.raises(AdapterError, match=r"to_torch gave a tensor on cpu .* expected .* on cuda:0 with"):
        run(program("y = x * 2", Input("x", torch.ones(2))), Lost())
