"""Influence of labels on a model that learns from a whole pool."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length, check_is_fitted
from threadpoolctl import threadpool_limits

from salutary.arrays import FloatArray
from salutary.estimators.pipelines import PipelineMixin
from salutary.influence.inputs import check_weight
from salutary.influence.label_values import shown_all
from salutary.influence.labels import encode_groups, encode_labels, find_unlabeled
from salutary.influence.objectives import Objective, Truth, bind, find_objective
from salutary.names import ObjectiveName
from salutary.semisupervised.calibration import tempered
from salutary.semisupervised.information_influence import (
    at_temperature,
    information_influence,
)
from salutary.semisupervised.task import SemiSupervisedTask, task_of


class PoolInfluenceMixin(PipelineMixin):
    """``label_influence`` of a fitted `salutary.SemiSupervisedClassifier`."""

    classes_: NDArray[Any]
    parameters_: dict[str, Any]
    temperature_: float

    def label_influence(
        self,
        X: Any,
        *,
        X_train: Any,
        y_train: Any,
        X_val: Any,
        y_val: Any,
        sample_weight: Any = None,
        val_weight: Any = None,
        objective: ObjectiveName | Objective = "log_loss",
        groups_val: Any = None,
    ) -> FloatArray:
        r"""Estimate how labeling each row with each class lowers the validation loss.

        As `salutary.label_influence`, for the model of information maximization: what a
        refit with the row shows, per unit of its weight, with C, the strength and the
        temperature as they are.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Rows to label. An unlabeled row of ``X_train`` keeps its part in the pool.
        X_train, y_train : array-like
            Labeled and unlabeled rows with their marks, as they were passed to ``fit``.
        X_val : array-like or sparse matrix of shape (n_val, n_features)
            Validation rows, which ``fit`` has not seen.
        y_val : array-like of shape (n_val,)
            Their labels, all among ``classes_``.
        sample_weight : array-like of shape (n_samples,), optional
            Weights that were passed to ``fit``.
        val_weight, objective, groups_val
            As for `salutary.label_influence`.

        Returns
        -------
        influence : ndarray of shape (n_rows, n_classes)
            Nats of mean validation loss (or the objective's unit) per unit of weight.
            Positive values help. float32 for rows of float32, else float64.

        Raises
        ------
        ValueError
            If the pool took part by another method, and as
            `salutary.label_influence`.

        Warns
        -----
        InfluenceWarning
            If the model is no strict minimum of its objective on these rows, or if the
            Hessian is ill-conditioned.

        Notes
        -----
        The Hessian has the pool's term. A label adds to the weight of the labeled rows,
        in whose units the pool's strength is, and to the frequency of its class, which
        the mean prediction is drawn to; so all rows' influences under a class share a
        part, and weighted by the probabilities those of a row do not sum to zero. The
        formulas are on the page "The mathematics" of the documentation. Beyond a pass
        over the pool, in O(n_pool n_features^2 n_classes^2), it costs as much as
        `salutary.label_influence`. A pool left alone makes it equal to that.

        References
        ----------
        Xiao and Liu, Salutary Labeling with Zero Human Annotation, arXiv 2405.17627;
        for the objective, those of the class.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import make_blobs
        >>> from salutary import SemiSupervisedClassifier
        >>> X, y = make_blobs(700, 20, centers=3, cluster_std=6, random_state=0)
        >>> train, val = slice(600), slice(600, None)
        >>> marked = np.where(np.arange(600) < 30, y[train], -1)
        >>> model = SemiSupervisedClassifier(random_state=0).fit(X[train], marked)
        >>> influence = model.label_influence(
        ...     X[30:600], X_train=X[train], y_train=marked, X_val=X[val], y_val=y[val]
        ... )
        >>> influence.shape
        (570, 3)
        """
        check_is_fitted(self)
        strength = self._strength()
        X, X_train = self._matrix(X, "X"), self._matrix(X_train, "X_train")
        X_val = self._matrix(X_val, "X_val")
        y, unlabeled = find_unlabeled(y_train)
        check_consistent_length(X_train, y)
        weight = check_weight(sample_weight, X_train, "sample_weight")
        truth = Truth(
            encode_labels(y_val, self.classes_, "y_val", X_val),
            check_weight(val_weight, X_val, "val_weight"),
            encode_groups(groups_val, X_val),
        )
        bound = at_temperature(
            bind(find_objective(objective), truth), self.temperature_
        )
        model = tempered(self._classifier, 1 / self.temperature_)
        task = task_of(X_train, y, unlabeled, weight)
        self._check_task(task, strength)
        with threadpool_limits(limits=1, user_api="blas"):
            return information_influence(task, strength, model, X, X_val, bound)

    def _strength(self) -> float:
        """Weight of the pool's term, 0 if the pool was left alone.

        Raises
        ------
        ValueError
            If the pool took part by another method.
        """
        if self.parameters_ and "strength" not in self.parameters_:
            raise ValueError(
                "the labels that this method gives to pool rows move with every label, "
                "so influence is no derivative of its fit; use "
                "method='information_maximization', or label_influence of a "
                "LogisticRegression on the labeled rows"
            )
        return float(self.parameters_.get("strength", 0.0))

    def _check_task(self, task: SemiSupervisedTask, strength: float) -> None:
        """Refuse rows that the model cannot have been fitted on.

        Raises
        ------
        ValueError
        """
        unknown = task.classes[~np.isin(task.classes, self.classes_)]
        if len(unknown):
            raise ValueError(
                f"y_train has classes that the model does not know: "
                f"{shown_all(unknown)}; pass the labels that it was fitted on"
            )
        if strength > 0 and not task.pool.weight.any():
            raise ValueError(
                "y_train has no unlabeled row, but the model was fitted with some; "
                "pass the rows and labels that it was fitted on"
            )
