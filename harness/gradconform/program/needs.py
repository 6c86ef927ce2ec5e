"""What a program asks of an engine: the features that its steps, inputs and facts need, by name.

An engine declares features by the same names (`gradconform.engines.capabilities`); `gradconform probe` finds
them. What Python itself does (functions, loops, numbers) and what the harness does asks nothing of an engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gradconform.program.cotangents import NAME as COTANGENT
from gradconform.program.expressions import ALIVE
from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Class,
    Define,
    Dtype,
    Fact,
    Get,
    Grad,
    Input,
    Invoke,
    Items,
    Mutate,
    Named,
    Options,
    Program,
    Set,
    Step,
    Unset,
    Warns,
    Watch,
    Within,
)
from gradconform.program.vocabulary import (
    ATTRIBUTES,
    AUTOGRAD_BACKWARD,
    AUTOGRAD_GRAD,
    BACKWARD,
    OPERATORS,
    OWN_MODES,
    THREADS,
    WRITABLE,
)


class Feature(NamedTuple):
    """One thing that an engine may have. kind: one of KINDS."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


KINDS = {
    "operator": "operators",
    "dtype": "dtypes",
    "shape": "shapes of inputs",
    "layout": "layouts of inputs",
    "backward": "backward, and its arguments",
    "autograd.backward": "autograd.backward, and its arguments",
    "autograd.grad": "autograd.grad, and its arguments",
    "mode": "modes and decorators",
    "method": "methods of objects, hooks",
    "class": "classes to derive from",
    "attribute": "attributes that are read",
    "writing": "attributes that are written",
    "deleting": "attributes that are deleted",
    "showing": "what facts ask about",
    "constant": "memory formats and layouts by name",
    "other": "others",
}
"""The kinds of features, in the order in which reports tell them."""

PLAIN = "plain"
"""The name of a verb without further arguments, and of a shape or layout that has nothing special."""

_OF_THE_HARNESS = frozenset({"recorded", ALIVE})
"""What facts ask of the run itself."""

_VERBS = {
    "backward": BACKWARD,
    "autograd.backward": AUTOGRAD_BACKWARD,
    "autograd.grad": AUTOGRAD_GRAD,
}


def needs(program: Program) -> frozenset[Feature]:
    """All features that a program needs, its functions included."""
    found = {feature for item in program.inputs for feature in _of_input(item)}
    for _, step in program.walk():
        found.update(_of_step(step))
    return frozenset(found)


def _of_input(item: Input) -> Iterator[Feature]:
    yield Feature("dtype", str(item.data.dtype).removeprefix("torch."))
    dimensions = "with dimensions" if item.data.dim() else "without dimensions"
    yield Feature("shape", dimensions if item.data.numel() else "without elements")
    if item.layout != "contiguous":
        yield Feature("layout", item.layout)


def _of_step(step: Step) -> Iterator[Feature]:
    match step:
        case Apply(_, operator, arguments, options) | Mutate(_, operator, arguments, options):
            if operator != COTANGENT:
                yield Feature("operator", OPERATORS[operator].word)
            yield from _of_arguments((*arguments, *options.values()))
        case Backward(arguments, options, function):
            yield from _of_verb("autograd.backward" if function else "backward", arguments, options)
        case Grad(_, arguments, options):
            yield from _of_verb("autograd.grad", arguments, options)
        case Invoke(method=method, arguments=arguments, options=options):
            yield Feature("method", method)
            yield from _of_arguments((*arguments, *options.values()))
        case Get(attribute=attribute) if attribute in ATTRIBUTES:
            yield Feature("attribute", attribute)
        case Set(attribute=attribute) if attribute in WRITABLE:
            yield Feature("writing", attribute)
        case Unset(attribute=attribute) if attribute in WRITABLE:
            yield Feature("deleting", attribute)
        case Within(mode):
            if mode in THREADS:
                yield Feature("other", "threads")
            elif mode not in OWN_MODES:
                yield Feature("mode", mode)
        case Define(decorators=decorators):
            yield from (Feature("mode", decorator.name) for decorator in decorators)
        case Class(base=base):
            yield Feature("class", base)
        case Warns():
            yield Feature("other", "warnings")
        case Watch():
            yield Feature("other", "lifetimes")
        case Fact(places=places):
            shown = (place.path[-1] for place in places if place.path)
            yield from (Feature("showing", name) for name in shown if name not in _OF_THE_HARNESS)
        case _:
            return


def _of_verb(verb: str, arguments: tuple[Argument, ...], options: Options) -> Iterator[Feature]:
    """A verb, and each of its arguments that says more than is usual."""
    yield Feature(verb, PLAIN)
    names = [part.partition("=")[0].strip() for part in _VERBS[verb].split(",")]
    given = {**dict(zip(names, arguments, strict=False)), **options}
    usual = names[:2] if verb == "autograd.grad" else names[:1]
    for name, value in given.items():
        if name not in usual and value is not None:
            yield Feature(verb, name)
        yield from _of_arguments((value,))


def _of_arguments(arguments: Iterable[Argument]) -> Iterator[Feature]:
    for argument in arguments:
        match argument:
            case Dtype(name):
                yield Feature("dtype", name)
            case Named(name):
                yield Feature("constant", name)
            case Items(items):
                yield from _of_arguments(items)
            case _:
                pass
