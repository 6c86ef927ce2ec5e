"""The table of derivatives: one row for each operation.

A row is written as it is read aloud:

    rule(
        "mul",
        grad_fn="MulBackward0",
        tensors="self other",
        forward="self * other",
        self="grad * conj(other)",
        other="grad * conj(self)",
        saves="self other",
        elementwise=True,
    )

"mul takes the tensors self and other; the gradient of self is the gradient of the result times the
conjugate of other; of other, ...; it saves self and other."

Formulas are Python expressions over `grad`, the tensors, `result`, the arguments and, for each tensor `t`,
the names `t_shape`, `t_dtype` and `t_stride`, which save no tensor. They are compiled twice, once over
torch's kernels on plain data and once over refgrad's own operations, so each formula can be differentiated
again. They compute the gradient as if nothing had been broadcast or promoted: the engine sums it to the shape
of its input, casts it to its dtype (a real input of a complex operation gets the real part) and accumulates
it.

A row with several results names them, and its formulas see the gradient of each by its name:

    rule(
        "linalg_qr",
        grad_fn="LinalgQrBackward0",
        tensors="A",
        args="kind",
        outputs="Q R",
        forward="linalg_qr(A, kind)",
        A="linalg_qr_backward(grad_Q, grad_R, Q, R, kind)",
        saves="Q R",
    )

`forward` gives a tuple, `grad_Q` is None where no gradient has arrived at Q (at least one has), and a formula
may return None where none passes. The results have one node, of which they are the outputs 0, 1, ...; a
result that no gradient comes from is stated to be so, `pivots=NON_DIFFERENTIABLE`: it never requires grad and
has no number, and there is no `grad_pivots`. Operations of several results broadcast nothing by themselves;
`apply` returns a tuple of tensors.

Forward mode transposes the same formulas (see `tangents`), which are linear in the cotangent. Where torch has
a rule of its own for forward mode that gives something else, or a formula is not linear as it is written,
`forward_mode={"self": "..."}` states the one to transpose. What such formulas have in common may be stated
once, as that of `"grad"`, which makes the cotangent that the others see: `{"grad": "grad / conj(other)",
"self": "grad", "other": "-grad * conj(result)"}` adds up two tangents and divides the sum.

`NON_DIFFERENTIABLE` in the place of such a formula says that the result gets no tangent from this tensor,
`NOT_IMPLEMENTED` that forward mode raises NotImplementedError, where torch has nothing else.

`diagonal=True` says of an elementwise row that its result is real, or holomorphic in each tensor. J is then
diagonal, and conj(J^H conj(t)) is J t: forward mode has nothing to transpose and gives the formulas the
tangents themselves, as torch does ("auto_element_wise" in derivatives.yaml).

A tensor without a tangent adds nothing to that of the result. Those named in `zeros` count as having one of
zeros, which makes a difference beside infinities.

A tensor that is left out is given as `ABSENT` (see `optional`): formulas and `forward` see None.

`kept` names tensors that torch saves whichever tensor requires grad, also those that no formula here needs: a
write to them is noticed. `joint=True` says that of all that is saved: in torch one function gives all
gradients, or each of the formulas uses all of it. `sparing=True` says that nothing is saved that no gradient
that is asked for needs (`wrap_opt_if` in derivatives.yaml).

Every tensor states its differentiability: a formula, `NON_DIFFERENTIABLE`, `NOT_IMPLEMENTED` or `Missing`.
The registry refuses a row that leaves one out, mentions an unknown name, or saves something else than
what its formulas use. The format follows PyTorch's tools/autograd/derivatives.yaml, and so do the formulas
unless a row says otherwise.
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from . import formulas


class Differentiability(enum.Enum):
    """What a row states for a tensor that has no formula."""

    NON_DIFFERENTIABLE = "non_differentiable"
    NOT_IMPLEMENTED = "not_implemented"


NON_DIFFERENTIABLE = Differentiability.NON_DIFFERENTIABLE
NOT_IMPLEMENTED = Differentiability.NOT_IMPLEMENTED


@dataclass(frozen=True, slots=True)
class Missing:
    """What a row states for a tensor whose derivative torch's own table declares missing, under `entry`.

    A gradient that arrives there raises NotImplementedError; where torch has no entry at all
    (`NOT_IMPLEMENTED`) it raises RuntimeError.
    """

    entry: str


# What formulas may ask of a tensor `t` without saving it, as `t_shape` and so on.
METADATA = ("shape", "dtype", "stride")

Derivative = str | Differentiability | Missing


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: an operation, its kernel, and the derivative for each of its tensors.

    `elementwise` says that the result has the shape that the tensors broadcast to. `view` says that the
    result shares memory with the first tensor, and `reinterprets` that it reads its elements as something
    else, so that strides do not tell what it is. `number` names a tensor that may also be a Python number.
    `releases` are arguments that go when the saved tensors go, so that the node runs again only if the graph
    is retained. `outputs` names the results where there are several, and `constants` those of them that no
    gradient comes from. `forward_mode` has the formulas that forward mode transposes, for the tensors where
    they must be others than those of backward. `diagonal` says that it transposes none of the others, and
    `zeros` names the tensors whose tangent is zeros if they have none and another tensor has one. `joint`,
    `sparing` and `kept` are about what is saved: see `saved_for`.
    """

    name: str
    grad_fn: str
    tensors: tuple[str, ...]
    args: tuple[str, ...]
    forward: str
    derivatives: Mapping[str, Derivative]
    saves: tuple[str, ...]
    elementwise: bool
    view: bool
    number: str | None
    releases: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    forward_mode: Mapping[str, Derivative] = field(default_factory=dict)
    diagonal: bool = False
    zeros: tuple[str, ...] = ()
    joint: bool = False
    sparing: bool = False
    kept: tuple[str, ...] = ()
    reinterprets: bool = False

    @property
    def results(self) -> tuple[str, ...]:
        """The names of the results in formulas: `result` is the only one of an operation that has one."""
        return self.outputs or ("result",)

    @property
    def differentiable_outputs(self) -> tuple[str, ...]:
        """The names of the results that gradients come from."""
        return tuple(name for name in self.results if name not in self.constants)

    @property
    def differentiable(self) -> tuple[str, ...]:
        """The tensors that an edge can lead to: all that are not declared non-differentiable."""
        return tuple(name for name in self.tensors if self.derivatives[name] is not NON_DIFFERENTIABLE)

    def formula(self, tensor: str) -> str | None:
        """Return the formula for `tensor`, or None if its row states that there is none."""
        stated = self.derivatives[tensor]
        return stated if isinstance(stated, str) else None

    def pulled(self, tensor: str) -> str | None:
        """Return the formula for `tensor`, or "grad", that forward mode transposes; None if there is none."""
        if tensor in self.forward_mode:
            stated = self.forward_mode[tensor]
            return stated if isinstance(stated, str) else None
        return None if tensor == "grad" else self.formula(tensor)

    @property
    def pushed(self) -> tuple[str, ...]:
        """The tensors whose tangents the result has a part of: those that forward mode does not take for
        constants.
        """
        return tuple(
            name for name in self.differentiable if self.forward_mode.get(name) is not NON_DIFFERENTIABLE
        )

    def names_in(self, tensor: str) -> set[str]:
        """Return the names that the formula for `tensor` uses, those of its functions left out."""
        return names_of(self.formula(tensor))

    def saved_for(self, chosen: Collection[str]) -> tuple[str, ...]:
        """Return the tensors that are saved where those of `chosen` require grad, in the order of saving.

        As in torch a tensor is left out only where the one formula that uses it is not asked for, and never
        in a row about a backward, or in one that is `joint`; in one that is `sparing`, where none is asked
        for of several that use it too. What is `kept` is saved in any case.
        Source: `guard_for` in tools/autograd/gen_variable_type.py.
        """
        if self.joint:
            return tuple(name for name in self.tensors if name in self.saves)
        uses = {name: self.names_in(name).union(self.kept) for name in self.differentiable}
        in_order = dict.fromkeys(saved for used in uses.values() for saved in self.tensors if saved in used)
        if "backward" in self.name or len(uses) == 1:
            return tuple(in_order)
        users = {saved: [name for name, used in uses.items() if saved in used] for saved in in_order}
        return tuple(
            saved
            for saved in in_order
            if saved in self.kept
            or (len(users[saved]) > 1 and not self.sparing)
            or not set(chosen).isdisjoint(users[saved])
        )


