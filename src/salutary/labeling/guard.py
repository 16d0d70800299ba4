"""The guard: rows influence never saw decide which rounds stay."""

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
"""Parts of the validation rows; each is the canary of a run that sees the others."""

STOPPING = 1.0
"""Standard errors that the canary loss must rise by for the run to end."""

Verdict = Literal["kept", "waiting", "harmful"]


def judge(fall: float, error: float) -> Verdict:
    """Whether the rounds since the best so far have made the model better.

    Parameters
    ----------
    fall : float
        Of the canary rows' objective since then.
    error : float
        Its standard error.

    Returns
    -------
    {"kept", "waiting", "harmful"}
        "kept" if the objective has fallen; "harmful" if it has risen by more than the
        standard error; else later rounds decide.

    Notes
    -----
    Rules that ask more of a round to stay, or compare it with the one before, keep less
    of what labeling gains; see ``docs/studies/rules``.

    Examples
    --------
    >>> judge(0.1, 0.3), judge(-0.1, 0.3), judge(-0.4, 0.3)
    ('kept', 'waiting', 'harmful')
    """
    if fall > 0:
        return "kept"
    return "harmful" if -fall > STOPPING * error else "waiting"


def mean_decrease(
    before: FloatArray, after: FloatArray, weight: FloatArray
) -> tuple[float, float]:
    """Weighted mean fall of the rows' losses, and its standard error."""
    fall = before - after
    mean = float(np.average(fall, weights=weight))
    return mean, float(standard_error(fall, weight))


def decrease_in(
    objective: Objective, truth: Truth, before: FloatArray, after: FloatArray
) -> tuple[float, float]:
    """How much an objective of rows falls from some logits to others, and its error.

    Parameters
    ----------
    objective : callable
    truth : Truth
    before, after : ndarrays of shape (n_rows, n_classes)
        Logits of the rows.

    Returns
    -------
    fall, error : float
        The standard error is that of a mean over rows for log loss, otherwise by the
        jackknife; see `salutary.influence.uncertainty`. NaN with fewer than two rows.

    Examples
    --------
    >>> import numpy as np
    >>> truth = Truth(np.array([0, 1]), np.ones(2))
    >>> guess, better = np.zeros((2, 2)), np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> fall, error = decrease_in(log_loss, truth, guess, better)
    >>> round(fall, 4), round(error, 4)
    (0.4731, 0.0932)
    """
    if objective is log_loss:
        labels, weight = truth.labels, truth.weight
        return mean_decrease(
            row_log_loss(before, labels), row_log_loss(after, labels), weight
        )

    def fall_without(kept: IntArray) -> float:
        bound = bind(objective, truth.take(kept))
        return bound(before[kept])[0] - bound(after[kept])[0]

    parts = [fall_without(kept) for kept in leave_one_part_out(truth.weight)]
    error = float(jackknife_error(np.array(parts)))
    return fall_without(np.flatnonzero(truth.weight)), error
