"""Rows with their labels and weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from salutary.arrays import FloatArray, IntArray, Matrix, as_float64
from salutary.influence.objectives import Truth, row_log_loss
from salutary.influence.softmax import softmax_model


@dataclass(frozen=True)
class LabeledRows:
    """Rows with their labels and weights.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    labels : ndarray of shape (n_rows,), dtype intp
        Position of each row's class.
    weight : ndarray of shape (n_rows,), float64
        Weight of each row in a fit or in a mean.
    groups : ndarray of shape (n_rows,), dtype intp, optional
        Number of each row's group, for objectives that use groups.
    """

    X: Matrix
    labels: IntArray
    weight: FloatArray
    groups: IntArray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def truth(self) -> Truth:
        """What an objective knows about the rows."""
        return Truth(self.labels, self.weight, self.groups)

    def take(self, rows: IntArray) -> LabeledRows:
        """The rows of the given numbers."""
        groups = None if self.groups is None else self.groups[rows]
        return LabeledRows(self.X[rows], self.labels[rows], self.weight[rows], groups)

    def logits(self, model: LogisticRegression) -> FloatArray:
        """Logits of the rows under a fitted model, shape (n_rows, n_classes)."""
        return softmax_model(model).logits(as_float64(self.X))

    def mean_loss(self, model: LogisticRegression) -> float:
        """Weighted mean log loss of the rows under a fitted model."""
        loss = row_log_loss(self.logits(model), self.labels)
        return float(np.average(loss, weights=self.weight))


def join(first: LabeledRows, second: LabeledRows) -> LabeledRows:
    """The rows of both, in float64 as for every fit, and without groups."""
    parts = [as_float64(first.X), as_float64(second.X)]
    if any(sparse.issparse(part) for part in parts):
        X = sparse.vstack([sparse.csr_array(part) for part in parts], format="csr")
    else:
        X = np.vstack(parts)
    return LabeledRows(
        X,
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.weight, second.weight]),
    )
