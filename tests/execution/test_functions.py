"""Functions that programs define, as Python has them: names, calls, generators, custom functions, errors."""

from __future__ import annotations

import gc
import inspect
from typing import TYPE_CHECKING, Any

import pytest
import torch

from gradconform.engines.torch import TorchEngine
from gradconform.engines.torch_like import TorchLikeEngine
from gradconform.errors import Unsupported
from gradconform.execution.interpreter import Detail, run
from gradconform.program.script import torch_script
from gradconform.program.steps import Fact, Input
from gradconform.trace import TensorSeen, Trace

if TYPE_CHECKING:
    from tests.conftest import MakeProgram


def plain(seen: Any) -> Any:
    if isinstance(seen, TensorSeen):
        return seen.value.tolist()
    return [plain(one) for one in seen] if isinstance(seen, tuple) else seen


def trace(program: MakeProgram, text: str, engine: TorchEngine | None = None) -> Trace:
    return run(program(text), engine or TorchEngine())


def log(found: Trace) -> Any:
    return plain(found.states[-1].live.get("recorded()", ()))


def test_a_body_has_names_of_its_own_over_those_around(program: MakeProgram) -> None:
    found = trace(
        program,
        "k = x * 2\ndef f(t, u=3):\n    y = t * u\n    record(y)\n    record(k)\n    return y + k\n"
        "a = f(x)\nk = x * 10\nb = f(x, u=1)",
    )
    assert found.error is None
    # `k` is looked up when the body runs, and `y` is gone with the call.
    assert log(found) == [[3.0, 6.0], [2.0, 4.0], [1.0, 2.0], [10.0, 20.0]]
    assert plain(found.states[-1].live["a"]) == [5.0, 10.0]
    assert plain(found.states[-1].live["b"]) == [11.0, 22.0]
    assert "y" not in found.states[-1].live


def test_threads_that_run_together_record_in_the_order_of_their_blocks(program: MakeProgram) -> None:
    block = "    with thread():\n        record(x * {0})\n        y = x + 1\n        record(x * {0})\n"
    text = "record(x)\nwith concurrently():\n" + "".join(block.format(k) for k in range(8)) + "record(x)"
    wanted = [[1.0, 2.0], *([k * 1.0, k * 2.0] for k in range(8) for _ in range(2)), [1.0, 2.0]]
    for _ in range(20):
        assert log(trace(program, text)) == wanted


@pytest.mark.parametrize("text", ["g = x.grad", "g = 3", "g = x.shape", "g = [x, x]", "g = repr(x)"])
def test_a_value_without_an_identity_cannot_be_watched(program: MakeProgram, text: str) -> None:
    found = trace(program, f"{text}\nw = watch(g)\nassert alive(w)").error
    assert found is not None
    assert found.kind == "TypeError"
    assert "cannot be watched" in found.message


def test_a_definition_in_a_loop_and_one_in_another(program: MakeProgram) -> None:
    found = trace(
        program,
        "def scaled(k):\n    def f(t):\n        return t * k\n    return f\n"
        "def f(*rest):\n    (a, b) = rest\n    return a + b\n"
        "g = scaled(x * 2)\ny = f(g(x), scaled(3)(x))",
    )
    assert found.error is None
    assert plain(found.states[-1].live["y"]) == [5.0, 14.0]


def test_a_call_that_does_not_fit_is_a_type_error(program: MakeProgram) -> None:
    found = trace(program, "def f(t):\n    return t\nwith raises(TypeError):\n    f(x, x)\ny = x * 1")
    (caught,) = found.caught.values()
    assert caught is not None
    assert caught.kind == "TypeError"


def test_a_name_that_is_gone_when_the_body_runs(program: MakeProgram) -> None:
    found = trace(program, "y = x * 2\ndef f(t):\n    return t * y\ndel y\nf(x)")
    assert found.error is not None
    assert (found.error.kind, found.error.message) == ("NameError", "name 'y' is not defined")


