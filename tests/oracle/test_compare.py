from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from gradconform.errors import AdapterError
from gradconform.oracle.compare import compare
from gradconform.trace import UNSEEN, ErrorSeen, OpaqueSeen, Seen, StateSeen, TensorSeen, Trace, Unseen


def seen(*numbers: float, identity: int = 0, storage: int | Unseen = UNSEEN, **changes: Any) -> TensorSeen:
    plain = TensorSeen(torch.tensor(numbers), "cpu", False, True, False, None, identity, storage)
    return replace(plain, **changes)


def trace(*states: Mapping[str, Seen], **changes: Any) -> Trace:
    shown = tuple(StateSeen(step, live, True) for step, live in enumerate(states))
    return replace(Trace("engine", shown), **changes)


def error(step: int, *classes: str, phase: Any = "backward", message: str = "no") -> ErrorSeen:
    return ErrorSeen(step, phase, (*classes, "Exception", "BaseException"), message)


def differences(expected: Trace, got: Trace, **options: Any) -> list[tuple[str, str, int, str, str]]:
    comparison = compare(expected, got, **options)
    found = [(d.what, d.where, d.step, d.expected, d.got) for d in comparison.divergences]
    return found + [("numbers", str(miss.spot), miss.step, "", "") for miss in comparison.misses]


def test_equal_traces_do_not_differ() -> None:
    live: dict[str, Seen] = {
        "x": seen(1.0, 2.0, grad=seen(3.0, identity=1)),
        "n": 3,
        "t": (1, None, seen(1.0, identity=2)),
    }
    comparison = compare(trace(live, live), trace(live, live))
    assert (comparison.divergences, comparison.misses, comparison.accepted) == (
        (),
        (),
        {"bits": 6},
    )  # at two states


def test_numbers_within_the_tolerance_need_that_stage() -> None:
    comparison = compare(
        trace({"x": seen(1.0), "y": seen(2.0, identity=1)}),
        trace({"x": seen(1.0 + 1e-6), "y": seen(2.0, identity=1)}),
    )
    assert (comparison.divergences, comparison.misses) == ((), ())
    assert comparison.accepted == {"tolerance": 1, "bits": 1}


@pytest.mark.parametrize(
    ("changes", "what", "expected", "got"),
    [
        ({"value": torch.ones(1, 2)}, "shape", "[2]", "[1, 2]"),
        ({"value": torch.ones(2, dtype=torch.float64)}, "dtype", "float32", "float64"),
        ({"device": "cuda:0"}, "device", "cpu", "cuda:0"),
        ({"requires_grad": True}, "requires_grad", "False", "True"),
        ({"is_leaf": False}, "is_leaf", "True", "False"),
        ({"has_grad_fn": True}, "has_grad_fn", "False", "True"),
        ({"grad": seen(1.0, identity=9)}, "grad is not None", "None", "[1.0] (float32)"),
    ],
)
def test_each_property_is_compared(changes: dict[str, Any], what: str, expected: str, got: str) -> None:
    ours = seen(1.0, 1.0)
    where = "x.grad" if what.startswith("grad") else "x"
    found = differences(trace({"x": ours}), trace({"x": replace(ours, **changes)}))
    assert found == [(what, where, 0, expected, got)]


@pytest.mark.parametrize("attribute", ["requires_grad", "is_leaf", "has_grad_fn", "grad", "storage"])
def test_what_one_of_the_two_does_not_show_is_not_compared(attribute: str) -> None:
    ours = seen(1.0, requires_grad=True, has_grad_fn=True, grad=seen(2.0, identity=1), storage=0)
    changes: dict[str, Any] = {attribute: UNSEEN}
    hidden = replace(ours, **changes)
    assert differences(trace({"x": ours}), trace({"x": hidden})) == []
    assert differences(trace({"x": hidden}), trace({"x": ours})) == []
    assert differences(trace({"x": ours}), trace({"x": UNSEEN})) == []


