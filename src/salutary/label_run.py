"""``salutary label``: labels for the rows of a pool."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from salutary.artifacts import LABELS, write_table
from salutary.outcome import Finished
from salutary.table_problem import prepare_labeling
from salutary.table_run import Kind


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
    """What only a run with a pool has."""
    prepared, labels = finished.prepared, finished.labels
    named = prepared.problem.classes[labels.classes]
    agreement = None
    if prepared.pool_labels is not None and len(named):
        agreement = float(np.mean(prepared.pool_labels[labels.rows] == named))
    return {"agreement": agreement, "unseen_categories": prepared.unseen}


LABELING = Kind(
    "label", prepare_labeling, lambda sources: (LABELS,), write_labels, outcome
)
