"""The compiled operations, by the name of their row in the table. A row is compiled when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .compile import Operation, compile_rule
from .rules import TABLE, formulas
from .views import connect

if TYPE_CHECKING:
    from .tensor import Tensor


class _Operations(dict[str, "Operation"]):
    """Compiles what is asked for and not there yet: the whole table at once takes seconds."""

    def __missing__(self, name: str) -> Operation:
        operation = self[name] = compile_rule(TABLE[name], self)
        return operation


OPERATIONS: dict[str, Operation] = _Operations()

connect(OPERATIONS)
formulas.connect(OPERATIONS)


def apply(name: str, *args: Any) -> Tensor:
    """Run the operation `name` on its tensors and arguments."""
    return OPERATIONS[name].apply(*args)  # type: ignore[no-any-return]