def test_no_gradient_a_zero_gradient_and_a_gradient_are_three_things() -> None:
    grads = {"none": None, "zero": seen(0.0, identity=1), "value": seen(2.0, identity=1)}
    found = {
        (a, b): [
            difference[:2]
            for difference in differences(trace({"x": seen(1.0, grad=p)}), trace({"x": seen(1.0, grad=q)}))
        ]
        for a, p in grads.items()
        for b, q in grads.items()
    }
    assert found == {
        ("none", "none"): [],
        ("zero", "zero"): [],
        ("value", "value"): [],
        ("none", "zero"): [("grad is not None", "x.grad")],
        ("none", "value"): [("grad is not None", "x.grad")],
        ("zero", "none"): [("grad is None", "x.grad")],
        ("value", "none"): [("grad is None", "x.grad")],
        ("zero", "value"): [("numbers", "x.grad")],
        ("value", "zero"): [("numbers", "x.grad")],
    }


def test_a_gradient_is_a_tensor_with_properties_and_a_gradient_of_its_own() -> None:
    ours = seen(1.0, grad=seen(2.0, identity=1, grad=seen(3.0, identity=2)))
    theirs = seen(1.0, grad=seen(2.0, identity=1, requires_grad=True, grad=seen(4.0, identity=2)))
    found = differences(trace({"x": ours}), trace({"x": theirs}))
    assert [difference[:2] for difference in found] == [
        ("requires_grad", "x.grad"),
        ("numbers", "x.grad.grad"),
    ]


def test_a_miss_is_handed_on_with_its_numbers() -> None:
    comparison = compare(trace({"x": seen(2.0, 2.0)}), trace({"x": seen(1.0, 2.0)}))
    (miss,) = comparison.misses
    assert comparison.divergences == ()
    assert (str(miss.spot), miss.step, miss.miss.count, miss.miss.absolute) == ("x", 0, 1, 1.0)
    divergence = miss.divergence("nothing excuses it")
    assert (divergence.what, divergence.expected, divergence.got) == ("value", "[2.0, 2.0]", "[1.0, 2.0]")
    assert divergence.detail == (
        "float32, 1 of 2 elements differ, largest difference 1 at [0], allowed 1.3e-06 * |expected| + 1e-05; "
        "nothing excuses it"
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        (1, 1, None),
        (1, 2, ("value", "1", "2")),
        (1, True, ("type", "1", "True")),
        (1, 1.0, ("type", "1", "1.0")),
        ("a", "b", ("value", "'a'", "'b'")),
        (None, 1, ("value is not None", "None", "1")),
        (1, None, ("value is None", "1", "None")),
        (OpaqueSeen("array"), OpaqueSeen("array"), None),
        (OpaqueSeen("array"), OpaqueSeen("object"), ("value", "array", "object")),
        (seen(1.0), 1.0, ("type", "[1.0] (float32)", "1.0")),
        (2.0, 2.0 + 1e-9, None),
        (float("nan"), float("nan"), None),
    ],
)
def test_plain_values_are_compared_by_type_and_value(
    ours: Seen, theirs: Seen, found: tuple[str, ...] | None
) -> None:
    expected = [] if found is None else [(found[0], "n", 0, *found[1:])]
    assert differences(trace({"n": ours}), trace({"n": theirs})) == expected


def test_plain_floats_beyond_the_tolerance_are_a_miss() -> None:
    assert differences(trace({"n": 2.0}), trace({"n": 2.1})) == [("numbers", "n", 0, "", "")]


def test_items_of_tuples_are_compared_one_by_one() -> None:
    ours, theirs = (seen(1.0), None, 3), (seen(5.0), None, 4)
    found = differences(trace({"t": ours}), trace({"t": theirs}))
    assert found == [("value", "t[2]", 0, "3", "4"), ("numbers", "t[0]", 0, "", "")]
    assert differences(trace({"t": (1, 2)}), trace({"t": (1,)})) == [("length", "t", 0, "2", "1")]


