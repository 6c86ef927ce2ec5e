import math
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradconform.errors import UsageError
from gradconform.randomize.values import DOMAINS, SIMPLE, fill
from gradconform.spec.dtypes import COMPLEX, DTYPES, FLOATING

shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
seeds = st.integers(0, SIMPLE) | st.integers(0, 2**53 - 1)


def parts(data: torch.Tensor) -> list[list[float]]:
    """The numbers of a tensor; those of a complex one as two lists."""
    if data.is_complex():
        return [*parts(data.real), *parts(data.imag)]
    return [data.flatten().tolist()]


MEMBERS: dict[str, Callable[[list[float]], bool]] = {
    "real": lambda numbers: all(abs(number) <= 6 for number in numbers),
    "positive": lambda numbers: all(0 < number <= 6 for number in numbers),
    "nonzero": lambda numbers: all(0.25 <= abs(number) <= 6 for number in numbers),
    "distinct": lambda numbers: len(set(numbers)) == len(numbers),
    "ties": lambda numbers: len(numbers) < 2 or len(set(numbers)) < len(numbers),
    "kinks": lambda numbers: {abs(number) for number in numbers} <= {0, 0.5, 1, 2, 3, 6},
    "special": lambda _: True,
    "dyadic": lambda numbers: all((4 * number).is_integer() for number in map(float, numbers)),
}


def test_every_domain_has_its_members_stated() -> None:
    assert set(MEMBERS) == set(DOMAINS)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("domain", DOMAINS)
@settings(max_examples=60)
@given(shape=shapes, seed=seeds)
@example(shape=(2,), seed=0)
@example(shape=(3, 4), seed=0)
@example(shape=(2,), seed=SIMPLE)
def test_numbers_lie_in_their_domain(domain: str, dtype: str, shape: tuple[int, ...], seed: int) -> None:
    if dtype == "bool" and domain == "distinct":
        shape = (min(math.prod(shape), 2),)
    data = fill(domain, shape, dtype, seed)
    assert data.shape == shape
    assert data.dtype == getattr(torch, dtype)
    assert data.device.type == "cpu"
    assert data.is_contiguous()
    assert not data.requires_grad
    if domain in {"distinct", "ties"}:
        assert MEMBERS[domain](data.flatten().tolist())
    assert all(MEMBERS[domain](numbers) for numbers in parts(data))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_seed_decides_and_seeds_differ(domain: str, dtype: str) -> None:
    if dtype == "bool":
        return  # too few truth values to tell two seeds apart
    shape = (20,)
    torch.manual_seed(1)
    first = [fill(domain, shape, dtype, seed) for seed in range(40)]
    torch.manual_seed(2)
    again = [fill(domain, shape, dtype, seed) for seed in range(40)]
    assert all(repr(one.tolist()) == repr(other.tolist()) for one, other in zip(first, again, strict=True))
    assert len({repr(one.tolist()) for one in first}) > 30


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("real", [1, 2, 3, 4]),
        ("positive", [1, 2, 3, 4]),
        ("nonzero", [1, 2, 3, 4]),
        ("distinct", [1, 2, 3, 4]),
        ("ties", [1, 1, 2, 2]),
        ("kinks", [0, 1, -1, 0.5]),
        ("special", [0, -0.0, math.inf, -math.inf]),
        ("dyadic", [1, 0.5, 2, -1]),
    ],
)
def test_seed_zero_gives_the_simplest_numbers(domain: str, expected: list[float]) -> None:
    assert repr(fill(domain, (4,), "float32", 0).tolist()) == repr([float(number) for number in expected])


@pytest.mark.parametrize("seed", range(SIMPLE))
def test_small_seeds_give_numbers_that_read_well(seed: int) -> None:
    for domain in ("real", "positive", "nonzero", "ties", "distinct"):
        assert all((4 * number).is_integer() for number in fill(domain, (9,), "float64", seed).tolist())


