"""Fit the model of a run, to convergence, on the rows that have a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from salutary.arrays import Float64Array, IntArray, as_float64
from salutary.influence.factored import FactoredModel
from salutary.influence.inputs import class_weights
from salutary.influence.softmax import (
    SoftmaxModel,
    as_fitted,
    penalty_strength,
    softmax_model,
)
from salutary.influence.solvers import ConjugateGradient
from salutary.influence.training import TrainingRows, approach, minimize
from salutary.labeling.definition import Definition
from salutary.labeling.rows import LabeledRows
from salutary.pools.arrays import ArrayPool

P = TypeVar("P", bound=Definition)

REFIT_TOLERANCE = 1e-8
"""Tolerance of fits whose influences are computed."""

REFIT_STEPS = 10_000
"""Maximum number of iterations of a fit."""

TRIAL_TOLERANCE = 1e-3
"""Tolerance of fits that only compare batches; the chosen one is fitted again."""

NEWTON_LIMIT = 200
"""Largest number of coefficients for which Newton's method is faster than L-BFGS."""


MANY_VALUES = 1_000_000
"""Values of labeled rows from which on fits are faster in several threads at once.

With fewer, most of a fit is Python between small matrices, for which threads wait
(`speed/jobs.py`).
"""


def jobs_for_fits(n_jobs: int | None, *tables: LabeledRows) -> int | None:
    """How many threads are to fit rows of some tables at once; one for few rows.

    Parameters
    ----------
    n_jobs : int, optional
        How many are allowed, as in joblib.
    """
    return n_jobs if sum(rows.X.size for rows in tables) >= MANY_VALUES else 1


@dataclass(frozen=True)
class Snapshot:
    """A model, and the pool rows it was fitted on besides the labeled set.

    Parameters
    ----------
    model : LogisticRegression
    rows, labels : ndarrays of shape (n_assigned,), dtype intp
        Pool rows in the order they were labeled, and the positions of their classes.
    """

    model: LogisticRegression
    rows: IntArray
    labels: IntArray

    def __len__(self) -> int:
        return len(self.rows)


def with_rows_of(problem: P, snapshots: Sequence[Snapshot]) -> tuple[P, list[Snapshot]]:
    """The problem with a pool of the snapshots' rows alone, and these in that pool."""
    rows = np.unique(np.concatenate([each.rows for each in snapshots]))
    pool = ArrayPool.of(problem.pool.take(rows), problem.pool.weight[rows])
    moved = [replace(each, rows=np.searchsorted(rows, each.rows)) for each in snapshots]
    return replace(problem, pool=pool), moved


def begin(problem: Definition) -> Snapshot:
    """Fit the model on the labeled rows alone."""
    nothing = np.zeros(0, dtype=np.intp)
    return Snapshot(fit(problem, nothing, nothing, None), nothing, nothing)


def extend(
    problem: Definition,
    snapshot: Snapshot,
    rows: IntArray,
    labels: IntArray,
    tolerance: float = REFIT_TOLERANCE,
) -> Snapshot:
    """Add pool rows with labels and refit; without rows, return the snapshot."""
    if len(rows) == 0:
        return snapshot
    rows = np.concatenate([snapshot.rows, rows])
    labels = np.concatenate([snapshot.labels, labels])
    return Snapshot(fit(problem, rows, labels, snapshot.model, tolerance), rows, labels)


def trial(
    problem: Definition,
    snapshot: Snapshot,
    factored: FactoredModel,
    rows: IntArray,
    labels: IntArray,
) -> SoftmaxModel:
    """The model nearly refitted with pool rows, to compare batches.

    ``factored`` is the snapshot's model. Its Hessian serves if it is that of the
    training rows and factored; else, or if its steps fail, this is a fit.
    """
    direct = not isinstance(factored.solver, ConjugateGradient)
    if len(rows) and direct and problem.hessian == "train":
        longer = Snapshot(
            snapshot.model,
            np.concatenate([snapshot.rows, rows]),
            np.concatenate([snapshot.labels, labels]),
        )
        training, _ = weighted_training_rows(problem, longer)
        found = approach(factored, training, TRIAL_TOLERANCE**2)
        if found is not None:
            return found
    longer = extend(problem, snapshot, rows, labels, TRIAL_TOLERANCE)
    return softmax_model(longer.model)


def refitted(problem: Definition, snapshot: Snapshot) -> Snapshot:
    """Fit the problem's estimator, which may have changed, on a snapshot's rows."""
    model = fit(problem, snapshot.rows, snapshot.labels, snapshot.model)
    return Snapshot(model, snapshot.rows, snapshot.labels)


