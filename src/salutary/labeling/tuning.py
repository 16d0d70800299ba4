"""Choose the strength of the penalty on validation rows that the model has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from salutary.arrays import Float64Array, IntArray, Matrix
from salutary.labeling.fitting import REFIT_TOLERANCE, fit_converged
from salutary.labeling.rows import LabeledRows
from salutary.labeling.splits import deal

PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Values of C that tuning chooses from.

With whole powers of ten, which of two options seems better is up to whose best C
happens to lie nearer to one.
"""

N_PARTS = 5
"""Of labeled rows, in cross-validation."""

TUNING_TOLERANCE = 1e-3
"""Enough to rank penalties by; the model itself is fitted to convergence."""


def fit_penalized(
    C: float,
    rows: LabeledRows,
    classes: NDArray[Any],
    previous: Any = None,
    tolerance: float = REFIT_TOLERANCE,
) -> Any:
    """Fit a logistic regression; of rows of one class, what always says that class.

    Parameters
    ----------
    C : float
    rows : LabeledRows
    classes : ndarray of shape (n_classes,)
    previous : classifier, optional
        Fitted on the same rows under another C; where the fit starts from.
    tolerance : float, default=1e-8

    Returns
    -------
    LogisticRegression or DummyClassifier
    """
    if len(np.unique(rows.labels)) == 1:
        return DummyClassifier().fit(rows.X, classes[rows.labels])
    estimator = LogisticRegression(C=C)
    return fit_converged(estimator, rows, classes, previous, tolerance)


def probabilities(model: Any, X: Matrix, classes: NDArray[Any]) -> Float64Array:
    """Class probabilities, zero for classes the model has never seen.

    Parameters
    ----------
    model : classifier
        Fitted on some of the classes.
    X : matrix of shape (n_rows, n_features)
    classes : ndarray of shape (n_classes,), sorted

    Returns
    -------
    ndarray of shape (n_rows, n_classes)
    """
    found = np.zeros((X.shape[0], len(classes)))
    found[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(X)
    return found


def log_losses(chance: Float64Array, labels: IntArray) -> Float64Array:
    """Log loss of each row, as scikit-learn's: what cannot be counts 36, not infinity.

    Parameters
    ----------
    chance : ndarray of shape (n_rows, n_classes)
        Probability of each class.
    labels : ndarray of shape (n_rows,), dtype intp

    Returns
    -------
    ndarray of shape (n_rows,)

    Examples
    --------
    >>> import numpy as np
    >>> log_losses(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 1])).round(2)
    array([ 0.69, 36.04])
    """
    own = chance[np.arange(len(labels)), labels]
    losses: Float64Array = -np.log(np.clip(own, np.finfo(float).eps, 1.0))
    return losses


def tuned(
    parts: Sequence[tuple[LabeledRows, LabeledRows]],
    classes: NDArray[Any],
    penalties: Sequence[float],
) -> tuple[float, float]:
    """The C with the lowest log loss on rows its models were not fitted on.

    From the strongest penalty on, the search ends where the loss rises: beyond, models
    fit noise, and take longest to. This is the lowest loss of all unless there are two
    dips.

    Parameters
    ----------
    parts : sequence of (LabeledRows, LabeledRows)
        Rows to fit on and rows to judge by.
    classes : ndarray of shape (n_classes,), sorted
    penalties : sequence of float
        Rising; of equals the smallest is taken.

    Returns
    -------
    C : float
    loss : float
        Summed over the rows judged by.
    """
    best, lowest = penalties[0], np.inf
    models: list[Any] = [None] * len(parts)
    for C in penalties:
        loss = 0.0
        for number, (fitted, judged) in enumerate(parts):
            models[number] = fit_penalized(
                C, fitted, classes, models[number], TUNING_TOLERANCE
            )
            chance = probabilities(models[number], judged.X, classes)
            loss += float(log_losses(chance, judged.labels).sum())
        if loss >= lowest:
            break
        best, lowest = C, loss
    return best, lowest


def validated(
    rows: LabeledRows, validation: LabeledRows, classes: NDArray[Any]
) -> float:
    """The best C for labeled rows, by validation rows.

    For labels that are noisy, among which those left out would be noisy too.
    """
    return tuned([(rows, validation)], classes, PENALTIES)[0]


def cross_validated(rows: LabeledRows, classes: NDArray[Any], seed: int) -> float:
    """The best C for labeled rows, by cross-validation among themselves.

    Parameters
    ----------
    rows : LabeledRows
        At least two.
    classes : ndarray of shape (n_classes,), sorted
    seed : int
        Fixes the parts.

    Returns
    -------
    float
        Of `PENALTIES`.
    """
    part = deal(rows.labels, N_PARTS, np.random.RandomState(seed))
    parts = [
        (
            rows.take(np.flatnonzero(part != number)),
            rows.take(np.flatnonzero(part == number)),
        )
        for number in np.unique(part)
    ]
    return tuned(parts, classes, PENALTIES)[0]
