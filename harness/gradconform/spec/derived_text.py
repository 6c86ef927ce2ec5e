"""The programs that are derived from a row of an operator table, as text of the step language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradconform.spec.operator_model import PointEntry, RaisesEntry

SEED = "k"
"""The variable that the cotangents of a derived program start from."""

TAKEN = ("y", "v", "a", "g", "h", "t", "number", "whole", SEED)
"""Names that derived programs use for themselves."""

_DUAL = "autograd.forward_ad"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an operator: its text, the tensors that require grad, and its results.

    differentiable: the results that gradients flow into.
    """

    text: str
    tensors: tuple[str, ...]
    results: tuple[str, ...]
    differentiable: tuple[str, ...]

    def assigned(self) -> str:
        """`y = CALL`, with all results."""
        return f"{', '.join(self.results)} = {self.text}"


def backward(call: Call) -> Iterator[str]:
    """The value, and the gradients for a random cotangent."""
    yield call.assigned()
    seeds = _numbered("v", call.differentiable)
    for number, (seed, result) in enumerate(zip(seeds, call.differentiable, strict=True)):
        yield f"{seed} = cotangent({result}, {_seed(number)})"
    if len(seeds) == 1:
        yield f"{call.differentiable[0]}.backward(v)"
    elif seeds:
        yield f"autograd.backward([{', '.join(call.differentiable)}], [{', '.join(seeds)}])"


def gradients(call: Call) -> Iterator[str]:
    """As `backward`; a gradient has the shape and dtype of what it is the gradient of."""
    yield from backward(call)
    for name in call.tensors if call.differentiable else ():
        yield f"assert {name}.grad.shape == {name}.shape and {name}.grad.dtype == {name}.dtype"


def second_order(call: Call) -> Iterator[str]:
    """The gradients of the gradients, by the inputs and by the cotangents."""
    yield call.assigned()
    seeds, first = _numbered("v", call.differentiable), _numbered("g", call.tensors)
    for number, (seed, result) in enumerate(zip(seeds, call.differentiable, strict=True)):
        yield f"{seed} = cotangent({result}, {_seed(number)}).requires_grad_()"
    inputs = ", ".join(call.tensors)
    made = ", ".join(first) if len(first) > 1 else f"({first[0]},)"
    outputs = f"{_listed(call.differentiable)}, [{inputs}], {_listed(seeds)}"
    yield f"{made} = autograd.grad({outputs}, create_graph=True)"
    directions = ", ".join(f"cotangent({name}, {_seed(10 + number)})" for number, name in enumerate(first))
    inputs = ", ".join((*call.tensors, *seeds))
    yield f"h = autograd.grad([{', '.join(first)}], [{inputs}], [{directions}], allow_unused=True)"


def forward_mode(call: Call) -> Iterator[str]:
    """The Jacobian-vector product for random tangents."""
    yield from _dual(call, {name: f"clone({name})" for name in call.tensors}, "cotangent({0}, {1})")


def _dual(call: Call, primals: dict[str, str], tangent: str) -> Iterator[str]:
    yield f"with {_DUAL}.dual_level():"
    text = call.text
    for number, (name, primal) in enumerate(primals.items()):
        yield f"    {name}_dual = {_DUAL}.make_dual({primal}, {tangent.format(name, _seed(number))})"
        text = renamed(text, name, f"{name}_dual")
    yield f"    {', '.join(call.results)} = {text}"
    for made, result in zip(_numbered("t", call.differentiable), call.differentiable, strict=True):
        yield f"    {made} = {_DUAL}.unpack_dual({result}).tangent"


def in_place(first: str, text: str) -> Iterator[str]:
    """The in-place form, on a tensor that has a history."""
    yield f"a = {first} * 1"
    yield text
    yield f"v = cotangent(a, {SEED})"
    yield "a.backward(v)"


def in_place_promotion(first: str, text: str, tensors: Sequence[str], other: str) -> Iterator[str]:
    """The in-place form with `other` as a constant, then with all requiring grad.

    The gradients are those that arrive at the tensors: `.grad` would cast them.
    """
    yield f"a = {first} * 1"
    yield renamed(text, other, f"{other}.detach()")
    yield f"v = cotangent(a, {SEED})"
    yield f"g = autograd.grad(a, {first}, v)"
    yield f"a = {first} * 1"
    yield text
    yield f"h = autograd.grad(a, [{', '.join(tensors)}], v)"


def in_place_view(first: str, text: str) -> Iterator[str]:
    """The in-place form, on a view of a part of a tensor that has a history; gradients go through both."""
    yield f"whole = stack([{first}, {first}])"
    yield "a = select(whole, 0, 1)"
    yield text
    yield f"v = cotangent(a, {SEED})"
    yield f"autograd.backward([a, whole], [v, cotangent(whole, {_seed(1)})])"


