"""What a model must do to be fine-tuned on salutary labels."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from salutary.surrogate.vectors import Vectors


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
