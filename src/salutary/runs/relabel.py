"""``salutary relabel``: other labels for the rows of the training table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from salutary.files import write_text
from salutary.labeling.fitting import training_rows
from salutary.progress import Stage
from salutary.runs.artifacts import MODEL, SWITCHES, write_model
from salutary.runs.kind import Finished, Request, RunKind
from salutary.runs.report import outcome_of
from salutary.runs.table_problem import TableProblem, prepare_relabeling
from salutary.tables.formats import read_table
from salutary.tables.sources import Sources
from salutary.tables.writing import _cleaned_csv, _cleaned_json, write_table


def write(finished: Finished) -> None:
    """Write the switches, the training table with the new labels, and the model."""
    write_switches(finished)
    _write_cleaned(finished)
    model = finished.prepared.model(finished.state.best.model)
    write_model(model, finished.request.out / MODEL)


def write_switches(finished: Finished) -> None:
    """Write ``switches.parquet``: every switch that stayed, in its order."""
    prepared, labels = finished.prepared, finished.labels
    problem = prepared.problem
    old = problem.classes[problem.labeled.labels[labels.rows]]
    new = problem.classes[labels.classes]
    rule = finished.request.settings.rule
    table = pa.table(
        {
            "id": prepared.ids.take(pa.array(labels.rows)),
            "old_label": pa.array(old.tolist(), type=prepared.label_type),
            "label": pa.array(new.tolist(), type=prepared.label_type),
            "influence": labels.of_label(labels.influence),
            "influence_se": labels.influence_se,
            "probability": labels.of_label(labels.probability),
            "round": labels.rounds,
            "rule": pa.array([rule] * len(labels.rows), type=pa.string()),
        }
    )
    write_table(table, finished.request.out / SWITCHES)


def results(sources: Sources) -> tuple[str, ...]:
    """Names of the files that hold the switches, the cleaned table and the model."""
    return SWITCHES, cleaned_name(sources), MODEL


def cleaned_name(sources: Sources) -> str:
    """What the cleaned table is called: of the training table's kind."""
    train = sources.train
    return "cleaned" + (".parquet" if train.is_dir() else train.suffix.lower())


def _write_cleaned(finished: Finished) -> None:
    """Write the training table as it is, but for the labels that were switched."""
    problem, train = finished.prepared.problem, finished.request.sources.train
    # A label is written as the first row that has its class writes it.
    _, first = np.unique(problem.labeled.labels, return_index=True)
    rows = finished.labels.rows.tolist()
    source = dict(zip(rows, first[finished.labels.classes].tolist(), strict=True))
    out = finished.request.out / cleaned_name(finished.request.sources)
    target = finished.request.sources.target
    if out.suffix == ".csv":
        write_text(out, _cleaned_csv(train, target, source))
    elif out.suffix == ".jsonl":
        write_text(out, _cleaned_json(train.read_text("utf-8-sig"), target, source))
    else:
        table = read_table(train, keep_index=True)
        places = np.arange(table.num_rows)
        places[list(source)] = list(source.values())
        own = table[target].combine_chunks()
        is_view = pa.types.is_string_view(own.type)  # of which Arrow takes nothing
        plain = own.cast(pa.string()) if is_view else own
        labels = plain.take(pa.array(places))
        labels = labels.cast(own.type) if is_view else labels
        column = table.column_names.index(target)
        write_table(table.set_column(column, target, labels), out)


def outcome(finished: Finished) -> dict[str, Any]:
    """How many labels each class has lost and gained."""
    problem, snapshot = finished.prepared.problem, finished.state.best
    before = problem.labeled.labels
    after = training_rows(problem, snapshot.rows, snapshot.labels).labels
    counts = (
        np.bincount(labels, minlength=len(problem.classes)).tolist()
        for labels in (before, after)
    )
    return {
        **outcome_of(finished),
        "training_rows_by_class": {
            str(label): list(pair)
            for label, *pair in zip(problem.classes.tolist(), *counts, strict=True)
        },
        "cleaned": cleaned_name(finished.request.sources),
    }


def prepare(request: Request, stage: Stage) -> TableProblem:
    """Make a problem of two tables."""
    return prepare_relabeling(request.sources, request.settings, stage)


RELABELING = RunKind("relabel", prepare, results, write, outcome)