def point(call: Call, stated: PointEntry) -> Iterator[str]:
    """What is stated of a point: its value, and its gradients for a cotangent of ones."""
    yield from _given(stated, call.tensors if stated.fixed is not None else ())
    if stated.raises is not None:
        yield from _raising(call, stated.raises)
        return
    yield call.assigned()
    result = (*call.differentiable, *call.results)[0]
    if call.tensors and call.differentiable:
        yield f"{result}.backward(ones_like({result}))"
    if stated.value is not None:
        yield _shown(result, stated.value, stated)
    for name, gradient in stated.gradient.items():
        yield _shown(f"{name}.grad", gradient, stated)
    for name in stated.constant:
        yield f"assert not {name}.requires_grad"


def point_forward(call: Call, stated: PointEntry) -> Iterator[str]:
    """What is stated of a point in forward mode: the tangent for tangents of ones."""
    yield from _given(stated, ())
    for name in call.tensors:
        yield f"{name} = {_input(stated.at[name])}"
    yield from _dual(call, {name: name for name in call.tensors}, "ones_like({0})")
    if "tangent" in stated.model_fields_set:
        yield _shown("t", stated.tangent, stated.model_copy(update={"signs": False}))


def _given(stated: PointEntry, fixed: Sequence[str]) -> Iterator[str]:
    for name in stated.given:
        yield f"{name} = {made(stated.at[name])}"
    for name in fixed:
        yield f"{name} = {_input(stated.at[name])}.requires_grad_()"


def _raising(call: Call, raises: RaisesEntry) -> Iterator[str]:
    block = f'with raises({raises.error}, phase="{raises.phase}", match={raises.match!r}):'
    if raises.phase == "backward":
        yield call.assigned()
        yield block
        yield f"    {call.results[0]}.backward(ones_like({call.results[0]}))"
    else:
        yield block
        yield f"    {call.assigned()}"


def _shown(place: str, value: object, stated: PointEntry) -> str:
    if value is None:
        return f"assert {place} is None"
    if _is_complex(value):
        place, value = f"view_as_real({place})", _parts(value)
    if stated.rounded:
        return f"shows({place}, {literal(value)})"
    return f"shows({'identical' if stated.signs else 'exactly'}({place}, {literal(value)}), True)"


def _is_complex(value: object) -> bool:
    if isinstance(value, tuple | list):
        return any(map(_is_complex, value))
    return isinstance(value, str) and value.endswith("j")


def _parts(value: object) -> object:
    """Complex numbers as pairs, as view_as_real shows them: each part has a sign of its own or is nan."""
    if isinstance(value, tuple | list):
        return tuple(map(_parts, value))
    return tuple(_part(value, number) for number in (0, 1))


def _input(value: object) -> str:
    if not _is_complex(value):
        return f"tensor({literal(value)}, dtype=dtype)"
    real, imaginary = (literal(_part(value, number)) for number in (0, 1))
    return f"complex(tensor({real}), tensor({imaginary})).to(dtype)"


def _part(value: object, number: int) -> object:
    if isinstance(value, tuple | list):
        return tuple(_part(item, number) for item in value)
    parts = complex(str(value))
    return (parts.real, parts.imag)[number]


def made(value: object) -> str:
    """A tensor of these numbers: integers and truth values as they are, others in the dtype of the case."""
    return f"tensor({literal(value)}{'' if _whole(value) else ', dtype=dtype'})"


def _whole(value: object) -> bool:
    return all(map(_whole, value)) if isinstance(value, tuple | list) else isinstance(value, int)


def renamed(text: str, name: str, other: str) -> str:
    """A call with a variable renamed; a keyword of the same name stays."""
    return re.sub(rf"(?<![\w.]){name}\b(?!\s*=(?!=))", other, text)


def literal(value: object) -> str:
    """A literal of an example in the step language; numbers that YAML has as text are calls there."""
    match value:
        case int() | float():
            return f'float("{value}")' if str(value) in {"nan", "inf", "-inf"} else repr(value)
        case str():
            return f'{"complex" if _is_complex(value) else "float"}("{value}")'
        case tuple() | list():
            return f"[{', '.join(map(literal, value))}]"
        case _:
            return repr(value)


def _numbered(letter: str, names: Sequence[str]) -> tuple[str, ...]:
    """A name for each: `v`, `v1`, `v2`."""
    return tuple(f"{letter}{number or ''}" for number in range(len(names)))


def _seed(number: int) -> str:
    return f"{SEED} + {number}" if number else SEED


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"
