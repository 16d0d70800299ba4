"""Choose C, the inverse strength of the penalty, by rows that models did not see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from salutary.arrays import Float64Array, Matrix
from salutary.influence.objectives import log_losses
from salutary.labeling.definition import Fold
from salutary.labeling.fitting import REFIT_TOLERANCE, fit_converged
from salutary.labeling.rows import LabeledRows
from salutary.labeling.splits import repeated_parts

PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Values of C that tuning chooses from.

Powers of ten alone would be too coarse to compare options fairly: an option whose best
C happens to be near one of them would seem better.
"""

N_PARTS = 5
"""Number of folds in cross-validation."""

TUNING_TOLERANCE = 1e-3
"""Tolerance of fits that only compare values of C."""

N_REPEATS, ENOUGH_ROWS = 3, 1_000
"""How often rows are split into folds if there are fewer than so many.

With a hundred rows the C that is found depends on how they happen to be split
(``docs/studies/weights``).
"""


def n_repeats(n_rows: int) -> int:
    """How often to split rows into folds: three times, or once if there are many.

    Examples
    --------
    >>> n_repeats(999), n_repeats(1_000)
    (3, 1)
    """
    return N_REPEATS if n_rows < ENOUGH_ROWS else 1


def fit_penalized(
    C: float,
    rows: LabeledRows,
    classes: NDArray[Any],
    previous: Any = None,
    tolerance: float = REFIT_TOLERANCE,
    estimator: LogisticRegression | None = None,
) -> Any:
    """Fit a logistic regression with an L2 penalty.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.
    rows : LabeledRows
    classes : ndarray of shape (n_classes,)
    previous : classifier, optional
        Fitted on the same rows with another C; the fit starts from its coefficients.
    tolerance : float, default=1e-8
    estimator : LogisticRegression, optional
        The model to fit with this C; by default a plain one.

    Returns
    -------
    LogisticRegression or DummyClassifier
        A DummyClassifier if all rows have the same class.
    """
    if len(np.unique(rows.labels)) == 1:
        return DummyClassifier().fit(rows.X, classes[rows.labels])
    if estimator is None:
        estimator = LogisticRegression()
    return fit_converged(estimator, rows, classes, previous, tolerance, C)