@pytest.mark.parametrize("dtype", FLOATING)
@given(seed=seeds)
def test_sums_of_products_of_dyadic_numbers_are_exact(dtype: str, seed: int) -> None:
    a, b = (fill("dyadic", (64,), dtype, seed + offset) for offset in (0, 1))
    exact = (a.double() * b.double()).sum()
    total = torch.zeros((), dtype=a.dtype)
    for product in a * b:
        total = total + product
    assert total.double() == exact


@pytest.mark.parametrize("dtype", FLOATING)
def test_every_special_number_comes(dtype: str) -> None:
    numbers = torch.cat([fill("special", (100,), dtype, seed) for seed in range(20, 60)])
    info = torch.finfo(getattr(torch, dtype))
    finite = numbers[numbers.isfinite()]
    assert numbers.isnan().any()
    assert set(numbers[numbers.isinf()].tolist()) == {math.inf, -math.inf}
    assert {math.copysign(1, number) for number in finite[finite == 0].tolist()} == {1.0, -1.0}
    assert ((finite.abs() > 0) & (finite.abs() < info.smallest_normal)).any()
    assert (finite.abs() == info.smallest_normal).any()
    assert set(finite[finite.abs() == info.max].tolist()) == {info.max, -info.max}
    ordinary = finite[(finite.abs() > 0.01) & (finite.abs() < 4)]
    assert len(set(ordinary.tolist())) > 100


@given(seed=seeds)
def test_float16_survives_a_cube_and_an_exp(seed: int) -> None:
    x = fill("real", (64,), "float16", seed)
    assert (x * x * x).isfinite().all()
    assert x.exp().isfinite().all()


@pytest.mark.parametrize("domain", ["real", "positive", "nonzero", "kinks", "dyadic"])
@pytest.mark.parametrize("seed", [0, 3, 12345])
def test_the_numbers_of_a_seed_are_the_same_in_every_dtype_up_to_rounding(domain: str, seed: int) -> None:
    exact = fill(domain, (3, 5), "float64", seed)
    for dtype in ("float16", "float32"):
        narrow = fill(domain, (3, 5), dtype, seed)
        assert torch.equal(narrow, exact.to(narrow.dtype))


@pytest.mark.parametrize(("dtype", "most"), [("bfloat16", 513), ("float16", 4097), ("bool", 2)])
@pytest.mark.parametrize("seed", [0, 5, 99])
def test_a_dtype_is_asked_for_no_more_distinct_numbers_than_it_has(dtype: str, most: int, seed: int) -> None:
    assert len(set(fill("distinct", (most,), dtype, seed).tolist())) == most
    with pytest.raises(UsageError, match=f"{dtype} has no {most + 1} distinct numbers"):
        fill("distinct", (most + 1,), dtype, seed)


def test_a_large_tensor_of_distinct_numbers() -> None:
    for dtype in ("float32", "float64", "int32", "int64", "complex64"):
        data = fill("distinct", (1000, 1000), dtype, 99)
        part = data.real if dtype in COMPLEX else data
        assert int((part.flatten().sort().values.diff() > 0).sum()) == 10**6 - 1


def test_an_unknown_domain_is_named_with_those_that_exist() -> None:
    with pytest.raises(UsageError, match="'rael' is none of real, positive"):
        fill("rael", (2,), "float32", 0)


PROBE = """
import torch
from gradconform.randomize.values import DOMAINS, fill
torch.manual_seed({seed})
torch.set_default_dtype(torch.{dtype})
torch.rand({seed})
for dtype in ("float32", "complex64", "int64"):
    print([fill(domain, (5,), dtype, seed).tolist() for domain in DOMAINS for seed in (0, 7, 2**52)])
state = torch.random.get_rng_state()
fill("real", (5,), "float32", 9)
assert torch.equal(state, torch.random.get_rng_state())
"""


def test_another_process_with_other_global_state_gets_the_same_numbers() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROBE.format(seed=seed, dtype=dtype)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, dtype in ((1, "float32"), (2, "float64"))
    }
    assert len(outputs) == 1