class RuleError(ValueError):
    """A row that contradicts itself or leaves something out."""


_TABLE: dict[str, Rule] = {}
TABLE: Mapping[str, Rule] = MappingProxyType(_TABLE)


def rule(
    name: str,
    *,
    grad_fn: str,
    tensors: str,
    forward: str,
    saves: str,
    args: str = "",
    elementwise: bool = False,
    view: bool = False,
    reinterprets: bool = False,
    number: str | None = None,
    releases: str = "",
    outputs: str = "",
    forward_mode: Mapping[str, Derivative] | None = None,
    diagonal: bool = False,
    zeros: str = "",
    joint: bool = False,
    sparing: bool = False,
    kept: str = "",
    **derivatives: Derivative,
) -> Rule:
    """Add one row to the table and return it; raise `RuleError` if the row does not hold together."""
    results = tuple(outputs.split())
    constants = tuple(name for name in results if derivatives.get(name) is NON_DIFFERENTIABLE)
    row = Rule(
        name=name,
        grad_fn=grad_fn,
        tensors=tuple(tensors.split()),
        args=tuple(args.split()),
        forward=forward,
        derivatives=MappingProxyType(
            {name: stated for name, stated in derivatives.items() if name not in constants}
        ),
        saves=tuple(saves.split()),
        elementwise=elementwise,
        view=view,
        number=number,
        releases=tuple(releases.split()),
        outputs=results,
        constants=constants,
        forward_mode=MappingProxyType(dict(forward_mode or {})),
        diagonal=diagonal,
        zeros=tuple(zeros.split()),
        joint=joint,
        sparing=sparing,
        kept=tuple(kept.split()),
        reinterprets=reinterprets,
    )
    problems = check(row)
    if name in _TABLE:
        problems.append("there is a row of this name already")
    if problems:
        raise RuleError(f"rule {name!r}: " + "; ".join(problems))
    _TABLE[name] = row
    return row


