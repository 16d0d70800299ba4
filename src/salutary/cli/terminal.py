"""Show a run as it goes: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

BETWEEN_LINES = 10.0
"""Seconds after which a long step prints how far it is."""

Report = Callable[[int, int], None]
"""Called with what is done of a step, and with all there is to do."""


class Display(Protocol):
    """Where a command shows what it is doing."""

    def stage(self, name: str) -> AbstractContextManager[Report]:
        """Show a step while the block runs; how far it is, if that reports."""

    def advance(self, steps: int, message: str) -> None:
        """Show that so many of the run's steps are done."""


class Lines:
    """A plain line on standard output for each step; errors alone go elsewhere."""

    def __init__(self) -> None:
        self._last = ""

    @contextmanager
    def stage(self, name: str) -> Iterator[Report]:
        """Print the step's name, and now and then how far it is."""
        self.advance(0, name)
        began = printed = time.monotonic()
        before = 0

        def report(done: int, total: int) -> None:
            nonlocal began, before, printed
            now = time.monotonic()
            if done < before:  # the next table
                began = now
            before = done
            if now - printed >= BETWEEN_LINES:
                left = (now - began) / done * (total - done)
                self.advance(0, f"{name}: {done} of {total}, {left:.0f} s left")
                printed = now

        yield report

    def advance(self, steps: int, message: str) -> None:
        """Print the message unless it stands there already."""
        if message != self._last:
            print(message, flush=True)
        self._last = message


class Bar:
    """A progress bar with the time left."""

    def __init__(self, progress: Progress, total: int | None, unit: str) -> None:
        self._progress = progress
        self._run = progress.add_task(unit, total=total, visible=False)
        self._last = ""

    @contextmanager
    def stage(self, name: str) -> Iterator[Report]:
        """Show a bar that pulses, or moves if the block reports."""
        task = self._progress.add_task(name, total=None)
        yield lambda done, total: self._progress.update(
            task, completed=done, total=total
        )
        self._progress.remove_task(task)

    def advance(self, steps: int, message: str) -> None:
        """Move the bar and print the message above it unless it stands there."""
        self._progress.update(self._run, advance=steps, visible=True)
        if message != self._last:
            self._progress.console.print(message, markup=False, highlight=False)
        self._last = message


@contextmanager
def display(total: int | None, unit: str) -> Iterator[Display]:
    """Show the block's progress: a bar where standard error is a terminal.

    Parameters
    ----------
    total : int or None
        Steps of the whole run; None if nobody knows.
    unit : str
        What a step is called, in the plural.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Bar(progress, total, unit)


def printable(text: str) -> str:
    r"""One line of the text, with control characters spelled out.

    Names and labels come from users' files, which may hold anything.

    Examples
    --------
    >>> printable("a\nb \x1b[31mred")
    'a b \\x1b[31mred'
    """
    line = " ".join(text.split())
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in line
    )
