"""The command ``salutary``: its subcommands, and how every error ends."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import (
    EntryPoint,
    PackageNotFoundError,
    distribution,
    entry_points,
    version,
)
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from salutary.cli.advise import advise
from salutary.cli.cache import cache
from salutary.cli.check import check
from salutary.cli.config import TYPED
from salutary.cli.conventions import CONTEXT, PanelCommand
from salutary.cli.demo import demo
from salutary.cli.evaluate import evaluate
from salutary.cli.explain import explain
from salutary.cli.export import export
from salutary.cli.finetune import finetune
from salutary.cli.import_ import import_
from salutary.cli.label import label
from salutary.cli.predict import predict
from salutary.cli.relabel import relabel
from salutary.cli.report import report
from salutary.cli.resume import resume
from salutary.cli.review import review
from salutary.cli.terminal import be_quiet, printable, show_logs, tell
from salutary.errors import InputError

INTERRUPTED = 130

PLUGINS = "salutary.commands"
"""Entry points of this group are further commands, each a `typer.Typer`."""

GOES_ON = {
    **dict.fromkeys(("label", "relabel", "finetune"), " with --resume"),
    "advise": " with --resume",
    "resume": "",
    "benchmark": "",
}
"""Commands that continue an interrupted run, and what to add to them for that.

Only `advise` also works without a run, where it is not given --out.
"""

app = typer.Typer(
    rich_markup_mode=None, pretty_exceptions_enable=False, context_settings=CONTEXT
)
COMMANDS = (
    *(check, advise, label, relabel, finetune, resume),
    *(explain, report, review, export, import_, predict, evaluate, cache, demo),
)
for command in COMMANDS:
    # A name that Python keeps for itself has an underscore.
    app.command(command.__name__.rstrip("_"), cls=PanelCommand)(command)


@app.callback(invoke_without_command=True)
def salutary(
    context: typer.Context,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.")
    ] = False,
) -> None:
    """Label a pool of rows by influence functions, without human annotation.

    Start with 'salutary demo', then read 'salutary label --help'.
    """
    if show_version:
        typer.echo(f"salutary {version('salutary')}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; exit with 2 for anything the user can fix.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after ``salutary``; by default those of the process.
    """
    warnings.showwarning = partial(_show_warning, set())
    # No command opens a window, and where this names a backend that there is none of,
    # matplotlib cannot even be imported.
    os.environ.pop("MPLBACKEND", None)
    _escape_what_cannot_be_shown()
    be_quiet(False)
    show_logs(False)
    words = list(map(_expanded, sys.argv[1:] if arguments is None else arguments))
    TYPED.set(("salutary", *words))
    name = next((word for word in words if not word.startswith("-")), "")
    try:
        _check_words(words)
        command = _command()
        code = command.main(args=words, prog_name="salutary", standalone_mode=False)
        if sys.stdout is not None:  # it is None if the caller has closed it
            # A full disk is then met here, and not at exit.
            sys.stdout.flush()
    except InputError as error:
        _fail(str(error))
    except BrokenPipeError:  # whoever read the output has closed it
        _drop_output()
        sys.exit(1)
    except (OSError, sqlite3.OperationalError) as error:
        _drop_output()
        _fail(
            f"cannot read or write: {error}; {_remedy(error, _to_go_on(name, words))}"
        )
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        # A usage error of typer, whose class has moved between its versions.
        if not hasattr(error, "format_message"):
            raise
        _fail(_of_usage(error, name))
    # typer turns an interrupt into the exit code that shells know it by.
    if code == INTERRUPTED:
        how = ""
        added = _to_go_on(name, words)
        if added is not None:
            how = f"; the same command{added} continues"
            if added:
                how += ", and so does 'salutary resume RUN_DIR' once there is one"
        _fail(f"interrupted{how}", INTERRUPTED)


def _command() -> Any:
    """The command with its subcommands, those of plug-ins among them."""
    group: Any = typer.main.get_command(app)
    for plugin in sorted(entry_points(group=PLUGINS)):
        try:
            command = typer.main.get_group(plugin.load())
        except Exception as error:  # whatever it is, the other commands must work
            command = _unavailable(plugin, error)
        else:
            if needed := _missing_extra(plugin):
                about = command.get_short_help_str(limit=sys.maxsize)
                command.short_help = f"{about} Needs pip install '{needed}'."
        group.add_command(command, plugin.name)
    return group


