"""``salutary relabel``: switch labels of the training table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from salutary.arrays import IntArray
from salutary.errors import InputError
from salutary.labeling.edits import SwitchLabel, own_pool
from salutary.labeling.fitting import training_rows
from salutary.labeling.tuning import best_C_by_validation
from salutary.progress import Stage
from salutary.runs.artifacts import MODEL, SWITCHES, write_model
from salutary.runs.kind import FinishedRun, Request
from salutary.runs.report import convex_figures
from salutary.runs.table_problem import TableProblem, encode_tables, make_problem
from salutary.tables.lookup import instead_of
from salutary.tables.reading import Tables, read_tables
from salutary.tables.sources import Sources
from salutary.tables.writing import (
    relabeled_name,
    write_relabeled,
    write_table,
)


class RelabelRun:
    """A `RunKind` that replaces labels of the training table."""

    name = "relabel"
    scratch: tuple[str, ...] = ()

    def prepare(self, request: Request, stage: Stage) -> TableProblem:
        """Read, check and encode the two tables.

        Raises
        ------
        InputError
            If a table holds something that cannot be used.
        """
        sources, settings = request.sources, request.settings
        with stage("reading the tables"):
            tables = read_tables(sources)
        encoded = encode_tables(tables, sources, settings.seed, stage)
        if tables.ids is None:
            column = str(sources.id_column)
            others = (*tables.kinds, *tables.left_out)
            raise InputError(
                f"{sources.train}: has no id column {column!r}; "
                f"{instead_of(column, others, 'add it')}"
            )
        train = encoded.train
        edit = SwitchLabel(train.labels)
        problem = make_problem(
            encoded, sources, settings, own_pool(train), edit, best_C_by_validation
        )
        problem = replace(problem, n_jobs=request.jobs)
        return TableProblem(problem, encoded, tables.ids, unseen={})

    def results(self, sources: Sources) -> tuple[str, ...]:
        """Names of the files of the switches, the cleaned table and the model."""
        return SWITCHES, cleaned_name(sources), MODEL

    def write(self, finished: FinishedRun) -> None:
        """Write the switches, the training table with the new labels, and the model."""
        write_switches(finished)
        _write_cleaned(finished)
        model = finished.prepared.encoded.model(finished.state.best.model)
        write_model(model, finished.request.out / MODEL)

    def outcome(self, finished: FinishedRun) -> dict[str, Any]:
        """Figures of the run, with the rows of each class before and after."""
        problem, best = finished.prepared.problem, finished.state.best
        before = problem.labeled.labels
        after = training_rows(problem, best.rows, best.labels).labels
        counts = (
            np.bincount(labels, minlength=len(problem.classes)).tolist()
            for labels in (before, after)
        )
        return {
            **convex_figures(finished),
            "training_rows_by_class": {
                str(label): list(pair)
                for label, *pair in zip(problem.classes.tolist(), *counts, strict=True)
            },
            "cleaned": cleaned_name(finished.request.sources),
        }


RELABELING = RelabelRun()


def write_switches(finished: FinishedRun) -> None:
    """Write ``switches.parquet``: the switches that were not undone, in their order."""
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


def cleaned_name(sources: Sources) -> str:
    """File name of the cleaned table, of the training table's format if possible."""
    return relabeled_name(sources.train, "cleaned")


def _write_cleaned(finished: FinishedRun) -> None:
    """Write the training table with the switched labels, and otherwise unchanged."""
    sources, tables = finished.request.sources, finished.prepared.encoded.tables
    labels = tables.train_labels.copy()
    labels[finished.labels.rows] = finished.labels.classes
    before, after = (_of_file(tables, each) for each in (tables.train_labels, labels))
    out = finished.request.out / cleaned_name(sources)
    write_relabeled(sources.train, out, sources.target, before, after)


def _of_file(tables: Tables, labels: IntArray) -> IntArray:
    """Labels of the training rows, and of the rows held out of their file."""
    if tables.train_rows is None:
        return labels
    of_file = np.empty(len(labels) + len(tables.validation_labels), dtype=np.intp)
    held = np.ones(len(of_file), dtype=bool)
    held[tables.train_rows] = False
    of_file[tables.train_rows], of_file[held] = labels, tables.validation_labels
    return of_file