def view(
    name: str, grad_fn: str, forward: str, formula: str, args: str = "", *, reinterprets: bool = False
) -> None:
    """Adds the row of a view of `self`. reinterprets: whether its elements are of another kind (complex as
    real)."""
    rule(
        name,
        grad_fn=grad_fn,
        tensors="self",
        args=args,
        forward=forward,
        self=formula,
        saves="",
        view=True,
        reinterprets=reinterprets,
    )


def check(row: Rule) -> list[str]:
    """Return everything that is wrong with `row`, in words."""
    problems = [
        f"nothing is stated for {tensor!r}: give a formula, NON_DIFFERENTIABLE, NOT_IMPLEMENTED or Missing"
        for tensor in row.tensors
        if tensor not in row.derivatives
    ]
    problems += [
        f"there is no tensor {name!r} to state anything for"
        for name in row.derivatives
        if name not in row.tensors
    ]
    grads = {f"grad_{name}" for name in row.differentiable_outputs} if row.outputs else {"grad"}
    known = {*grads, *row.results, *row.tensors, *row.args}
    known |= {f"{tensor}_{what}" for tensor in row.tensors for what in METADATA}
    used: set[str] = set()
    for tensor, stated in row.derivatives.items():
        if not isinstance(stated, str):
            continue
        names = _names(stated)
        used |= names
        problems += [
            f"the formula for {tensor!r} uses {name!r}, which is no tensor, argument or function"
            for name in sorted(names - known - formulas.FUNCTIONS.keys())
        ]
    for tensor in row.forward_mode:
        unknown = names_of(row.pulled(tensor)) - known
        problems += [
            f"forward mode's formula for {tensor!r} uses {name!r}, which is no tensor, argument or function"
            for name in sorted(unknown)
        ]
        if tensor not in row.differentiable and (tensor != "grad" or row.outputs):
            problems.append(f"forward_mode names {tensor!r}, which has no derivative")
    problems += [f"kept names {name!r}, which is no tensor" for name in row.kept if name not in row.tensors]
    saved = used.union(row.kept) & {*row.tensors, *row.results}
    if saved != set(row.saves):
        problems.append(f"saves says {sorted(row.saves)}, and the formulas use {sorted(saved)}")
    if row.reinterprets and not row.view:
        problems.append("reinterprets is for a view")
    if row.diagonal and not row.elementwise:
        problems.append("diagonal is for an elementwise operation")
    if row.number is not None and row.number not in row.tensors[1:]:
        problems.append(f"number names {row.number!r}, which is not a tensor after the first")
    problems += [
        f"a formula uses {name!r}, which is a function and something of the row"
        for name in (*row.tensors, *row.args, *row.outputs)
        if name in used and name in formulas.FUNCTIONS
    ]
    problems += _check_outputs(row)
    problems += [f"releases names {name!r}, which is no argument" for name in {*row.releases} - {*row.args}]
    problems += [
        f"zeros names {name!r}, which has no formula"
        for name in row.zeros
        if not isinstance(row.derivatives.get(name), str)
    ]
    unknown = _names(row.forward) - {*row.tensors, *row.args} - formulas.FUNCTIONS.keys()
    problems += [
        f"forward uses {name!r}, which is no tensor, argument or function" for name in sorted(unknown)
    ]
    return problems


def _check_outputs(row: Rule) -> list[str]:
    """Return what is wrong with the results of `row`."""
    taken = {*row.tensors, *row.args, "grad"}
    problems = [
        f"outputs names {name!r}, which is something else already" for name in row.outputs if name in taken
    ]
    if len(row.outputs) == 1:
        problems.append("outputs names one result: that is `result`, and needs no name")
    if row.outputs and not row.differentiable_outputs:
        problems.append("no gradient comes from any of the outputs")
    problems += [
        f"{what} is for an operation of one result"
        for what in ("elementwise", "view", "number")
        if row.outputs and getattr(row, what)
    ]
    return problems


def names_of(formula: str | None) -> set[str]:
    """Return the names that a formula uses, those of its functions left out."""
    return set() if formula is None else _names(formula) - formulas.FUNCTIONS.keys()


def _names(expression: str) -> set[str]:
    """Return the names in a Python expression."""
    return {node.id for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Name)}
