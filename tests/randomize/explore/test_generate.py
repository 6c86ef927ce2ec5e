"""Whole random programs: valid, run to their end by torch, decided by their choices, and varied."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from gradconform.engines.torch import TorchEngine
from gradconform.execution.interpreter import Detail, run
from gradconform.program.check import check
from gradconform.program.json_form import from_json, to_json
from gradconform.program.steps import Expect, Ref, flatten
from gradconform.randomize.chooser import Chooser
from gradconform.randomize.direct import DirectChooser, ReplayChooser
from gradconform.randomize.explore.faults import FAULTS
from gradconform.randomize.explore.generate import MOVES, Written, write
from gradconform.randomize.explore.memory import settled
from gradconform.randomize.explore.table import rows
from gradconform.randomize.explore.writer import Feature, Profile, Writer, verb_of, words_of
from gradconform.volume import Pair

TORCH = TorchEngine()


def written(number: int, profile: Profile | None = None) -> Written:
    return write(DirectChooser(number), profile or Profile(), TORCH)


@pytest.fixture(scope="module")
def programs() -> list[Written]:
    return [written(number) for number in range(150)]


def test_programs_are_well_formed_and_end_without_an_error(programs: list[Written]) -> None:
    for one in programs:
        assert check(one.program) == ()
        trace = run(one.program, TORCH, "cpu", Detail.END)
        assert trace.error is None
        assert None not in trace.caught.values(), "what stands under `raises` raises"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "complex64", "complex128"])
def test_programs_have_all_dtypes(dtype: str) -> None:
    for number in range(25):
        one = written(number, Profile(dtypes=(dtype,)))
        assert check(one.program) == ()
        assert run(one.program, TORCH, "cpu", Detail.END).error is None


def test_torch_ends_them_as_it_did_while_they_were_written(programs: list[Written]) -> None:
    pair = Pair(TORCH)
    different = [number for number, one in enumerate(programs) if not pair.agree(one.program, one.expected)]
    # What cannot be looked at (a view that torch refuses to bring up to date) is left to the interpreter.
    assert len(different) <= len(programs) // 20


def test_most_of_a_program_is_meant_to_succeed(programs: list[Written]) -> None:
    steps = [step for one in programs for step in flatten(one.program.steps)]
    failing = sum(isinstance(step, Expect) for step in steps)
    assert 0 < failing < len(steps) / 20


def test_the_choices_decide_the_program() -> None:
    for number in range(20):
        chooser = DirectChooser(number)
        program = write(chooser, Profile(), TORCH).program
        again = write(ReplayChooser(chooser.choices), Profile(), TORCH).program
        assert to_json(again) == to_json(program)


def test_programs_survive_their_json_form(programs: list[Written]) -> None:
    for one in programs[:50]:
        document = to_json(one.program)
        assert to_json(from_json(document)) == document


def test_any_record_of_choices_is_a_program() -> None:
    for number in range(40):
        chooser = DirectChooser(number)
        write(chooser, Profile(), TORCH)
        shorter = chooser.choices[: len(chooser.choices) // 2]
        assert check(write(ReplayChooser(shorter), Profile(), TORCH).program) == ()


def test_the_simplest_choices_leave_nearly_everything_out() -> None:
    program = write(ReplayChooser(()), Profile(), TORCH).program
    assert len(program.inputs) == 1
    assert not program.steps


def test_everything_that_the_issue_of_a_program_can_be_is_there(programs: list[Written]) -> None:
    features: Counter[Feature] = Counter(feature for one in programs for feature in one.features)
    verbs = {feature[1] for feature in features if feature[0] == "verb"}
    assert {
        "backward", "autograd.backward", "autograd.grad", "register_hook", "retain_grad", "detach",
        "get data", "register_post_accumulate_grad_hook", "setitem", "mul_", "copy_", "unbind", "expand",
        "narrow", "delete", "apply", "remove", "cat", "matmul", "where", "to", "set grad", "get grad",
    } <= verbs  # fmt: skip
    words = {word for one in programs for step in flatten(one.program.steps) for word in words_of(step)}
    for option in ("retain_graph", "create_graph", "inputs"):
        assert any(word.startswith("backward") and option in word for word in words), option
    for option in ("grad_outputs", "allow_unused", "materialize_grads", "create_graph"):
        assert any(word.startswith("autograd.grad") and option in word for word in words), option
    assert {feature[1] for feature in features if feature[0] == "mode"} == {
        "no_grad",
        "enable_grad",
        "set_grad_enabled",
    }
    assert sum(1 for feature in features if feature[0] == "row") > 150


def test_each_fault_raises_somewhere(programs: list[Written]) -> None:
    raised = {feature[1:] for one in programs for feature in one.features if feature[0] == "error"}
    assert {("backward", "RuntimeError"), ("mul_", "RuntimeError"), ("getitem", "IndexError")} <= raised
    assert len(FAULTS) >= 10
    assert len(raised) >= 10


def test_every_move_can_be_made() -> None:
    assert {name for name, (weight, _) in MOVES.items() if weight < 1} == set()
    assert len(rows()) > 800


class _Choices(Chooser):
    """Chooses what it is told to."""

    def __init__(self, *numbers: int) -> None:
        super().__init__()
        self._numbers = iter(numbers)

    def below(self, bound: int) -> int:
        return min(next(self._numbers, 0), bound - 1)


def test_of_two_options_the_rarer_one_is_taken() -> None:
    profile = Profile(seen={("verb", "exp"): 5, ("verb", "sin"): 4})
    assert Writer(_Choices(0, 0, 0, 1), profile, TORCH).rarer("verb", ("exp", "sin")) == "sin"
    assert Writer(_Choices(0, 0, 1, 0), profile, TORCH).rarer("verb", ("exp", "sin")) == "sin"
    assert Writer(_Choices(0, 0, 0, 0), profile, TORCH).rarer("verb", ("exp", "sin")) == "exp"


def test_what_is_banned_is_never_written() -> None:
    banned = frozenset({"exp", "backward retain_graph", "define", "no_grad", "get data", "autograd.Function"})
    for number in range(150):
        program = written(number, Profile(banned=banned)).program
        assert check(program) == ()
        words = {word for step in flatten(program.steps) for word in words_of(step)}
        assert not words & banned


def test_verbs_have_names() -> None:
    program = written(3).program
    assert all(verb_of(step) for step in flatten(program.steps))


@pytest.mark.parametrize("looked", [False, True])
def test_no_write_to_a_view_whose_answer_depends_on_whether_somebody_looked(looked: bool) -> None:
    """A view whose base joined the graph refuses a write, unless its node was read before."""
    writer = Writer(DirectChooser(0), Profile(), TORCH)
    base = writer.input(torch.ones(2), requires_grad=False)
    source = writer.apply("neg", Ref(writer.input(torch.ones(2), requires_grad=True)))
    view = writer.apply("view", Ref(base), 2)
    assert settled(writer)(writer[view])
    writer.write("copy_", Ref(base), Ref(source))
    assert not settled(writer)(writer[view])
    if looked:
        assert not writer[view].is_leaf
    assert writer.write("mul_", Ref(view), 2) == looked


def test_no_write_to_memory_of_a_view_that_was_cut_from_the_graph_at_its_base() -> None:
    """Torch takes such a view again, and finds that there is no node to give it."""
    writer = Writer(DirectChooser(0), Profile(), TORCH)
    base = writer.input(torch.ones(2, dtype=torch.complex64), requires_grad=True)
    view = writer.apply("conj", Ref(base))
    writer.write("detach_", Ref(base))
    assert not settled(writer)(writer[base])
    writer.write("mul_", Ref(base), 2)
    assert not writer.apply("sum", Ref(view))


def test_a_tensor_without_memory_is_nobody_s_neighbour() -> None:
    """Torch's immutable zeros, which the gradient of `sgn` is made of, have no address to ask for."""
    writer = Writer(DirectChooser(0), Profile(), TORCH)
    leaf = writer.input(torch.ones(2), requires_grad=True)
    zeros = writer.apply("sgn", Ref(leaf))
    writer.run.environment[zeros] = torch._efficientzerotensor(2)
    assert settled(writer)(writer[zeros])
    assert settled(writer)(writer[leaf])
