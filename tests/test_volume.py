"""The volume loop holds together what the interpreter would hold together, and takes any program."""

from __future__ import annotations

import gc
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import torch

from gradconform.engines.refgrad import RefgradEngine
from gradconform.engines.torch import TorchEngine
from gradconform.errors import Unsupported
from gradconform.execution.interpreter import run
from gradconform.execution.quick import Runner, outline
from gradconform.program.steps import Apply, Step
from gradconform.randomize.direct import DirectChooser, ReplayChooser
from gradconform.randomize.programs import random_program
from gradconform.volume import Pair, search

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

TEXTS = [
    "y = x * 2 + 1\ny.sum().backward()\nz = x.grad * 2",
    "y = x * x\ny.sum().backward(retain_graph=True)\ny.sum().backward()",
    "y = exp(x)\ng, = autograd.grad(y.sum(), [x], create_graph=True)\ng.sum().backward()",
    "y = x * 2\nv = y[0]\nv.mul_(3)\nw = y.view(2, 1)\ny.sum().backward()",
    "y = exp(x)\nwith raises(RuntimeError):\n    y.sum().backward()\n    y.sum().backward()\nz = x * y",
    "with no_grad():\n    y = x * 2\n    with enable_grad():\n        z = x * y\nz.sum().backward()",
    "def hook(g):\n    record(g)\n    return g * 2\ny = x * 3\ny.register_hook(hook)\ny.sum().backward()",
    "y = x * 1\ny.retain_grad()\na, b = y.unbind()\n(a * b).backward()\nz = y.grad",
    "y = bernoulli(x.detach() * 0 + 0.5)\nz = x * y",
    "y = x / 0\nz = y - y\nz.sum().backward()",
    "with warns(UserWarning):\n    g = (x * 2).grad",
    "l = [x, x * 2, None, 3]\nx.grad = x.detach()",
    "y = x.view(5)",
]


@pytest.fixture(scope="module")
def pair() -> Pair:
    return Pair(RefgradEngine())


@pytest.mark.parametrize("text", TEXTS)
def test_engines_agree_on_programs_of_every_kind(program: MakeProgram, pair: Pair, text: str) -> None:
    assert pair.agree(program(text))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_engines_agree_on_random_programs(pair: Pair, dtype: str) -> None:
    chooser = DirectChooser(3)
    agreed = [pair.agree(random_program(chooser.fresh(), dtype=dtype)) for _ in range(50)]
    assert all(agreed)


class Lying(TorchEngine):
    """Torch, with an operation or a method replaced."""

    def __init__(self, name: str, lie: Any) -> None:
        super().__init__()
        self.lie = name, lie

    def operation(self, name: str) -> Any:
        return self.lie[1] if name == self.lie[0] else super().operation(name)

    def invoke(self, thing: object, method: str, arguments: Any, options: Any) -> Any:
        found = super().invoke(thing, method, arguments, options)
        return self.lie[1](thing) if method == self.lie[0] else found


def twice_warned(x: torch.Tensor) -> torch.Tensor:
    warnings.warn("nobody else says so", stacklevel=1)
    return torch.exp(x)


LIES: list[tuple[str, str, Any]] = [
    # what is one object, and what is not
    ("y = x.detach()\nz = y.detach()", "detach", lambda x: x.detach() if x.requires_grad else x),
    ("y = x.requires_grad_()", "requires_grad_", lambda x: x.detach().requires_grad_()),
    ("y = x.detach()", "detach", lambda x: x.detach().requires_grad_()),
    # what shares memory, and what does not
    ("y = x.detach().view(2, 1)", "view", lambda x, *shape: x.clone().view(*shape)),
    ("y = x.detach().clone()", "clone", lambda x: x.view(2)),
    # what is written to after it is logged
    ("y = exp(x).detach()\nrecord(y)\ny.zero_()", "exp", lambda x: torch.exp(x) + 1),
    ("y = exp(x / 0 - x / 0)", "exp", torch.ones_like),
    ("with warns(UserWarning):\n    y = exp(x)\n    z = y.grad", "exp", twice_warned),
]


