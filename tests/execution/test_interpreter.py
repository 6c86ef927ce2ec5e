"""Running a program and tracing it: what is looked at and when, errors and where they come from, ends."""

from __future__ import annotations

import gc
import weakref
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
import torch

from gradconform.engines.torch import TorchEngine
from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.compile import Compiler
from gradconform.execution.interpreter import Detail, make_inputs, run
from gradconform.program.steps import Apply, Fact, Input, Program, Ref
from gradconform.trace import OpaqueSeen, TensorSeen, Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import MakeProgram


def numbers(trace: Trace, name: str) -> Any:
    seen = trace.states[-1].live[name]
    return seen.value.tolist() if isinstance(seen, TensorSeen) else seen


def live(trace: Trace) -> list[tuple[int, list[str]]]:
    return [(state.step, list(state.live)) for state in trace.states]


# when it looks

TEXT = "y = x * 2 + 1\nwith no_grad():\n    y += 1\nz = y.sum()\nz.backward()\ndel y"


@pytest.mark.parametrize(
    ("detail", "steps"),
    [(Detail.END, [6]), (Detail.CHANGES, [3, 5, 6]), (Detail.STEPS, [0, 1, 3, 2, 4, 5, 6, 6])],
)
def test_how_often_a_run_is_looked_at(program: MakeProgram, detail: Detail, steps: list[int]) -> None:
    trace = run(program(TEXT), TorchEngine(), detail=detail)
    assert [state.step for state in trace.states] == steps
    assert list(trace.states[-1].live) == ["x", "z"]
    assert trace.engine == "torch"


def test_temporaries_are_not_shown(program: MakeProgram) -> None:
    trace = run(program("y = x * 2 + x * 3"), TorchEngine(), detail=Detail.STEPS)
    assert [names for _, names in live(trace)] == [["x"], ["x"], ["x", "y"], ["x", "y"]]


def test_the_detail_changes_nothing_else(program: MakeProgram) -> None:
    for detail in Detail:
        shown = run(program(TEXT), TorchEngine(), detail=detail).states[-1].live
        x, z = shown["x"], shown["z"]
        assert isinstance(x, TensorSeen)
        assert isinstance(z, TensorSeen)
        assert isinstance(x.grad, TensorSeen)
        assert (x.grad.value.tolist(), z.value.item()) == ([2.0, 2.0], 10.0)


def test_facts_show_their_places_when_they_are_reached(program: MakeProgram) -> None:
    bound = program(
        "assert x.grad is None\ny = x * 2\ny.sum().backward()\nshows(x.grad, [2.0, 2.0])\n"
        "with no_grad():\n    assert not is_grad_enabled()\n"
        "assert y.grad_fn.name() == 'a' and y.dtype == dtype"
    )
    trace = run(bound, TorchEngine())
    facts = {step.line: trace.facts[number] for number, step in bound.walk() if isinstance(step, Fact)}
    assert facts[1] == ((None,),)
    ((grad,),) = facts[4]
    assert isinstance(grad, TensorSeen)
    assert grad.value.tolist() == [2.0, 2.0]
    assert facts[6] == ((False,),)
    assert facts[7] == (("MulBackward0", "float32"),)


def test_a_place_behind_nothing_shows_what_no_fact_accepts(program: MakeProgram) -> None:
    bound = program("assert x.grad.requires_grad == False")
    (((seen,),),) = run(bound, TorchEngine()).facts.values()
    assert isinstance(seen, OpaqueSeen)
    assert "x.grad is None" in seen.kind


def test_what_is_live_need_not_be_a_tensor(program: MakeProgram) -> None:
    trace = run(
        program(
            "n = x.numel()\nl = [x, n]\no = optim.SGD([x])\na = x.detach().numpy()\ng = None\nt = float32\n"
            "s = x.shape\nf = is_grad_enabled()\nr = x.tolist()"
        ),
        TorchEngine(),
    )
    shown = trace.states[-1].live
    assert (shown["n"], shown["g"], shown["f"], shown["r"]) == (2, None, True, (1.0, 2.0))
    assert (shown["o"], shown["a"], shown["t"]) == (
        OpaqueSeen("object"),
        OpaqueSeen("array"),
        OpaqueSeen("object"),
    )
    assert shown["s"] == (2,)
    assert isinstance(shown["l"], tuple)
    first, second = shown["l"]
    assert isinstance(first, TensorSeen)
    assert isinstance(shown["x"], TensorSeen)
    assert (first.identity, second) == (shown["x"].identity, 2)


# errors


def test_an_error_ends_the_program_and_says_where(program: MakeProgram) -> None:
    trace = run(program("y = x * 2\nz = (y + 1).view(3)\nw = y"), TorchEngine())
    assert trace.error is not None
    assert (trace.error.step, trace.error.phase, trace.error.kind) == (2, "forward", "RuntimeError")
    assert trace.error.classes == ("RuntimeError", "Exception", "BaseException")
    assert "shape '[3]' is invalid" in trace.error.message
    assert list(trace.states[-1].live) == ["x", "y"]


