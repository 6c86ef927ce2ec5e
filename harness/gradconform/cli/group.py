"""The command group: every ending of a command becomes an exit code and, where something was wrong, one
message."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from gradconform.errors import GradconformError, SpecError, UsageError, did_you_mean, visible

USAGE, INTERRUPTED, BROKEN_PIPE, BUG = 2, 130, 141, 70
"""Exit codes, beside those that commands return. 141 and 70 are what shells and sysexits.h use for them."""


class ReaderGone(Exception):  # noqa: N818 - how a pipe ends, and no error
    """Whoever read the output has gone (`gradconform list | head`)."""


class Cli(click.Group):
    """A group whose commands return their exit code. A GradconformError is a message on standard error and
    exit 2; an unexpected exception is a bug of gradconform and is shown whole."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Runs a command line and exits. Arguments as in `click.Command.main`."""
        extra["standalone_mode"] = False
        try:
            if sys.stdout is None:  # its number would go to the next file that is opened
                raise UsageError("standard output is closed")
            code = super().main(args, prog_name, **extra)
            sys.stdout.flush()
        except click.exceptions.Exit as ending:
            code = ending.exit_code
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except GradconformError as error:
            # Problems of specs start with file:line:column, which editors and terminals read.
            text = str(error) if isinstance(error, SpecError) else f"gradconform: {error}"
            click.echo("\n".join(map(visible, text.splitlines())), err=True)
            code = USAGE
        except (KeyboardInterrupt, click.Abort):
            click.echo("gradconform: interrupted", err=True)
            code = INTERRUPTED
        except (ReaderGone, BrokenPipeError):
            _forget_output()
            code = BROKEN_PIPE
        except OSError as error:
            # Where a file is meant, the error names it; what is left is the output (a full disk).
            what = str(error)
            if error.errno is not None and error.filename is None:
                what = f"standard output cannot be written: {error.strerror}"
                _forget_output()
            click.echo(f"gradconform: {what}", err=True)
            code = USAGE
        except Exception:  # noqa: BLE001 - the last place where it can be told from a finding
            sys.excepthook(*sys.exc_info())
            click.echo(
                "gradconform: this is a bug in gradconform and no finding about the engine; "
                "please report it with the lines above and the command",
                err=True,
            )
            code = BUG
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> Any:
        """As in click, which would end a broken pipe by itself with exit code 1: "something diverges"."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGone from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in click, with a suggestion where there is no such command."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            hint = did_you_mean(name, self.commands) or f"the commands are {', '.join(self.commands)}"
            raise click.UsageError(f"there is no command '{name}'; {hint}", ctx)
        return super().resolve_command(ctx, args)


def _forget_output() -> None:
    """Drops what standard output still holds: Python must not fail at it again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
