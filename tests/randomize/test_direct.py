import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradconform.randomize.chooser import SEEDS, Choices, Chooser, raised_at
from gradconform.randomize.direct import DirectChooser, ReplayChooser, search


def some_choices(chooser: Chooser) -> list[object]:
    """A generator whose later choices depend on its earlier ones."""
    found: list[object] = []
    for _ in range(chooser.integer(1, 5)):
        if chooser.boolean():
            found.append(chooser.choice("abcdefg"))
        else:
            found.append(chooser.integer(-3, 3))
    found.append(chooser.seed())
    return found


def test_the_simplest_choices_are_the_lowest_the_first_false_and_zero() -> None:
    chooser = ReplayChooser(())
    assert chooser.integer(-2, 5) == -2
    assert chooser.choice(("first", "second")) == "first"
    assert chooser.boolean() is False
    assert chooser.seed() == 0
    assert chooser.choices == (0, 0, 0, 0)


@given(seed=st.integers(0, 2**64))
def test_every_choice_is_among_those_offered(seed: int) -> None:
    chooser = DirectChooser(seed)
    assert -7 <= chooser.integer(-7, 12) <= 12
    assert chooser.choice((3, 1, 4)) in (3, 1, 4)
    assert isinstance(chooser.boolean(), bool)
    assert 0 <= chooser.seed() < SEEDS


@pytest.mark.parametrize("bound", [2, 3, 7, 2**53 - 1, 2**53])
def test_the_largest_random_number_stays_below_the_bound(bound: int) -> None:
    chooser = DirectChooser(0)
    chooser._random = lambda: 1 - 2**-53
    assert chooser.below(bound) == bound - 1


def test_every_option_is_chosen_about_as_often() -> None:
    chooser = DirectChooser(3)
    counts = [0] * 5
    for _ in range(5000):
        counts[chooser.below(5)] += 1
    assert min(counts) > 850  # 5 standard deviations below 1000


@pytest.mark.parametrize("make", [lambda: DirectChooser(0), lambda: ReplayChooser(())])
def test_a_single_option_is_no_choice_and_none_is_an_error(make: type[Chooser]) -> None:
    chooser = make()
    assert chooser.choice(("only",)) == "only"
    assert chooser.integer(4, 4) == 4
    assert chooser.choices == ()
    with pytest.raises(ValueError, match="at least one"):
        chooser.choice(())


@given(seed=st.integers(0, 2**64))
def test_a_replay_makes_the_same_choices(seed: int) -> None:
    first = DirectChooser(seed)
    found = some_choices(first)
    again = ReplayChooser(first.choices)
    assert some_choices(again) == found
    assert again.choices == first.choices


@given(record=st.lists(st.integers()))
def test_any_integers_can_be_replayed_and_what_was_chosen_replays_to_itself(record: list[int]) -> None:
    first = ReplayChooser(record)
    found = some_choices(first)
    again = ReplayChooser(first.choices)
    assert some_choices(again) == found
    assert again.choices == first.choices


def test_a_fresh_chooser_goes_on_in_the_sequence_with_nothing_recorded() -> None:
    whole = DirectChooser(5)
    expected = [whole.below(1000) for _ in range(6)]
    first = DirectChooser(5)
    got = [first.below(1000) for _ in range(3)]
    second = first.fresh()
    assert second.choices == ()
    got += [second.below(1000) for _ in range(3)]
    assert got == expected
    assert first.choices + second.choices == whole.choices


def test_search_returns_the_first_failure_as_found() -> None:
    seen: list[Choices] = []

    def test(chooser: Chooser) -> None:
        number = chooser.integer(0, 99)
        seen.append(chooser.choices)
        if number > 90:
            raise ValueError(number)

    failure = search(test, examples=1000, seed=1)
    assert failure is not None
    assert failure.choices == seen[-1]
    assert failure.calls == len(seen)
    assert isinstance(failure.exception, ValueError)
    assert failure.exception.args == failure.choices
    assert all(number <= 90 for (number,) in seen[:-1])


def test_search_returns_nothing_when_every_example_passes() -> None:
    seen = []
    assert search(lambda chooser: seen.append(chooser.boolean()), examples=50, seed=1) is None
    assert len(seen) == 50


def test_an_origin_is_the_class_and_the_line() -> None:
    def fail(error: type[Exception]) -> Exception:
        try:
            raise error
        except (ValueError, KeyError) as exception:
            return exception

    assert raised_at(fail(ValueError)) == raised_at(fail(ValueError))
    assert raised_at(fail(ValueError)) != raised_at(fail(KeyError))
    assert raised_at(ValueError()) != raised_at(fail(ValueError))


def test_the_fast_backend_needs_neither_torch_nor_hypothesis() -> None:
    program = (
        "import gradconform.randomize.direct, sys; print({'torch', 'hypothesis', 'numpy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
