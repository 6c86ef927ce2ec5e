"""What an engine declares, held against what it does.

A program that may be about a declared convention is run on torch once more, with the operators that the
declaration puts in the place of torch's (`gradconform.oracle.named_policies`). Where that changes nothing,
the declaration says nothing about the program. Where it does, an engine that agrees with it differs from
torch as it declares; one that agrees with torch has declared what is not so; and one that agrees with neither
diverges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from gradconform.engines.base import Handle
from gradconform.engines.torch import TorchEngine
from gradconform.execution.interpreter import Detail, run
from gradconform.oracle.compare import compare
from gradconform.oracle.judge import judge
from gradconform.oracle.named_policies import POLICIES, require_known
from gradconform.program.steps import Apply, Grad, Mutate, Program
from gradconform.trace import Seen, TensorSeen, Trace
from gradconform.verdict import Conforms, Declared, Divergence, Diverges, Verdict

UNREACHED = ("unreached-inputs", "zero")
COMPLEX = ("complex-gradients", "conjugate")

Convention = tuple[str, str]
"""A policy's id and the option that is declared."""


class Declarations:
    """The conventions of an engine. Raises AdapterError for one that there is not."""

    def __init__(self, engine: str, policies: Mapping[str, str]) -> None:
        require_known(engine, policies)
        self.engine = engine
        self.conventions: tuple[Convention, ...] = tuple(policies.items())

    def verdict(
        self,
        verdict: Verdict,
        program: Program,
        expected: Trace,
        got: Trace,
        *,
        device: str,
        detail: Detail,
        torch_errors: bool = True,
        hasty: bool = False,
    ) -> Verdict:
        """The verdict on a program in the light of what is declared.

        verdict: that of torch alone. expected, got: torch's trace and the engine's. The rest is as it was for
        them (`judge`).
        """
        if not isinstance(verdict, Conforms | Diverges):
            return verdict
        concerned = [convention for convention in self.conventions if _concerns(convention, program)]
        met = self._met(concerned, program, expected, device, detail)
        names = [*met]
        if COMPLEX in self.conventions and any(map(_is_complex, _gradients(program, expected))):
            names.append(COMPLEX)  # gradconform has converted what the engine gave
        if not names:
            return verdict
        numbers = verdict.numbers
        if met:
            told = _run(met, program, device, detail)
            under = judge(
                program,
                told,
                got,
                device=device,
                torch_errors=torch_errors,
                oracle=torch_with(met),
                hasty=hasty,
                stated=False,
            )
            match verdict, under:
                case _, Conforms():
                    numbers = under.numbers
                case Conforms(), _:
                    return Diverges((self._not_so(met[0]),), numbers)
                case _, Diverges():  # what is left when the declared differences are taken away
                    return replace(under, divergences=tuple(_beside(met, one) for one in under.divergences))
                case _:
                    return verdict
        elif isinstance(verdict, Diverges):
            return verdict
        return Declared(tuple(": ".join(name) for name in names), numbers)

    def _met(
        self,
        concerned: list[Convention],
        program: Program,
        expected: Trace,
        device: str,
        detail: Detail,
    ) -> list[Convention]:
        """The conventions that change what the program comes to: each that does alone, or all of them where
        only together they do."""

        def changes(conventions: list[Convention]) -> bool:
            found = compare(expected, _run(conventions, program, device, detail))
            return bool(found.divergences or found.misses)

        if not concerned or not changes(concerned):
            return []
        alone = [convention for convention in concerned if len(concerned) == 1 or changes([convention])]
        return alone or concerned

    def _not_so(self, convention: Convention) -> Divergence:
        policy = POLICIES[convention[0]]
        says = policy.options[convention[1]].says
        detail = f"{self.engine} declares {': '.join(convention)} ({policy.says}: {says}); take that back"
        return Divergence(
            "wrong declaration",
            convention[0],
            -1,
            "",
            f"{says}, as declared",
            f"{policy.torch}, as torch",
            detail,
        )


class _Told(TorchEngine):
    """Torch with the operators of some conventions."""

    def __init__(self, conventions: list[Convention]) -> None:
        super().__init__()
        self._zeros = UNREACHED in conventions
        self._options = [POLICIES[name].options[option] for name, option in conventions]

    def _resolve(self, name: str) -> Callable[..., Any]:
        found = super()._resolve(name)
        for option in self._options:
            if name in option.operators:
                found = option.operators[name](found, name)
        return found

    def grad(self, *arguments: Any, **options: Any) -> tuple[Handle | None, ...]:
        if not self._zeros or len(arguments) < 2:
            return super().grad(*arguments, **options)
        outputs, inputs = (given if isinstance(given, tuple | list) else (given,) for given in arguments[:2])
        if not any(output.requires_grad for output in outputs):
            return tuple(map(torch.zeros_like, inputs))
        return super().grad(*arguments, **{**options, "allow_unused": True, "materialize_grads": True})


def torch_with(conventions: list[Convention]) -> TorchEngine:
    """Torch as it would be if it had these conventions."""
    return _Told(conventions)


def _run(conventions: list[Convention], program: Program, device: str, detail: Detail) -> Trace:
    return run(program, torch_with(conventions), device, detail)


def _beside(met: list[Convention], divergence: Divergence) -> Divergence:
    """A divergence from torch as it would be with these conventions."""
    beside = f"beside what is declared ({', '.join(': '.join(one) for one in met)})"
    return replace(divergence, detail="; ".join(filter(None, (divergence.detail, beside))))


def _concerns(convention: Convention, program: Program) -> bool:
    """Whether a program has steps that a convention could be about."""
    name, option = convention
    operators = POLICIES[name].options[option].operators
    for _, step in program.walk():
        if isinstance(step, Apply | Mutate) and step.operator in operators:
            return True
        if isinstance(step, Grad) and convention == UNREACHED:
            return True
    return False


def _gradients(program: Program, trace: Trace) -> Iterator[Seen]:
    """What a trace shows of gradients: those of tensors, and those that `autograd.grad` gave."""
    given = set()
    for _, step in program.walk():
        if isinstance(step, Grad):
            given |= {step.target} if isinstance(step.target, str) else {*step.target}
    for state in trace.states:
        for name, seen in state.live.items():
            if name in given:
                yield from seen if isinstance(seen, tuple) else (seen,)
            if isinstance(seen, TensorSeen):
                yield seen.grad


def _is_complex(seen: Seen) -> bool:
    return isinstance(seen, TensorSeen) and seen.value.is_complex()
