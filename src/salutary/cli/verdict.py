"""The verdict in lines for a person, the same after every command."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from shutil import get_terminal_size
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def verdict_lines(verdict: dict[str, Any]) -> Iterator[str]:
    """A table of what was compared, with the advised option marked, and the advice.

    Parameters
    ----------
    verdict : dict
        As of `salutary.advice.verdict.Verdict.to_dict`.
    """
    yield from _table(verdict)
    yield from FOOTNOTES
    if _some_are_the_advised(verdict):
        yield ALIKE
    yield verdict["sentence"]


def _table(verdict: dict[str, Any]) -> list[str]:
    """A line or two for each option, no longer than the terminal is wide."""
    # Help is not to wait for pandas.
    from salutary.displays.reprs import interval_in_figures

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("trained on", overflow="fold")
    loss = verdict["objective"].replace("_", " ")
    for title in (loss, "behind", "95% interval", "accuracy", "C"):
        table.add_column(Text(title), justify="right", no_wrap=True)
    for row in verdict["options"]:
        mark = ">" if row["option"] == verdict["option"] else " "
        weight = row["validation_weight"]
        weighted = f", weight {weight:g}" if weight not in (0, 1) else ""
        interval = interval_in_figures(row["lower"], row["upper"])
        figures = (f"{row['loss']:.4f}", f"{row['difference']:z.4f}", interval)
        table.add_row(
            *(mark, Text(f"{row['option']}{weighted}"), *figures),
            *(f"{row['accuracy']:.3f}", f"{row['C']:g}"),
        )
    console = Console(file=StringIO(), width=get_terminal_size().columns)
    with console.capture() as shown:
        console.print(table)
    return [line.rstrip() for line in shown.get().splitlines()]


def _some_are_the_advised(verdict: dict[str, Any]) -> bool:
    """Whether an option has the model of the advised one, so that no row differs."""
    return any(
        row["lower"] == row["upper"] == 0 and row["option"] != verdict["option"]
        for row in verdict["options"]
    )


ALIKE = "One without an interval predicts as the advised one does."

FOOTNOTES = (
    "Each is judged on validation rows that its model was not fitted on, with its C",
    "tuned on others. Behind: how much higher the loss is than the advised one's (>).",
)
