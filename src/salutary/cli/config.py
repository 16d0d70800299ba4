"""The options of a command from a TOML file, and the options that repeat a run."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from difflib import get_close_matches
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from salutary.cli.conventions import REPEATING, declare, evaluated
from salutary.errors import InputError
from salutary.tables.urls import TableURL, is_url

NOT_OF_A_RUN = ("out", "resume", "json", "config", "quiet", "verbose", "help")
"""Options that say where or how a run is shown, and not what it is."""

LANGUAGE_MODEL = "NAME_OR_FOLDER"
"""What an option takes that is a path only if there is such a folder."""

TYPED: ContextVar[tuple[str, ...]] = ContextVar("typed", default=())
"""The words of the command line as they were typed, the program's name first."""

LARGEST = 1 << 20
"""Bytes of a file of options that is read."""

COMMANDS = ("check", "label", "relabel", "advise", "finetune", "predict", "evaluate")
"""Commands that take options from a file, each from its own table if it has one."""

LOOKED_AT = ("label", "relabel", "advise")
"""Commands whose options 'salutary check' takes from a file, so far as it has them.

Not those of finetune, which ignores columns that check would look at.
"""


def takes_config(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option ``--config``, in place of its parameter ``options``.

    Parameters
    ----------
    command : callable
        If it has a parameter ``options``, it gets the options that repeat it there, by
        their long names, each a value that JSON and TOML can hold.

    Returns
    -------
    callable
        The same command for typer, which reads the options from its signature.
    """
    parameters = evaluated(command)
    own = [parameter for parameter in parameters if parameter.name != "options"]
    types = {parameter.name: parameter.annotation for parameter in own}

    def read(context: typer.Context, value: Path | None) -> None:
        if value is not None:
            context.default_map = _defaults(value, context, types)

    file = inspect.Parameter(
        "config",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            Path | None,
            typer.Option(
                "--config",
                metavar="FILE",
                callback=read,
                is_eager=True,
                rich_help_panel=REPEATING,
                help="TOML file of options by their long names. Options of the command "
                "line win over it. A run writes the one that repeats it: config.toml.",
            ),
        ],
    )
    running = inspect.Parameter(
        "context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context
    )

    @wraps(command)
    def with_config(context: typer.Context, config: None = None, **values: Any) -> None:
        if len(own) < len(parameters):
            values["options"] = _repeating(context, values)
        command(**values)

    declare(with_config, [running, *own, file])
    return with_config


def names(command: Any) -> dict[str, Any]:
    """The parameters of a command by their long names, without dashes before them."""
    return {
        max(parameter.opts, key=len).lstrip("-").replace("_", "-"): parameter
        for parameter in command.params
    }


def words(command: Any, options: Mapping[str, Any]) -> list[str]:
    """Options as words of the command line, which typer reads as if they were typed."""
    known, found = names(command), []
    for name, value in options.items():
        parameter = known.get(name)
        if parameter is not None and parameter.param_type_name == "argument":
            found.append(str(value))
        elif isinstance(value, bool):
            found += [f"--{name}"] if value else []
        else:
            values = value if isinstance(value, list) else [value]
            found += [f"--{name}={each}" for each in values]
    return found


def _repeating(context: typer.Context, values: dict[str, Any]) -> dict[str, Any]:
    """The options with which the same command does the same again, from any folder."""
    found = {}
    for name, parameter in names(context.command).items():
        value = values.get(parameter.name)
        if name in NOT_OF_A_RUN or value is None or value is False or value == []:
            continue
        is_path = isinstance(value, Path) or (
            parameter.metavar == LANGUAGE_MODEL and Path(value).is_dir()
        )
        found[name] = str(Path(value).absolute()) if is_path else value
        if isinstance(value, TableURL):
            found[name] = str(value)
    return found


def _defaults(
    path: Path, context: typer.Context, types: Mapping[str, Any]
) -> dict[str, Any]:
    """What a file says of a command's options, by the names of the parameters.

    Raises
    ------
    InputError
        If the file cannot be read, or has a key or a value that the command has not.
    """
    known = names(context.command)
    of_a_run = sorted({*known} - {"config", "help"})
    of_others = _of_those_looked_at(context)
    found = {}
    for key, value in _read(path, str(context.info_name)).items():
        name = key.replace("_", "-")
        if name not in of_a_run:
            if name in of_others:
                continue
            close = get_close_matches(name, of_a_run, n=1)
            remedy = f"did you mean {close[0]!r}?" if close else "remove it"
            raise InputError(
                f"{path}: {_shown(key)} is no option of 'salutary "
                f"{context.info_name}'; {remedy}"
            )
        parameter = known[name]
        expected = types.get(parameter.name, bool)
        if parameter.name in found:
            raise InputError(f"{path}: {_shown(key)} is there twice; remove one")
        found[parameter.name] = _checked(value, expected, f"{path}: {_shown(key)}")
    return found


def _of_those_looked_at(context: typer.Context) -> set[str]:
    """Options that 'salutary check' passes over, as they are of the run it looks at."""
    if context.info_name != "check" or context.parent is None:
        return set()
    commands: Mapping[str, Any] = getattr(context.parent.command, "commands", {})
    return {
        name
        for command in LOOKED_AT
        if command in commands
        for name in names(commands[command])
    }


def _read(path: Path, command: str) -> dict[str, Any]:
    """The keys of a file that are for a command."""
    if path.is_dir():
        inside = path / "config.toml"
        which = str(inside) if inside.is_file() else "a file of options"
        raise InputError(f"{path}: is a folder; pass {which}")
    if not path.is_file():
        what = "is a pipe or device" if path.exists() else "no such file"
        raise InputError(f"{path}: {what}; pass a file of options")
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path}: is larger than 1 MB; pass a file of options")
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        cause = " ".join(str(error).split())
        raise InputError(f"{path}: is not TOML in UTF-8: {cause}; correct it") from None
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    for name in tables:
        if name not in COMMANDS:
            close = get_close_matches(name, COMMANDS, n=1) or COMMANDS
            raise InputError(
                f"{path}: [{name[:60]}] is no command with options; the tables are "
                f"those of commands, such as [{close[0]}]"
            )
    flat = {key: value for key, value in content.items() if key not in tables}
    of_runs = [name for name in LOOKED_AT if name in tables]
    if command == "check" and command not in tables and len(of_runs) == 1:
        tables[command] = tables[of_runs[0]]
    if tables and not flat and command not in tables:
        raise InputError(
            f"{path}: has no options for 'salutary {command}', only "
            f"[{next(iter(tables))}]; add [{command}]"
        )
    return {**flat, **tables.get(command, {})}


def _checked(value: Any, expected: Any, place: str) -> Any:
    """A value of a file, if it is of the type that the option has.

    Raises
    ------
    InputError
        Names what the option takes.
    """
    kind = _kind(expected)
    if get_origin(kind) is list:
        if not isinstance(value, list):
            raise InputError(f"{place}: must be a list, not {_shown(value)}")
        return [_checked(each, get_args(kind)[0], place) for each in value]
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            choices = ", ".join(map(str, get_args(kind)))
            raise InputError(f"{place}: must be one of {choices}, not {_shown(value)}")
        return value
    accepted: dict[Any, tuple[type, str]] = {
        bool: (bool, "true or false"),
        int: (int, "a whole number"),
        float: (int | float, "a number"),  # type: ignore[dict-item]
    }
    of_type, words = accepted.get(kind, (str, "a text in quotation marks"))
    is_flag = isinstance(value, bool)
    if not isinstance(value, of_type) or is_flag != (kind is bool):
        raise InputError(f"{place}: must be {words}, not {_shown(value)}")
    if value == "":
        raise InputError(f"{place}: its value is empty; pass one")
    is_path = kind is Path and not is_url(str(value))
    return str(Path(str(value)).expanduser()) if is_path else value


def _kind(annotation: Any) -> Any:
    """The type of a parameter without its description, and without None."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if get_origin(annotation) not in (Literal, list) and len(parts) == 1:
        return _kind(parts[0])
    return annotation


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
