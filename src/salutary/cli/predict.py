"""``salutary predict``: a run's model and a table in, predictions out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from salutary.cli import parameters
from salutary.cli.config import takes_config
from salutary.cli.conventions import is_conventional
from salutary.cli.new_files import check_place
from salutary.cli.terminal import display, print_json, printable
from salutary.errors import InputError
from salutary.tables.urls import local_path, table_at

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from sklearn.pipeline import Pipeline


@is_conventional
@takes_config
def predict(
    *,
    run_dir: parameters.FinishedRun,
    table: Annotated[
        Path,
        typer.Argument(
            parser=table_at,
            metavar="TABLE",
            help="Table of rows to predict, with the feature columns of the run's "
            "TRAIN.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            parser=local_path,
            metavar="FILE",
            help="File for the predictions, in any format that tables are read in but "
            ".xlsx. An existing file is replaced.",
        ),
    ],
    as_json: parameters.AsJson = False,
) -> None:
    """Predict each row's class and class probabilities.

    FILE gets the row's id, or its number from 0 where TABLE has no id column; the
    column prediction; and a column probability_CLASS for each class.

    Example: salutary predict runs/first new.csv --out predictions.csv
    """
    _check_out(out, run_dir, table)
    # Imported here: 'salutary --help' needs none of it.
    from salutary.runs.artifacts import load
    from salutary.tables.writing import write_table

    model = load(run_dir)
    # Nothing is shown before the first rows, all of most tables, have been checked.
    parts = _parts(model, run_dir, table)
    first = next(parts)
    with display(0, "rows") as shown:
        with shown.stage("predicting"):
            predictions = _joined(
                [_predictions(model, *part) for part in chain([first], parts)]
            )
        write_table(predictions, out)
    if as_json:
        print_json(_counted(out, model, predictions))
        return
    print(f"Wrote {predictions.num_rows} predictions to {printable(str(out))}")


def _counted(out: Path, model: Pipeline, predictions: pa.Table) -> dict[str, Any]:
    """The file, its number of rows, and how many of them have which prediction."""
    counts = Counter(predictions["prediction"].to_pylist())
    names = _class_names(model)
    return {
        "file": str(out),
        "rows": predictions.num_rows,
        "predicted": {
            name: counts[label]
            for name, label in zip(names, model.classes_.tolist(), strict=True)
        },
    }


def _check_out(out: Path, run_dir: Path, table: Path) -> None:
    """Refuse an output that is of no known kind, in the way, or cannot be written."""
    # Imported here: 'salutary --help' needs none of it.
    from salutary.tables.writing import check_can_be_written

    check_can_be_written(out)
    is_here = isinstance(table, Path) and table.exists()
    if is_here and out.exists() and out.samefile(table):
        raise InputError(f"{out}: is the table to predict; pass another --out")
    if out.is_dir():
        raise InputError(f"{out}: is a directory; pass a file as --out")
    check_place(out, run_dir)


def _parts(
    model: Pipeline, run_dir: Path, path: Path
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """The output's first column and the features, of all rows or of each batch."""
    import numpy as np

    from salutary.runs.artifacts import read_report
    from salutary.tables.batches import check_texts, may_have_many_rows
    from salutary.tables.casting import cast_features
    from salutary.tables.formats import read_table
    from salutary.tables.large_pool import cast_batches

    kinds = model["types"].kinds
    id_column = read_report(run_dir)["settings"]["id"]
    documents = [column for column, kind in kinds.items() if kind == "document"]
    parts: Iterable[tuple[pa.Table, pd.DataFrame]]
    if may_have_many_rows(path):
        check_texts(path)
        parts = cast_batches(path, kinds, documents)
    else:
        whole = read_table(path, documents)
        parts = [(whole, cast_features(whole, kinds, str(path)))]
    n_passed = 0
    for rows, frame in parts:
        columns: dict[str, Any] = {"row": np.arange(n_passed, n_passed + rows.num_rows)}
        if id_column in rows.column_names:
            columns = {id_column: rows[id_column].combine_chunks()}
            if id_column in ("prediction", *_probability_columns(model)):
                raise InputError(
                    f"{path}: the id column {id_column!r} has the name of an output "
                    "column; rename it, also in the run's pool"
                )
        n_passed += rows.num_rows
        yield columns, frame


def _joined(parts: list[pa.Table]) -> pa.Table:
    """The predictions of all rows, with ids of one type."""
    import pyarrow as pa

    from salutary.tables.spelling import whole_numbers

    table = pa.concat_tables(parts, promote_options="permissive")
    table = table.unify_dictionaries().combine_chunks()
    ids = whole_numbers(table.column(0).combine_chunks())
    return table.set_column(0, table.column_names[0], ids)


def _class_names(model: Pipeline) -> list[str]:
    """The classes as texts, as the file has them."""
    import pyarrow as pa

    names: list[str] = pa.array(model.classes_).cast(pa.string()).to_pylist()
    return names


def _probability_columns(model: Pipeline) -> list[str]:
    return [f"probability_{name}" for name in _class_names(model)]


def _predictions(
    model: Pipeline, columns: dict[str, Any], features: pd.DataFrame
) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    probability = model[1:].predict_proba(features)
    classes = model.classes_
    # Whole numbers from 2**63 on have no type but this.
    label_type = pa.uint64() if classes.dtype == np.uint64 else None
    labels = classes[probability.argmax(axis=1)].tolist()
    columns["prediction"] = pa.array(labels, label_type)
    columns.update(zip(_probability_columns(model), probability.T, strict=True))
    return pa.table(columns)
