"""Traces as documents: exact there and back, and refused with a place where they are none."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
import torch

from gradconform.engines.torch import TorchEngine
from gradconform.errors import GradconformError
from gradconform.execution.interpreter import Detail, run
from gradconform.oracle.compare import compare
from gradconform.program.json_values import At
from gradconform.protocol.traces import decode_seen, decode_trace, encode_seen, encode_trace
from gradconform.randomize.direct import DirectChooser
from gradconform.randomize.programs import random_program
from gradconform.trace import UNSEEN, ErrorSeen, OpaqueSeen, Seen, StateSeen, TensorSeen, Trace, WarningSeen

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

ROOT = At((), "trace")


def tensor(value: torch.Tensor, **shown: Any) -> TensorSeen:
    usual = dict.fromkeys(("requires_grad", "is_leaf", "has_grad_fn", "grad", "identity", "storage"), UNSEEN)
    return TensorSeen(value, "cpu", **{**usual, **shown})


def through_json(document: object) -> Any:
    return json.loads(json.dumps(document, allow_nan=False))


def there_and_back(trace: Trace) -> Trace:
    return decode_trace(through_json(encode_trace(trace)), ROOT, engine=trace.engine, device="cpu")


def bits(value: torch.Tensor) -> list[int]:
    return value.clone(memory_format=torch.contiguous_format).reshape(-1).view(torch.uint8).tolist()


def same(a: Seen, b: Seen) -> bool:
    """Equal to the last bit, NaNs and signs of zeros included."""
    if isinstance(a, TensorSeen) and isinstance(b, TensorSeen):
        rest = ("device", "requires_grad", "is_leaf", "has_grad_fn", "identity", "storage")
        return (
            (a.value.dtype, a.value.shape, bits(a.value)) == (b.value.dtype, b.value.shape, bits(b.value))
            and all(getattr(a, name) == getattr(b, name) for name in rest)
            and same(a.grad, b.grad)
        )
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, OpaqueSeen) and isinstance(b, OpaqueSeen):
        return (a.kind, a.identity) == (b.kind, b.identity)
    return type(a) is type(b) and repr(a) == repr(b)


NAN = math.nan
SPECIAL = [0.0, -0.0, 1.5, math.nan, math.inf, -math.inf, 5e-324, 1e-45]


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor(SPECIAL, dtype=torch.float64),
        torch.tensor(SPECIAL, dtype=torch.float32),
        torch.tensor([0.1, 6e-8, -0.0], dtype=torch.float16),
        torch.tensor([[0.1], [9e-41]], dtype=torch.bfloat16),
        torch.tensor([complex(-0.0, math.nan), complex(math.inf, 1)], dtype=torch.complex64),
        torch.tensor([2**63 - 1, -(2**63), 2**53 + 1]),
        torch.tensor([True, False]),
        torch.tensor(3, dtype=torch.uint8),
        torch.tensor([1, 2], dtype=torch.uint16),
        torch.tensor([0.5, 448.0]).to(torch.float8_e4m3fn),
        torch.empty((0, 3)),
        torch.zeros(()),
        torch.arange(6.0).reshape(2, 3).T,
        torch.tensor([1 + 2j]).conj(),
        torch.tensor([1 + 2j]).real,
        torch.tensor([1 + 2j, 3 + 4j]).imag,
        torch.ones(3).expand(2, 3),
    ],
    ids=lambda value: f"{value.dtype}{tuple(value.shape)}".removeprefix("torch."),
)
def test_tensors_come_back_to_the_last_bit(value: torch.Tensor) -> None:
    seen = tensor(value.resolve_conj())
    assert same(decode_seen(through_json(encode_seen(tensor(value))), ROOT), seen)


@pytest.mark.parametrize(
    "seen",
    [
        None,
        True,
        7,
        2**200,
        2.0,
        math.nan,
        -0.0,
        complex(1, -0.0),
        "text",
        (),
        (1, (2.5, None, "x")),
        UNSEEN,
        OpaqueSeen("array", 3),
        OpaqueSeen("array"),
        tensor(torch.ones(2), requires_grad=True, is_leaf=OpaqueSeen("odd"), has_grad_fn=False),
        tensor(torch.ones(2), grad=None, identity=0, storage=4),
        tensor(torch.ones(2), grad=tensor(torch.zeros(2), grad=UNSEEN, identity=1)),
        tensor(torch.ones(2), grad=OpaqueSeen("reading .grad raises KeyError")),
    ],
    ids=repr,
)
def test_all_that_can_be_seen_comes_back(seen: Seen) -> None:
    assert same(decode_seen(through_json(encode_seen(seen)), ROOT), seen)


def test_none_zero_and_unseen_gradients_are_three_things() -> None:
    shown = {"dtype": "float32", "shape": [1], "values": [1]}
    zero = {"dtype": "float32", "shape": [1], "values": [0]}
    grads = []
    for more in ({}, {"grad": None}, {"grad": zero}, {"grad": {"unseen": True}}):
        seen = decode_seen({**shown, **more}, ROOT)
        assert isinstance(seen, TensorSeen)
        grads.append(seen.grad)
    assert grads[0] is UNSEEN
    assert grads[1] is None
    assert isinstance(grads[2], TensorSeen)
    assert grads[3] is UNSEEN


def test_a_whole_trace_comes_back() -> None:
    error = ErrorSeen(3, "backward", ("RuntimeError", "Exception"), "no")
    trace = Trace(
        "mine",
        (StateSeen(2, {"x": 1, "y": UNSEEN}, UNSEEN), StateSeen(4, {"recorded()": (1, 2)}, False)),
        {4: ((1, 2.0), (None, 3.0))},
        {1: error, 2: None},
        {3: (WarningSeen(("UserWarning", "Warning"), "careful"),)},
        error,
    )
    assert there_and_back(trace) == trace


@pytest.mark.parametrize("detail", list(Detail))
def test_real_traces_come_back(detail: Detail) -> None:
    chooser = DirectChooser(5)
    for _ in range(20):
        program = random_program(chooser)
        trace = run(program, TorchEngine(), detail=detail)
        back = there_and_back(trace)
        comparison = compare(trace, back)
        assert not comparison.divergences
        assert not comparison.misses
        assert set(comparison.accepted) == {"bits"}
        assert [state.step for state in back.states] == [state.step for state in trace.states]
        assert all(
            same(one, other)
            for ours, theirs in zip(trace.states, back.states, strict=True)
            for one, other in zip(ours.live.values(), theirs.live.values(), strict=True)
        )


def test_a_trace_of_errors_warnings_and_facts_comes_back(program: MakeProgram) -> None:
    text = (
        "y = (x * x).sum()\ny.backward()\nassert close(x.grad, 2 * x)\n"
        "with raises(RuntimeError):\n    y.backward()\nrecord(x)\nz = x.reshape(7)"
    )
    trace = run(program(text), TorchEngine())
    assert trace.error is not None
    assert trace.caught
    assert trace.facts
    back = there_and_back(trace)
    assert back.error == trace.error
    assert back.caught == trace.caught
    assert list(back.facts) == list(trace.facts)


# written by hand


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"dtype": "float32", "shape": [2, 1], "values": [[0.1], ["nan"]]},
            torch.tensor([[0.1], [math.nan]]),
        ),
        ({"dtype": "float64", "shape": [3], "values": ["inf", "-inf", "-0.0"]}, None),
        ({"dtype": "float32", "shape": [], "values": 2}, torch.tensor(2.0)),
        ({"dtype": "bfloat16", "shape": [1], "values": [1e-40]}, torch.tensor([1e-40], dtype=torch.bfloat16)),
        ({"dtype": "complex64", "shape": [1], "values": [[1, "-0.0"]]}, torch.tensor([complex(1, -0.0)])),
        ({"dtype": "int64", "shape": [2], "values": ["9007199254740993", 3.0]}, torch.tensor([2**53 + 1, 3])),
        ({"dtype": "bool", "shape": [2], "values": [True, False]}, torch.tensor([True, False])),
        ({"dtype": "float32", "shape": [2, 0], "values": [[], []]}, torch.empty(2, 0)),
        ({"dtype": "float32", "shape": [0, 2], "values": []}, torch.empty(0, 2)),
    ],
)
def test_numbers_in_decimal(document: dict[str, Any], expected: torch.Tensor | None) -> None:
    if expected is None:
        expected = torch.tensor([math.inf, -math.inf, -0.0], dtype=torch.float64)
    assert same(decode_seen(document, ROOT), tensor(expected))


def test_a_state_without_a_step_is_the_last_and_an_unknown_field_is_nothing() -> None:
    document = {"states": [{"live": {"x": {"unseen": True}}, "mood": "good"}], "mood": 1}
    trace = decode_trace(document, ROOT, engine="mine", device="cpu", last=9)
    assert trace == Trace("mine", (StateSeen(9, {"x": UNSEEN}, UNSEEN),))


def test_an_absent_device_is_the_one_that_was_asked_for() -> None:
    seen = decode_seen({"dtype": "float32", "shape": [1], "values": [1]}, ROOT, "meta:0")
    assert isinstance(seen, TensorSeen)
    assert seen.device == "meta:0"


def one(**shown: Any) -> dict[str, Any]:
    return {"dtype": "float32", "shape": [1], "data": "AACAPw==", **shown}


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(300):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (1.5, 'states[0].live.x: a number with a fraction is written as {"float": ...}'),
        ({"flaot": 1}, "states[0].live.x: an object that is seen has one of dtype, float, "),
        ({"flaot": 1}, "; did you mean 'float'?"),
        ({}, "states[0].live.x: an object that is seen has one of"),
        ({"unseen": False}, "states[0].live.x.unseen: it is true, or absent"),
        ({"float": "none"}, "states[0].live.x.float: expected a number or one of nan, inf, -inf, -0.0"),
        (
            {"dtype": "float23", "shape": [], "values": 1},
            "torch has no dtype 'float23'; did you mean 'float32'",
        ),
        ({"dtype": "float32", "values": 1}, "states[0].live.x: field 'shape' is missing"),
        ({"dtype": "float32", "shape": [1]}, "has its numbers in `data` or in `values`, and not in both"),
        (one(values=[1]), "has its numbers in `data` or in `values`, and not in both"),
        (one(data="?"), "states[0].live.x.data: this is no base64"),
        (one(data="AACA"), "states[0].live.x.data: 3 bytes; a torch.float32 tensor of shape [1] has 4"),
        (one(shape=[-1]), "states[0].live.x.shape: [-1] is no shape of a tensor"),
        (one(shape=[0, 2**62, 2**62], data=""), "is no shape of a tensor"),
        (one(requires_grad=1), "states[0].live.x.requires_grad: expected true, false, or something opaque"),
        (one(grad=0), "states[0].live.x.grad: a gradient is null, a tensor, opaque or unseen"),
        (one(identity="x"), "states[0].live.x.identity: expected an integer, not a string"),
        ({"dtype": "float32", "shape": [2], "values": [1]}, "x.values: 1 items where the shape has 2"),
        ({"dtype": "float32", "shape": [1, 1], "values": [1]}, "x.values[0]: expected a list, not a number"),
        ({"dtype": "float32", "shape": [1], "values": [[1]]}, "x.values[0]: expected a number or one of"),
        ({"dtype": "float32", "shape": [1], "values": [1e60]}, "x.values: 1e+60 is no number of float32"),
        ({"dtype": "int32", "shape": [1], "values": [2**31]}, "2147483648 is no number of int32"),
        (
            {"dtype": "int32", "shape": [1], "values": [0.5]},
            "x.values[0]: expected an integer, or one as text",
        ),
        (
            {"dtype": "int32", "shape": [1], "values": [True]},
            "expected an integer, or one as text, not a boolean",
        ),
        ({"dtype": "bool", "shape": [1], "values": [1]}, "x.values[0]: expected true or false, not a number"),
        ({"dtype": "complex64", "shape": [1], "values": [1]}, "x.values[0]: expected a list, not a number"),
        (deep(), "values are nested more than 64 deep"),
    ],
)
def test_what_cannot_have_been_seen_is_refused_at_its_place(seen: object, message: str) -> None:
    with pytest.raises(GradconformError) as raised:
        decode_trace({"states": [{"step": 0, "live": {"x": seen}}]}, ROOT, engine="mine", device="cpu")
    assert str(raised.value).startswith("trace: states[0]")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "trace: the document: expected an object, not a list"),
        ({"states": {}}, "trace: states: expected a list, not an object"),
        ({"states": [{"step": 0}]}, "trace: states[0]: field 'live' is missing"),
        ({"states": [{"live": {}, "step": "0"}]}, "trace: states[0].step: expected an integer, not a string"),
        ({"states": [{"live": {}, "grad_enabled": 1}]}, "states[0].grad_enabled: expected true or false"),
        ({"facts": {"one": []}}, "trace: facts: 'one' is no number of a step"),
        ({}, "field 'states' is missing"),
        ({"states": []}, "trace: states: a trace has at least the state at the end"),
        ({"facts": {"1": [2]}}, "trace: facts.1[0]: expected a list, not a number"),
        ({"caught": {"1": {}}}, "trace: caught.1: field 'phase' is missing"),
        (
            {"caught": {"1": {"phase": "middle"}}},
            "caught.1.phase: unknown phase 'middle'; it is one of forward",
        ),
        (
            {"error": {"phase": "forward", "step": 1, "classes": []}},
            "trace: error.classes: an error has at least one class",
        ),
        ({"warned": {"1": [{}]}}, "trace: warned.1[0]: field 'classes' is missing"),
        ({"facts": {"3": []}}, "trace: facts: there is no step 3; the last step of this program is 2"),
        ({"states": [{"step": 7, "live": {}}]}, "trace: states[0].step: there is no step 7; the last"),
        ({"states": [{"step": -2, "live": {}}]}, "trace: states[0].step: there is no step -2; the last"),
        (
            {"error": {"phase": "forward", "step": 999, "classes": ["E"]}},
            "trace: error.step: there is no step 999; the last step of this program is 2",
        ),
    ],
)
def test_what_is_no_trace_is_refused_at_its_place(document: object, message: str) -> None:
    if isinstance(document, dict) and document:
        document = {"states": [{"live": {}}], **document}
    with pytest.raises(GradconformError) as raised:
        decode_trace(document, ROOT, engine="mine", device="cpu", last=2)
    assert message in str(raised.value)