def test_an_error_in_a_hook_belongs_to_the_backward_that_runs_it(program: MakeProgram) -> None:
    found = trace(
        program,
        "def hook(g):\n    fail(ValueError)\n    return g\nx.register_hook(hook)\ny = (x * 2).sum()\n"
        "with raises(ValueError, phase='backward'):\n    y.backward()\nhook(x)",
    )
    (caught,) = found.caught.values()
    assert caught is not None
    assert (caught.kind, caught.phase, caught.step) == ("ValueError", "backward", 1)
    assert found.error is not None
    assert (found.error.phase, found.error.step) == ("forward", 1)


def test_facts_in_a_function_are_noted_each_time(program: MakeProgram) -> None:
    text = "def f(t):\n    assert t.requires_grad\n    return t\nf(x)\nf(x.detach())\ny = x * 1"
    bound = program(text)
    found = run(bound, TorchEngine())
    (number,) = (number for number, step in bound.walk() if isinstance(step, Fact))
    assert found.facts[number] == ((True,), (False,))


def test_a_generator_has_its_mode_between_its_yields_only(program: MakeProgram) -> None:
    found = trace(
        program,
        "@no_grad()\ndef f(t):\n    sent = yield t * 2\n    with enable_grad():\n        yield sent * 2\n"
        "    record(is_grad_enabled())\n    yield\n"
        "g = f(x)\na = next(g)\nm = is_grad_enabled()\nb = g.send(x)\nc = next(g)\ng.close()",
    )
    assert found.error is None
    live = found.states[-1].live
    a, b = live["a"], live["b"]
    assert isinstance(a, TensorSeen)
    assert isinstance(b, TensorSeen)
    assert (a.requires_grad, live["m"], b.requires_grad, live["c"]) == (False, True, True, None)
    assert log(found) == [False]


def test_an_engine_gets_a_generator_function_where_the_body_yields(program: MakeProgram) -> None:
    seen: list[object] = []

    class Noting(TorchEngine):
        def invoke(self, thing: object, method: str, arguments: Any, options: Any) -> Any:
            seen.extend(arguments)

    trace(
        program,
        "def f():\n    yield x\ndef g():\n    return x\nx.register_hook(f)\nx.register_hook(g)",
        Noting(),
    )
    assert [inspect.isgeneratorfunction(one) for one in seen] == [True, False]
    assert [getattr(one, "__name__", "") for one in seen] == ["f", "g"]


CUBE = """\
class Cube(autograd.Function):
    @staticmethod
    def forward(ctx, t):
        ctx.save_for_backward(t)
        ctx.power = 3
        return t ** 3
    @staticmethod
    @autograd.function.once_differentiable
    def backward(ctx, g):
        (t,) = ctx.saved_tensors
        record(ctx.power)
        return ctx.power * t * t * g
y = Cube.apply(x)
y.backward(ones_like(y))
"""


def test_a_custom_function(program: MakeProgram) -> None:
    found = run(program(CUBE, Input("x", torch.tensor([3.0]), requires_grad=True)), TorchEngine())
    assert found.error is None
    x = found.states[-1].live["x"]
    assert isinstance(x, TensorSeen)
    assert plain(x.grad) == [27.0]
    assert log(found) == [3]


def test_reading_what_the_program_never_set_is_its_own_error(program: MakeProgram) -> None:
    text = CUBE.replace("        ctx.power = 3\n", "")
    found = run(program(text, Input("x", torch.tensor([3.0]), requires_grad=True)), TorchEngine())
    assert found.error is not None
    assert (found.error.kind, found.error.phase) == ("AttributeError", "backward")


def test_an_engine_without_custom_functions_is_told_so(program: MakeProgram) -> None:
    class Module:
        tensor = staticmethod(torch.tensor)
        Tensor = torch.Tensor

    with pytest.raises(Unsupported, match=r"autograd\.Function"):
        run(program(CUBE), TorchLikeEngine(Module, name="small"))


