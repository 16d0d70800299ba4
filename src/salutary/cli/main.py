"""The command ``salutary``: its subcommands, and how every error ends."""

from __future__ import annotations

import sqlite3
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, TextIO

import typer

from salutary.cli.advise import advise
from salutary.cli.benchmark import benchmark
from salutary.cli.demo import demo
from salutary.cli.label import label
from salutary.cli.predict import predict
from salutary.cli.relabel import relabel
from salutary.cli.text import printable
from salutary.errors import InputError

INTERRUPTED = 130

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)
app.command()(advise)
app.command()(label)
app.command()(relabel)
app.command()(predict)
app.command()(demo)
app.add_typer(benchmark)


@app.callback(invoke_without_command=True)
def salutary(
    context: typer.Context,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.")
    ] = False,
) -> None:
    """Label a pool of rows by their influence, without human annotation.

    Start with 'salutary demo', then 'salutary label --help'.
    """
    if show_version:
        typer.echo(f"salutary {version('salutary')}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 done, 2 for anything the user can mend.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.
    """
    warnings.showwarning = _show_warning
    command = typer.main.get_command(app)
    try:
        code = command.main(
            args=None if arguments is None else list(arguments),
            prog_name="salutary",
            standalone_mode=False,
        )
    except InputError as error:
        _fail(str(error))
    except (OSError, sqlite3.OperationalError) as error:
        _fail(
            f"cannot read or write: {error}; make room or mend the permissions and run "
            "the command again (a labeling run goes on with --resume)"
        )
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        # typer's usage errors, whose class has moved between its versions.
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        context = getattr(error, "ctx", None)
        path = "salutary" if context is None else context.command_path
        _fail(f"{message()} See '{path} --help'.")
    # typer turns an interrupt into the exit code that shells know it by.
    if code == INTERRUPTED:
        _fail("interrupted; the same command with --resume continues", INTERRUPTED)


def _fail(message: str, code: int = 2) -> None:
    print(f"salutary: {printable(message)}", file=sys.stderr)
    sys.exit(code)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"warning: {printable(str(message))}", file=sys.stderr)
