"""How ``label``, ``relabel`` and ``finetune`` run: progress, run directory, summary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salutary.cli.callbacks import at_work, find_callbacks
from salutary.cli.card import card
from salutary.cli.config import TYPED
from salutary.cli.report import report_at_end, where_the_page_is
from salutary.cli.run_summary import run_warnings
from salutary.cli.terminal import (
    Display,
    are_logs_shown,
    display,
    is_quiet,
    print_json,
    say,
    tell,
)

if TYPE_CHECKING:
    from salutary.labeling.outcome import Round
    from salutary.runs.kind import Request, RunKind
    from salutary.tables.checks import Checks


def show_checks(shown: Display, checks: Checks) -> None:
    """Show the card about the tables among the progress; with --quiet its warnings."""
    for line in card(checks.to_dict()):
        if is_quiet() and line.startswith("warning: "):
            tell(line)
        else:
            shown.advance(0, line)


def run_and_summarize(
    kind: RunKind,
    request: Request,
    unit: str,
    describe: Callable[[Round], str],
    summary: Callable[[dict[str, Any], Path], Iterable[str]],
    as_json: bool,
    callback: Sequence[str] | None,
    no_report: bool,
) -> None:
    """Run, or continue a run, show each round, and print what came of it.

    Parameters
    ----------
    kind : RunKind
    request : Request
    unit : str
        What the budget counts, in the plural.
    describe : callable
        The line to show about a round.
    summary : callable
        (report, run directory) -> lines to print at the end.
    as_json : bool
        Whether to print the report, as in run.json, in place of the summary.
    callback : sequence of str or None
        Names of the plug-ins that are told of the run.
    no_report : bool
        Whether to write no page about the run.

    Raises
    ------
    InputError
        For anything in the request that cannot be used.
    """
    # Imported here: 'salutary --help' needs none of it.
    from salutary.labeling.callbacks import Callbacks
    from salutary.runs.callbacks import run_begin, run_end
    from salutary.runs.directory import run_tables

    told = Callbacks(find_callbacks(callback or ()))
    request = replace(request, command=TYPED.get())
    with display(request.budget, unit) as shown, at_work():

        def show(record: Round) -> None:
            line = "" if are_logs_shown() else describe(record)
            shown.advance(len(record.selection), line)

        report = run_tables(
            kind, request, shown.stage, show, partial(show_checks, shown), told
        )
    report_at_end(request.out, no_report)
    # Told after that, as the page may be among what they keep.
    with at_work():
        if not told.begun:  # the run had finished, perhaps before they were told
            told.begin(partial(run_begin, request.out))
        told.end(partial(run_end, request.out))
    for line in run_warnings(report):
        tell(line)
    if as_json:
        print_json(report)
        return
    for line in (*summary(report, request.out), *where_the_page_is(request.out)):
        say(line)
