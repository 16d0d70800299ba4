"""The rows and the fitted model that every tool is given, in one .npz file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

Rows = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Sizes:
    """How many rows of each kind, how many features and classes."""

    train: int = 2_000
    validation: int = 1_000
    pool: int = 20_000
    features: int = 64
    classes: int = 10


@dataclass(frozen=True)
class Problem:
    """Rows, and the optimum of a softmax model on the training rows.

    The model has no intercept and penalizes all its coefficients by ``l2 / 2`` times
    their squares, as libraries for networks penalize all parameters alike. So every
    tool takes the influence of the same objective.
    """

    X_train: Rows
    y_train: Labels
    X_val: Rows
    y_val: Labels
    X_pool: Rows
    coef: Rows
    l2: float

    @property
    def n_classes(self) -> int:
        return len(self.coef)

    def write(self, path: Path) -> None:
        np.savez(path, **asdict(self))

    def fitted(self) -> LogisticRegression:
        """The model as scikit-learn has it, without another fit."""
        model = LogisticRegression(C=1 / self.l2, fit_intercept=False)
        model.classes_ = np.arange(self.n_classes)
        model.coef_, model.intercept_ = self.coef, np.zeros(self.n_classes)
        model.n_features_in_ = self.coef.shape[1]
        return model


def read(path: Path) -> Problem:
    with np.load(path) as arrays:
        found = dict(arrays)
    return Problem(**{**found, "l2": float(found["l2"])})


def make(sizes: Sizes, l2: float = 1.0) -> Problem:
    """Rows of overlapping clusters, one for each class."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(sizes.classes, sizes.features))

    def rows(n: int) -> tuple[Rows, Labels]:
        labels = rng.integers(sizes.classes, size=n)
        return centers[labels] + 4 * rng.normal(size=(n, sizes.features)), labels

    X_train, y_train = rows(sizes.train)
    X_val, y_val = rows(sizes.validation)
    X_pool, _ = rows(sizes.pool)
    model = LogisticRegression(
        C=1 / l2, fit_intercept=False, solver="newton-cholesky", tol=1e-10
    ).fit(X_train, y_train)
    # The optimum has this; the solver keeps it to rounding only.
    coef = model.coef_ - model.coef_.mean(axis=0)
    return Problem(X_train, y_train, X_val, y_val, X_pool, coef, l2)