def test_a_name_that_only_one_of_the_two_has_is_a_difference() -> None:
    assert differences(trace({"x": 1}), trace({})) == [("missing name", "x", 0, "1", "no such name")]
    assert differences(trace({}), trace({"x": 1})) == [("extra name", "x", 0, "no such name", "1")]


@pytest.mark.parametrize(
    ("ours", "theirs", "differs"), [(True, False, True), (True, True, False), (True, UNSEEN, False)]
)
def test_the_grad_mode_is_compared(ours: bool | Unseen, theirs: bool | Unseen, differs: bool) -> None:
    a, b = (Trace("engine", (StateSeen(4, {}, mode),)) for mode in (ours, theirs))
    found = differences(a, b)
    assert found == ([("grad mode", "is_grad_enabled()", 4, "True", "False")] if differs else [])


def test_the_same_object_must_stay_the_same_over_time() -> None:
    def run(*labels: int) -> Trace:
        return trace(*({"x": seen(1.0, grad=seen(2.0, identity=label))} for label in labels))

    assert differences(run(1, 1), run(7, 7)) == []
    assert differences(run(1, 2), run(7, 8)) == []
    assert differences(run(1, 1), run(7, 8)) == [
        ("identity", "x.grad", 1, "the same object as x.grad after step 0", "a new object")
    ]
    assert differences(run(1, 2), run(7, 7)) == [
        ("identity", "x.grad", 1, "a new object", "the same object as x.grad after step 0")
    ]


def test_the_same_object_must_have_the_same_names() -> None:
    def run(*labels: int) -> Trace:
        return trace({name: seen(1.0, identity=label) for name, label in zip("abc", labels, strict=True)})

    assert differences(run(0, 0, 1), run(5, 5, 3)) == []
    assert [found[:2] for found in differences(run(0, 0, 1), run(5, 6, 7))] == [("identity", "b")]
    assert [found[:2] for found in differences(run(0, 1, 2), run(5, 6, 5))] == [("identity", "c")]


def test_shared_memory_is_compared_as_a_partition_of_each_state() -> None:
    def run(*states: tuple[int, int, int]) -> Trace:
        return trace(
            *(
                {
                    name: seen(1.0, identity=i, storage=label)
                    for i, (name, label) in enumerate(zip("abc", labels, strict=True))
                }
                for labels in states
            )
        )

    assert differences(run((0, 0, 1)), run((8, 8, 2))) == []
    # memory that is freed and used again has an old label in a new state
    assert differences(run((0, 1, 2), (0, 1, 1)), run((4, 5, 6), (6, 4, 4))) == []
    assert differences(run((0, 0, 1)), run((8, 9, 2))) == [
        ("shared memory", "b", 0, "shares memory with a", "memory of its own")
    ]
    assert differences(run((0, 1, 2)), run((8, 1, 8))) == [
        ("shared memory", "c", 0, "memory of its own", "shares memory with a")
    ]


def test_tensors_without_elements_share_no_memory() -> None:
    ours = trace({"a": seen(identity=0, storage=0), "b": seen(identity=1, storage=0)})
    theirs = trace({"a": seen(identity=0, storage=0), "b": seen(identity=1, storage=1)})
    assert differences(ours, theirs) == []


def test_only_the_first_state_that_differs_is_reported() -> None:
    ours = trace({"x": seen(1.0)}, {"x": seen(2.0)}, {"x": seen(3.0, requires_grad=True)})
    theirs = trace({"x": seen(1.0)}, {"x": seen(2.0, is_leaf=False)}, {"x": seen(9.0)})
    assert differences(ours, theirs) == [("is_leaf", "x", 1, "True", "False")]


