"""What a run works on: labeled, validation and canary rows, and a pool."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from salutary.influence.add_one_in import Estimate
from salutary.influence.label_influence import HessianRows
from salutary.influence.softmax import Matrix, as_rows, softmax_model
from salutary.labeling.guard import CANARY_FRACTION, SMALLEST_CANARY
from salutary.labeling.rules import Rule
from salutary.labeling.split import hold_out
from salutary.objective import FloatArray, IntArray, LogLoss, row_log_loss
from salutary.pools.arrays import ArrayPool


@dataclass(frozen=True)
class LabeledRows:
    """Rows with a class and a weight each.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_features)
    labels : ndarray of shape (n_rows,), dtype intp
        Position of each row's class.
    weight : ndarray of shape (n_rows,), float64
    """

    X: Matrix
    labels: IntArray
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: IntArray) -> LabeledRows:
        """Some of the rows."""
        return LabeledRows(self.X[rows], self.labels[rows], self.weight[rows])

    def loss(self, model: LogisticRegression) -> FloatArray:
        """Log loss of each row under a fitted model, shape (n_rows,)."""
        return row_log_loss(softmax_model(model).logits(as_rows(self.X)), self.labels)

    def mean_loss(self, model: LogisticRegression) -> float:
        """Weighted mean log loss under a fitted model."""
        return float(np.average(self.loss(model), weights=self.weight))


@dataclass(frozen=True)
class Problem:
    """What stays the same during a run.

    Parameters
    ----------
    estimator : LogisticRegression
        Unfitted.
    classes : ndarray of shape (n_classes,), sorted
    labeled : LabeledRows
        The labeled set, at least one row of each class.
    validation : LabeledRows
        The rows influence looks at.
    canary : LabeledRows or None
        The validation rows only the guard looks at; None without a guard.
    pool : ArrayPool
    rule : callable
    hessian : {"train", "pool", "both"}
    batch_size : int
        Labels a round.
    estimate : {"first_order", "newton", "refit"}
        Other than first order, it decides about a shortlist.
    min_influence_z : float
        Rows whose influence is fewer standard errors than this are not labeled.
    """

    estimator: LogisticRegression
    classes: NDArray[np.generic]
    labeled: LabeledRows
    validation: LabeledRows
    canary: LabeledRows | None
    pool: ArrayPool
    rule: Rule
    hessian: HessianRows
    batch_size: int
    estimate: Estimate = "first_order"
    min_influence_z: float = 0.0

    @property
    def objective(self) -> LogLoss:
        """What influence lowers: the mean log loss of its validation rows."""
        return LogLoss(self.validation.labels, self.validation.weight)


def join(first: LabeledRows, second: LabeledRows) -> LabeledRows:
    """All rows of both, in float64 as every fit is."""
    parts = [as_rows(first.X), as_rows(second.X)]
    if any(sparse.issparse(part) for part in parts):
        X = sparse.vstack([sparse.csr_array(part) for part in parts], format="csr")
    else:
        X = np.vstack(parts)
    return LabeledRows(
        X,
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.weight, second.weight]),
    )


def split_canary(
    validation: LabeledRows, guard: bool, rng: np.random.RandomState
) -> tuple[LabeledRows, LabeledRows | None]:
    """Part the validation rows into influence's own and the guard's.

    Parameters
    ----------
    validation : LabeledRows
    guard : bool
    rng : numpy.random.RandomState

    Returns
    -------
    validation, canary : LabeledRows, LabeledRows or None

    Warns
    -----
    UserWarning
        If there are too few rows for a canary, which leaves the run unguarded.
    """
    if not guard:
        return validation, None
    own, canary = hold_out(validation.labels, CANARY_FRACTION, rng)
    weighed = validation.weight[own].any() and validation.weight[canary].any()
    if len(canary) < SMALLEST_CANARY or not weighed:
        warnings.warn(
            f"{len(validation)} validation rows are too few to guard the run with; "
            "pass more, or switch the guard off to say that none is wanted",
            UserWarning,
            stacklevel=3,
        )
        return validation, None
    return validation.take(own), validation.take(canary)
