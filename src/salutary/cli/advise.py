"""``salutary advise``: what to train on, compared on the user's own tables."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from salutary.cli import parameters
from salutary.cli.config import takes_config
from salutary.cli.conventions import is_conventional
from salutary.cli.run_summary import not_validated, recurring
from salutary.cli.terminal import display, print_json

if TYPE_CHECKING:
    from salutary.runs.advise import Plan
    from salutary.tables.sources import Sources, Texts

COMPARISON = "Comparison"
"""Panel of the help."""


@is_conventional
@takes_config
@parameters.takes_texts
def advise(
    *,
    train: parameters.Train,
    validation: parameters.Validation = None,
    validation_fraction: parameters.ValidationFraction = None,
    target: parameters.Target,
    pool: Annotated[
        Path | None,
        typer.Option(
            metavar="POOL",
            help="Unlabeled table. Without it, options that need a pool are not tried. "
            "Of a pool of more than 20,000 rows, 20,000 are drawn and used.",
        ),
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="Column that names the pool's rows; never a feature.",
        ),
    ] = None,
    budget: Annotated[
        int,
        typer.Option(
            help="Maximum number of labels to assign, for options that assign labels."
        ),
    ] = 100,
    batch_size: parameters.BatchSize = 10,
    splits: Annotated[
        int,
        typer.Option(
            rich_help_panel=COMPARISON,
            help="Number of parts of VAL. Each part judges models that were not fitted "
            "on it.",
        ),
    ] = 5,
    repeats: Annotated[
        int,
        typer.Option(
            rich_help_panel=COMPARISON, help="Number of times that VAL is split anew."
        ),
    ] = 2,
    texts: Texts | None = None,
    seed: parameters.Seed = 0,
    as_json: parameters.AsJson = False,
) -> None:
    r"""Compare what to train on, and advise one option.

    The options are TRAIN, VAL, both, and labels for the pool as well. Each option is
    fitted on TRAIN, a part of VAL and POOL, with its C tuned, and judged by the rest of
    VAL. The last line is the advice, one sentence that starts with "Advice: ".

    Example: salutary advise train.csv --validation val.csv --pool pool.csv \
        --target y
    """
    parameters.check_at_least("--budget", budget, 1)
    parameters.check_at_least("--batch-size", batch_size, 1)
    parameters.check_at_least("--splits", splits, 2)
    parameters.check_at_least("--repeats", repeats, 1)
    parameters.check_seed(seed)
    held_out = parameters.held_out(validation, validation_fraction, train, seed)
    # Imported here: 'salutary --help' needs none of it.
    from salutary.runs.advise import Plan
    from salutary.tables.sources import Sources

    tables = (train, validation, pool)
    report = _compare(
        Sources(*tables, target, id_column, texts=texts, held_out=held_out),
        Plan(budget, batch_size, splits, repeats, seed),
    )
    if as_json:
        print_json(report)
        return
    for line in summary(report):
        print(line)


def _compare(sources: Sources, plan: Plan) -> dict[str, Any]:
    """The comparison, with its progress shown."""
    from salutary.advice.options import OPTIONS, POOL_OPTIONS
    from salutary.runs.advise import advise_tables

    n_options = len(OPTIONS) + (len(POOL_OPTIONS) if sources.pool else 0)
    with display(plan.splits * plan.repeats * n_options, "fits") as shown:

        def fitted(line: str) -> None:
            shown.advance(1, line)

        return advise_tables(sources, plan, shown.stage, fitted)


def summary(report: dict[str, Any]) -> Iterator[str]:
    """The report in lines for a person."""
    rows = f"{report['n_train']} training and {report['n_validation']} validation rows"
    if report["n_pool"]:
        rows += f", {report['n_pool']} in the pool"
    if report["n_pool_used"] < report["n_pool"]:
        rows += f", of which {report['n_pool_used']} were drawn and used"
    folds = f"{report['n_splits']} folds, repeats: {report['n_repeats']}"
    yield f"{rows}; {folds}"
    yield from _table(report)
    yield "> is advised; behind: how far the log loss is above the lowest one"
    yield "weight: of a validation row in the fit, where a training row weighs 1"
    if report["recurring_validation_rows"]:
        yield f"warning: {recurring(report['recurring_validation_rows'])}"
    if report["classes_not_validated"]:
        yield f"warning: {not_validated(report['classes_not_validated'])}"
    yield report["sentence"]


def _table(report: dict[str, Any]) -> list[str]:
    """A line or two for each option, no longer than the terminal is wide."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("option", overflow="fold")
    for title in ("log loss", "behind", "95% interval", "accuracy", "C"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in report["options"]:
        mark = ">" if row["option"] == report["option"] else " "
        weight = row["validation_weight"]
        weighted = f", weight {weight:g}" if weight not in (0, 1) else ""
        interval = f"{row['lower']:z.3f} to {row['upper']:z.3f}"
        if row["lower"] == row["upper"] == 0:
            interval = ""
        name = Text(f"{row['option']}{weighted}")
        figures = (f"{row['log_loss']:.4f}", f"{row['difference']:.4f}", interval)
        table.add_row(mark, name, *figures, f"{row['accuracy']:.3f}", f"{row['C']:g}")
    width = get_terminal_size().columns
    console = Console(file=StringIO(), width=width)
    with console.capture() as shown:
        console.print(table)
    return [line.rstrip() for line in shown.get().splitlines()]
