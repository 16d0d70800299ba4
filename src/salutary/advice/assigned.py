"""The labels that an option of the advice has assigned, and how sure each is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from salutary.advice.task import FittedOption
from salutary.arrays import FloatArray, IntArray, Matrix
from salutary.labeling.selection import Selection
from salutary.names import RELABELED


def assigned_labels(
    option: str,
    found: FittedOption,
    classes: NDArray[Any],
    pool: Matrix | None,
    pool_rows: IntArray,
) -> dict[str, NDArray[Any]]:
    """Columns of row, label, influence, influence_se, probability and round.

    Parameters
    ----------
    option : str
        Its name. Rows are those of the training table if it relabels, else of the pool.
    found : FittedOption
    classes : ndarray
    pool : ndarray or CSR matrix, or None
        The whole pool.
    pool_rows : ndarray of row numbers, dtype intp
        Rows of the pool that the option was given.
    """
    rows = found.rows if option.startswith(RELABELED) else pool_rows[found.rows]
    numbers = [[record.number] * len(record.selection) for record in found.rounds]
    return {
        "row": rows,
        "label": classes[found.labels],
        **_scores(found, classes, pool, rows),
        "round": np.concatenate(numbers) if numbers else np.zeros(found.n_labels),
    }


def _scores(
    found: FittedOption, classes: NDArray[Any], pool: Matrix | None, rows: IntArray
) -> dict[str, FloatArray]:
    """Columns with the influence and the probability of each label.

    Labels of a run have them from when they were assigned. Others have no influence,
    and the probability that the option's model gives them.
    """
    if found.rounds:
        chosen = Selection.empty(len(classes))
        for record in found.rounds:
            chosen = chosen.followed_by(record.selection)
        return {
            "influence": chosen.assigned_influence,
            "influence_se": chosen.influence_se,
            "probability": chosen.assigned_probability,
        }
    nothing = np.full(found.n_labels, np.nan)
    likely = nothing
    if found.n_labels:
        assert pool is not None  # its rows have got these labels
        chance = found.model.predict_proba(pool[rows])
        likely = chance[np.arange(found.n_labels), found.labels]
    return {"influence": nothing, "influence_se": nothing, "probability": likely}
