"""Soft labels: rows with a probability of each class, trained on beside labeled rows.

References
----------
Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network, arXiv
1503.02531.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _num_samples

from salutary.arrays import Float64Array, FloatArray, IntArray

SOFT_ARGUMENTS = ("X_soft", "y_soft", "soft_weight")
"""Arguments by which a trainer's ``fit`` takes soft labels."""

LEAST_AT_START = 0.01
"""Smaller probabilities are left out of the regression that a linear layer starts as.

Its rows are as many as there are probabilities above this.
"""


@dataclass(frozen=True, eq=False)
class SoftRows:
    """Rows with a probability of each class.

    Parameters
    ----------
    X : sequence of length n_rows
    chance : ndarray of shape (n_rows, n_classes)
        Each row sums to 1.
    weight : float, default=1.0
        Weight of each row; a labeled row weighs 1.
    """

    X: Any
    chance: Float64Array
    weight: float = 1.0


def check_soft(X: Any, y: Any, weight: Any, n_classes: int) -> SoftRows | None:
    """Check soft labels as users pass them.

    Parameters
    ----------
    X, y, weight : object
        ``X_soft``, ``y_soft`` and ``soft_weight`` of a classifier's ``fit``.
    n_classes : int

    Returns
    -------
    SoftRows or None
        None if there are no rows.

    Raises
    ------
    ValueError
        If one of ``X`` and ``y`` is missing, a row has no probabilities, or the weight
        is no positive number.

    Examples
    --------
    >>> check_soft(["a text"], [[0.5, 0.6]], 1.0, 2)
    Traceback (most recent call last):
    ...
    ValueError: row 0 of y_soft is no list of probabilities: they must be from 0 to 1 \
and sum to 1; pass those of a predict_proba
    """
    if (X is None) != (y is None):
        raise ValueError("X_soft and y_soft go together; pass both or neither")
    if not isinstance(weight, Real) or not 0 < float(weight) < np.inf:
        raise ValueError(f"soft_weight must be a number above 0, got {weight!r}")
    if X is None:
        return None
    chance, n_rows = np.asarray(y, dtype=np.float64), _num_samples(X)
    if chance.shape != (n_rows, n_classes):
        raise ValueError(
            f"y_soft has shape {chance.shape} for {n_rows} rows of X_soft and "
            f"{n_classes} classes in y; pass shape ({n_rows}, {n_classes})"
        )
    # Sums of float32 are 1 to a few millionths.
    right = (chance >= 0).all(axis=1) & (np.abs(chance.sum(axis=1) - 1) < 1e-4)
    if not right.all():
        raise ValueError(
            f"row {np.argmin(right)} of y_soft is no list of probabilities: they must "
            "be from 0 to 1 and sum to 1; pass those of a predict_proba"
        )
    return SoftRows(X, chance, float(weight)) if n_rows else None


def arguments_of(soft: SoftRows | None) -> dict[str, Any]:
    """The arguments by which a trainer's ``fit`` gets soft labels."""
    if soft is None:
        return {}
    values = (soft.X, soft.chance, soft.weight)
    return dict(zip(SOFT_ARGUMENTS, values, strict=True))


def targets_of(
    codes: IntArray, soft: SoftRows | None
) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """What labeled rows, and after them soft ones, are to be predicted as.

    Parameters
    ----------
    codes : ndarray of shape (n_labeled,), dtype intp
        Position of each labeled row's class.
    soft : SoftRows or None

    Returns
    -------
    targets, weight : ndarrays, or None for the weight
        As `salutary.deep.training.train` takes them.
    """
    if soft is None:
        return codes.astype(np.int64), None
    labeled = np.eye(soft.chance.shape[1])[codes]
    weight = np.repeat([1.0, soft.weight], [len(codes), len(soft.chance)])
    return (
        np.concatenate([labeled, soft.chance]).astype(np.float32),
        (weight / weight.mean()).astype(np.float32),
    )


def as_labeled(
    codes: IntArray, soft: SoftRows | None
) -> tuple[IntArray, IntArray, FloatArray]:
    """The same rows as a logistic regression takes them: one for each probable class.

    Returns
    -------
    rows : ndarray of row numbers, dtype intp
    labels : ndarray of shape (n_rows,), dtype intp
    weight : ndarray of shape (n_rows,)
    """
    own, n = np.arange(len(codes)), len(codes)
    if soft is None:
        return own, codes, np.ones(n)
    rows, labels = np.nonzero(soft.chance > LEAST_AT_START)
    return (
        np.concatenate([own, n + rows]),
        np.concatenate([codes, labels]),
        np.concatenate([np.ones(n), soft.weight * soft.chance[rows, labels]]),
    )
