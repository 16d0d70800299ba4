"""The protocol of a deep model that is fine-tuned on salutary labels."""

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
    """The methods that `SalutaryFineTuner` needs of a deep model.

    `LoraClassifier` and `TorchClassifier` are trainers; so is any object with the two
    methods below. Six more things are used if the trainer has them:

    - If ``fit`` also takes ``X_val`` and ``y_val``, it is passed the canary rows, to
      stop early by and not to train on. Canary rows are validation rows that influence
      never sees; without a guard there are none.
    - If there is a ``predict_proba``, which returns an array of shape (n_rows,
      n_classes) with columns in the order of ``numpy.unique(y)``, the trainer is judged
      by its own predictions. Otherwise it is judged by the predictions of a logistic
      regression on its embeddings.
    - If there is an ``embed_frozen``, which takes and returns what ``embed`` does under
      the model as it comes, before any ``fit``, logistic regressions on these vectors
      are among what the deep model and its labels are compared with.
    - If ``fit`` also takes ``X_soft``, ``y_soft`` and ``soft_weight``, and there is an
      ``embed_frozen``, what a teacher says of the pool can be learned (``distill``).
      These are further rows to be trained on, an array of shape (n_soft_rows,
      n_classes) with the probabilities to predict, its columns in the order of
      ``numpy.unique(y)``, and the weight of each such row; a row of ``X`` weighs 1.
    - If there is a ``set_temperature``, a method that divides the logits behind
      ``predict_proba`` by a number, a model that is trained on validation rows too is
      calibrated by cross-validation; it would be far too certain. If there is a number
      ``epochs`` too, its half, its quarter and so on are tried.
    - If there is a parameter ``random_state`` and it is None, it is set to a seed.

    Notes
    -----
    The trainer is copied by `sklearn.base.clone` before each ``fit``, so that every fit
    starts from the same weights. A trainer that is not a scikit-learn estimator is
    copied by `copy.deepcopy`.

    Examples
    --------
    A trainer whose embeddings are the rows themselves:

    >>> import numpy as np
    >>> class Identity:
    ...     def fit(self, X, y):
    ...         return self
    ...
    ...     def embed(self, X):
    ...         return np.asarray(X, dtype=np.float32)
    >>> isinstance(Identity(), Trainer)
    True
    """

    def fit(self, X: Any, y: Any) -> Any:
        """Train on labeled rows, from the start.

        Parameters
        ----------
        X : sequence of length n_rows
        y : ndarray of shape (n_rows,)
            Labels; every class has at least one row.
        """

    def embed(self, X: Any) -> Vectors:
        """Vectors of rows.

        Parameters
        ----------
        X : sequence of length n_rows

        Returns
        -------
        ndarray of shape (n_rows, n_features), float32
        """


def checked_output(
    found: Any, n_rows: int, method: str, n_columns: int | None = None
) -> NDArray[Any]:
    """Check that a trainer returned one vector of finite numbers for each row.

    Parameters
    ----------
    found : array-like of shape (n_rows, n_columns)
        What the trainer returned.
    n_rows : int
        Expected number of rows.
    method : str
        Name of the trainer's method, for the message.
    n_columns : int, optional
        Expected number of columns. With None, any number is accepted.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)

    Raises
    ------
    ValueError
        If the shape is another one, or a number is not finite.
    """
    table = np.asarray(found)
    if (
        table.ndim != 2
        or len(table) != n_rows
        or n_columns not in (None, table.shape[1])
    ):
        columns = "n_features" if n_columns is None else n_columns
        raise ValueError(
            f"the trainer's {method} returned shape {table.shape} for {n_rows} rows; "
            f"it must return shape ({n_rows}, {columns})"
        )
    if not np.isfinite(table).all():
        raise ValueError(
            f"the trainer's {method} returned numbers that are not finite; train with "
            "a smaller learning rate, or scale the rows"
        )
    return table


class LinearProbe:
    """A trainer without predictions, with a logistic regression on its embeddings.

    Parameters
    ----------
    trainer : Trainer
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer

    def fit(self, X: Any, y: NDArray[Any], **validation: Any) -> Any:
        """Fit the trainer, then the regression with C tuned by cross-validation."""
        self.trainer.fit(X, y, **validation)
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
        """Class probabilities of the regression, shape (n_rows, n_classes)."""
        vectors = checked_output(self.embed(X), _num_samples(X), "embed")
        probabilities: NDArray[np.float64] = self._probe.predict_proba(vectors)
        return probabilities