def test_numbers_that_miss_do_not_hide_what_differs_later() -> None:
    ours = trace({"x": seen(1.0)}, {"x": seen(1.0)}, {"x": seen(1.0)})
    theirs = trace({"x": seen(2.0)}, {"x": seen(2.0, is_leaf=False)}, {"x": seen(2.0)})
    found = differences(ours, theirs)
    assert [difference[:3] for difference in found] == [
        ("is_leaf", "x", 1),
        ("numbers", "x", 0),
        ("numbers", "x", 1),
    ]


def test_values_come_before_gradients_and_one_object_is_reported_once() -> None:
    grad = seen(2.0, identity=5)
    other = seen(3.0, identity=5)
    ours = trace({"x": seen(1.0, grad=grad), "y": seen(1.0, identity=1), "g": grad})
    theirs = trace({"x": seen(1.0, grad=other), "y": seen(9.0, identity=1), "g": other})
    assert [difference[1] for difference in differences(ours, theirs)] == ["y", "g"]


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        (error(3, "RuntimeError"), error(3, "RuntimeError", message="other words"), []),
        (error(3, "RuntimeError"), None, [("missing error", 3)]),
        (None, error(3, "RuntimeError"), [("unexpected error", 3)]),
        (error(3, "RuntimeError"), error(3, "MyError", "RuntimeError"), []),
        (error(3, "RuntimeError"), error(3, "ValueError"), [("error class", 3)]),
        (error(3, "NotImplementedError", "RuntimeError"), error(3, "RuntimeError"), [("error class", 3)]),
        (error(3, "LinAlgError", "RuntimeError"), error(3, "RuntimeError"), []),
        (error(3, "RuntimeError"), error(3), [("error class", 3)]),
        (error(3, "RuntimeError"), error(3, "RuntimeError", phase="forward"), [("error phase", 3)]),
        (error(3, "RuntimeError"), error(2, "RuntimeError"), [("error at another step", 2)]),
    ],
)
@pytest.mark.parametrize("caught", [True, False])
def test_errors_are_compared_by_place_phase_and_class(
    ours: ErrorSeen | None, theirs: ErrorSeen | None, found: list[tuple[str, int]], caught: bool
) -> None:
    a, b = (Trace("engine", caught={1: e}) if caught else Trace("engine", error=e) for e in (ours, theirs))
    assert [(difference[0], difference[2]) for difference in differences(a, b)] == found


def test_classes_are_not_compared_for_an_engine_that_has_its_own() -> None:
    a, b = (Trace("engine", caught={1: error(2, kind)}) for kind in ("RuntimeError", "ValueError"))
    assert differences(a, b, torch_errors=False) == []
    assert len(differences(a, b)) == 1


def test_after_an_error_of_one_alone_states_are_not_compared() -> None:
    ours = trace({"x": seen(1.0)}, {"x": seen(2.0)}, {"x": seen(2.0), "y": 1})
    theirs = trace({"x": seen(1.0)}, {"x": seen(7.0)}, error=error(1, "RuntimeError"))
    assert [found[0] for found in differences(ours, theirs)] == ["unexpected error"]


def test_what_differs_before_the_error_comes_first() -> None:
    ours = trace({"x": seen(1.0)}, {"x": seen(2.0)})
    theirs = trace({"x": seen(1.0, is_leaf=False)}, error=error(1, "RuntimeError"))
    assert [found[0] for found in differences(ours, theirs)] == ["is_leaf"]


def test_a_trace_that_stops_short_without_an_error_is_the_adapters_fault() -> None:
    with pytest.raises(AdapterError, match="1 states where torch's has 2"):
        compare(trace({}, {}), trace({}))


def test_a_trace_of_other_steps_is_the_adapters_fault() -> None:
    with pytest.raises(AdapterError, match="after step 5"):
        compare(Trace("torch", (StateSeen(3, {}, True),)), Trace("engine", (StateSeen(5, {}, True),)))