@pytest.mark.parametrize("detail", Detail)
def test_nothing_is_looked_at_inside_of_functions(program: MakeProgram, detail: Detail) -> None:
    bound = program("def hook(g):\n    g.mul_(2)\nx.register_hook(hook)\ny = (x * 1).sum()\ny.backward()")
    inside = {number for number, step in bound.walk() if step.line == 2}
    assert inside
    assert not inside & {state.step for state in run(bound, TorchEngine(), detail=detail).states}


def test_warnings_are_noted_in_their_block_and_silenced_elsewhere(program: MakeProgram) -> None:
    found = trace(
        program,
        "y = x * 2\ny.requires_grad_()\nwith warns(UserWarning, match='not a leaf'):\n    a = y.grad\n"
        "b = y.grad\nwith warns(UserWarning):\n    c = x.grad",
    )
    noted, nothing = found.warned.values()
    assert any("not a leaf" in one.message and "UserWarning" in one.classes for one in noted)
    assert not nothing


def test_a_thread_has_its_own_mode_and_hands_its_error_back(program: MakeProgram) -> None:
    found = trace(
        program,
        "with no_grad():\n    with thread():\n        y = x * 2\n        m = is_grad_enabled()\n"
        "    with raises(KeyError):\n        with thread():\n            fail(KeyError)",
    )
    assert found.error is None
    live = found.states[-1].live
    assert live["m"] is True
    (caught,) = found.caught.values()
    assert caught is not None
    assert caught.kind == "KeyError"


def test_threads_run_at_once_and_the_first_error_counts(program: MakeProgram) -> None:
    found = trace(
        program,
        "with concurrently():\n    with thread():\n        (x * 2).sum().backward()\n    with thread():\n"
        "        (x * 3).sum().backward()\nwith raises(ValueError):\n    with concurrently():\n"
        "        with thread():\n            fail(ValueError)\n"
        "        with thread():\n            fail(KeyError)",
    )
    assert found.error is None
    x = found.states[-1].live["x"]
    assert isinstance(x, TensorSeen)
    assert plain(x.grad) == [5.0, 5.0]


def test_looking_keeps_nothing_alive_and_nothing_is_collected_meanwhile(program: MakeProgram) -> None:
    text = (
        "y = x * 2\nz = y * y\nw = watch(y)\ndel y\nassert alive(w)\ndel z\nassert alive(w)\n"
        "def make():\n    def f():\n        return f\n    w = watch(f)\n    return w\n"
        "v = make()\nassert alive(v)"
    )
    bound = program(text)
    assert gc.isenabled()
    found = run(bound, TorchEngine(), detail=Detail.STEPS)
    assert gc.isenabled()
    shown = {step.line: found.facts[number] for number, step in bound.walk() if isinstance(step, Fact)}
    # A function that refers to itself is a cycle: it goes when garbage is collected, and not before.
    assert shown == {5: ((True,),), 7: ((False,),), 14: ((True,),)}


def test_a_script_says_all_of_it_in_python(program: MakeProgram) -> None:
    script = torch_script(
        program(
            "def hook(g):\n    record(g)\nx.register_hook(hook)\n"
            "with thread():\n    (x * 2).sum().backward()\n"
            "with warns(UserWarning):\n    a = (x * 2).grad\nw = watch(x)\nb = deepcopy(x)\n"
            "with stream():\n    c = x * 2"
        )
    )
    assert "recorded.append" in script
    assert "_threads.submit(_block)" in script
    assert "w = _weakref.ref(x)" in script
    assert "b = _copy.deepcopy(x)" in script
    assert '\nwith stream("cpu"):\n    c = x * 2\n' in script
    assert script.rstrip().endswith("print(recorded)")
    exec(compile(script, "script", "exec"), {})  # noqa: S102 - it was written a line above
