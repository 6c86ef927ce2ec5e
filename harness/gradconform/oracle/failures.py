"""Comparing errors: whether one was raised, where, in which phase and of which class.

Classes are compared for engines that mean to raise torch's. The rule is that of `except`: code that catches
torch's exception must catch the engine's too, so torch's class must be among the engine's class and its
bases. Where torch raises a class of its own (`torch.linalg.LinAlgError`, a RuntimeError), its nearest base
among Python's built-in exceptions is asked for, since an engine cannot have torch's. The reverse, an engine
that raises a base of what torch raises (Exception for RuntimeError), is a difference: that code would not
catch it.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator

from gradconform.trace import ErrorSeen, Trace
from gradconform.verdict import Divergence


def error_differences(expected: Trace, got: Trace, *, torch_errors: bool) -> Iterator[Divergence]:
    """Differences in the errors that `raises` blocks caught and in the one that ended the program.

    `source` is left empty. A block that only one of the two reached is not compared: what kept the other from
    it is reported on its own.
    """
    for block, theirs in expected.caught.items():
        if block in got.caught:
            yield from _pair(theirs, got.caught[block], torch_errors=torch_errors)
    yield from _pair(expected.error, got.error, torch_errors=torch_errors)


def _pair(expected: ErrorSeen | None, got: ErrorSeen | None, *, torch_errors: bool) -> Iterator[Divergence]:
    if expected is None or got is None:
        if expected is not None:
            yield _difference("missing error", expected.step, describe_error(expected), "no error")
        if got is not None:
            yield _difference("unexpected error", got.step, "no error", describe_error(got))
        return
    first = min(expected.step, got.step)
    if expected.step != got.step:
        yield _difference(
            "error at another step", first, *(f"step {error.step}: {error.kind}" for error in (expected, got))
        )
    elif expected.phase != got.phase:
        yield _difference("error phase", first, expected.phase, got.phase)
    if torch_errors and not catches(expected, got):
        yield _difference("error class", first, describe_error(expected), describe_error(got))


def catches(expected: ErrorSeen, got: ErrorSeen) -> bool:
    """Whether `except` with torch's class (its nearest built-in one) catches the engine's exception."""
    return nearest_builtin(expected) in got.classes


def nearest_builtin(error: ErrorSeen) -> str:
    """The first of an exception's classes that Python itself has."""
    return next((name for name in error.classes if hasattr(builtins, name)), "Exception")


def describe_error(error: ErrorSeen) -> str:
    """`RuntimeError: element 0 of tensors does not require grad (backward)`, the message cut to one line."""
    message = error.message.strip().partition("\n")[0]
    if len(message) > 160:
        message = message[:157] + "..."
    return f"{error.kind}: {message} ({error.phase})" if message else f"{error.kind} ({error.phase})"


def _difference(what: str, step: int, expected: str, got: str) -> Divergence:
    return Divergence(what, f"step {step}", step, "", expected, got)
