"""Forward mode: how tangents go through operations.

Inside an open level (`levels`) every operation on a dual tensor gives its result the Jacobian-vector product
of its tangents. There is no second table of derivatives for that. The vector-Jacobian product that a row
states is linear in the cotangent, g -> J^H g, so its own vector-Jacobian product is J: refgrad writes the
formula of the row down for a cotangent that nothing is known of, and pulls the tangent back through it. One
formula thus serves both modes, with the same conventions where a function bends, with complex numbers, and
with everything recorded that can be differentiated again. Source: J. Townsend, "A new trick for calculating
Jacobian vector products" (2017), which torch.autograd.functional.jvp uses as well. A diagonal J needs no
transposing: there the formula is applied to the tangent (`_times_diagonal`).

Views take the same view of the tangent, so that it shares memory as the primal does, and a write to a dual
tensor writes to its tangent in place: base and views see it. Source: "Forward Mode AD and views" in
torch/csrc/autograd/autograd_meta.cpp.

Levels are worked from the outside in, each with the inner ones closed (`levels.below`): a tangent is made of
primals and tangents as the outer levels see them. That keeps the perturbations of nested derivatives apart.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch

from .accumulate import edge_of
from .backward import Capture, execute
from .grad_mode import mode
from .levels import LEVELS, Level, below, set_tangent, tangent_of
from .node import Node
from .rules.formulas import conj, laid_out
from .rules.registry import NOT_IMPLEMENTED, Rule
from .tensor import Tensor
from .views import views_of

if TYPE_CHECKING:
    from .compile import Operation

Pull = Callable[..., Any]


def push(
    rule: Rule, pull: Callable[..., Pull], out: Tensor, operands: Sequence[Any], args: Sequence[Any]
) -> None:
    """Give `out`, the result of the operation `rule`, its tangents.

    `pull(name)` returns the formula for the operand `name`, a function of the cotangent, the result, the
    operands and the arguments. Raises NotImplementedError if the row has none for an operand with a tangent.
    """
    if not (out._dtype.is_floating_point or out._dtype.is_complex):
        return
    _push(rule, pull, (out,), operands, args)
    if out._node is not None and out._tangents is not None and "result" in rule.saves:
        out._node.tangents = out._tangents


def push_several(
    rule: Rule,
    pull: Callable[..., Pull],
    out: Sequence[Tensor],
    operands: Sequence[Any],
    args: Sequence[Any],
) -> None:
    """Do what `push` does for an operation with several results, `out`, of which some have tangents."""
    _push(rule, pull, out, operands, args)
    named = dict(zip(rule.outputs, out, strict=True))
    node = named[rule.differentiable_outputs[0]].grad_fn
    if node is not None:
        node.tangents = {name: named[name]._tangents for name in rule.saves if name in named}


def _push(
    rule: Rule,
    pull: Callable[..., Pull],
    out: Sequence[Tensor],
    operands: Sequence[Any],
    args: Sequence[Any],
) -> None:
    for place, level in enumerate(tuple(LEVELS)):
        given = _given(rule, operands, level)
        if given:
            with below(place):
                for result, product in _products(rule, pull, given, out, operands, args):
                    shared = any(product._data is tangent._data for tangent in given.values())
                    # The result has memory of its own, and so has its tangent.
                    own = product.clone() if shared or product._data._is_view() else product
                    set_tangent(result, level, laid_out(own, result._data.stride()))


def push_view(apply: Callable[..., Tensor], out: Tensor, base: Sequence[Tensor], args: Sequence[Any]) -> None:
    """Give `out`, a view of the one tensor in `base`, the views of its tangents."""
    carry((out,), base, lambda tangent: (apply(tangent, *args),))


def carry(
    results: Sequence[Tensor], operands: Sequence[Tensor], linear: Callable[..., Sequence[Tensor]]
) -> None:
    """Give the results of an operation that is linear in `operands` taken together their tangents.

    `linear(*tangents)` is the operation; an operand without a tangent counts as zero.
    """
    for place, level in enumerate(tuple(LEVELS)):
        tangents = [tangent_of(operand, level) for operand in operands]
        if all(tangent is None for tangent in tangents):
            continue
        with below(place):
            filled = [
                Tensor._of(torch.zeros_like(operand._data)) if tangent is None else tangent
                for operand, tangent in zip(operands, tangents, strict=True)
            ]
            for result, tangent in zip(results, linear(*filled), strict=True):
                set_tangent(result, level, tangent)


def is_dual(*operands: Any) -> bool:
    """Whether any of `operands` has a tangent at an open level."""
    return any(
        tangent_of(operand, level) is not None
        for operand in operands
        if isinstance(operand, Tensor)
        for level in LEVELS
    )


# --- the transpose of a row ---


def _given(rule: Rule, operands: Sequence[Any], level: Level) -> dict[str, Tensor]:
    """Return the tangents of the operands that have one and that the row can be differentiated in."""
    found = {}
    for name, operand in zip(rule.tensors, operands, strict=True):
        if isinstance(operand, Tensor) and name in rule.pushed:
            tangent = tangent_of(operand, level)
            if tangent is not None:
                found[name] = tangent
    if found:
        for name, operand in zip(rule.tensors, operands, strict=True):
            if name in rule.zeros and name not in found and isinstance(operand, Tensor):
                found[name] = Tensor._of(torch.zeros_like(operand._data))
    return found


def _products(  # noqa: PLR0917 - an operation and what went into it
    rule: Rule,
    pull: Callable[..., Pull],
    given: dict[str, Tensor],
    out: Sequence[Tensor],
    operands: Sequence[Any],
    args: Sequence[Any],
) -> list[tuple[Tensor, Tensor]]:
    """Return the results among `out` that have tangents, each with the sum of the Jacobian-vector products
    of the tangents in `given`.
    """
    values = [getattr(operand, "value", operand) for operand in operands]
    results = [
        result for name, result in zip(rule.results, out, strict=True) if name in rule.differentiable_outputs
    ]
    totals: list[Tensor | None] = [None] * len(results)
    for name, tangent in given.items():
        if rule.pulled(name) is None:
            raise unsupported(rule.name, rule.derivatives[name] is NOT_IMPLEMENTED)
        if rule.diagonal and name not in rule.forward_mode:
            formula = functools.partial(_pulled, pull(name, fitted=False), (*out, *values, *args))
            parts: Sequence[Tensor | None] = [_times_diagonal(formula, tangent, results[0])]
        else:
            pulled = functools.partial(_pulled, pull(name), (*out, *values, *args))
            parts = transpose(pulled, tangent, results)
        for index, part in enumerate(parts):
            if part is not None:
                total = totals[index]
                totals[index] = part if total is None else total + part
    if "grad" in rule.forward_mode and totals[0] is not None:
        common = functools.partial(_pulled, pull("grad"), (*out, *values, *args))
        totals = [*transpose(common, totals[0], results)]
    if mode.enabled and any(
        edge_of(operand) is not None for operand in values if isinstance(operand, Tensor)
    ):
        _keep_history(rule, pull, given, totals, results, (*out, *values), args)
    return [
        (result, Tensor._of(torch.zeros_like(result._data)) if total is None else total)
        for result, total in zip(results, totals, strict=True)
    ]


def _keep_history(  # noqa: PLR0917 - an operation and what went into it
    rule: Rule,
    pull: Callable[..., Pull],
    given: dict[str, Tensor],
    totals: list[Tensor | None],
    results: Sequence[Tensor],
    values: Sequence[Any],
    args: Sequence[Any],
) -> None:
    """Record in `totals` what the tangents of the operands that have none depend on.

    To torch an operand without a tangent has one of zeros ("_efficientzerotensor" in
    torchgen's gen_variable_type.py), and what that is multiplied with is recorded: the tangent of `x * 2`
    requires grad if x does, although it is twice that of x. Such zeros stay zeros beside infinity and nan.
    """
    for place, name in enumerate(rule.tensors, len(rule.results)):
        if name in given or rule.pulled(name) is None or values[place] is None:
            continue
        operand = _differentiable(values[place], results[0])
        pulled = functools.partial(
            _pulled, pull(name), (*values[:place], operand, *values[place + 1 :], *args)
        )
        zeros = Tensor._of(torch.zeros_like(operand._data))
        for index, part in enumerate(transpose(pulled, zeros, results)):
            total = totals[index]
            if total is not None and part is not None and edge_of(part) is not None:
                # The sum with -0 is bit for bit what it was.
                everywhere = torch.ones((), dtype=torch.bool, device=part._data.device)
                totals[index] = total + part.masked_fill(everywhere, -0.0)


def _differentiable(operand: Any, like: Tensor) -> Tensor:
    """Return an operand as a tensor that has derivatives; numbers and integers are constants of the dtype of
    `like`.
    """
    if not isinstance(operand, Tensor):
        return Tensor._of(torch.tensor(operand, dtype=like._dtype, device=like._data.device))
    if operand._dtype.is_floating_point or operand._dtype.is_complex:
        return operand
    return Tensor._of(operand._data.to(like._dtype))


def _pulled(formula: Pull, rest: Sequence[Any], *grads: Tensor) -> Any:
    """Return what a formula makes of cotangents, which come first among its arguments."""
    return formula(*grads, *rest)


def _times_diagonal(formula: Callable[[Tensor], Tensor], tangent: Tensor, like: Tensor) -> Tensor:
    """Return J t, a tensor like `like`, where J is diagonal and `formula` maps cotangents g to J^H g.

    Where J is complex, conj(J^H conj(t)) is J t. The result of a real function of complex numbers is the real
    part of that.
    """
    product: Tensor = conj(formula(conj(tangent)))
    if product._dtype.is_complex and not like._dtype.is_complex:
        product = product.real
    if product._dtype is not like._dtype:
        product = product.to(like._dtype)
    return product if product._shape == like._shape else product.expand(like._shape)


def transpose(linear: Callable[..., Any], tangent: Tensor, like: Sequence[Tensor]) -> Sequence[Tensor | None]:
    """Return J t, where `linear` maps cotangents g, one of the shape of each of `like`, to J^H g; None for
    zero.

    What is done is recorded in grad mode, except with respect to g.
    """
    recording = mode.enabled
    cotangents = [Tensor._of(torch.zeros_like(result._data)) for result in like]
    for cotangent in cotangents:
        cotangent._become_leaf()
    edges = [cast("Node", edge_of(cotangent)) for cotangent in cotangents]
    mode.enabled = True
    try:
        value = linear(*cotangents)
    finally:
        mode.enabled = recording
    start = None if value is None else edge_of(value)
    if start is None:
        return [None] * len(edges)
    if value._dtype is not tangent._dtype:
        tangent = tangent.to(value._dtype)
    root: tuple[Node, Any] = (start, tangent if recording or LEVELS else tangent._data)
    capture = Capture({edge: {0: None} for edge in edges})
    execute([root], keep=True, graph=recording, capture=capture)
    found = [capture.wanted[edge][0] for edge in edges]
    return [Tensor._of(part) if isinstance(part, torch.Tensor) else part for part in found]


def unsupported(name: str, unknown: bool) -> NotImplementedError:
    """Return torch's error for an operation without a derivative in forward mode, or of which torch's table
    knows nothing.
    """
    if unknown:
        return NotImplementedError(f"Trying to use forward AD with aten::{name} that does not support it.")
    return NotImplementedError(
        f"Trying to use forward AD with {name} that does not support it because it has not been implemented "
        "yet.\nPlease file an issue to PyTorch at "
        "https://github.com/pytorch/pytorch/issues/new?template=feature-request.yml so that we can "
        "prioritize its implementation or submit a PR adding the implementation to derivatives.yaml"
    )


# --- writes ---


def before_write(tensor: Tensor, operands: Sequence[Any]) -> Tensor | None:
    """Return `tensor` as it is before a write, with its tangents; None if no tangents are in play."""
    if not is_dual(tensor, *operands):
        return None
    before = Tensor._of(tensor._data.clone())
    before._node = edge_of(tensor)
    if tensor._tangents is not None:
        # Those of outer levels are overwritten before the inner ones are computed from them.
        before._tangents = {level: tangent.clone() for level, tangent in tensor._tangents.items()}
    return before


def push_write(  # noqa: PLR0917 - an operation and what went into it
    operation: Operation,
    tensor: Tensor,
    before: Tensor,
    operands: Sequence[Any],
    args: Sequence[Any],
    node: Node | None,
) -> None:
    """Write the tangents of an in-place operation, recorded as `node`; `before` is what was there.

    Raises RuntimeError for an operation that has no tangent, as torch does: there is nothing to write.
    """
    rule = operation.rule
    if not rule.pushed and is_dual(before, *operands):
        raise _nothing_to_write()
    for place, level in enumerate(tuple(LEVELS)):
        given = _given(rule, (before, *operands), level)
        if not given:
            continue
        with below(place):
            ((_, tangent),) = _products(rule, operation.pull, given, (tensor,), (before, *operands), args)
            _overwrite(tensor, level, tangent)
    if node is not None and tensor._tangents is not None and "result" in rule.saves:
        node.tangents = tensor._tangents


def written(tensor: Tensor, result: Tensor) -> None:
    """Write the tangents of `result`, whose data were put into `tensor`.

    Raises RuntimeError for a floating point result that has none, as torch does.
    """
    if result._dtype.is_floating_point and not is_dual(result):
        raise _nothing_to_write()
    for level in tuple(LEVELS):
        tangent = tangent_of(result, level)
        if tangent is not None:
            _overwrite(tensor, level, tangent)


def _nothing_to_write() -> RuntimeError:
    """Return torch's error for a write to a dual tensor that has no tangent."""
    return RuntimeError(
        "Expected a proper Tensor but got None (or an undefined Tensor in C++) for argument #1 'src'"
    )


def _overwrite(tensor: Tensor, level: Level, tangent: Tensor) -> None:
    """Make `tangent` the tangent of `tensor`, in the memory of the one that is there.

    A view without one gives its base one of zeros first; all views of the base then share its memory.
    """
    have = tangent_of(tensor, level)
    if have is None:
        base = tensor if tensor._view is None else tensor._view.base
        zeros = Tensor._of(torch.zeros_like(base._data))
        set_tangent(base, level, zeros)
        for view in views_of(base):
            if view._view is not None and tangent_of(view, level) is None:
                set_tangent(view, level, view._view.path.view(zeros))
        have = zeros if tensor is base else tangent_of(tensor, level)
    if have is not None:
        have.copy_(tangent)
