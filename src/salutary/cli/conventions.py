"""What every command has: help in panels, ``--quiet`` and ``--verbose``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand

from salutary.cli.terminal import be_quiet, show_logs
from salutary.errors import InputError

MESSAGES = "Progress and messages"
"""Panel of the options that every command has."""

REPEATING = "Going on and repeating"
"""Panel of the options about runs that exist already."""

CONTEXT = {"help_option_names": ["-h", "--help"]}
"""Settings of every command's context."""


class PanelCommand(TyperCommand):
    """A command whose help shows its options in panels, as plain text.

    Typer draws panels with rich, which reads what is in brackets, such as
    salutary[text], as markup, and leaves a third of the width to the words.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse an option that is given twice; click lets the last one win."""
        if not ctx.resilient_parsing:  # as where a shell completes a line
            _refuse_repeated(self.make_parser(ctx).parse_args([*args])[2])
        return super().parse_args(ctx, args)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what the command does; the lines of an example stay as they are."""
        self.help = re.sub(r"\n\n(?=Example|With )", "\n\n\b\n", self.help or "")
        super().format_help_text(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write each panel, in the order in which the options name them."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            default = f"{parameter.param_type_name.capitalize()}s"
            panel = getattr(parameter, "rich_help_panel", None) or default
            if record is not None:
                panels.setdefault(panel, []).append(record)
        for panel, records in panels.items():
            with formatter.section(panel):
                formatter.write_dl(records)


def _refuse_repeated(given: Sequence[Any]) -> None:
    """Refuse parameters that take one value, and were given more than one.

    A flag that is given twice says the same twice.
    """
    once = [
        parameter
        for parameter in given
        if parameter.param_type_name == "option"
        and not (parameter.is_flag or parameter.multiple or parameter.count)
    ]
    for number, parameter in enumerate(once):
        if parameter in once[:number]:
            name = max(parameter.opts, key=len)
            raise InputError(f"{name}: is given more than once; pass it once")


def conventional(
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            rich_help_panel=MESSAGES,
            help="Show neither progress nor the card about the tables. Warnings and "
            "errors are still shown.",
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            rich_help_panel=MESSAGES,
            help="Show what is done, in lines on standard error.",
        ),
    ] = False,
) -> None:
    """The options that `is_conventional` gives to a command."""


def is_conventional(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options ``--quiet`` and ``--verbose``.

    Parameters
    ----------
    command : callable

    Returns
    -------
    callable
        The same command for typer, which reads the options from its signature.
    """

    @wraps(command)
    def with_options(quiet: bool = False, verbose: bool = False, **values: Any) -> None:
        # Never switched off here: 'resume' runs a command within its own.
        if quiet:
            be_quiet(True)
        if verbose:
            show_logs(True)
        command(**values)

    declare(with_options, [*evaluated(command), *evaluated(conventional)])
    return with_options


def evaluated(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Parameters of a function, their annotations evaluated.

    What only a type checker imports is any type here.
    """
    unknown = {"Texts": Any}
    hints = get_type_hints(function, localns=unknown, include_extras=True)
    return [
        parameter.replace(annotation=hints[parameter.name])
        for parameter in inspect.signature(function).parameters.values()
    ]


def declare(
    command: Callable[..., None], parameters: Sequence[inspect.Parameter]
) -> None:
    """Let typer find these parameters in a command, all of them by their names."""
    named = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in parameters
    ]
    # typer reads both, and neither may name what only a type checker imports.
    command.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    command.__annotations__ = {
        parameter.name: parameter.annotation for parameter in named
    }
