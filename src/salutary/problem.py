"""What a run works on: labeled, validation and canary rows, and a pool."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from salutary.influence.add_one_in import Estimate
from salutary.influence.label_influence import HessianRows
from salutary.influence.softmax import Matrix, as_rows, softmax_model
from salutary.labeling.guard import FOLDS, deal
from salutary.labeling.rules import Rule, Scores
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

    @property
    def objective(self) -> LogLoss:
        """Their mean log loss, as influence lowers it."""
        return LogLoss(self.labels, self.weight)


@dataclass(frozen=True)
class Fold:
    """Validation rows parted into those influence looks at and those it does not.

    Parameters
    ----------
    own : LabeledRows
        What the influences of this fold's run look at.
    canary : LabeledRows
        What only the guard looks at.
    """

    own: LabeledRows
    canary: LabeledRows


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
    folds : tuple of Fold
        The same rows, parted in several ways for the guard; none without a guard.
    pool : ArrayPool
    rule : Rule
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
    folds: tuple[Fold, ...]
    pool: ArrayPool
    rule: Rule
    hessian: HessianRows
    batch_size: int
    estimate: Estimate = "first_order"
    min_influence_z: float = 0.0

    @property
    def variants(self) -> dict[str, Scores]:
        """The rule's ways to score that a round tries.

        Only the first without canary rows to choose by: on rows that influence sees,
        the most influential label always seems best. And only the first with a true
        estimate, which leaves nothing to temper.
        """
        if self.folds and self.estimate == "first_order":
            return dict(self.rule.variants)
        return dict(islice(self.rule.variants.items(), 1))

    @property
    def canary_weight(self) -> FloatArray:
        """Weights of the folds' canary rows, one fold after the other."""
        if not self.folds:
            return np.zeros(0)
        return np.concatenate([fold.canary.weight for fold in self.folds])


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


def split_folds(
    validation: LabeledRows, guard: bool, rng: np.random.RandomState
) -> tuple[Fold, ...]:
    """Part the validation rows for the guard.

    Parameters
    ----------
    validation : LabeledRows
    guard : bool
    rng : numpy.random.RandomState

    Returns
    -------
    tuple of Fold
        Each row is the canary of one fold; empty without a guard.

    Warns
    -----
    UserWarning
        If there are too few rows to part, which leaves the run unguarded.
    """
    if not guard:
        return ()
    part = deal(validation.labels, rng)
    folds = tuple(
        Fold(
            validation.take(np.flatnonzero(part != number)),
            validation.take(np.flatnonzero(part == number)),
        )
        for number in range(FOLDS)
    )
    weighed = (rows.weight.any() for fold in folds for rows in (fold.own, fold.canary))
    if len(validation) < 2 * FOLDS or not all(weighed):
        warnings.warn(
            f"{len(validation)} validation rows are too few to guard the run with; "
            f"pass {2 * FOLDS} or more, or switch the guard off to say that none is "
            "wanted",
            UserWarning,
            stacklevel=3,
        )
        return ()
    return folds