def training_rows(problem: Definition, rows: IntArray, labels: IntArray) -> LabeledRows:
    """The training rows after the given pool rows have got the given labels."""
    return problem.edit.training(problem.labeled, problem.pool, rows, labels)


def weighted_training_rows(
    problem: Definition, snapshot: Snapshot
) -> tuple[TrainingRows, Float64Array | None]:
    """The rows that a snapshot's model was fitted on, and its class weights, if any.

    The weight of each row is multiplied by that of its class.
    """
    rows = training_rows(problem, snapshot.rows, snapshot.labels)
    weight = np.asarray(rows.weight, dtype=np.float64)
    factors = class_weights(snapshot.model, problem.classes[rows.labels], weight)
    if factors is not None:
        weight = weight * factors[rows.labels]
    return TrainingRows(rows.X, rows.labels, weight), factors


def fit(
    problem: Definition,
    rows: IntArray,
    labels: IntArray,
    previous: LogisticRegression | None,
    tolerance: float = REFIT_TOLERANCE,
) -> LogisticRegression:
    """Fit to convergence, starting from the previous model's coefficients, if any."""
    return fit_converged(
        problem.estimator,
        training_rows(problem, rows, labels),
        problem.classes,
        previous,
        tolerance,
    )


def fit_converged(
    estimator: LogisticRegression,
    rows: LabeledRows,
    classes: NDArray[np.generic],
    previous: LogisticRegression | None = None,
    tolerance: float = REFIT_TOLERANCE,
    C: float | None = None,
) -> LogisticRegression:
    """Fit a clone to convergence, because influences are exact only at the optimum.

    Parameters
    ----------
    estimator : LogisticRegression
    rows : LabeledRows
    classes : ndarray of shape (n_classes,)
    previous : LogisticRegression, optional
        A model of the same classes and features; the fit starts from its coefficients.
    tolerance : float, default=1e-8
        Tolerance of the fit, unless that of the estimator is smaller.
    C : float, optional
        In place of the estimator's.

    Returns
    -------
    LogisticRegression
    """
    model = clone(estimator).set_params(
        tol=min(estimator.tol, tolerance),
        max_iter=max(estimator.max_iter, REFIT_STEPS),
        C=estimator.C if C is None else C,
    )
    if _newton_is_faster(estimator, rows, classes):
        found = _fit_by_newton(model, rows, classes, previous)
        if found is not None:
            return found
    return _fit_by_scikit_learn(model, rows, classes, previous)


def _fit_by_newton(
    model: LogisticRegression,
    rows: LabeledRows,
    classes: NDArray[np.generic],
    previous: LogisticRegression | None,
) -> LogisticRegression | None:
    """Fit by Newton's method; None where it does not converge."""
    labels, weight = rows.labels, np.asarray(rows.weight, dtype=np.float64)
    present = np.unique(labels)
    if len(present) < len(classes):
        classes, labels = classes[present], np.searchsorted(present, labels)
    if len(classes) < 2 or not weight.sum() > 0:
        return None  # scikit-learn says what is wrong
    l2, fit_intercept = penalty_strength(model.C, len(classes)), model.fit_intercept
    if previous is None:
        coef = np.zeros((len(classes), rows.X.shape[1]))
        start = SoftmaxModel(coef, coef.sum(axis=1), l2, bool(fit_intercept))
    else:
        start = replace(softmax_model(previous), l2=l2)
    model.classes_ = classes
    factors = class_weights(model, classes[labels], weight)
    if factors is not None:
        weight = weight * factors[labels]
    found = minimize(start, TrainingRows(as_float64(rows.X), labels, weight), model.tol)
    if not found.converged:
        return None
    return as_fitted(model, found.model, classes, found.n_steps)


def _fit_by_scikit_learn(
    model: LogisticRegression,
    rows: LabeledRows,
    classes: NDArray[np.generic],
    previous: LogisticRegression | None,
) -> LogisticRegression:
    warm_start = model.warm_start
    if previous is not None:
        model.set_params(warm_start=True)
        model.coef_ = previous.coef_.copy()
        model.intercept_ = np.array(previous.intercept_, ndmin=1)
    model.fit(rows.X, classes[rows.labels], sample_weight=rows.weight)
    return model.set_params(warm_start=warm_start)


def _newton_is_faster(
    estimator: LogisticRegression, rows: LabeledRows, classes: NDArray[np.generic]
) -> bool:
    """Whether to fit by Newton's method in place of scikit-learn's default solver.

    The optimum is the same. From a start nearby, Newton's method takes three or four
    steps, L-BFGS up to hundreds (`speed/bank_loop.py`).
    """
    n_coefficients = rows.X.shape[1] * (1 if len(classes) == 2 else len(classes))
    return bool(estimator.solver == "lbfgs") and n_coefficients <= NEWTON_LIMIT
