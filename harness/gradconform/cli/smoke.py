"""`gradconform smoke`: does a worker keep the protocol?"""

from __future__ import annotations

from collections import Counter

import click

from gradconform.errors import visible
from gradconform.hosts import WORKER, limits_of, words_of
from gradconform.protocol.checks import all_checks
from gradconform.protocol.smoke import Partner
from gradconform.settings import Isolation


def smoke_command(command: str, isolation: Isolation) -> int:
    """Checks the worker that a command starts. Returns 1 where it does not keep the protocol.

    Raises EngineError where it cannot be started or does not say hello.
    """
    partner = Partner(words_of(command.removeprefix(WORKER)), limits_of(isolation))
    outcomes: Counter[str] = Counter()
    try:
        for one in all_checks(partner):
            outcomes[one.outcome] += 1
            click.echo(visible(f"{one.outcome:14} {one.name}" + (f": {one.detail}" if one.detail else "")))
    finally:
        partner.close()
    count = ", ".join(f"{outcomes[outcome]} {outcome}" for outcome in ("passed", "failed", "not applicable"))
    kept = "the worker does not keep the protocol" if outcomes["failed"] else "the worker keeps the protocol"
    click.echo(f"{count}: {kept}")
    return 1 if outcomes["failed"] else 0
