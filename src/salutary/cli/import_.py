"""``salutary import``: a reviewed file in, people's decisions into a run's ledger."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from salutary.cli import parameters
from salutary.cli.conventions import is_conventional
from salutary.cli.terminal import display, print_json, printable
from salutary.names import ExportFormat


@is_conventional
def import_(
    *,
    run_dir: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_DIR", help="Directory of a finished run of 'salutary label'."
        ),
    ],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="File or folder with people's labels, of one of the formats that "
            "'salutary export' writes.",
        ),
    ],
    source: Annotated[
        ExportFormat | None,
        typer.Option(
            "--from",
            help="What FILE is, if that is not to be told from the file.",
            show_default="told from FILE",
        ),
    ] = None,
    as_json: parameters.AsJson = False,
) -> None:
    """Store what people have decided about a run's labels.

    All of FILE is stored, or nothing. A row goes by its number or id. With the label
    that the run gave it, the label is accepted; with another, changed. A row without an
    answer stays as it is. Refused are rows that have no label of this run, unknown
    classes, two answers for one row, and files of another run. The same file twice
    changes nothing the second time.

    Example: salutary import runs/first reviewed.csv
    """
    # Imported here: 'salutary --help' needs none of it.
    from salutary.export.importing import import_reviews

    with display(0, "labels") as shown, shown.stage("reading the labels"):
        done = import_reviews(run_dir, file, source)
    new = done.accepted + done.changed + done.rejected
    resume = f"salutary resume {shlex.quote(str(run_dir))}" if new else None
    if as_json:
        print_json({**done.to_dict(), "refit_by": resume})
        return
    print(
        f"{done.accepted} accepted, {done.changed} changed, {done.rejected} rejected, "
        f"{done.unchanged} unchanged."
    )
    if resume:
        print(printable(f"Fit the model again with that by: {resume}"))
