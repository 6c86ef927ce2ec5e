"""Turns the rows of the derivative table into code.

Each row becomes node classes, one for each set of inputs that require grad, and a function that runs the
kernel and records a node. What a general interpreter would look up for each call (which inputs need a
gradient, what to save, which formula to evaluate) is thus settled once. The table stays the one source:
nothing here knows any operation.

Each class exists in two variants. In the plain one all tensors are real and have the shape (for an
elementwise operation) and the dtype of the result: the formulas then give gradients of the right shape and
dtype, and conjugation does nothing. The general variant keeps shapes and dtypes and makes each gradient
fit.

The text is made in `generate`; tracebacks show it.
"""

from __future__ import annotations

import functools
import linecache
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from . import grad_mode
from .accumulate import accumulator, beside
from .generate import pull_source, source
from .generate_nodes import vjp
from .levels import LEVELS
from .node import LEAF, OBSERVERS, SEQUENCE, UNTRACKED, check_saved, freed, note_version, observe
from .operands import refuse_operands, refuse_untold
from .optional import optional
from .outputs import separate
from .placement import placed
from .rules.formulas import FUNCTIONS, fit
from .rules.registry import Rule
from .saved import SavedNode, result_data, unpack, unpack_result
from .scalars import number
from .several import SeveralNode, attach, unpack_output
from .tangents import push, push_several, push_view
from .tensor import Tensor
from .versions import UNCOUNTED, VersionCounter, counter_of
from .views import track

PLAIN = frozenset((torch.float16, torch.bfloat16, torch.float32, torch.float64))


@dataclass(frozen=True, slots=True)
class Operation:
    """A compiled row.

    `apply(*tensors, *args)` runs the operation and records it if grad mode and its inputs ask for it. It
    returns NotImplemented for an operand that is neither tensor nor number. `record(out, *tensors, *args)`
    only records, with `out` as the result of the operation; an operation with several results is recorded
    by `apply` alone, and has None there. `pull(name)` returns the formula for the tensor
    `name` as a function on refgrad tensors, of the cotangent, the result, the tensors and the arguments;
    `pull(name, fitted=False)` what it is before it is made a gradient of that tensor.
    """

    rule: Rule
    apply: Callable[..., Any]
    record: Any
    pull: Callable[..., Callable[..., Any]]


def compile_rule(rule: Rule, operations: dict[str, Operation]) -> Operation:
    """Compile one row; formulas find the refgrad operations they use in `operations` when they run."""
    text = source(rule)
    filename = f"<refgrad rule {rule.name}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    space: dict[str, Any] = {
        "OBSERVERS": OBSERVERS,
        "SavedNode": SavedNode,
        "SeveralNode": SeveralNode,
        "Tensor": Tensor,
        "VersionCounter": VersionCounter,
        "LEAF": LEAF,
        "UNCOUNTED": UNCOUNTED,
        "UNTRACKED": UNTRACKED,
        "LEVELS": LEVELS,
        "PLAIN": PLAIN,
        "SEQUENCE": SEQUENCE,
        "accumulator": accumulator,
        "attach": attach,
        "beside": beside,
        "check_saved": check_saved,
        "counter_of": counter_of,
        "fit": fit,
        "freed": freed,
        "fresh": Tensor._of,
        "mode": grad_mode.mode,
        "new": object.__new__,
        "not_implemented": _not_implemented,
        "note_version": note_version,
        "number": number,
        "partial": functools.partial,
        "placed": placed,
        "track": track,
        "observe": observe,
        "refuse_operands": refuse_operands,
        "refuse_untold": refuse_untold,
        "result_data": result_data,
        "separate": separate,
        "unpack": unpack,
        "unpack_output": unpack_output,
        "unpack_result": unpack_result,
    }
    for name, (on_data, on_tensors) in FUNCTIONS.items():
        space[name] = on_data
        space[f"{name}_graph"] = _late(operations, on_tensors) if isinstance(on_tensors, str) else on_tensors
    space["some_of"] = functools.cache(functools.partial(_some_of, rule, space))
    exec(compile(text, filename, "exec"), space)  # noqa: S102 - the text is generated from the table alone
    pull = functools.cache(functools.partial(_pull, rule, space))
    partial = functools.partial
    if rule.view:
        space["push"] = partial(push_view, space["apply"])
    else:
        space["push"] = partial(push_several if rule.outputs else push, rule, pull)
    return Operation(rule, space["apply"], space.get("record"), pull)


def _pull(rule: Rule, space: dict[str, Any], name: str, *, fitted: bool = True) -> Callable[..., Any]:
    """Compile the formula of `rule` for the tensor `name` by itself, with the names in `space`."""
    made = _made(pull_source(rule, name, fitted=fitted), f"<refgrad rule {rule.name}, {name}>", space)
    return made["pull"]  # type: ignore[no-any-return]


def _some_of(  # noqa: PLR0917 - what there is a function for
    rule: Rule, space: dict[str, Any], mask: int, plain: bool, wanted: tuple[bool, ...], graph: bool
) -> Callable[..., Any]:
    """Compile `vjp` or `vjp_graph` of the class of `rule` with that mask, for the wanted gradients alone."""
    text = "\n".join(vjp(rule, mask, plain, graph, wanted)) + "\n"
    made = _made(text, f"<refgrad rule {rule.name}, {mask} {plain} {graph} {wanted}>", space)
    return made["vjp_graph" if graph else "vjp"]  # type: ignore[no-any-return]


def _made(text: str, filename: str, space: dict[str, Any]) -> dict[str, Any]:
    """What a text defines, where the names in `space` are known."""
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    made: dict[str, Any] = {}
    exec(compile(text, filename, "exec"), space, made)  # noqa: S102 - the text is generated from the table alone
    return made


def _late(operations: dict[str, Operation], name: str) -> Callable[..., Any]:
    """Return the refgrad operation `name`, looked up when it is called; numbers may stand for its tensors,
    and None for one that is absent.
    """

    def call(*args: Any) -> Any:
        operation = operations[name]
        tensors = len(operation.rule.tensors)
        operands = [_operand(arg) if index < tensors else arg for index, arg in enumerate(args)]
        return operation.apply(*operands)

    return call


def _operand(arg: Any) -> Any:
    return Tensor._of(torch.tensor(arg)) if isinstance(arg, int | float) else optional(arg)


def _not_implemented(name: str, entry: str | None) -> RuntimeError:
    if entry is not None:
        return NotImplementedError(f"the derivative for '{entry}' is not implemented.")
    return RuntimeError(f"derivative for aten::{name} is not implemented")
