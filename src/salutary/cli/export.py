"""``salutary export``: the labels of a run out, for another tool or for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from salutary.cli import parameters
from salutary.cli.conventions import is_conventional
from salutary.cli.new_files import check_place
from salutary.cli.terminal import display, print_json, printable
from salutary.errors import counted
from salutary.names import ExportFormat
from salutary.tables.urls import local_path


@is_conventional
def export(
    *,
    run_dir: parameters.LabelingRun,
    to: Annotated[
        ExportFormat,
        typer.Option(
            "--to",
            help="label-studio, argilla: a folder of tasks or records in which the "
            "run's labels are suggestions and people's are answers. huggingface: a "
            "folder that datasets.load_dataset reads. csv, jsonl, parquet: a file.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            parser=local_path,
            metavar="PATH",
            help="The file or folder to write. Nothing may be there yet.",
        ),
    ],
    all_influences: Annotated[
        bool,
        typer.Option(
            "--all", help="Write the influence of every class, not of the label alone."
        ),
    ] = False,
    user: Annotated[
        str | None,
        typer.Option(
            metavar="UUID",
            help="For argilla: id of the user whose responses people's decisions "
            "become. Needed once there are some.",
        ),
    ] = None,
    as_json: parameters.AsJson = False,
) -> None:
    """Write the labels of a run with the rows' own columns.

    Labels that the guard undid are left out. Each row tells where its label comes from:
    salutary, the run and its start, the round, the rule, the influence with its
    standard error, and the probability. What people say of the label stands apart from
    it. The table of the rows must be where it was, and as it was. 'salutary import'
    brings back what people then decide.

    Example: salutary export runs/first --to label-studio --out tasks
    """
    check_place(out, run_dir)
    # Imported here: 'salutary --help' needs none of it.
    from salutary.export.writing import export_labels

    with display(0, "labels") as shown, shown.stage("writing the labels"):
        done = export_labels(run_dir, to, out, all_influences=all_influences, user=user)
    if as_json:
        print_json(done.to_dict())
        return
    print(f"Wrote {counted(done.labels, 'label')} to {printable(str(out))}")
    if done.reviewed:
        print(f"People have decided about {done.reviewed} of them.")
