"""The compiled operations, by the name of their row in the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .compile import Operation, compile_rule
from .rules import TABLE
from .views import connect

if TYPE_CHECKING:
    from .tensor import Tensor

OPERATIONS: dict[str, Operation] = {}
for _rule in TABLE.values():
    OPERATIONS[_rule.name] = compile_rule(_rule, OPERATIONS)


connect(OPERATIONS)


def apply(name: str, *args: Any) -> Tensor:
    """Run the operation `name` on its tensors and arguments."""
    return OPERATIONS[name].apply(*args)  # type: ignore[no-any-return]
