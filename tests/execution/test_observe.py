"""What is seen of tensors: labels of identity and storage, flags, gradients, and what stays unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from gradconform.engines.torch import TorchEngine
from gradconform.errors import Unsupported
from gradconform.execution.interpreter import Detail, run
from gradconform.execution.observe import Observer
from gradconform.program.expressions import Place
from gradconform.program.steps import Input
from gradconform.trace import UNSEEN, OpaqueSeen, Seen, TensorSeen

if TYPE_CHECKING:
    from tests.conftest import MakeProgram


def seen(program: MakeProgram, text: str, *inputs: Input) -> dict[str, TensorSeen]:
    live = run(program(text, *inputs), TorchEngine(), detail=Detail.STEPS).states[-1].live
    return {name: value for name, value in live.items() if isinstance(value, TensorSeen)}


def logged(value: Seen) -> tuple[Seen, ...]:
    assert isinstance(value, tuple)
    return value


def test_equal_labels_of_identity_mean_the_same_object(program: MakeProgram) -> None:
    live = seen(program, "y = x\nz = x.detach()\nx.sum().backward()\ng = x.grad\nl = x.clone()")
    assert live["x"].identity == live["y"].identity
    grad = live["x"].grad
    assert isinstance(grad, TensorSeen)
    assert live["g"].identity == grad.identity
    assert len({live[name].identity for name in "xzgl"}) == 4


def test_equal_labels_of_storage_mean_shared_memory(program: MakeProgram) -> None:
    live = seen(program, "y = x.detach()\nz = x[0]\nw = x.clone()\nv = x.view(1, 2)\ns = w[1:]")
    assert live["x"].storage == live["y"].storage == live["z"].storage == live["v"].storage
    assert live["w"].storage == live["s"].storage
    assert live["w"].storage != live["x"].storage


def test_labels_count_up_in_the_order_of_first_sight(program: MakeProgram) -> None:
    live = seen(program, "y = x.detach()\nz = x.clone()")
    assert [live[name].identity for name in "xyz"] == [0, 1, 2]
    assert [live[name].storage for name in "xyz"] == [0, 0, 1]


def test_a_label_is_never_given_twice_though_memory_is_used_again(program: MakeProgram) -> None:
    bound = program("for i in range(20):\n    y = x * i")
    states = run(bound, TorchEngine(), detail=Detail.STEPS).states[:-1]
    shown = [state.live["y"] for state in states]
    assert len({one.identity for one in shown if isinstance(one, TensorSeen)}) == 20


def test_an_empty_tensor_shows_no_storage(program: MakeProgram) -> None:
    live = seen(program, "y = x.detach()", Input("x", torch.ones(0, 2)))
    assert live["x"].storage is UNSEEN
    assert live["y"].storage is UNSEEN


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("y = x", (True, True, False)),
        ("y = x * 2", (True, False, True)),
        ("y = x.detach()", (False, True, False)),
        ("with no_grad():\n    y = x * 2", (False, True, False)),
        ("y = x[0]", (True, False, True)),
    ],
)
def test_flags(program: MakeProgram, text: str, flags: tuple[bool, bool, bool]) -> None:
    y = seen(program, text)["y"]
    assert (y.requires_grad, y.is_leaf, y.has_grad_fn) == flags


def test_no_gradient_a_gradient_of_zero_and_one_that_is_not_shown(program: MakeProgram) -> None:
    assert seen(program, "y = x")["x"].grad is None
    grad = seen(program, "(x * 0).sum().backward()")["x"].grad
    assert isinstance(grad, TensorSeen)
    assert grad.value.tolist() == [0.0, 0.0]
    assert grad.grad is UNSEEN

    class Hiding(TorchEngine):
        def get(self, handle: Any, attribute: str) -> Any:
            raise Unsupported(f"attribute {attribute}")

    hidden = run(program("y = x"), Hiding()).states[-1].live["x"]
    assert isinstance(hidden, TensorSeen)
    assert (hidden.grad, hidden.requires_grad, hidden.is_leaf, hidden.has_grad_fn) == (UNSEEN,) * 4


def test_retained_and_assigned_gradients_of_non_leaves_are_seen(program: MakeProgram) -> None:
    retained = seen(program, "y = x * 2\ny.retain_grad()\ny.sum().backward()")["y"].grad
    assigned = seen(program, "y = x * 2\ny.grad = ones_like(y)")["y"].grad
    none = seen(program, "y = x * 2\ny.sum().backward()")["y"].grad
    assert isinstance(retained, TensorSeen)
    assert isinstance(assigned, TensorSeen)
    assert none is None


def test_places() -> None:
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    observer = Observer(TorchEngine())
    live = {"x": x, "y": y, "n": None, "f": y.grad_fn}
    assert observer.place(Place("", ("is_grad_enabled",)), live) is True
    assert observer.place(Place("y", ("grad_fn", "name()")), live) == "MulBackward0"
    assert observer.place(Place("y", ("grad_fn",)), live) == OpaqueSeen("object")
    assert observer.place(Place("x", ("shape",)), live) == (2,)
    assert observer.place(Place("x", ("dtype",)), live) == "float32"
    assert observer.place(Place("x", ("device",)), live) == "cpu"
    assert observer.place(Place("n"), live) is None
    assert observer.place(Place("x", ("grad_fn",)), live) is None
    nothing = observer.place(Place("x", ("grad", "data", "shape")), live)
    assert isinstance(nothing, OpaqueSeen)
    assert nothing.kind == "nothing: x.grad is None"
    missing = observer.place(Place("f", ("nothing_like_it",)), live)
    assert isinstance(missing, OpaqueSeen)
    assert "has no attribute 'nothing_like_it'" in missing.kind
    assert observer.place(Place("x", ("name()",)), live) is UNSEEN


def test_the_log_does_not_say_which_memory_was_shared(program: MakeProgram) -> None:
    bound = program("(x * 2).sum().backward()\nrecord(x)\nrecord([x.detach()])\ny = x * 3")
    log = run(bound, TorchEngine()).states[-1].live["recorded()"]
    assert isinstance(log, tuple)
    leaf, aliases = log
    assert isinstance(aliases, tuple)
    (alias,) = aliases
    assert isinstance(leaf, TensorSeen)
    assert isinstance(alias, TensorSeen)
    assert isinstance(leaf.grad, TensorSeen)
    assert (leaf.storage, leaf.grad.storage, alias.storage) == (UNSEEN,) * 3
    assert alias.value.tolist() == leaf.value.tolist()


def test_the_log_names_an_object_while_it_is_there(program: MakeProgram) -> None:
    bound = program("y = x * 2\nrecord([y, x])\nz = x * 3\ny = z")
    states = run(bound, TorchEngine(), detail=Detail.STEPS).states

    def identities(number: int) -> list[object]:
        (pair,) = logged(states[number].live["recorded()"])
        return [one.identity for one in logged(pair) if isinstance(one, TensorSeen)]

    labels = [one.identity for name in "yx" if isinstance(one := states[1].live[name], TensorSeen)]
    assert identities(1) == identities(2) == labels
    assert identities(3) == [UNSEEN, labels[1]]


def test_a_fact_about_the_log_names_no_object_that_is_gone() -> None:
    observer = Observer(TorchEngine())
    kept, gone = torch.ones(2), torch.ones(2)
    observer.log += [observer.entry(kept), observer.entry((gone, kept))]
    label, other = (observer.see(one) for one in (kept, gone))
    assert isinstance(label, TensorSeen)
    assert isinstance(other, TensorSeen)
    assert label.identity != other.identity

    def shown() -> tuple[Seen, ...]:
        entry, pair = logged(observer.place(Place("", ("recorded",)), {}))
        return tuple(one.identity for one in (entry, *logged(pair)) if isinstance(one, TensorSeen))

    assert shown() == (label.identity, other.identity, label.identity)
    del gone
    assert shown() == (label.identity, UNSEEN, label.identity)
