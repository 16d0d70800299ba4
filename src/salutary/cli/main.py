"""The command ``salutary``: its subcommands, and how every error ends."""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import entry_points, version
from typing import Annotated, TextIO

import typer

from salutary.cli.advise import advise
from salutary.cli.demo import demo
from salutary.cli.finetune import finetune
from salutary.cli.label import label
from salutary.cli.predict import predict
from salutary.cli.relabel import relabel
from salutary.cli.terminal import printable
from salutary.errors import InputError

INTERRUPTED = 130

GOES_ON = {
    **dict.fromkeys(("label", "relabel", "finetune"), " with --resume"),
    "benchmark": "",
}
"""Commands that go on from where they were, and how they are told to."""

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)
app.command()(advise)
app.command()(label)
app.command()(relabel)
app.command()(finetune)
app.command()(predict)
app.command()(demo)
for _command in sorted(entry_points(group="salutary.commands")):
    app.add_typer(_command.load())


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
    _escape_what_cannot_be_shown()
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = next((word for word in words if not word.startswith("-")), "")
    try:
        _check_words(words)
        command = typer.main.get_command(app)
        code = command.main(args=words, prog_name="salutary", standalone_mode=False)
        # A full disk shows here then, and not after the end.
        sys.stdout.flush()
    except InputError as error:
        _fail(str(error))
    except BrokenPipeError:  # the reader has seen enough
        _drop_output()
        sys.exit(1)
    except (OSError, sqlite3.OperationalError) as error:
        _drop_output()
        _fail(f"cannot read or write: {error}; {_remedy(error, name)}")
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
        how = ""
        if name in GOES_ON:
            how = f"; the same command{GOES_ON[name]} continues"
        _fail(f"interrupted{how}", INTERRUPTED)


def _escape_what_cannot_be_shown() -> None:
    """Print what the terminal's encoding lacks as escapes; labels hold anything."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _check_words(words: list[str]) -> None:
    """Refuse what no file and no column can be called in any output.

    Raises
    ------
    InputError
        For an empty word, and for bytes that are not in UTF-8.
    """
    for place, word in enumerate(words):
        option, given, value = word.partition("=")
        if word.startswith("--") and given and not value:
            raise InputError(f"{option}: its value is empty; pass one")
        if not word:
            before = words[place - 1] if place else ""
            if before.startswith("--"):
                raise InputError(f"{before}: its value is empty; pass one")
            raise InputError(f"argument {place + 1}: is empty; pass a value")
        try:
            word.encode()
        except UnicodeEncodeError:
            raise InputError(f"{word}: is not in UTF-8; rename it") from None


def _drop_output() -> None:
    """Let nothing be written at exit that could not be written before."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())


def _remedy(error: Exception, name: str) -> str:
    """What to do about a file that a command could not read or write."""
    if getattr(error, "errno", None) == errno.ENAMETOOLONG:
        return "pass a shorter path"
    remedy = "make room or mend the permissions and run the command again"
    if name in GOES_ON:
        remedy += f" (the run goes on{GOES_ON[name]})"
    return remedy


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