@pytest.mark.parametrize(
    "text",
    [
        "y = x * x\ny.backward()",
        "y = x * x\nautograd.backward([y])",
        "y = x * x\n(g,) = autograd.grad(y, [x])",
    ],
)
def test_errors_of_backward_have_their_phase(program: MakeProgram, text: str) -> None:
    error = run(program(text), TorchEngine()).error
    assert error is not None
    assert (error.step, error.phase) == (1, "backward")


def test_unpacking_into_the_wrong_number_of_names(program: MakeProgram) -> None:
    error = run(program("(a, b, c) = autograd.grad(x.sum(), [x, x])"), TorchEngine()).error
    assert error is not None
    assert (error.kind, error.message) == ("ValueError", "2 values for 3 names (a, b, c)")


def test_what_a_raises_block_catches(program: MakeProgram) -> None:
    bound = program(
        "with raises(RuntimeError, phase='backward'):\n    y = x * x\n    y.backward()\n    z = y\n"
        "with raises(RuntimeError):\n    y = x + 1\n"
        "with raises(ValueError):\n    fail(KeyError)"
    )
    trace = run(bound, TorchEngine())
    assert trace.error is None
    first, second, third = (trace.caught[number] for number in sorted(trace.caught))
    assert first is not None
    assert (first.step, first.phase, first.kind) == (2, "backward", "RuntimeError")
    assert second is None
    assert third is not None  # whatever it is: whether it is the right one is not decided here
    assert (third.kind, third.message) == ("KeyError", "'raised by the program itself'")
    assert list(trace.states[-1].live) == ["x", "y"]


def test_nested_raises_blocks(program: MakeProgram) -> None:
    bound = program(
        "with raises(ValueError):\n"
        "    with raises(RuntimeError):\n"
        "        with no_grad():\n"
        "            fail(RuntimeError)\n"
        "    fail(ValueError)\n"
        "z = x.view(5)"
    )
    trace = run(bound, TorchEngine())
    inner, outer = trace.caught[1], trace.caught[0]
    assert inner is not None
    assert outer is not None
    assert (inner.step, inner.kind) == (3, "RuntimeError")
    assert (outer.step, outer.kind) == (4, "ValueError")
    assert trace.error is not None
    assert trace.error.step == 5


class OneError(TorchEngine):
    """Raises the same exception object again and again, as compiled engines may."""

    error = RuntimeError("the only one")

    def operation(self, name: str) -> Callable[..., Any]:
        return self.fail if name == "exp" else super().operation(name)

    def fail(self, *_: Any) -> None:
        raise self.error


def test_the_same_exception_twice_is_located_twice(program: MakeProgram) -> None:
    bound = program(
        "with raises(RuntimeError):\n    exp(x)\ny = x\nwith raises(RuntimeError):\n    z = exp(y)"
    )
    trace = run(bound, OneError())
    assert [caught.step for caught in trace.caught.values() if caught] == [1, 4]


class Lacking(TorchEngine):
    """Has no exp, which shows only when it is called."""

    def operation(self, name: str) -> Callable[..., Any]:
        def lack(*_: Any) -> None:
            raise Unsupported(f"operator {name}")

        return lack if name == "exp" else super().operation(name)


class Broken(TorchEngine):
    """Its tensors cannot be looked at."""

    def to_torch(self, handle: Any) -> torch.Tensor:
        raise OSError("no such device")


@pytest.mark.parametrize(
    "text", ["y = exp(x)", "with raises(RuntimeError):\n    with no_grad():\n        y = exp(x)"]
)
def test_unsupported_passes_through_everything(program: MakeProgram, text: str) -> None:
    with pytest.raises(Unsupported, match="operator exp"):
        run(program(text), Lacking())
    assert torch.is_grad_enabled()


def test_an_adapter_that_breaks_its_contract(program: MakeProgram) -> None:
    with pytest.raises(
        AdapterError, match="engine torch: to_torch failed on a Tensor: OSError: no such device"
    ):
        run(program("y = x"), Broken())


def test_an_input_that_the_adapter_cannot_make() -> None:
    class Refusing(TorchEngine):
        def from_torch(self, tensor: torch.Tensor, *, requires_grad: bool = False) -> Any:
            raise TypeError("what is this?")

    with pytest.raises(
        AdapterError, match=r"from_torch failed for input 'x' \(float32, shape \(2,\)\): TypeError"
    ):
        run(Program((Input("x", torch.ones(2)),), ()), Refusing())


# clean ends


class Leaking(TorchEngine):
    """Its no_grad does not restore the mode."""

    def mode(self, name: str) -> Any:
        if name != "no_grad":
            return super().mode(name)

        def leak() -> Any:
            torch.set_grad_enabled(False)
            return nullcontext()

        return leak


