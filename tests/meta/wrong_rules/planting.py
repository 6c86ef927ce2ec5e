"""Rows of refgrad replaced and watched while it runs.

Other modules hold the functions of a compiled row since they were imported, so these keep their identity:
their code is replaced, and the names that it is run with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from types import FunctionType, MappingProxyType
from typing import Any

import torch

import refgrad.ops
from refgrad import Tensor
from refgrad.compile import Operation, compile_rule
from refgrad.ops import OPERATIONS
from refgrad.rules import Rule
from refgrad.saved import SavedNode
from refgrad.several import SeveralNode

CALLS = 8
"""So many calls of a row are kept, of shapes, dtypes and arguments of their own."""


def wrong(rule: Rule, formulas: Mapping[str, str], *, forward_mode: bool = False) -> Rule:
    """The row with other formulas, or others for forward mode; it saves what they use."""
    if forward_mode:
        return replace(rule, forward_mode=MappingProxyType({**rule.forward_mode, **formulas}))
    changed = replace(rule, derivatives=MappingProxyType({**rule.derivatives, **formulas}))
    used = set().union(*(changed.names_in(tensor) for tensor in changed.tensors))
    kept = tuple(name for name in rule.saves if name in used)
    new = tuple(name for name in (*rule.tensors, *rule.results) if name in used and name not in kept)
    return replace(changed, saves=(*kept, *new))


@contextmanager
def planted(rule: Rule) -> Iterator[None]:
    """refgrad with this row in the place of the one of its name."""
    right = OPERATIONS[rule.name]
    space = right.apply.__globals__
    before = dict(space)
    made = compile_rule(rule, OPERATIONS)
    functions = [name for name in ("apply", "record") if isinstance(getattr(right, name), FunctionType)]
    codes = {name: getattr(right, name).__code__ for name in functions}
    space.update({name: value for name, value in made.apply.__globals__.items() if name not in functions})
    for name in functions:
        getattr(right, name).__code__ = getattr(made, name).__code__
    OPERATIONS[rule.name] = replace(made, apply=right.apply, record=right.record)
    try:
        yield
    finally:
        OPERATIONS[rule.name] = right
        for name, code in codes.items():
            getattr(right, name).__code__ = code
        space.clear()
        space.update(before)


Call = tuple[Any, ...]
"""The operands and arguments of a row, tensors as plain data."""


@dataclass(slots=True)
class Seen:
    """What a run of refgrad used. rows: those of which a derivative was taken. calls: by row, some of its
    calls."""

    rows: set[str] = field(default_factory=set)
    calls: dict[str, dict[object, Call]] = field(default_factory=dict)

    def called(self, name: str, args: Sequence[Any]) -> None:
        known = self.calls.setdefault(name, {})
        if len(known) < CALLS:
            known.setdefault(tuple(map(_look, args)), tuple(map(_data, args)))


def _look(arg: Any) -> object:
    return (tuple(arg._data.shape), arg._data.dtype) if isinstance(arg, Tensor) else repr(arg)


def _data(arg: Any) -> Any:
    return arg._data.detach().clone() if isinstance(arg, Tensor) else arg


@contextmanager
def watched(seen: Seen) -> Iterator[None]:
    """refgrad with every row telling of its use, those too that are compiled meanwhile."""
    with ExitStack() as stack:
        for operation in [*OPERATIONS.values()]:
            stack.enter_context(_watched(operation, seen))

        def compile_watched(rule: Rule, operations: dict[str, Operation]) -> Operation:
            operation = compile_rule(rule, operations)
            stack.enter_context(_watched(operation, seen))
            return operation

        vars(refgrad.ops)["compile_rule"] = compile_watched
        stack.callback(vars(refgrad.ops).__setitem__, "compile_rule", compile_rule)
        yield


@contextmanager
def _watched(operation: Operation, seen: Seen) -> Iterator[None]:
    name, space = operation.rule.name, operation.apply.__globals__
    before = dict(space)

    def used(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            seen.rows.add(name)
            return function(*args)

        return call

    classes = [
        value
        for value in before.values()
        if isinstance(value, type) and issubclass(value, SavedNode) and value not in (SavedNode, SeveralNode)
    ]
    methods = [(kind, which, vars(kind)[which]) for kind in classes for which in ("vjp", "vjp_graph")]
    for kind, which, function in methods:
        setattr(kind, which, used(function))
    space["push"] = used(space["push"])
    codes = {}
    for which in ("apply", "record"):
        function = getattr(operation, which)
        if isinstance(function, FunctionType):
            real = FunctionType(function.__code__, space, which)
            first = 0 if which == "apply" else 1
            space[f"watched_{which}"] = _telling(real, seen, name, first)
            codes[which] = function.__code__
            function.__code__ = (_apply if which == "apply" else _record).__code__
    try:
        yield
    finally:
        for which, code in codes.items():
            getattr(operation, which).__code__ = code
        for kind, which, function in methods:
            setattr(kind, which, function)
        space.clear()
        space.update(before)


def _telling(function: Callable[..., Any], seen: Seen, name: str, first: int) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        seen.called(name, args[first:])
        return function(*args)

    return call


# The code of a watched row's functions, which runs with the names of the row.


def _apply(*args: Any) -> Any:
    return watched_apply(*args)  # type: ignore[name-defined]  # noqa: F821


def _record(*args: Any) -> Any:
    return watched_record(*args)  # type: ignore[name-defined]  # noqa: F821


def whole_arguments(rule: Rule, calls: Sequence[Call]) -> frozenset[str]:
    """The arguments of a row that were whole numbers in all of its calls."""
    columns = zip(*(call[len(rule.tensors) :] for call in calls), strict=False)
    return frozenset(
        name
        for name, values in zip(rule.args, columns, strict=False)
        if all(type(value) is int for value in values)
    )


def differs(rule: Rule, other: Rule, calls: Sequence[Call]) -> bool | None:
    """Whether two rows that have other formulas give other gradients for any numbers, real or complex, in
    calls like these. None where none of them could be computed."""
    if rule.forward_mode == other.forward_mode:  # what is apart are the formulas of backward
        rule, other = (replace(each, forward_mode=MappingProxyType({})) for each in (rule, other))
    operation, changed = (compile_rule(each, OPERATIONS) for each in (rule, other))
    tensors = [name for name in (*rule.tensors, "grad") if rule.pulled(name) != other.pulled(name)]
    told = None
    for call in calls:
        for number, draw in enumerate(DRAWS):
            torch.manual_seed(number)
            pairs = _both(operation, changed, [_drawn(arg, draw) for arg in call], tensors)
            if any(_apart(*pair) for pair in pairs):
                return True
            told = False if pairs else told
    return told


def _both(
    operation: Operation, changed: Operation, operands: Sequence[Any], tensors: Sequence[str]
) -> list[tuple[Any, ...]]:
    """The gradients of these tensors by either formula; none where the right one cannot be computed."""
    rule = operation.rule
    try:
        with refgrad.no_grad():
            results = operation.apply(*operands)
            results = results if isinstance(results, tuple) else (results,)
            grads = [
                Tensor._of(torch.randn_like(result._data))
                for result, name in zip(results, rule.results, strict=True)
                if name not in rule.constants
            ]
            right = _pulled(operation, tensors, grads, [*results, *operands])
    except Exception:  # noqa: BLE001 - kernels refuse some numbers and dtypes in ways of their own
        return []
    try:
        with refgrad.no_grad():
            wrong = _pulled(changed, tensors, grads, [*results, *operands])
    except Exception:  # noqa: BLE001 - what cannot be computed is not the same
        wrong = [None] * len(right)
    return [*zip(right, wrong, strict=True)]


def _pulled(
    operation: Operation, tensors: Sequence[str], grads: Sequence[Tensor], rest: Sequence[Any]
) -> list[Any]:
    """The gradients of these tensors; those of forward mode less what they are for cotangents of zeros, since
    it transposes the formulas, and what they add to every cotangent does not count."""
    found = []
    for name in tensors:
        pull = operation.pull(name)
        gradient = pull(*grads, *rest)
        if name in operation.rule.forward_mode and gradient is not None:
            gradient = gradient - pull(*(refgrad.zeros_like(grad) for grad in grads), *rest)
        found.append(gradient)
    return found


Draw = Callable[[torch.Tensor], torch.Tensor]


def _complex(data: torch.Tensor) -> torch.Tensor:
    return torch.complex(data.double(), torch.randn(data.shape, dtype=torch.float64))


DRAWS: tuple[Draw, ...] = (
    lambda data: data * (0.5 + torch.rand(data.shape, dtype=torch.float64)),
    torch.randn_like,
    lambda data: torch.randint(-2, 3, data.shape).to(data.dtype),
    _complex,
)
"""Other numbers for a tensor: near its own, any, such that often hit a kink, complex ones."""


def _drawn(arg: Any, draw: Draw) -> Any:
    if not isinstance(arg, torch.Tensor):
        return arg
    if arg.is_complex():
        return Tensor._of(torch.randn_like(arg.to(torch.complex128)))
    return Tensor._of(draw(arg.double()) if arg.is_floating_point() else arg.clone())


def _apart(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is not b
    x, y = a._data, b._data
    if x.shape != y.shape or x.dtype != y.dtype:
        return True
    return not torch.allclose(x, y, rtol=1e-9, atol=1e-12, equal_nan=True)
