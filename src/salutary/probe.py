"""A classifier for a trainer that has none: a logistic regression on its embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import _num_samples

from salutary.rows import LabeledRows
from salutary.surrogate.trainer import checked_output
from salutary.surrogate.vectors import Vectors
from salutary.tuning import cross_validated


class Probed:
    """A trainer, and a logistic regression on its embeddings of the training rows.

    Parameters
    ----------
    trainer : object with ``fit`` and ``embed``
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer

    def fit(self, X: Any, y: NDArray[Any], **held: Any) -> Any:
        """Fit the trainer, and the regression under its best C by cross-validation."""
        self.trainer.fit(X, y, **held)
        self.classes_, codes = np.unique(y, return_inverse=True)
        vectors = checked_output(self.trainer.embed(X), len(codes), "embed")
        scaled = StandardScaler().fit_transform(vectors)
        rows = LabeledRows(scaled, codes, np.ones(len(codes)))
        C = cross_validated(rows, self.classes_, seed=0)
        self._probe = make_pipeline(
            StandardScaler(), LogisticRegression(C=C, max_iter=10_000)
        ).fit(vectors, codes)
        return self

    def embed(self, X: Any) -> Vectors:
        """The trainer's embeddings."""
        vectors: Vectors = self.trainer.embed(X)
        return vectors

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Class probabilities by the regression, shape (n_rows, n_classes)."""
        vectors = checked_output(self.embed(X), _num_samples(X), "embed")
        chances: NDArray[np.float64] = self._probe.predict_proba(vectors)
        return chances
