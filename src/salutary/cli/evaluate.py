"""``salutary evaluate``: a run's model and a table with labels in, figures out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from salutary.cli import parameters
from salutary.cli.config import takes_config
from salutary.cli.conventions import is_conventional
from salutary.cli.terminal import display, print_json, printable, say, tell
from salutary.errors import counted
from salutary.tables.urls import table_at

FIGURES = {
    "log_loss": "log loss",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
}

SEEN = {"train": "the training table", "validation": "the validation table"}
"""Tables of a run whose rows its model knows."""


@is_conventional
@takes_config
def evaluate(
    *,
    run_dir: parameters.FinishedRun,
    table: Annotated[
        Path,
        typer.Argument(
            parser=table_at,
            metavar="TABLE",
            help="Labeled table with the feature columns of the run's TRAIN, of rows "
            "that the run has not seen.",
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of TABLE that holds the labels.",
            show_default="the run's --target",
        ),
    ] = None,
    as_json: parameters.AsJson = False,
) -> None:
    """Judge a run's model by rows with labels that it has not seen.

    Beside the model stands guessing: the class frequencies of TRAIN as the prediction
    for every row. The balanced accuracy is the mean of the classes' recalls, and a
    recall is the share of a class's rows that is predicted as that class. Every row
    needs a label, of a class that TRAIN has.

    Example: salutary evaluate runs/first test.csv
    """
    # Imported here: 'salutary --help' needs none of it.
    from salutary.runs.evaluate import evaluate_table

    with display(0, "rows") as shown, shown.stage("evaluating"):
        found = evaluate_table(run_dir, table, target)
    if found["seen_as"] in SEEN:
        tell(
            f"warning: this is {SEEN[found['seen_as']]} of the run, so the figures "
            "look too good; judge by rows that it has not seen"
        )
    if as_json:
        print_json(found)
        return
    for line in summary(found):
        say(line)


def summary(found: dict[str, Any]) -> Iterator[str]:
    """The figures in lines for a person."""
    from salutary.cli.explained_values import cut

    guess = found["guessing"]
    yield f"{printable(found['file'])}: {counted(found['rows'], 'row')}"
    yield f"{'':<20}{'model':>10}{'guessing':>10}"
    for name, title in FIGURES.items():
        guessed = "" if guess is None else f"{guess[name]:.4f}"
        yield f"{title:<20}{found['model'][name]:>10.4f}{guessed:>10}"
    names = [f"{cut(row['class']):<20}" for row in found["classes"]]
    wide = max(map(len, names), default=20)
    yield f"{'class':<{wide}}{'rows':>10}{'recall':>10}"
    for name, row in zip(names, found["classes"], strict=True):
        recall = "" if row["recall"] is None else f"{row['recall']:.4f}"
        yield f"{name:<{wide}}{row['rows']:>10}{recall:>10}"
    if guess is None:
        yield "The run did not count its classes; run it again to see guessing."