def _unavailable(plugin: EntryPoint, error: Exception) -> Any:
    """A command that says why its plug-in cannot be used, and what to do."""
    package = "its package" if plugin.dist is None else plugin.dist.name
    cause = f"cannot be loaded ({type(error).__name__}: {error})"
    remedy = f"reinstall {package}, or uninstall it"
    if isinstance(error, ModuleNotFoundError) and (needed := _missing_extra(plugin)):
        cause, remedy = f"{error.name} is not installed", f"pip install '{needed}'"
    stub = typer.Typer(add_completion=False, rich_markup_mode=None)
    takes_anything = {"ignore_unknown_options": True, "allow_extra_args": True}

    @stub.command(
        help=f"Not available: {cause}; {remedy}.",
        short_help=f"Not available: {remedy}.",
        context_settings=takes_anything,
    )
    def refuse() -> None:
        raise InputError(f"{plugin.name}: {cause}; {remedy}")

    return typer.main.get_command(stub)


def _missing_extra(plugin: EntryPoint) -> str | None:
    """The extra called as the plug-in, unless all of its packages are installed."""
    if plugin.dist is None:
        return None
    marker = re.compile(rf"""extra *== *["']{re.escape(plugin.name)}["']""")
    for requirement in plugin.dist.requires or ():
        name = re.match(r"[\w.-]+", requirement)
        if name is None or not marker.search(requirement):
            continue
        try:
            distribution(name.group())
        except PackageNotFoundError:
            return f"{plugin.dist.name}[{plugin.name}]"
    return None


def _escape_what_cannot_be_shown() -> None:
    """Print characters that the terminal's encoding lacks as escapes.

    Labels and names come from users' files, which may hold any character.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _expanded(word: str) -> str:
    """The word with the user's own folder for a tilde, also after ``--option=``.

    Shells leave the tilde there, and a folder called '~' would be made.
    """
    option, given, value = word.partition("=")
    if word.startswith("--") and given:
        return f"{option}={_expanded(value)}"
    is_path = word == "~" or word.startswith("~/")
    return str(Path(word).expanduser()) if is_path else word


def _check_words(words: list[str]) -> None:
    """Refuse words that cannot name a file or a column in any output.

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


def _of_usage(error: Any, name: str) -> str:
    """What is wrong with the words of a command line, in our words for their values."""
    message = str(error.format_message())
    if option := getattr(error, "option_name", None):  # one that has or lacks a value
        if "requires an argument" in message:
            return f"{option}: needs a value; pass one"
        if "does not take a value" in message:
            return f"{option}: takes no value; leave out what follows the '='"
    cause, parameter = error.__cause__, getattr(error, "param", None)
    if parameter is not None and hasattr(cause, "errors"):  # those of pydantic
        found = cause.errors()[0]
        refusal = found.get("ctx", {}).get("error")
        if isinstance(refusal, InputError):  # of `table_at`, which hides secrets
            return str(refusal)
        is_option = parameter.param_type_name == "option"
        called = max(parameter.opts, key=len) if is_option else parameter.metavar
        return f"{called} {found['input']}: must be {_expected(found)}"
    context = getattr(error, "ctx", None)
    path = f"salutary {name}".strip() if context is None else context.command_path
    end = "" if message.endswith((".", "?")) else "."
    return f"{message}{end} See '{path} --help'."


def _expected(found: Mapping[str, Any]) -> str:
    """What a value must be, by what pydantic says of one that is something else."""
    if found["type"].startswith("int"):
        return "a whole number"
    if found["type"].startswith("float"):
        return "a number"
    _, is_choice, choices = str(found["msg"]).partition("is not one of ")
    if is_choice:
        return f"one of {choices.rstrip('.')}".replace("'", "")
    return f"another one ({found['msg']})"


def _drop_output() -> None:
    """Do not write again at exit what could not be written before."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())


def _to_go_on(name: str, words: list[str]) -> str | None:
    """What to add to the words of a command so that its run goes on; None if none."""
    if name == "advise" and not any(word.startswith("--out") for word in words):
        return None
    return GOES_ON.get(name)


def _remedy(error: Exception, added: str | None) -> str:
    """What to do about a file that could not be read or written."""
    if getattr(error, "errno", None) == errno.ENAMETOOLONG:
        return "pass a shorter path"
    cures = {
        errno.ENOSPC: "make room",
        **dict.fromkeys((errno.EACCES, errno.EPERM), "fix the permissions"),
    }
    number = getattr(error, "errno", None) or 0
    cure = cures.get(number, "make room or fix the permissions")
    remedy = f"{cure} and run the command again"
    if added is not None:
        remedy += f" (the run goes on{added})"
    return remedy


def _fail(message: str, code: int = 2) -> None:
    with suppress(OSError):  # no room to say so
        tell(f"salutary: {printable(message)}")
    sys.exit(code)


def _show_warning(
    shown: set[str],
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    # Each round solves anew, and every library that hides a warning of its own makes
    # Python forget which it has shown.
    words = printable(str(message))
    if words not in shown:
        tell(f"warning: {words}")
    shown.add(words)