def probabilities(model: Any, X: Matrix, classes: NDArray[Any]) -> Float64Array:
    """Class probabilities, with zeros for classes that the model was not fitted on.

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
    penalties: Sequence[float],
    loss_of: Callable[[float], float],
    near: float | None = None,
) -> tuple[float, float]:
    """Find the C with the lowest loss, and this loss.

    The search goes to weaker penalties while the loss falls; if it does not fall at
    once, to stronger ones while it does not rise. It finds the lowest loss unless the
    loss has several local minima.

    Parameters
    ----------
    penalties : sequence of float
        Values of C, ascending. Of values with equal losses, the smallest is taken.
    loss_of : callable
        Loss for a value of C, on rows that its models were not fitted on.
    near : float, optional
        The value to begin with, one of ``penalties``; by default that in the middle.

    Returns
    -------
    C, loss : float

    Examples
    --------
    >>> lowest_loss([0.1, 1.0, 10.0, 100.0], lambda C: abs(C - 2))
    (1.0, 1.0)
    """

    def walk(place: int, lowest: float, step: int) -> tuple[int, float]:
        while 0 <= place + step < len(penalties):
            loss = loss_of(penalties[place + step])
            if loss > lowest or (loss == lowest and step > 0):
                break
            place, lowest = place + step, loss
        return place, lowest

    start = len(penalties) // 2 if near is None else list(penalties).index(near)
    best, lowest = walk(start, loss_of(penalties[start]), 1)
    if best == start:
        best, lowest = walk(start, lowest, -1)
    return penalties[best], lowest


def best_C(
    parts: Sequence[tuple[LabeledRows, LabeledRows]],
    classes: NDArray[Any],
    penalties: Sequence[float],
    estimator: LogisticRegression | None = None,
    near: float | None = None,
) -> tuple[float, float]:
    """Find the C with the lowest log loss on rows that its models were not fitted on.

    Parameters
    ----------
    parts : sequence of (LabeledRows, LabeledRows)
        Rows to fit on and rows to evaluate on.
    classes : ndarray of shape (n_classes,), sorted
    penalties : sequence of float
        Values of C, see `lowest_loss`.
    estimator : LogisticRegression, optional
        See `fit_penalized`.
    near : float, optional
        Where the search begins, see `lowest_loss`.

    Returns
    -------
    C : float
    loss : float
        Weighted sum over the rows that were evaluated on.
    """
    models: list[Any] = [None] * len(parts)

    def loss_of(C: float) -> float:
        losses = held_out_losses(C, parts, classes, estimator, models)
        return sum(
            float(loss @ judged.weight)
            for loss, (_, judged) in zip(losses, parts, strict=True)
        )

    return lowest_loss(penalties, loss_of, near)


def held_out_losses(
    C: float,
    parts: Sequence[tuple[LabeledRows, LabeledRows]],
    classes: NDArray[Any],
    estimator: LogisticRegression | None = None,
    models: list[Any] | None = None,
) -> Iterator[Float64Array]:
    """Yield the log losses of each part's rows that its model was not fitted on.

    Parameters
    ----------
    C : float
    parts, classes, estimator
        See `best_C`.
    models : list, optional
        A model of each part, or None, from whose coefficients its fit starts. They are
        replaced by the new ones.
    """
    models = [None] * len(parts) if models is None else models
    for number, (fitted, judged) in enumerate(parts):
        models[number] = fit_penalized(
            C, fitted, classes, models[number], TUNING_TOLERANCE, estimator
        )
        chance = probabilities(models[number], judged.X, classes)
        yield np.asarray(log_losses(chance, judged.labels), dtype=np.float64)


def best_C_by_validation(
    rows: LabeledRows, validation: LabeledRows, classes: NDArray[Any]
) -> float:
    """Find the best C of `PENALTIES` for labeled rows, by the loss on validation rows.

    For noisy labels: in cross-validation, rows to evaluate on would be noisy too.
    """
    return best_C([(rows, validation)], classes, PENALTIES)[0]


def best_C_by_all_rows(
    rows: LabeledRows, validation: LabeledRows, classes: NDArray[Any]
) -> float:
    """Find the best C of `PENALTIES` for labeled rows, by these and validation rows.

    Labeled rows count with their loss in cross-validation, validation rows with that
    under the model of all labeled rows. Twice the rows choose C better; where labels
    may be wrong, use `best_C_by_validation`.
    """
    parts = [*cross_validation_parts(rows, 0), (rows, validation)]
    return best_C(parts, classes, PENALTIES)[0]


ChooseC = Callable[[LabeledRows, LabeledRows, NDArray[Any]], float]
"""Chooses C for labeled rows, by these and by validation rows."""


def tuned_folds(
    folds: tuple[Fold, ...],
    labeled: LabeledRows,
    classes: NDArray[Any],
    choose_C: ChooseC,
) -> tuple[Fold, ...]:
    """The folds of a guard, each with the C that does best without its canary rows.

    These have no part in it, so they judge models that know nothing of them.
    """
    return tuple(
        replace(fold, C=choose_C(labeled, fold.own, classes)) for fold in folds
    )


def best_C_by_cross_validation(
    rows: LabeledRows,
    classes: NDArray[Any],
    seed: int,
    penalties: Sequence[float] = PENALTIES,
    estimator: LogisticRegression | None = None,
) -> float:
    """Find the best C for labeled rows, by cross-validation on them.

    Few rows are split more than once, see `n_repeats`.

    Parameters
    ----------
    rows : LabeledRows
        At least two rows.
    classes : ndarray of shape (n_classes,), sorted
    seed : int
        Seed of the random folds.
    penalties : sequence of float, optional
        Values of C, see `lowest_loss`.
    estimator : LogisticRegression, optional
        See `fit_penalized`.
    """
    parts = cross_validation_parts(rows, seed, n_repeats(len(rows)))
    return best_C(parts, classes, penalties, estimator)[0]


def cross_validation_parts(
    rows: LabeledRows, seed: int, repeats: int = 1
) -> list[tuple[LabeledRows, LabeledRows]]:
    """Rows to fit on and rows to evaluate on, for each part of a cross-validation."""
    return [
        (rows.take(rest), rows.take(part))
        for rest, part in repeated_parts(rows.labels, N_PARTS, repeats, seed)
    ]
