"""Choose the strength of the penalty on validation rows that the model has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from salutary.arrays import Float64Array, Matrix
from salutary.influence.objectives import log_losses
from salutary.labeling.fitting import REFIT_TOLERANCE, fit_converged
from salutary.labeling.rows import LabeledRows
from salutary.labeling.splits import stratified_parts

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


def lowest_loss(
    penalties: Sequence[float], loss_of: Callable[[float], float]
) -> tuple[float, float]:
    """The C with the lowest loss, and that loss.

    From the strongest penalty on, the search ends where the loss rises: beyond, models
    fit noise, and take longest to. This is the lowest loss of all unless there are two
    dips.

    Parameters
    ----------
    penalties : sequence of float
        Values of C, rising; of equals the smallest is taken.
    loss_of : callable
        Loss under a C, on rows that its models were not fitted on.

    Examples
    --------
    >>> lowest_loss([0.1, 1.0, 10.0, 100.0], lambda C: abs(C - 2))
    (1.0, 1.0)
    """
    best, lowest = penalties[0], np.inf
    for C in penalties:
        loss = loss_of(C)
        if loss >= lowest:
            break
        best, lowest = C, loss
    return best, lowest


def best_C(
    parts: Sequence[tuple[LabeledRows, LabeledRows]],
    classes: NDArray[Any],
    penalties: Sequence[float],
) -> tuple[float, float]:
    """The C with the lowest log loss on rows its models were not fitted on.

    Parameters
    ----------
    parts : sequence of (LabeledRows, LabeledRows)
        Rows to fit on and rows to judge by.
    classes : ndarray of shape (n_classes,), sorted
    penalties : sequence of float
        See `lowest_loss`.

    Returns
    -------
    C : float
    loss : float
        Summed over the rows judged by.
    """
    models: list[Any] = [None] * len(parts)

    def loss_of(C: float) -> float:
        loss = 0.0
        for number, (fitted, judged) in enumerate(parts):
            models[number] = fit_penalized(
                C, fitted, classes, models[number], TUNING_TOLERANCE
            )
            chance = probabilities(models[number], judged.X, classes)
            loss += float(log_losses(chance, judged.labels).sum())
        return loss

    return lowest_loss(penalties, loss_of)


def best_C_by_validation(
    rows: LabeledRows, validation: LabeledRows, classes: NDArray[Any]
) -> float:
    """The best C of `PENALTIES` for labeled rows, by validation rows.

    For labels that are noisy, among which those left out would be noisy too.
    """
    return best_C([(rows, validation)], classes, PENALTIES)[0]


def best_C_by_cross_validation(
    rows: LabeledRows, classes: NDArray[Any], seed: int
) -> float:
    """The best C of `PENALTIES` for labeled rows, by cross-validation of themselves.

    Parameters
    ----------
    rows : LabeledRows
        At least two.
    classes : ndarray of shape (n_classes,), sorted
    seed : int
        Fixes the parts.
    """
    rng = np.random.RandomState(seed)
    parts = [
        (rows.take(rest), rows.take(part))
        for rest, part in stratified_parts(rows.labels, N_PARTS, rng)
    ]
    return best_C(parts, classes, PENALTIES)[0]
