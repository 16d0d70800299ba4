"""The guard: it judges rounds by canary rows, which influence does not see."""

from __future__ import annotations

from typing import Literal

import numpy as np

from salutary.arrays import FloatArray, IntArray
from salutary.influence.objectives import Objective, Truth, bind, log_loss, row_log_loss
from salutary.influence.uncertainty import (
    jackknife_error,
    leave_one_part_out,
    standard_error,
)

FOLDS = 3
"""Number of folds. The validation rows are split into as many parts.

Each part is the canary rows of one fold, whose influences see the other parts.
"""

STOPPING = 1.0
"""A run ends if the canary loss rises by more than this many standard errors."""

Verdict = Literal["kept", "waiting", "harmful"]


def judge(decrease: float, error: float) -> Verdict:
    """Judge a round by the canary loss, compared with that after the best round so far.

    Parameters
    ----------
    decrease : float
        Decrease of the canary loss since the best round so far.
    error : float
        Standard error of the decrease.

    Returns
    -------
    {"kept", "waiting", "harmful"}
        "kept" if the loss has decreased, which makes this the best round; "harmful" if
        it has risen by more than `STOPPING` standard errors, which ends the run; else
        "waiting", as later rounds decide.

    Notes
    -----
    Stricter rules, or a comparison with the round before, keep less of what labeling
    gains; see ``docs/studies/rules``.

    Examples
    --------
    >>> judge(0.1, 0.3), judge(-0.1, 0.3), judge(-0.4, 0.3)
    ('kept', 'waiting', 'harmful')
    """
    if decrease > 0:
        return "kept"
    return "harmful" if -decrease > STOPPING * error else "waiting"


def mean_decrease(
    before: FloatArray, after: FloatArray, weight: FloatArray
) -> tuple[float, float]:
    """Weighted mean decrease of the rows' losses, and its standard error."""
    decrease = before - after
    mean = float(np.average(decrease, weights=weight))
    return mean, float(standard_error(decrease, weight))


def decrease_in(
    objective: Objective, truth: Truth, before: FloatArray, after: FloatArray
) -> tuple[float, float]:
    """Decrease of an objective between two sets of logits, and its standard error.

    Parameters
    ----------
    objective : callable
    truth : Truth
    before, after : ndarrays of shape (n_rows, n_classes)
        Logits of the rows.

    Returns
    -------
    decrease, error : float
        The standard error is that of a mean over rows for the log loss, and by the
        jackknife otherwise, see `salutary.influence.uncertainty`. It is NaN with fewer
        than two rows.

    Examples
    --------
    >>> import numpy as np
    >>> truth = Truth(np.array([0, 1]), np.ones(2))
    >>> guess, better = np.zeros((2, 2)), np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> decrease, error = decrease_in(log_loss, truth, guess, better)
    >>> round(decrease, 4), round(error, 4)
    (0.4731, 0.0932)
    """
    if objective is log_loss:
        labels, weight = truth.labels, truth.weight
        return mean_decrease(
            row_log_loss(before, labels), row_log_loss(after, labels), weight
        )

    def decrease_on(kept: IntArray) -> float:
        bound = bind(objective, truth.take(kept))
        return bound(before[kept])[0] - bound(after[kept])[0]

    parts = [decrease_on(kept) for kept in leave_one_part_out(truth.weight)]
    error = float(jackknife_error(np.array(parts)))
    return decrease_on(np.flatnonzero(truth.weight)), error
