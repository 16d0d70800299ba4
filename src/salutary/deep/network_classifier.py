"""What all classifiers that train a network have in common."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from salutary.errors import InputError

if TYPE_CHECKING:
    from salutary.deep.training import Plan


class NetworkClassifier(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Base class of classifiers that train a network by gradient descent.

    A subclass defines ``fit``, which sets ``classes_`` and, last, ``n_epochs_``,
    ``decision_function`` and ``_divide_logits``. Its ``__init__`` names all
    parameters, because scikit-learn reads them from there, and passes the ones below
    on.

    Parameters
    ----------
    learning_rate : float
        Peak learning rate.
    epochs : int
        Maximum number of epochs.
    patience : int
        Number of epochs without a lower validation loss after which training stops.
    batch_size : int
        Number of rows for each training step.
    weight_decay : float
        Weight decay of AdamW.
    device : str or None
        For instance "cpu" or "cuda:1"; None for the fastest available.
    cache_dir : path or None
        Folder that keeps vectors.
    random_state : int, RandomState instance or None
    """

    classes_: NDArray[Any]
    n_epochs_: int

    def __init__(
        self,
        *,
        learning_rate: float,
        epochs: int,
        patience: int,
        batch_size: int,
        weight_decay: float,
        device: str | None,
        cache_dir: str | os.PathLike[str] | None,
        random_state: Any,
    ) -> None:
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.device = device
        self.cache_dir = cache_dir
        self.random_state = random_state

    @abstractmethod
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Logits, shape (n_rows, n_classes), also for two classes."""

    def set_temperature(self, temperature: float) -> Self:
        """Divide all logits by a number from now on, on top of earlier ones.

        Embeddings and predicted classes stay the same. `SalutaryFineTuner` does it with
        a model that was trained on validation rows too.

        Parameters
        ----------
        temperature : float
            Above 0. More than 1 makes the model less certain.

        Returns
        -------
        The classifier itself.

        Raises
        ------
        InputError
            If it is no number above 0.

        References
        ----------
        Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017.
        """
        check_is_fitted(self)
        if not (isinstance(temperature, Real) and 0 < float(temperature) < np.inf):
            raise InputError(
                f"temperature must be a number above 0, got {temperature!r}"
            )
        self._divide_logits(float(temperature))
        return self

    @abstractmethod
    def _divide_logits(self, temperature: float) -> None:
        """Divide all logits by a number from now on."""

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Class probabilities.

        Parameters
        ----------
        X : rows as for ``fit``

        Returns
        -------
        ndarray of shape (n_rows, n_classes), float64
            Columns in the order of ``classes_``.
        """
        probabilities: NDArray[np.float64] = softmax(self.decision_function(X), axis=1)
        return probabilities

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row.

        Parameters
        ----------
        X : rows as for ``fit``

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        best = self.decision_function(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def _plan(self) -> Plan:
        """The hyperparameters of training; raises if one is out of range."""
        from salutary.deep.training import Plan

        return Plan(
            self.epochs,
            self.batch_size,
            self.learning_rate,
            self.weight_decay,
            self.patience,
        )

    def _draw_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31))

    def _cache_folder(self) -> Path | None:
        return None if self.cache_dir is None else Path(self.cache_dir)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_epochs_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        return tags