def test_a_leaked_grad_mode_is_seen_and_reset(program: MakeProgram) -> None:
    trace = run(program("with no_grad():\n    y = x * 2\nz = x * 2"), Leaking())
    assert trace.states[-1].grad_enabled is False
    assert torch.is_grad_enabled()
    seen = trace.states[-1].live["z"]
    assert isinstance(seen, TensorSeen)
    assert seen.requires_grad is False


def test_a_mode_left_by_somebody_else_is_reset_before_a_run(program: MakeProgram) -> None:
    torch.set_grad_enabled(False)
    trace = run(program("y = x * 2"), TorchEngine())
    assert trace.states[-1].grad_enabled is True


def test_inputs_are_made_anew_for_each_run(program: MakeProgram) -> None:
    bound = program("with no_grad():\n    x.zero_()\n    x += 5")
    for _ in range(2):
        assert numbers(run(bound, TorchEngine(), detail=Detail.END), "x") == [5.0, 5.0]
    assert bound.inputs[0].data.tolist() == [1.0, 2.0]
    assert bound.inputs[0].data.requires_grad is False


def test_what_was_seen_does_not_change_afterwards(program: MakeProgram) -> None:
    trace = run(program("with no_grad():\n    x += 1\n    x += 1"), TorchEngine())
    seen = [state.live["x"] for state in trace.states]
    assert [one.value.tolist() for one in seen if isinstance(one, TensorSeen)] == [
        [2.0, 3.0],
        [3.0, 4.0],
        [3.0, 4.0],
    ]


class Watching(TorchEngine):
    """Keeps weak references to what `exp` gives."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[weakref.ref[torch.Tensor]] = []
        self.alive: list[list[bool]] = []

    def operation(self, name: str) -> Callable[..., Any]:
        if name == "exp":
            return self.exp
        if name == "neg":
            return self.look
        return super().operation(name)

    def exp(self, x: torch.Tensor) -> torch.Tensor:
        result = torch.exp(x.detach())
        self.made.append(weakref.ref(result))
        return result

    def look(self, x: torch.Tensor) -> torch.Tensor:
        gc.collect()
        self.alive.append([made() is not None for made in self.made])
        return x


@pytest.mark.parametrize(
    ("text", "alive"),
    [
        ("y = exp(x) + 1\nz = -x", [False]),
        ("exp(x)\nz = -x", [False]),
        ("y = exp(x)\nz = -x", [True]),
        ("y = exp(x)\ndel y\nz = -x", [False]),
        ("y = exp(x)\ny = x\nz = -x", [False]),
        ("y = exp(x) + (-x)", [True]),
        ("with raises(RuntimeError):\n    y = exp(x) + x.view(7)\nz = -x", [False]),
        ("with raises(RuntimeError):\n    y = cat([exp(x), x], x.sum())\nz = -x", [False]),
    ],
)
def test_intermediate_values_live_as_long_as_in_python(
    program: MakeProgram, text: str, alive: list[bool]
) -> None:
    engine = Watching()
    run(program(text), engine, detail=Detail.END)
    assert engine.alive == [alive]


def test_what_is_unsupported_is_found_before_anything_runs(program: MakeProgram) -> None:
    class Modeless(TorchEngine):
        def mode(self, name: str) -> Any:
            raise Unsupported(name)

        def operation(self, name: str) -> Callable[..., Any]:
            def never(*_: Any) -> None:
                pytest.fail(f"{name} was run")

            return never

    with pytest.raises(Unsupported, match="no_grad"):
        run(program("for i in range(3):\n    y = exp(x) * i\nwith no_grad():\n    pass"), Modeless())


def test_factories_get_the_device_of_the_case() -> None:
    seen: list[Any] = []

    class Noting(TorchEngine):
        def operation(self, name: str) -> Callable[..., Any]:
            def note(*arguments: Any, **options: Any) -> torch.Tensor:
                seen.append((name, arguments, options))
                return torch.ones(2)

            return note

    steps = (
        Apply("y", "ones", (2,)),
        Apply("z", "exp", (Ref("y"),)),
        Apply("w", "zeros", (2,), {"requires_grad": True}),
    )
    for device in ("meta", "cpu"):
        for _, _, step in Compiler(Noting(), None, device).block(steps):  # type: ignore[arg-type]
            step({"y": None})
    assert [options for _, _, options in seen] == [
        {"device": "meta"},
        {},
        {"device": "meta", "requires_grad": True},
        {},
        {},
        {"requires_grad": True},
    ]


@pytest.mark.parametrize("requires_grad", [False, True])
def test_inputs_are_leaves(requires_grad: bool) -> None:
    item = Input("x", torch.ones(2, 3), requires_grad, "transposed")
    made = make_inputs((item,), TorchEngine(), "cpu")["x"]
    assert (made.is_leaf, made.requires_grad, made.stride()) == (True, requires_grad, (1, 2))


def test_what_a_raises_block_leaves_behind_is_looked_at(program: MakeProgram) -> None:
    bound = program("with raises(RuntimeError):\n    x.add_(1)\ny = x * 2\nz = y + 1")
    assert [state.step for state in run(bound, TorchEngine()).states] == [0, 3]
