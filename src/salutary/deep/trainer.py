"""What a model must do to be fine-tuned on salutary labels."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import _num_samples

from salutary.deep.vectors import Vectors
from salutary.labeling.rows import LabeledRows
from salutary.labeling.tuning import best_C_by_cross_validation


@runtime_checkable
class Trainer(Protocol):
    """A deep model, as the loop of fine-tuning sees it.

    Copied with scikit-learn's ``clone`` before each ``fit``, so that every fit starts
    from the same weights; what is not an estimator is copied deeply. Where ``fit`` also
    takes ``X_val`` and ``y_val``, it is given the canary rows, if there is a guard, to
    stop early by and not to be trained on. With ``predict_proba``, of shape (n_rows,
    n_classes) and columns in the order of ``numpy.unique(y)``, it is judged by its own
    predictions, without by those of a logistic regression on its embeddings. A
    ``random_state`` of None, if it has one, is set.
    """

    def fit(self, X: Any, y: Any) -> Any:
        """Train on rows with labels, anew.

        Parameters
        ----------
        X : sequence of rows
        y : ndarray of shape (n_rows,)
            Labels; each class has a row.
        """

    def embed(self, X: Any) -> Vectors:
        """Vectors of rows, shape (n_rows, n_features), float32."""


def checked_output(
    found: Any, n_rows: int, method: str, n_columns: int | None = None
) -> NDArray[Any]:
    """What a trainer returns, if it is a row of finite numbers for each row.

    Parameters
    ----------
    found : array-like of shape (n_rows, n_columns)
    n_rows : int
    method : str
        That returned it, for the message.
    n_columns : int, optional
        Any number if None.

    Raises
    ------
    ValueError
    """
    table = np.asarray(found)
    columns = "n" if n_columns is None else n_columns
    if (
        table.ndim != 2
        or len(table) != n_rows
        or n_columns not in (None, table.shape[1])
        or not np.isfinite(table).all()
    ):
        raise ValueError(
            f"the trainer's {method} returned shape {table.shape} for {n_rows} rows, "
            f"or what is no number; it must return ({n_rows}, {columns}) finite numbers"
        )
    return table


class LinearProbe:
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
        C = best_C_by_cross_validation(rows, self.classes_, seed=0)
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
