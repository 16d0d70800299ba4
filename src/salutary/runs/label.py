"""``salutary label``: labels for the rows of a pool."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from salutary.progress import Stage
from salutary.runs.artifacts import LABELS, MODEL, write_model
from salutary.runs.kind import Finished, Request, RunKind
from salutary.runs.report import outcome_of
from salutary.runs.table_problem import TableProblem, prepare_labeling
from salutary.tables.writing import write_table


def write(finished: Finished) -> None:
    """Write the labels and the model."""
    write_labels(finished)
    model = finished.prepared.model(finished.state.best.model)
    write_model(model, finished.request.out / MODEL)


def write_labels(finished: Finished) -> None:
    """Write ``labels.parquet``: every label that stayed, in the order of assignment."""
    prepared, labels = finished.prepared, finished.labels
    named = prepared.problem.classes[labels.classes]
    rule = finished.request.settings.rule
    table = pa.table(
        {
            "id": prepared.ids.take(pa.array(labels.rows)),
            "label": pa.array(named.tolist(), type=prepared.label_type),
            "influence": labels.of_label(labels.influence),
            "influence_se": labels.influence_se,
            "probability": labels.of_label(labels.probability),
            "round": labels.rounds,
            "rule": pa.array([rule] * len(labels.rows), type=pa.string()),
        }
    )
    write_table(table, finished.request.out / LABELS)


def outcome(finished: Finished) -> dict[str, Any]:
    """Figures for the report."""
    return {
        **outcome_of(finished),
        "agreement": agreement_of(finished),
        "unseen_categories": finished.prepared.unseen,
    }


def agreement_of(finished: Finished) -> float | None:
    """Share of the labels that are the pool's own, where it has them."""
    prepared, labels = finished.prepared, finished.labels
    if prepared.pool_labels is None or not len(labels.rows):
        return None
    named = prepared.problem.classes[labels.classes]
    return float(np.mean(prepared.pool_labels[labels.rows] == named))


def prepare(request: Request, stage: Stage) -> TableProblem:
    """Make a problem of three tables."""
    return prepare_labeling(request.sources, request.settings, stage)


LABELING = RunKind("label", prepare, lambda sources: (LABELS, MODEL), write, outcome)
