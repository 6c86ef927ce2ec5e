"""From two traces and the facts to a verdict.

Spec, torch and engine each have a vote. Where torch itself breaks a fact, or cannot run the program, the spec
is disputed and the engine is not blamed. Otherwise the engine diverges where an observation differs from
torch's, where the numerical policy (`gradconform.oracle.policy`) refuses its numbers, and where it breaks a
fact.

On gradients that the policy refuses, finite differences vote as well (`gradconform.oracle.vote`). Where they
take the engine's side in all that differs, and no fact takes torch's, it is torch that is disputed.

A law is exact for torch. Of an engine that rounds differently it is not asked to hold to the last bit:
numbers that miss it within the tolerance, or that the second opinions have vouched for, are no fault, as they
are none where they are compared with torch's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import torch

from gradconform.engines.base import Engine
from gradconform.engines.devices import missing_kernel
from gradconform.engines.torch import TorchEngine
from gradconform.execution.interpreter import run
from gradconform.execution.meta import is_meta
from gradconform.oracle.compare import Comparison, compare
from gradconform.oracle.facts import Facts, check
from gradconform.oracle.failures import describe_error
from gradconform.oracle.opinions import Rerun
from gradconform.oracle.policy import Decision, Haste, Policy
from gradconform.oracle.spots import NumericMiss, Spot
from gradconform.oracle.vote import Ballot, Vote
from gradconform.program.render import step_texts
from gradconform.program.steps import Program
from gradconform.spec.quirks import troubled
from gradconform.trace import Trace
from gradconform.verdict import (
    Conforms,
    Divergence,
    Diverges,
    Inconclusive,
    Numbers,
    OracleDisputed,
    Unsupporting,
    Verdict,
)


def judge(
    program: Program,
    expected: Trace,
    got: Trace,
    *,
    device: str = "cpu",
    torch_errors: bool = True,
    oracle: Engine | None = None,
    hasty: bool = False,
    stated: bool = True,
) -> Verdict:
    """The verdict on an engine's trace.

    expected: torch's trace of the program, on the same device, looked at after the same steps. torch_errors:
    whether the engine means to raise torch's exception classes. oracle: the torch that second opinions run
    programs on, where it is not torch as it comes. hasty: asks for no second opinion (`policy.Haste`).
    stated: whether the facts of the program are asked.
    Where all that is seen agrees, and a fact asks about what the engine does not show, it is unsupported.
    Raises AdapterError where the engine's trace stops short without an error.
    """
    disputed = _dispute(program, expected) if stated else None
    if disputed:
        lack = _lack(expected, device)
        return Unsupporting(f"{lack}, in torch {torch.__version__} itself") if lack else disputed
    comparison = compare(expected, got, torch_errors=torch_errors)
    steps = frozenset(miss.step for miss in comparison.misses)
    rerun = _on_torch(oracle or TorchEngine(), device, steps)
    policy = Haste() if hasty else Policy(program, expected, got, rerun)
    decisions = list(_decisions(policy, comparison))
    numbers = Numbers.of(comparison.accepted + Counter(decision.outcome for _, decision in decisions))
    refused, others = _first(decisions, comparison)
    ballot = Ballot(program, rerun)
    votes = {} if hasty else {spot: ballot.vote(miss) for spot, (miss, _) in refused.items()}
    differences = [
        miss.divergence("; ".join(filter(None, (decision.reason, votes[spot].told if votes else ""))))
        for spot, (miss, decision) in refused.items()
    ]
    told = {difference.what for difference in (*differences, *others)}
    facts = check(program, got, torch_errors=torch_errors) if stated else Facts()
    broken = [*facts.broken, *(() if numbers.last in ("anchor", "spread") else facts.apart)]
    # What a `raises` block misses, the comparison with torch tells already, at the step that did not raise.
    others += [fact for fact in broken if fact.what not in told]
    if differences or others:
        located = _located(program, [*differences, *others])
        if votes and not others and all(vote.side == "engine" for vote in votes.values()):
            return OracleDisputed(_against_torch(located[0], votes, got.engine))
        return Diverges(located, numbers)
    for miss, decision in decisions:
        if decision.outcome == "inconclusive":
            reason = f"{miss.spot} after step {miss.step}: {miss.miss}; {decision.reason}"
            return Inconclusive(reason, numbers)
    if facts.undecided:
        # What torch does not show either is not there: an empty tensor has no memory that it could share.
        theirs = check(program, expected).undecided
        lacks = [lack for question, lack in facts.undecided.items() if question not in theirs]
        if lacks:
            return Unsupporting(f"showing {lacks[0]}")
    return Conforms(numbers.last, numbers)


def _lack(expected: Trace, device: str) -> str:
    """What torch lacks on a device, where that is why it does not do what it does on the CPU; or "".

    A backend need not have every kernel, and tensors on `meta` have no numbers that a program could ask for.
    """
    if is_meta(device):
        return "what takes numbers on meta"
    for error in (expected.error, *expected.caught.values()):
        kernel = missing_kernel(error.message) if error and "NotImplementedError" in error.classes else ""
        if kernel and device != "cpu":
            return f"{kernel} on {device.partition(':')[0]}"
    return ""


def _dispute(program: Program, expected: Trace) -> OracleDisputed | None:
    """Torch's own trouble with a program, its facts or its end, as a verdict."""
    for error in (expected.error, *expected.caught.values()):
        quirk = troubled(error.message, torch.__version__) if error else None
        if quirk:
            return OracleDisputed(f"torch's known quirk {quirk.id}: {quirk.says}")
    if expected.error:
        step = expected.error.step
        line = f" (`{step_texts(program)[step]}`)" if step >= 0 else ""
        return OracleDisputed(f"torch itself ends in step {step}{line} with {describe_error(expected.error)}")
    facts = check(program, expected)
    broken = (*facts.broken, *facts.apart, *facts.rounded)
    if not broken:
        return None
    first = min(broken, key=lambda difference: difference.step)
    detail = f" ({first.detail})" if first.detail else ""
    hint = "; write close(a, b) where numbers are rounded" if first in facts.rounded else ""
    return OracleDisputed(
        f"torch itself breaks `{step_texts(program)[first.step]}`: expected {first.expected} got {first.got}"
        f"{detail}{hint}"
    )


