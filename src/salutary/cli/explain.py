"""``salutary explain``: a run and a row in, why the row got its label out."""

from __future__ import annotations

import warnings
from typing import Annotated

import typer

from salutary.cli import parameters
from salutary.cli.conventions import is_conventional
from salutary.cli.terminal import display, is_quiet, print_json
from salutary.errors import InputError


@is_conventional
def explain(
    *,
    run_dir: parameters.LabelingRun,
    id_: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="ID",
            help="The row's id, as in labels.parquet; without an id column its number. "
            "This or --row is needed.",
        ),
    ] = None,
    row: Annotated[
        int | None,
        typer.Option(
            "--row",
            metavar="N",
            help="In place of --id: the row's number in its table, counted from 0; "
            "what report.html calls 'row N of POOL'.",
        ),
    ] = None,
    as_json: parameters.AsJson = False,
) -> None:
    """Say why a row got its label, and how far to trust that.

    Shows what every label would bring and how surely, what the model makes of each
    column, the nearest labeled rows, which validation rows the label helps and hurts,
    whether the guard's runs agree, and what the label's round really brought. The row
    is one of POOL, or of TRAIN after 'salutary relabel'. A row that got no label is
    explained too, by the run's last model.

    The tables must be where they were, and as they were. Nothing is labeled or written.
    With --quiet, warnings about the tables, which the run gave before, are left out.

    Example: salutary explain runs/first --id 1042
    """
    if (id_ is None) == (row is None):
        given = "neither is given" if row is None else "both are given"
        raise InputError(f"--id, --row: {given}; pass one of them to name the row")
    parameters.check_at_least("--row", row, 0)
    # Imported here: 'salutary --help' needs none of it.
    from salutary.cli.explained import explained_text
    from salutary.influence.direction import InfluenceWarning
    from salutary.runs.explain import explain_row

    with warnings.catch_warnings(), display(None, "rows") as shown:
        if is_quiet():
            # The run told of its tables; what the influence lacks is news.
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("default", InfluenceWarning)
        found = explain_row(run_dir, id_, row, shown.stage)
    if as_json:
        print_json(found.to_dict())
        return
    print(explained_text(found), end="")