@pytest.mark.parametrize(
    ("text", "name", "lie"), LIES, ids=[f"{name}-{n}" for n, (_, name, _) in enumerate(LIES)]
)
def test_no_lie_is_overlooked(program: MakeProgram, text: str, name: str, lie: Any) -> None:
    bound = program(text)
    assert Pair(TorchEngine()).agree(bound)
    assert not Pair(Lying(name, lie)).agree(bound)


def test_the_loop_finds_what_a_lie_changes_and_nothing_else() -> None:
    tells = [program for _, program in search(Pair(RefgradEngine()), random_program, DirectChooser(1), 100)]
    assert tells == []
    found = [*search(Pair(Lying("tanh", torch.sin)), random_program, DirectChooser(1), 100)]
    chooser = DirectChooser(1)
    drawn = [random_program(chooser.fresh()) for _ in range(100)]
    lied = [program for program in drawn if any(_applies(step, "tanh") for step in program.steps)]
    assert len(lied) > 20
    assert [program for _, program in found] == lied
    for choices, program in found:
        assert random_program(ReplayChooser(choices)) == program


def _applies(step: Step, operator: str) -> bool:
    return isinstance(step, Apply) and step.operator == operator


def test_a_program_that_is_not_supported_is_looked_at_closer(program: MakeProgram) -> None:
    class Without(TorchEngine):
        def operation(self, name: str) -> Any:
            if name == "exp":
                raise Unsupported("operator exp")
            return super().operation(name)

    pair = Pair(Without())
    programs = [program("y = sin(x)"), program("y = exp(x)"), program("with no_grad():\n    y = exp(x)")]
    assert pair.differing(programs) == [1, 2]
    with pytest.raises(Unsupported, match="operator exp"):
        pair.agree(programs[1])


def test_a_finished_run_of_torch_is_taken_as_it_is(program: MakeProgram) -> None:
    bound, other = program("y = x * 2"), program("y = x * 3")
    pair = Pair(TorchEngine())
    assert pair.agree(bound, Runner(TorchEngine()).run(outline(bound)))
    assert not pair.agree(bound, Runner(TorchEngine()).run(outline(other)))


def sets_the_default_dtype(x: torch.Tensor, out: None) -> torch.Tensor:
    torch.set_default_dtype(torch.float64)
    return torch.exp(x)


def test_nothing_of_the_process_is_changed(program: MakeProgram) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    pair = Pair(Lying("exp", sets_the_default_dtype))
    assert pair.agree(program("y = exp(x, out=None)\nz = bernoulli(x.detach() * 0 + 0.5)"))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_default_dtype() is torch.float32
    assert torch.is_grad_enabled()


def test_warnings_are_no_errors(program: MakeProgram) -> None:
    bound = program("y = exp(x)\nz = x + y")
    assert not Pair(TorchEngine()).agree(program("y = x + 1"), Runner(TorchEngine()).run(outline(bound)))
    assert Pair(Lying("exp", twice_warned)).agree(bound)


def test_a_program_that_would_not_end_is_ended(program: MakeProgram) -> None:
    calls = "def f0(t):\n    return t\n" + "".join(
        f"def f{i}(t):\n    return f{i - 1}(f{i - 1}(t))\n" for i in range(1, 40)
    )
    bound = program(calls + "y = f39(x)")
    assert Pair(TorchEngine()).agree(bound)
    error = Runner(TorchEngine()).run(outline(bound)).error
    assert error is not None
    assert error[2] == "LimitExceeded"


class Remembering(TorchEngine):
    """Torch, with weak references to the inputs that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[weakref.ref[Any]] = []

    def from_torch(self, tensor: torch.Tensor, *, requires_grad: bool = False) -> Any:
        handle = super().from_torch(tensor, requires_grad=requires_grad)
        self.inputs.append(weakref.ref(handle))
        return handle


def test_a_hook_that_sees_its_own_tensor_keeps_nothing_alive(program: MakeProgram) -> None:
    # Torch holds the hook out of the collector's sight: thousands of programs would fill the memory.
    bound = program(
        "y = x * 2\ndef hook(g):\n    record(x)\n    return g\ny.register_hook(hook)\ny.sum().backward()"
    )
    engine = Remembering()
    assert Pair(engine).agree(bound)
    run(bound, engine)
    gc.collect()
    assert len(engine.inputs) == 2
    assert [there() for there in engine.inputs] == [None, None]