def _on_torch(engine: Engine, device: str, steps: frozenset[int]) -> Rerun:
    """Runs programs of the same steps; they are looked at where numbers differ. A program may have thousands
    of steps, and is run dozens of times."""
    return lambda program: run(program, engine, device, steps)


def _decisions(policy: Policy | Haste, comparison: Comparison) -> Iterator[tuple[NumericMiss, Decision]]:
    """The misses, with what the policy makes of them, up to the first step where it refuses any: what comes
    after it may follow from it."""
    refused = None
    for miss in comparison.misses:
        if refused is not None and miss.step > refused:
            return
        decision = policy.decide(miss)
        if decision.outcome == "refused" and refused is None:
            refused = miss.step
        yield miss, decision


def _first(
    decisions: list[tuple[NumericMiss, Decision]], comparison: Comparison
) -> tuple[dict[Spot, tuple[NumericMiss, Decision]], list[Divergence]]:
    """The differences of the first step that shows any: numbers that are refused, and the rest."""
    refused = [(miss, decision) for miss, decision in decisions if decision.outcome == "refused"]
    steps = [miss.step for miss, _ in refused] + [difference.step for difference in comparison.divergences]
    first = min(steps, default=None)
    by_spot: dict[Spot, tuple[NumericMiss, Decision]] = {}
    for miss, decision in refused:
        if miss.step == first:
            by_spot.setdefault(
                miss.spot, (miss, decision)
            )  # the end of a program may show its last step again
    return by_spot, [difference for difference in comparison.divergences if difference.step == first]


def _against_torch(difference: Divergence, votes: dict[Spot, Vote], engine: str) -> str:
    """The three answers to the first of the gradients that differ, in one line."""
    vote = next(vote for spot, vote in votes.items() if str(spot) == difference.where)
    at = f" in step {difference.step} (`{difference.source}`)" if difference.source else ""
    return (
        f"torch alone has {difference.where} = {difference.expected}{at}; {engine} has {difference.got}, "
        f"and {vote.text}"
    ).replace("\n", " ")


def _located(program: Program, differences: list[Divergence]) -> tuple[Divergence, ...]:
    """In the order of the steps, observations before facts, each with its step's text; an error only once."""
    texts = step_texts(program)
    ordered: dict[tuple[str, int, str], Divergence] = {}
    for difference in sorted(differences, key=lambda difference: difference.step):
        source = texts[difference.step] if 0 <= difference.step < len(texts) else ""
        where = source if difference.where == f"step {difference.step}" and source else difference.where
        ordered.setdefault(
            (difference.what, difference.step, where), replace(difference, source=source, where=where)
        )
    return tuple(ordered.values())
