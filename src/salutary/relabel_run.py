"""``salutary relabel``: other labels for the rows of the training table."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from salutary.artifacts import SWITCHES, write_table
from salutary.files import write_text, write_whole
from salutary.fitting import training_rows
from salutary.outcome import Finished
from salutary.table_problem import prepare_relabeling
from salutary.table_run import Kind
from salutary.tables import read_table


def write_switches(finished: Finished) -> None:
    """Write ``switches.parquet`` and the training table with the new labels."""
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
    _write_cleaned(finished)


def cleaned_path(out: Path, finished: Finished) -> Path:
    """Where the cleaned table goes: of the training table's kind."""
    train = finished.request.sources.train
    suffix = ".parquet" if train.is_dir() else train.suffix.lower()
    return out / f"cleaned{suffix}"


def _write_cleaned(finished: Finished) -> None:
    """Write the training table as it is, but for the labels that were switched."""
    sources = finished.request.sources
    train, target = sources.train, sources.target
    # A label is written as the first row that has its class writes it.
    _, first = np.unique(finished.prepared.problem.labeled.labels, return_index=True)
    source = np.arange(len(finished.prepared.problem.labeled))
    source[finished.labels.rows] = first[finished.labels.classes]
    out = cleaned_path(finished.request.out, finished)
    if out.suffix == ".jsonl":
        content = train.read_text("utf-8-sig").split("\n")
        lines = [json.loads(line) for line in content if line.strip()]
        texts = [
            json.dumps({**line, target: lines[place][target]}, ensure_ascii=False)
            for line, place in zip(lines, source, strict=True)
        ]
        write_text(out, "\n".join([*texts, ""]))
        return
    table = read_table(train)
    if out.suffix == ".csv":
        table = read_table(train, table.column_names)  # as they are written
    labels = table[target].combine_chunks().take(pa.array(source))
    table = table.set_column(table.column_names.index(target), target, labels)
    if out.suffix == ".csv":
        write_whole(out, partial(table.to_pandas().to_csv, index=False))
    else:
        write_table(table, out)


def outcome(finished: Finished) -> dict[str, Any]:
    """How many labels each class has lost and gained."""
    problem, chain = finished.prepared.problem, finished.state.kept
    before = problem.labeled.labels
    after = training_rows(problem, chain.rows, chain.labels).labels
    counts = (
        np.bincount(labels, minlength=len(problem.classes)).tolist()
        for labels in (before, after)
    )
    return {
        "training_rows_by_class": {
            str(label): list(pair)
            for label, *pair in zip(problem.classes.tolist(), *counts, strict=True)
        },
        "cleaned": cleaned_path(finished.request.out, finished).name,
    }


RELABELING = Kind(
    "relabel",
    prepare_relabeling,
    (SWITCHES, "cleaned.csv", "cleaned.jsonl", "cleaned.parquet"),
    write_switches,
    outcome,
)
