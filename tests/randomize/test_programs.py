import pytest
import torch

from gradconform.errors import UsageError
from gradconform.program.names import refs, targets, uses
from gradconform.program.steps import Apply, Backward, Program, Ref, flatten
from gradconform.program.vocabulary import OPERATORS
from gradconform.randomize import with_hypothesis
from gradconform.randomize.chooser import Chooser
from gradconform.randomize.direct import DirectChooser, ReplayChooser, search
from gradconform.randomize.programs import _ROWS, random_program
from gradconform.randomize.programs import OPERATORS as OPERATORS_IN_ORDER


def run(program: Program) -> dict[str, torch.Tensor]:
    """Runs a program in plain torch, with nothing of the harness between."""
    live = {item.name: item.data.clone().requires_grad_(item.requires_grad) for item in program.inputs}
    for step in program.steps:
        match step:
            case Apply(target=str() as target, operator=operator, arguments=arguments):
                live[target] = getattr(torch, operator)(
                    *(live[name] for one in arguments for name in refs(one))
                )
            case Backward(arguments=(Ref(name),)):
                live[name].backward()  # type: ignore[no-untyped-call]
            case _:
                pytest.fail(f"an unexpected step: {step}")
    return live


def programs(count: int, seed: int = 0, **options: object) -> list[Program]:
    chooser = DirectChooser(seed)
    return [random_program(chooser.fresh(), **options) for _ in range(count)]  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_runs_every_program_to_finite_numbers(dtype: str) -> None:
    for program in programs(500, dtype=dtype):
        live = run(program)
        leaves = [live[item.name] for item in program.inputs]
        assert live["total"].isfinite()
        assert any(leaf.grad is not None for leaf in leaves)
        assert all(leaf.grad is None or leaf.grad.isfinite().all() for leaf in leaves)


def test_programs_are_valid_and_of_the_size_asked_for() -> None:
    for program in programs(500, steps=12, shape=(2, 5)):
        live = {item.name for item in program.inputs}
        assert all(item.data.shape == (2, 5) and item.requires_grad for item in program.inputs)
        assert all(item.data.is_contiguous() for item in program.inputs)
        for step in flatten(program.steps):
            assert set(uses(step)) <= live
            assert not live & set(targets(step))
            live |= set(targets(step))
        *applied, total, backward = program.steps
        assert len(applied) <= 12
        assert isinstance(total, Apply)
        assert total.operator == "sum"
        assert isinstance(backward, Backward)


def test_programs_have_fan_out_reuse_depth_and_every_smooth_operator() -> None:
    operators: set[str] = set()
    fan_out = squares = full = 0
    sizes = set()
    for program in programs(500):
        applied = [step for step in program.steps if isinstance(step, Apply)][:-1]
        operators |= {step.operator for step in applied}
        used = [name for step in applied for name in uses(step)]
        fan_out += len(used) > len(set(used))
        squares += any(len(set(uses(step))) < len(step.arguments) for step in applied)
        full += len(applied) == 8
        sizes.add(len(program.inputs))
    kinked = {"abs", "relu", "maximum", "minimum"}
    assert operators == {row.name for row in OPERATORS.values() if row.hole} - kinked
    assert fan_out > 400
    assert squares > 50
    assert full > 450
    assert sizes == {2, 3}


def test_the_simplest_program_sums_a_leaf() -> None:
    program = random_program(ReplayChooser(()))
    assert [type(step) for step in program.steps] == [Apply, Backward]
    assert program.inputs[0].data.tolist() == [[1, 2, 3], [4, 5, 6], [-1, -2, -3]]


@pytest.mark.parametrize("seed", range(6))
def test_a_failing_program_shrinks_to_the_steps_it_needs(seed: int) -> None:
    def test(chooser: Chooser) -> None:
        program = random_program(chooser)
        roots = {name for step in program.steps if _applies(step, "tanh") for name in targets(step)}
        if any(_applies(step, "mul") and roots & set(uses(step)) for step in program.steps):
            raise ValueError

    found = search(test, examples=10_000, seed=seed)
    assert found is not None
    smallest = with_hypothesis.shrink(test, found)
    program = random_program(ReplayChooser(smallest.choices))
    assert [step.operator for step in program.steps if isinstance(step, Apply)] == ["tanh", "mul", "sum"]
    assert len(program.inputs) == 2
    assert program.inputs[0].data.flatten()[0] == 1
    assert smallest.calls < 500


def _applies(step: object, operator: str) -> bool:
    return isinstance(step, Apply) and step.operator == operator


def test_the_same_choices_give_an_equal_program() -> None:
    chooser = DirectChooser(5)
    for _ in range(50):
        chooser = chooser.fresh()
        program = random_program(chooser)
        again = random_program(ReplayChooser(chooser.choices))
        assert again.steps == program.steps
        assert all(
            torch.equal(one.data, other.data) for one, other in zip(again.inputs, program.inputs, strict=True)
        )


def test_where_an_operator_gives_way_a_simpler_choice_gives_the_same() -> None:
    for rows in _ROWS.values():
        for place, (name, _, _) in enumerate(rows):
            assert OPERATORS_IN_ORDER.index(name) <= place


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64"])
def test_a_dtype_without_an_implicit_gradient_is_refused(dtype: str) -> None:
    with pytest.raises(UsageError, match=f"{dtype} does not have"):
        random_program(DirectChooser(0), dtype=dtype)
