"""``salutary label``: label the rows of a pool."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from salutary.arrays import IntArray
from salutary.labeling.edits import AddRow
from salutary.labeling.fitting import Snapshot
from salutary.labeling.tuning import best_C_by_all_rows
from salutary.progress import Stage
from salutary.runs.artifacts import LABELS, MODEL, write_model
from salutary.runs.decided import decided_figures, refitted
from salutary.runs.kind import FinishedRun, Request
from salutary.runs.report import convex_figures
from salutary.runs.table_problem import TableProblem, encode_tables, make_problem
from salutary.tables.encoding import unseen_categories
from salutary.tables.reading import read_tables
from salutary.tables.sources import Sources
from salutary.tables.writing import write_table


class LabelRun:
    """A `RunKind` that labels pool rows and adds them to the training rows."""

    name = "label"
    scratch: tuple[str, ...] = ()

    def prepare(self, request: Request, stage: Stage) -> TableProblem:
        """Read, check and encode the three tables.

        Raises
        ------
        InputError
            If a table holds something that cannot be used.
        """
        sources, settings = request.sources, request.settings
        with stage("reading the tables"):
            tables = read_tables(sources, settings.seed)
        encoded = encode_tables(tables, sources, settings.seed, stage)
        assert encoded.pool is not None  # without it there is nothing to label
        problem = make_problem(
            encoded, sources, settings, encoded.pool, AddRow(), best_C_by_all_rows
        )
        problem = replace(problem, n_jobs=request.jobs)
        features = tables.features
        unseen = unseen_categories(encoded.encoder, features["train"], features["pool"])
        return TableProblem(problem, encoded, tables.ids, unseen)

    def results(self, sources: Sources) -> tuple[str, ...]:
        """Names of the files of the labels and the model."""
        return LABELS, MODEL

    def write(self, finished: FinishedRun) -> None:
        """Write the labels and the model."""
        write_labels(finished)
        model = finished.prepared.encoded.model(_decided(finished).model)
        write_model(model, finished.request.out / MODEL)

    def outcome(self, finished: FinishedRun) -> dict[str, Any]:
        """Figures of the run for its report."""
        return {
            **convex_figures(finished),
            "agreement": agreement_of(finished),
            "unseen_categories": finished.prepared.unseen,
            **decided_figures(
                finished.prepared.problem,
                finished.state.best,
                _decided(finished),
                finished.decided,
            ),
        }


LABELING = LabelRun()


def _decided(finished: FinishedRun) -> Snapshot:
    """The run's model, fitted again if people have decided against a label of it."""
    best = finished.state.best
    return refitted(finished.prepared.problem, best, finished.decided)


def write_labels(finished: FinishedRun) -> None:
    """Write ``labels.parquet``: the labels that were not undone, in their order.

    Once people have decided about them, those that were rejected are left out, and
    further columns tell a person's label from the run's.
    """
    prepared, decided = finished.prepared, finished.decided
    labels = decided.labels
    rule = finished.request.settings.rule

    def named(classes: IntArray) -> pa.Array:
        names = prepared.problem.classes[classes]
        return pa.array(names.tolist(), type=prepared.label_type)

    of_people = {
        "decision": pa.array(decided.decisions, type=pa.string()),
        "assigned_label": named(labels.classes),
    }
    table = pa.table(
        {
            "id": prepared.ids.take(pa.array(labels.rows)),
            "label": named(decided.classes),
            "influence": labels.of_label(labels.influence),
            "influence_se": labels.influence_se,
            "probability": labels.of_label(labels.probability),
            "round": labels.rounds,
            "rule": pa.array([rule] * len(labels.rows), type=pa.string()),
            **(of_people if decided.any else {}),
        }
    )
    write_table(table, finished.request.out / LABELS)


def agreement_of(finished: FinishedRun) -> float | None:
    """Share of the labels that equal the pool's own; None if it has no labels."""
    prepared, labels = finished.prepared, finished.labels
    if prepared.pool_labels is None or not len(labels.rows):
        return None
    named = prepared.problem.classes[labels.classes]
    return float(np.mean(prepared.pool_labels[labels.rows] == named))
