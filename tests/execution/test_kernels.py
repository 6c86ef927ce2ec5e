"""TF32 and reductions in half precision are off while a program runs on a machine with a GPU, and afterwards
as they were. A build of torch for the CPU has the settings too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import torch

from gradconform.engines.torch import TorchEngine
from gradconform.execution import kernels
from gradconform.execution.interpreter import run
from gradconform.execution.quick import Runner, outline

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

MATMUL = torch.backends.cuda.matmul
CUDNN: Any = torch.backends.cudnn


def settings() -> list[object]:
    return [
        MATMUL.fp32_precision,
        CUDNN.conv.fp32_precision,
        CUDNN.rnn.fp32_precision,
        MATMUL.allow_fp16_reduced_precision_reduction,
        MATMUL.allow_bf16_reduced_precision_reduction,
        MATMUL.allow_fp16_accumulation,
    ]


EXACT: list[object] = ["ieee", "ieee", "ieee", False, False, False]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """A machine whose torch says that it has a GPU, and its settings."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    kernels._has_gpu.cache_clear()
    before = settings()
    assert before != EXACT
    yield before
    assert settings() == before
    kernels._has_gpu.cache_clear()


class Watching(TorchEngine):
    """Notes the settings with which each operation is looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[object]] = []

    def operation(self, name: str) -> Callable[..., Any]:
        found = super().operation(name)

        def call(*arguments: Any, **options: Any) -> Any:
            self.seen.append(settings())
            return found(*arguments, **options)

        return call


def test_a_program_runs_with_them_and_ends_without(gpu: list[object], program: MakeProgram) -> None:
    engine = Watching()
    run(program("y = x * 2\nz = y.view(7)"), engine)
    Runner(engine).run(outline(program("y = x * 2")))
    assert engine.seen == [EXACT, EXACT, EXACT]
    assert settings() == gpu


def test_an_exception_ends_them_too(gpu: list[object]) -> None:
    with pytest.raises(KeyError), kernels.exactly():
        raise KeyError
    assert settings() == gpu


def test_split_sums_stay_as_they_were(gpu: list[object]) -> None:
    name = "allow_fp16_reduced_precision_reduction"
    setattr(MATMUL, name, (False, False))
    try:
        with kernels.exactly():
            assert not getattr(MATMUL, f"{name}_split_k")
        assert not getattr(MATMUL, f"{name}_split_k")
    finally:
        setattr(MATMUL, name, True)


def test_results_say_what_is_pinned_where_there_is_a_gpu_in_the_run(gpu: list[object]) -> None:
    assert kernels.pinned_on(("cpu", "cuda:1")) == kernels.PINNED
    assert kernels.pinned_on(("cpu", "meta")) == ()


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about a machine without a GPU")
def test_nothing_is_done_without_a_gpu() -> None:
    before = settings()
    with kernels.exactly():
        assert settings() == before
    assert kernels.pinned_on(("cuda",)) == ()
