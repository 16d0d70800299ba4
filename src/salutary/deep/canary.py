"""Which validation rows influence sees, and which it does not: the canary rows."""

from __future__ import annotations

import warnings

import numpy as np

from salutary.arrays import IntArray
from salutary.labeling.splits import hold_out

CANARY = 0.3
"""Share of the validation rows that become canary rows, with a guard."""

FEWEST_VALIDATION_ROWS = 20
"""With fewer validation rows there is no guard, as none can be spared."""


def part_validation(
    rows: IntArray, labels: IntArray, guard: bool, rng: np.random.RandomState
) -> tuple[IntArray, IntArray]:
    """Split validation rows into rows for influence and canary rows for the guard.

    Parameters
    ----------
    rows : ndarray of row numbers, dtype intp
    labels : ndarray of shape (n_rows,), dtype intp
        Position of each row's class.
    guard : bool
    rng : numpy.random.RandomState

    Returns
    -------
    own, canary : ndarrays of row numbers, dtype intp
        All rows are in ``own`` without a guard.

    Warns
    -----
    UserWarning
        If there are too few rows to split; then there is no guard.
    """
    if guard and len(rows) < FEWEST_VALIDATION_ROWS:
        warnings.warn(
            f"{len(rows)} validation rows are too few to guard the run with, so it "
            f"goes on without a guard; pass {FEWEST_VALIDATION_ROWS} or more, or "
            "switch the guard off",
            UserWarning,
            stacklevel=3,
        )
    if not guard or len(rows) < FEWEST_VALIDATION_ROWS:
        return rows, rows[:0]
    own, canary = hold_out(labels, CANARY, rng)
    return rows[own], rows[canary]
