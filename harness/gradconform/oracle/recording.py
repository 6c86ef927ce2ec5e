"""A first run of a program without autograd, up to a step: its forward steps as events, and its backward
calls.

It follows which gradient stands where: `.grad` is the sum of the backward calls that reached it, and a result
of `autograd.grad` that of its own. Gradients that the program sets, edits or computes with, hooks, functions
of the program and modes other than `no_grad` end it with `Abstains`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from gradconform.oracle.events import Events
from gradconform.oracle.precision import casts_down, is_inexact, wider
from gradconform.oracle.replay import (
    UNKNOWN,
    Abstains,
    Gradient,
    Replay,
    Replayed,
    Seeds,
    plain_forward,
)
from gradconform.oracle.spots import Spot
from gradconform.program.steps import (
    Apply,
    Backward,
    Class,
    Define,
    Delete,
    Expect,
    Fact,
    Get,
    Grad,
    Items,
    Let,
    Mutate,
    Program,
    Record,
    Ref,
    Set,
    Step,
    Within,
    body_of,
    flatten,
)
from gradconform.program.vocabulary import AUTOGRAD_BACKWARD, AUTOGRAD_GRAD, BACKWARD, Operator

_CALLS = {
    "backward": Operator("backward", BACKWARD).call,
    "autograd.backward": Operator("autograd.backward", AUTOGRAD_BACKWARD).call,
    "autograd.grad": Operator("autograd.grad", AUTOGRAD_GRAD).call,
}


class Recording:
    """The events of a program up to and including a step, in float64.

    Raises Abstains where the gradients at that step cannot be known.
    """

    def __init__(self, program: Program, last: int) -> None:
        if casts_down(program):
            raise Abstains("the program casts to a narrower dtype")
        self._program = wider(program)
        self._last = last
        self._events = Events(self._program.inputs)
        self._gradients: dict[int, Gradient] = {}
        numbers = torch.get_rng_state()
        with plain_forward():
            self._record()
        if not torch.equal(numbers, torch.get_rng_state()):
            torch.set_rng_state(numbers)
            raise Abstains("the program draws random numbers")

    def gradient(self, spot: Spot) -> Gradient:
        """The gradient that stands at a place after the last step. Raises Abstains."""
        value: Any = self._environment.get(spot.name, UNKNOWN)
        for part in spot.path:
            if isinstance(part, int) and isinstance(value, list | tuple) and part < len(value):
                value = value[part]
            elif part == "grad" and isinstance(value, torch.Tensor):
                value = self._gradients.get(id(value), UNKNOWN)
            else:
                raise Abstains("it is no gradient of first order")
        if not isinstance(value, Gradient):
            raise Abstains("it is no gradient of first order")
        if not value.calls:
            raise Abstains("there is no gradient yet")
        if value.of is not None and not value.is_current():
            raise Abstains("a gradient that was read before the last backward call")
        return value

    def spots(self) -> Iterator[Spot]:
        """The places at which gradients stand after the last step."""
        for name, value in self._environment.items():
            found = self._gradients.get(id(value)) if isinstance(value, torch.Tensor) else None
            if found is not None and found.calls:
                yield Spot(name, ("grad",))
            elif isinstance(value, Gradient):
                yield Spot(name)
            elif isinstance(value, list | tuple):
                yield from (Spot(name, (at,)) for at, item in enumerate(value) if isinstance(item, Gradient))

    def replay(self, gradient: Gradient, moved: torch.Tensor) -> Replayed:
        """Runs the events again. moved: what the gradient's target is then, of its shape and dtype."""
        with plain_forward():
            return Replay(self._events.start(), self._events.events, gradient, moved).run()

    # the first run

    def _record(self) -> None:
        self._events.begin()
        for item in self._program.inputs:
            value = self._environment[item.name]
            if item.requires_grad and is_inexact(value):
                self._accumulate(value)
        number = -1
        for step in self._program.steps:
            number += 1
            if number > self._last:
                return
            self._step(number, step)
            number += sum(1 for _ in flatten(body_of(step)))

    @property
    def _environment(self) -> dict[str, Any]:
        return self._events.environment

    def _step(self, number: int, step: Step) -> None:
        match step:
            case Fact() | Record():
                return
            case Backward():
                self._backward(step)
            case Grad():
                self._grad(step)
            case Mutate(operator="requires_grad_"):
                self._leaf(step)
            case Mutate(operator="retain_grad", arguments=(Ref(name), *_)):
                self._accumulate(self._environment[name])
            case Set(object=name, attribute="grad", value=None):
                self._forget(self._environment[name])
            case Get(target=str(target), object=name, attribute="grad"):
                found = self._gradients.get(id(self._environment[name]))
                self._environment[target] = (
                    UNKNOWN if found is None else Gradient(found.target, found.calls, found)
                )
            case Within(mode="no_grad", arguments=(), body=body):
                for inner, each in enumerate(body, number + 1):
                    self._events.held_constant(inner, each)
            case Define(target=target) | Class(target=target):
                self._environment[target] = UNKNOWN
            case Mutate(target, "zero_", (Ref(name), *_)) if self._is_reading(name):
                self._zero(name, target)
            case Let() | Delete():
                self._events.bind(number, step)
            case Apply() | Get():
                self._events.operate(number, step)
                if isinstance(step, Apply) and _makes_leaf(step) and isinstance(step.target, str):
                    self._accumulate(self._environment[step.target])
            case Mutate():
                self._events.write(number, step)
            case _:
                raise Abstains(_reason(step))

    # gradients

    def _accumulate(self, value: Any) -> None:
        """From here on, backward calls add to the `.grad` of a tensor."""
        if id(value) not in self._gradients:
            self._gradients[id(value)] = Gradient(self._events.target(value))

    def _forget(self, value: Any) -> None:
        """`x.grad = None`."""
        known = self._gradients.get(id(value))
        if known is not None:
            self._gradients[id(value)] = Gradient(known.target)

    def _is_reading(self, name: str) -> bool:
        value = self._environment[name]
        return isinstance(value, Gradient) and value.is_current()

    def _zero(self, name: str, target: str) -> None:
        """`x.grad.zero_()`."""
        reading = self._environment[name]
        reading.calls = reading.of.calls = ()
        if target:
            self._environment[target] = reading

    def _leaf(self, step: Mutate) -> None:
        """`requires_grad_()`."""
        owner, *rest = step.arguments
        if rest or step.options or not isinstance(owner, Ref):
            raise Abstains("the program switches requires_grad")
        value = self._environment[owner.name]
        self._events.require_grad(owner.name, step.target, anew=id(value) not in self._gradients)
        self._accumulate(value)

    def _backward(self, step: Backward) -> None:
        given = _arguments("autograd.backward" if step.function else "backward", step)
        if given.get("grad_variables") is not None:
            raise Abstains("the argument grad_variables")
        roots, cotangents = (
            (given["tensors"], given.get("grad_tensors"))
            if step.function
            else (given["input"], given.get("gradient"))
        )
        seeds = self._seeds(roots, cotangents)
        chosen = given.get("inputs")
        into = (
            list(self._gradients.values())
            if chosen is None
            else [self._gradients.get(id(self._events.value(name))) for name in _listed(chosen)]
        )
        if len({*into}) != len(into):
            raise Abstains("one tensor twice among the inputs")
        for gradient in into:
            if gradient is None:
                raise Abstains("a gradient for what is no leaf, and keeps none")
            gradient.calls = (*gradient.calls, seeds)

    def _grad(self, step: Grad) -> None:
        given = _arguments("autograd.grad", step)
        if given.get("is_grads_batched"):
            raise Abstains("the argument is_grads_batched")
        seeds = self._seeds(given["outputs"], given.get("grad_outputs"))
        found = tuple(
            Gradient(self._events.target(self._events.value(argument)), (seeds,))
            for argument in _listed(given["inputs"])
        )
        if isinstance(step.target, tuple):
            if len(step.target) != len(found):
                raise Abstains("as many names as gradients")
            self._environment.update(zip(step.target, found, strict=True))
        elif step.target:
            self._environment[step.target] = found

    def _seeds(self, roots: Any, cotangents: Any) -> Seeds:
        names = _listed(roots)
        given = _listed(cotangents) if cotangents is not None else (None,) * len(names)
        if len(names) != len(given) or not all(isinstance(name, Ref) for name in names):
            raise Abstains("roots that are no names")
        pairs = [
            self._cotangent(self._events.value(name), value) for name, value in zip(names, given, strict=True)
        ]
        return Seeds(len(self._events.events), names, tuple(pairs))

    def _cotangent(self, root: Any, argument: Any) -> torch.Tensor:
        if not isinstance(root, torch.Tensor):
            raise Abstains("the root is itself a gradient, or computed from one")
        value = torch.ones_like(root) if argument is None else self._events.value(argument)
        if argument is None and root.numel() != 1:
            raise Abstains("a root of several elements without a cotangent")
        if not isinstance(value, torch.Tensor) or value.shape != root.shape:
            raise Abstains("the cotangent is not known")
        if not is_inexact(root):
            raise Abstains("a root of integers")
        return value.clone()


def _reason(step: Step) -> str:
    match step:
        case Within(mode=mode):
            return f"the mode {mode}"
        case Expect():
            return "an expected error"
        case _:
            return f"a step of the kind {type(step).__name__}"


def _arguments(name: str, step: Backward | Grad) -> dict[str, Any]:
    try:
        return dict(_CALLS[name].bind(*step.arguments, **step.options).arguments)
    except TypeError:
        raise Abstains("a backward call that torch refuses") from None


def _listed(argument: Any) -> tuple[Any, ...]:
    return argument.items if isinstance(argument, Items) else (argument,)


def _makes_leaf(step: Step) -> bool:
    if not isinstance(step, Apply):
        return False
    return step.options.get("requires_grad", step.operator == "nn.Parameter") is True
