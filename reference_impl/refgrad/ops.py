"""The compiled operations, by the name of their row in the table."""

from __future__ import annotations

from .compile import Operation, compile_rule
from .rules import TABLE

OPERATIONS: dict[str, Operation] = {}
for _rule in TABLE.values():
    OPERATIONS[_rule.name] = compile_rule(_rule, OPERATIONS)
