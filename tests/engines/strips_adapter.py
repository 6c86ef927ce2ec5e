"""strips for gradconform, as docs/adapters.md says how."""

from typing import Any

import strips  # type: ignore[import-not-found]
import torch

from gradconform.engines import Unsupported
from gradconform.engines.by_table import TableEngine


def plus(input: Any, other: Any) -> Any:
    return input.plus(other) if isinstance(input, strips.Strip) else other.plus(input)


def times(input: Any, other: Any) -> Any:
    return input.times(other) if isinstance(input, strips.Strip) else other.times(input)


class Strips(TableEngine):
    def __init__(self) -> None:
        super().__init__(
            strips,
            tensor=strips.Strip,
            name="strips",
            operators={
                "add": plus,
                "mul": times,
                "neg": lambda input: input.times(-1.0),
                "sub": lambda input, other: plus(input, times(other, -1.0)),
                "pow": strips.Strip.power,
                "exp": strips.Strip.grown,
                "sum": lambda input: input.total(),
                "ones_like": lambda input: strips.Strip([1.0] * len(input.cells), input.row),
            },
            dtypes={"float64": float},
            attributes={"grad": lambda x: x.slope, "requires_grad": lambda x: x.trace},
            retains=True,
        )

    def made(self, tensor: torch.Tensor, *, requires_grad: bool) -> strips.Strip:
        if tensor.dim() > 1:
            raise Unsupported("more than one dimension")
        return strips.Strip(tensor.reshape(-1).tolist(), row=tensor.dim() == 1, trace=requires_grad)

    def to_torch(self, handle: strips.Strip) -> torch.Tensor:
        cells = torch.tensor(handle.cells, dtype=torch.float64)
        return cells if handle.row else cells.reshape(())

    def run_backward(self, root: strips.Strip, gradient: strips.Strip | None) -> None:
        root.unroll(gradient)

    def lacks(self, error: Exception) -> bool:
        return isinstance(error, TypeError)  # numbers of a kind that it does not compute with
