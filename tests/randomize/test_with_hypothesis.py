import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import configuration
from hypothesis.errors import Flaky

from gradconform.randomize import direct, with_hypothesis
from gradconform.randomize.chooser import Choices, Chooser, Failure


def long_sum(chooser: Chooser) -> None:
    numbers = [chooser.integer(0, 9) for _ in range(chooser.integer(0, 20))]
    chooser.seed()
    if chooser.boolean() and sum(numbers) > 30:
        raise ValueError(numbers)


def far_away(chooser: Chooser) -> None:
    if chooser.integer(-50, 500) >= 123:
        raise ValueError


def second_word(chooser: Chooser) -> None:
    words = [chooser.choice(("ant", "bee", "cat", "dog")) for _ in range(4)]
    if words.count("cat") >= 2:
        raise ValueError(words)


def large_seed(chooser: Chooser) -> None:
    if chooser.seed() >= 10**6:
        raise ValueError


MINIMA: list[tuple[Callable[[Chooser], None], Choices]] = [
    (long_sum, (4, 4, 9, 9, 9, 0, 1)),
    (far_away, (173,)),
    (second_word, (0, 0, 2, 2)),
    (large_seed, (10**6,)),
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("test", "minimum"), MINIMA, ids=lambda value: getattr(value, "__name__", ""))
def test_a_failure_of_the_direct_backend_shrinks_to_the_minimum(
    test: Callable[[Chooser], None], minimum: Choices, seed: int
) -> None:
    found = direct.search(test, examples=1000, seed=seed)
    assert found is not None
    smallest = with_hypothesis.shrink(test, found)
    assert smallest.choices == minimum
    assert not smallest.flaky
    assert type(smallest.exception) is ValueError
    assert smallest.calls < 500


@pytest.mark.parametrize(("test", "minimum"), MINIMA, ids=lambda value: getattr(value, "__name__", ""))
def test_a_search_finds_and_shrinks(test: Callable[[Chooser], None], minimum: Choices) -> None:
    failure = with_hypothesis.search(test, examples=1000, seed=0)
    assert failure is not None
    assert failure.choices == minimum
    assert not failure.flaky


def test_choices_cross_to_hypothesis_and_back_unchanged() -> None:
    seen: list[tuple[Choices, list[int]]] = []

    def test(chooser: Chooser) -> None:
        drawn = [chooser.integer(5, 90), chooser.seed(), chooser.integer(-3, 2**40), int(chooser.boolean())]
        seen.append((chooser.choices, drawn))
        raise ValueError

    found = Failure((77, 2**52 + 12345, 2**39 + 1, 1), ValueError())
    with_hypothesis.shrink(test, found, calls=3)
    assert seen[0][0] == seen[1][0] == found.choices
    assert seen[0][1] == seen[1][1] == [82, 2**52 + 12345, 2**39 - 2, 1]


def test_shrinking_keeps_to_the_failure_it_started_from() -> None:
    def test(chooser: Chooser) -> None:
        number = chooser.integer(0, 50)
        if number > 40:
            raise ValueError
        if number > 5:
            raise KeyError

    assert with_hypothesis.shrink(test, Failure((45,), ValueError())).choices == (41,)
    assert with_hypothesis.shrink(test, Failure((45,), ValueError()), origin=lambda _: 0).choices == (6,)


def test_shrinking_stops_at_its_limit_of_calls() -> None:
    calls = 0

    def test(chooser: Chooser) -> None:
        nonlocal calls
        calls += 1
        long_sum(chooser)

    found = direct.search(long_sum, examples=1000, seed=0)
    assert found is not None
    smallest = with_hypothesis.shrink(test, found, calls=40)
    assert smallest.calls == calls == 41  # one more confirms the result
    assert len(smallest.choices) <= len(found.choices)
    with pytest.raises(ValueError, match="9"):
        long_sum(direct.ReplayChooser(smallest.choices))


def test_a_failure_that_does_not_come_back_is_flaky() -> None:
    failure = with_hypothesis.shrink(lambda _: None, Failure((3, 1), ValueError("once")))
    assert failure.flaky
    assert failure.choices == (3, 1)
    assert str(failure.exception) == "once"


def test_a_failure_that_stops_during_the_search_is_flaky() -> None:
    calls = 0

    def test(chooser: Chooser) -> None:
        nonlocal calls
        calls += 1
        chooser.integer(0, 10**6)
        if calls == 20:
            raise ValueError("once")

    failure = with_hypothesis.search(test, examples=100, seed=0)
    assert failure is not None
    assert failure.flaky
    assert str(failure.exception) == "once"


def test_a_test_that_draws_differently_each_time_is_flaky_too() -> None:
    calls = 0

    def test(chooser: Chooser) -> None:
        nonlocal calls
        calls += 1
        for _ in range(calls % 5):
            chooser.integer(0, 10)

    failure = with_hypothesis.search(test, examples=100, seed=0)
    assert failure is not None
    assert failure.flaky
    assert isinstance(failure.exception, Flaky)


def test_every_example_passing_is_no_failure() -> None:
    calls = 0

    def test(chooser: Chooser) -> None:
        nonlocal calls
        calls += 1
        chooser.seed()

    assert with_hypothesis.search(test, examples=50, seed=0) is None
    assert calls == 50


def test_on_failure_hears_of_ever_smaller_failures() -> None:
    heard: list[Failure] = []
    failure = with_hypothesis.search(long_sum, examples=1000, seed=2, on_failure=heard.append)
    assert failure is not None
    sizes = [(len(one.choices), one.choices) for one in heard]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) > 3
    assert heard[-1].choices == failure.choices


def test_an_interruption_is_passed_on() -> None:
    def test(chooser: Chooser) -> None:
        if chooser.integer(0, 9) > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with_hypothesis.search(test, examples=100, seed=0)


def test_the_home_of_hypothesis_is_put_back() -> None:
    before = vars(configuration)["__hypothesis_home_directory"]
    with_hypothesis.search(long_sum, examples=30, seed=0)
    assert vars(configuration)["__hypothesis_home_directory"] == before


PROBE = """
import sys
{preparation}
from gradconform.randomize import direct, with_hypothesis
seen = []
def test(chooser):
    chooser.integer(0, 9), chooser.seed(), chooser.integer(0, 10 ** 6)
    seen.append(chooser.choices)
with_hypothesis.search(test, examples=300, seed=4)
def fails(chooser):
    test(chooser)
    if len(chooser.choices) and chooser.choices[1] > 10 ** 5:
        raise ValueError
seen.append(with_hypothesis.shrink(fails, direct.search(fails, examples=9, seed=4)).choices)
print(seen)
"""


def probe(directory: Path, preparation: str = "") -> str:
    run = subprocess.run(
        [sys.executable, "-c", PROBE.format(preparation=preparation)],
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


def test_the_seed_alone_decides_and_nothing_is_left_in_the_working_directory(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    expected = probe(first)
    assert len(expected) > 3000
    assert list(first.iterdir()) == []
    # hypothesis would draw the constants of this module, were it not for the offset of large ranges.
    (second / "local.py").write_text(f"NUMBERS = {[7 * 10**4 + 13 * number for number in range(900)]}\n")
    assert probe(second, "sys.path.insert(0, '.'); import local") == expected
    assert [path.name for path in second.iterdir() if path.name != "__pycache__"] == ["local.py"]
