"""The guard: rows influence never saw decide which rounds stay."""

from __future__ import annotations

from typing import Literal

import numpy as np

from salutary.influence.uncertainty import standard_error
from salutary.objective import FloatArray, IntArray

FOLDS = 3
"""Parts of the validation rows; each is the canary of a run that sees the others."""

STOPPING = 1.0
"""Standard errors that the canary loss must rise by for the run to end."""

Verdict = Literal["kept", "waiting", "harmful"]


def judge(kept: FloatArray, now: FloatArray, weight: FloatArray) -> Verdict:
    """Whether the rounds since the best so far have made the model better.

    Parameters
    ----------
    kept, now : ndarrays of shape (n_canary,)
        Loss of each canary row after the best round so far, and now.
    weight : ndarray of shape (n_canary,)

    Returns
    -------
    {"kept", "waiting", "harmful"}
        "kept" if the mean of ``kept - now`` is positive; "harmful" if that of
        ``now - kept`` exceeds its standard error; else later rounds decide.

    Notes
    -----
    Rules that ask more of a round to stay, or compare it with the one before, keep less
    of what labeling gains; see ``docs/studies/rules``.

    Examples
    --------
    >>> import numpy as np
    >>> high, low = np.array([0.5, 0.7, 0.6]), np.array([0.4, 0.5, 0.5])
    >>> judge(high, low, np.ones(3)), judge(low, high, np.ones(3))
    ('kept', 'harmful')
    >>> judge(low, np.array([0.3, 0.6, 0.6]), np.ones(3))
    'waiting'
    """
    fall, error = fall_of(kept, now, weight)
    if fall > 0:
        return "kept"
    return "harmful" if -fall > STOPPING * error else "waiting"


def fall_of(
    before: FloatArray, after: FloatArray, weight: FloatArray
) -> tuple[float, float]:
    """Weighted mean fall of the rows' losses, and its standard error."""
    fall = before - after
    mean = float(np.average(fall, weights=weight))
    return mean, float(standard_error(fall, weight))


def deal(labels: IntArray, rng: np.random.RandomState) -> IntArray:
    """Deal rows into `FOLDS` parts, class by class.

    Parameters
    ----------
    labels : ndarray of shape (n_rows,), dtype intp
    rng : numpy.random.RandomState

    Returns
    -------
    ndarray of shape (n_rows,), dtype intp
        Each row's part. Parts, and the parts of a class, differ by one row at most.

    Examples
    --------
    >>> import numpy as np
    >>> np.bincount(deal(np.repeat([0, 1], [4, 3]), np.random.RandomState(0)))
    array([3, 2, 2])
    """
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    part = np.empty(len(labels), dtype=np.intp)
    part[by_class] = np.arange(len(labels)) % FOLDS
    return part
