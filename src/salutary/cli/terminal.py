"""Show how far a command is: a progress bar on a terminal, plain lines elsewhere.

All of it goes to standard error, so that standard output holds results alone.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from shutil import get_terminal_size
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from salutary.errors import shortened
from salutary.progress import Report, silent

SECONDS_BETWEEN_LINES = 10.0
"""A long step prints how far it is about this often, where there is no bar."""

# A context variable, because the option --quiet is read long before a display is made.
_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


def be_quiet(quiet: bool) -> None:
    """Show no progress from now on, or show it again."""
    _quiet.set(quiet)


def is_quiet() -> bool:
    """Whether no progress is to be shown."""
    return _quiet.get()


def show_logs(verbose: bool) -> None:
    """Show what the library logs on standard error, or nothing of it."""
    logger = logging.getLogger("salutary")
    for handler in logger.handlers[:]:
        if isinstance(handler, _LogLines):
            logger.removeHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.NOTSET)
    if verbose:
        logger.addHandler(_LogLines())


def are_logs_shown() -> bool:
    """Whether what the library logs is shown, each round among it."""
    handlers = logging.getLogger("salutary").handlers
    return any(isinstance(handler, _LogLines) for handler in handlers)


class _LogLines(logging.Handler):
    """A line on standard error for each record, above a bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        text = printable(record.getMessage())
        tell(f"{clock} {record.levelname} {record.name}: {text}")


class Display(Protocol):
    """Where a command shows what it is doing."""

    def stage(self, name: str) -> AbstractContextManager[Report]:
        """Show a step while the block runs, and how far it is if the block reports."""

    def advance(self, steps: int, message: str) -> None:
        """Show that the run has got this many steps further; the message may be ""."""


@contextmanager
def display(total: int | None, unit: str) -> Iterator[Display]:
    """Show the block's progress: a bar if standard error is a terminal, else lines.

    With --quiet nothing is shown.

    Parameters
    ----------
    total : int or None
        Steps of the whole run; None if they are not known.
    unit : str
        What a step is called, in the plural.

    Yields
    ------
    Display
    """
    if _quiet.get():
        yield Nothing()
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        lines = Lines()
        yield lines
        lines.show()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Speed(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Bar(progress, total, unit)


class Nothing:
    """No display."""

    def stage(self, name: str) -> AbstractContextManager[Report]:
        """Show nothing."""
        return silent(name)

    def advance(self, steps: int, message: str) -> None:
        """Show nothing."""


class Lines:
    """A plain line on standard error for each step.

    The first steps are told once the run has got further, or takes long. Where input is
    refused before that, the line that says so stands alone.
    """

    def __init__(self) -> None:
        self._last = ""
        self._held: list[str] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[Report]:
        """Note the step's name, and print now and then how far it is."""
        self._held.append(name)
        began = printed = time.monotonic()
        before = 0

        def report(done: int, total: int) -> None:
            nonlocal began, before, printed
            now = time.monotonic()
            if done < before:  # the step has begun on its next table
                began = now
            before = done
            if done and now > began and now - printed >= SECONDS_BETWEEN_LINES:
                speed = done / (now - began)
                left = f"{_a_second(speed)}, {(total - done) / speed:.0f} s left"
                self.advance(0, f"{name}: {done:,} of {total:,}, {left}")
                printed = now

        yield report

    def advance(self, steps: int, message: str) -> None:
        """Print the message, unless it was the last one."""
        self._held.append(message)
        self.show()

    def show(self) -> None:
        """Print what was noted."""
        for message in self._held:
            if message not in ("", self._last):
                tell(message)
            self._last = message
        self._held.clear()


class Speed(ProgressColumn):
    """How many rows or steps of a stage are done in a second; nothing of rounds."""

    def render(self, task: Task) -> Text:
        """The speed in the last half minute, once it is known."""
        speed = task.speed if task.fields.get("has_speed") else None
        return Text(_a_second(speed) if speed else "")


def _a_second(speed: float) -> str:
    return f"{speed:,.0f} a second" if speed >= 10 else f"{speed:.1f} a second"


class Bar:
    """A progress bar with the time left."""

    def __init__(self, progress: Progress, total: int | None, unit: str) -> None:
        self._progress = progress
        self._run = progress.add_task(unit, total=total, visible=False)
        self._last = ""

    @contextmanager
    def stage(self, name: str) -> Iterator[Report]:
        """Show a second bar, which pulses until the block reports."""
        task = self._progress.add_task(name, total=None, has_speed=True)
        yield lambda done, total: self._progress.update(
            task, completed=done, total=total
        )
        self._progress.remove_task(task)

    def advance(self, steps: int, message: str) -> None:
        """Move the bar, and print the message above it unless it was the last one."""
        self._progress.update(self._run, advance=steps, visible=True)
        if message not in ("", self._last):
            console = self._progress.console
            line = in_width(message, console.width)
            console.print(line, markup=False, highlight=False)
        self._last = message


def print_json(document: Any) -> None:
    """Print one JSON document on standard output."""
    print(json.dumps(document, indent=2, allow_nan=False))


def say(line: str) -> None:
    """Print a line of a result on standard output, unless the caller has closed that.

    On a terminal it is broken between words; a file or a pipe gets it whole.
    """
    if sys.stdout is not None:
        print(_for_stream(line, sys.stdout))


def tell(line: str) -> None:
    """Print a line on standard error, as `say` does on standard output."""
    if sys.stderr is not None:
        print(_for_stream(line, sys.stderr), file=sys.stderr, flush=True)


def _for_stream(line: str, stream: TextIO) -> str:
    return in_width(line, get_terminal_size().columns) if stream.isatty() else line


def in_width(line: str, columns: int) -> str:
    """The line, broken between words where it is longer than a terminal is wide.

    What follows a break begins where the line's text does: after a title that is set
    apart by two spaces or more, or else after the line's own indentation.

    Examples
    --------
    >>> print(in_width("TRAIN   200 rows, of which 100 are yes", 24))
    TRAIN   200 rows, of
            which 100 are
            yes
    """
    if len(line) <= columns:
        return line
    title = re.match(r"\s*(?:\S+ )*?\S+ {2,}|\s*", line)
    indent = title.end() if title and title.end() <= columns // 2 else 0
    broken = textwrap.wrap(
        line, columns, subsequent_indent=" " * indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return "\n".join(broken)


LONGEST_LINE = 1000
"""Characters of a message; of a longer one the middle is left out."""


def printable(text: str) -> str:
    r"""The text on one line of moderate length, control characters as escapes.

    Names and labels come from users' files, which may hold anything. A message says
    first where something is, and last what to do.

    Examples
    --------
    >>> printable("a\nb \x1b[31mred")
    'a b \\x1b[31mred'
    """
    line = "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in " ".join(text.split())
    )
    line = shortened(line)
    if len(line) <= LONGEST_LINE:
        return line
    return f"{line[: LONGEST_LINE // 2]} ... {line[-LONGEST_LINE // 2 :]}"
