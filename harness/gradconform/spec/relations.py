"""What the variables of a scenario owe each other: references that exist, no circles, sizes that agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import prod

from gradconform.errors import Place, did_you_mean
from gradconform.spec.scenario import (
    Domain,
    LikeDomain,
    OperatorDomain,
    TensorDomain,
    domain_operator,
    references,
)
from gradconform.spec.shapes import (
    DRAWN_SIZE,
    MAX_ELEMENTS,
    AnyShape,
    BroadcastableShape,
    DimsShape,
    largest_sizes,
)
from gradconform.spec.source import Report
from gradconform.spec.tree import Table

Sizes = tuple[int, ...]
Tensor = TensorDomain | LikeDomain


def check_references(
    domains: Mapping[str, Domain], broken: frozenset[str], table: Table, report: Report
) -> dict[str, Domain]:
    """The variables all of whose references, and theirs, are right; the others are reported.

    broken: variables that are known and have been reported; one that refers to them is left out in silence.
    """
    wrong = set(broken)
    for name, domain in domains.items():
        for key, other, kinds, what in _references(domain):
            found = domains.get(other)
            if found is None and other not in broken:
                hint = did_you_mean(other, table.fields) or f"variables here: {', '.join(table.fields)}"
                report.add(
                    at(table, name, key), f"variable '{name}' refers to '{other}', which is unknown", hint
                )
            elif found is not None and not isinstance(found, kinds):
                report.add(
                    at(table, name, key), f"'{other}' is not {what}", f"'{key}' takes the name of {what}"
                )
            elif isinstance(found, OperatorDomain) and found.kind != "unary" and key == "like":
                hint = "like: f(x) takes a unary operator; use like: x"
                report.add(at(table, name, key), f"'{other}' is a {found.kind} operator", hint)
            else:
                continue
            wrong.add(name)
    for cycle in _cycles(domains):
        report.add(
            domains[cycle[0]].place,
            f"variables refer to each other in a circle: {' -> '.join(cycle)}",
            "give one of them a shape of its own",
        )
        wrong.update(cycle)
    return {name: domain for name, domain in domains.items() if not _reaches(name, domains, wrong)}


def check_shapes(
    domains: Mapping[str, Domain], sizes: Mapping[str, Sizes], table: Table, report: Report
) -> dict[str, Domain]:
    """Checks the examples' sizes against shapes, and the sizes that may be drawn.

    domains: in order of reference. sizes: those of the examples. Returns the domains with the bounds of each
    symbol joined: a bound that one variable states holds for all.
    """
    bounds = _joined_bounds(domains, table, report)
    shaped = {name: _with_bounds(domain, bounds) for name, domain in domains.items()}
    bound_at: dict[str, tuple[int, str]] = {}
    largest: dict[str, Sizes] = {}
    for name, domain in shaped.items():
        if not isinstance(domain, Tensor):
            continue
        largest[name] = _largest(domain, largest)
        if name in sizes:
            message = _misfit(domain, sizes[name], sizes, bound_at, name)
            if message:
                report.add(at(table, name, "example"), message, "change the example or the shape")
    elements = {name: prod(drawn) for name, drawn in largest.items()}
    total = sum(elements.values())
    if total > MAX_ELEMENTS:
        name = max(elements, key=lambda name: elements[name])
        report.add(
            at(table, name, "tensor"),
            f"the tensors of this scenario may have {total} elements, '{name}' alone {elements[name]}",
            f"all together may have {MAX_ELEMENTS}; bound its symbols: [N, M] with N<=100, M<=100",
        )
    return shaped


def fit(domains: Mapping[str, Domain], sizes: Mapping[str, Sizes]) -> bool:
    """Whether tensors of these sizes lie in the domains of their variables; some may have no sizes."""
    symbols: dict[str, tuple[int, str]] = {}
    return not any(
        _misfit(domain, sizes[name], sizes, symbols, name)
        for name, domain in domains.items()
        if isinstance(domain, Tensor) and name in sizes
    )


def _references(domain: Domain) -> Iterator[tuple[str, str, type[Domain] | tuple[type[Domain], ...], str]]:
    """Key, name, and the kinds of variable that the key takes, for each reference."""
    tensors = (TensorDomain, LikeDomain)
    match domain:
        case TensorDomain(shape=BroadcastableShape(to)):
            yield "tensor", to, tensors, "a tensor variable"
        case LikeDomain(of=of, operator=operator):
            yield "like", of, tensors, "a tensor variable"
            if operator is not None:
                yield "like", operator, OperatorDomain, "an operator variable"
    if isinstance(domain, Tensor):
        operator = domain_operator(domain.values)
        if operator is not None:
            yield "values", operator, OperatorDomain, "an operator variable"


def _cycles(domains: Mapping[str, Domain]) -> Iterator[tuple[str, ...]]:
    """Each circle once, as `("x", "v", "x")`, from the variable that the file names first."""
    reported: set[str] = set()
    for start in domains:
        path = _way_back(start, domains)
        if path and reported.isdisjoint(path):
            reported.update(path)
            yield path


def _way_back(start: str, domains: Mapping[str, Domain]) -> tuple[str, ...]:
    """The shortest chain of references from a variable to itself, or nothing."""
    paths: dict[str, tuple[str, ...]] = {start: (start,)}
    for name, path in _breadth_first(paths, domains):
        if name == start:
            return path
    return ()


def _breadth_first(
    paths: dict[str, tuple[str, ...]], domains: Mapping[str, Domain]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    queue = list(paths)
    for name in queue:
        for other in references(domains[name]) if name in domains else ():
            path = (*paths[name], other)
            yield other, path
            if other not in paths:
                paths[other] = path
                queue.append(other)


def _reaches(name: str, domains: Mapping[str, Domain], wrong: set[str]) -> bool:
    """Whether a variable is wrong, or refers to one that is, however many steps away."""
    paths: dict[str, tuple[str, ...]] = {name: (name,)}
    return name in wrong or any(other in wrong for other, _ in _breadth_first(paths, domains))


def _joined_bounds(
    domains: Mapping[str, Domain], table: Table, report: Report
) -> dict[str, tuple[int | None, int | None]]:
    joined: dict[str, tuple[int | None, int | None]] = {}
    for name, domain in domains.items():
        if not isinstance(domain, TensorDomain) or not isinstance(domain.shape, DimsShape):
            continue
        for symbol, (low, high) in domain.shape.bounds.items():
            lows, highs = zip((low, high), joined.get(symbol, (None, None)), strict=True)
            least = max((bound for bound in lows if bound is not None), default=None)
            most = min((bound for bound in highs if bound is not None), default=None)
            if least is not None and most is not None and least > most:
                message = (
                    f"no {symbol} is at least {least} and at most {most}, as this and another variable ask"
                )
                report.add(at(table, name, "tensor"), message, "change one of the bounds")
            else:
                joined[symbol] = (least, most)
    return joined


def _with_bounds(domain: Domain, bounds: Mapping[str, tuple[int | None, int | None]]) -> Domain:
    match domain:
        case TensorDomain(shape=DimsShape() as shape):
            own = {symbol: bounds[symbol] for symbol in shape.symbols if symbol in bounds}
            return replace(domain, shape=replace(shape, bounds=own))
        case _:
            return domain


def _largest(domain: Tensor, largest: Mapping[str, Sizes]) -> Sizes:
    """The largest sizes that are drawn for a variable; those that it refers to are known."""
    match domain:
        case LikeDomain(of=of):
            return largest.get(of, ())
        case TensorDomain(shape=DimsShape() as shape):
            return largest_sizes(shape)
        case TensorDomain(shape=BroadcastableShape(to)):
            # One dimension more than the other, and any size where that has a 1.
            return (DRAWN_SIZE, *(max(size, DRAWN_SIZE) for size in largest.get(to, ())))
        case _:
            return (DRAWN_SIZE,) * 3


def _misfit(
    domain: Tensor, found: Sizes, sizes: Mapping[str, Sizes], symbols: dict[str, tuple[int, str]], name: str
) -> str:
    """Why an example's sizes do not fit, or "". `symbols` keeps the size and the variable of each."""
    shape = domain.shape if isinstance(domain, TensorDomain) else None
    shown = list(found)
    if isinstance(domain, LikeDomain):
        other = sizes.get(domain.of)
        fits = other is None or other == found
        return (
            ""
            if fits
            else f"the example has shape {shown}, and that of '{domain.of}' has {list(other or ())}"
        )
    match shape:
        case AnyShape(nonempty=True) if 0 in found:
            return f"the example of shape {shown} is empty, and the shape is any nonempty"
        case BroadcastableShape(to):
            other = sizes.get(to)
            if other is not None and not _broadcast(found, other):
                return f"the example of shape {shown} does not broadcast with {list(other)}, that of '{to}'"
        case DimsShape(dims=dims) if len(dims) != len(found):
            return f"the example has shape {shown}, and the shape is {shape}"
        case DimsShape(dims=dims, bounds=bounds):
            for dim, size in zip(dims, found, strict=True):
                if isinstance(dim, int):
                    if dim != size:
                        return f"the example has shape {shown}, and the shape is {shape}"
                    continue
                first, variable = symbols.setdefault(dim, (size, name))
                low, high = bounds.get(dim, (None, None))
                if first != size:
                    where = "before in it" if variable == name else f"in the example of '{variable}'"
                    return f"{dim} is {size} in this example, and {first} {where}"
                if not (low or 0) <= size <= (size if high is None else high):
                    return f"{dim} is {size} in this example, outside its bounds in {shape}"
    return ""


def _broadcast(left: Sizes, right: Sizes) -> bool:
    pairs = zip(reversed(left), reversed(right), strict=False)
    return all(one == other or 1 in (one, other) for one, other in pairs)


def at(table: Table, name: str, key: str) -> Place:
    """The value of a key of a variable, or else the variable's name."""
    node = table.get(name)
    value = node.get(key) if isinstance(node, Table) else None
    return value.place if value is not None else table.fields[name].key.place
