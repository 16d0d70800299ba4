"""``SemiSupervisedClassifier``: logistic regression that learns from a whole pool."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_consistent_length
from threadpoolctl import threadpool_limits

from salutary.arrays import Matrix
from salutary.estimators.mistakes import warn_without_pool
from salutary.estimators.pipelines import (
    as_plain_regression,
    as_rows,
    split_estimator,
    with_chosen_penalty,
)
from salutary.estimators.pool_influence import PoolInfluenceMixin
from salutary.influence.inputs import check_weight
from salutary.influence.labels import encode_classes, find_unlabeled
from salutary.influence.softmax import check_objective
from salutary.labeling.tuning import N_PARTS, PENALTIES
from salutary.names import SemiSupervisedMethod
from salutary.semisupervised.scale import out_of_reach
from salutary.semisupervised.task import SemiSupervisedTask, task_of
from salutary.semisupervised.tuning import METHODS, tune, unjudged


class SemiSupervisedClassifier(
    PoolInfluenceMixin,
    ClassifierMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Logistic regression that learns from all unlabeled rows, where they help.

    Cross-validation of the labeled rows tunes C and how much the unlabeled rows, the
    pool, take part. The pool is left alone unless it lowers the log loss of held-out
    rows by more than a standard error. The same rows give the temperature by which the
    logits are divided.

    Parameters
    ----------
    method : str, default="information_maximization"
        How the pool takes part.

        - "information_maximization": predictions of pool rows are drawn to certainty,
          and their mean to the class frequencies of the labeled rows. The border
          between classes moves to where few rows are. For classes that are clusters;
          the pool may have a million rows.
        - "self_training": of the rows of each predicted class, the most confident are
          labeled with it, and the model is refitted; three times.
        - "label_spreading": scikit-learn's ``LabelSpreading`` labels the pool along its
          nearest neighbors, and the regression learns from these labels, weighted by
          their confidence.
        - "best": the one of these three that does best in cross-validation, as
          `salutary.advise` uses a whole pool.
    estimator : LogisticRegression(CV) or Pipeline ending in one, default=None
        None means ``LogisticRegression()``. The earlier steps of a pipeline are fitted
        once, without labels, on labeled and unlabeled rows. C is tuned, so that of the
        estimator has no part in it.
    use_all : bool, default=False
        Whether self-training and label spreading use all rows of a large pool.
    random_state : int, RandomState instance or None, default=None
        Decides the folds, and what is drawn from a large pool. An int makes fits
        repeatable, on any number of threads.

    Attributes
    ----------
    estimator_ : LogisticRegression or Pipeline
        Its coefficients and intercepts are divided by ``temperature_``.
    classes_ : ndarray of shape (n_classes,)
    method_ : str or None
        How the pool took part; None where it was left alone.
    C_ : float
        The tuned inverse strength of the penalty.
    parameters_ : dict
        How the pool took part; empty where it was left alone.

        - "strength": weight of the pool's term of the objective;
        - "share" of the rows of each predicted class that are labeled;
        - "n_neighbors" that a row takes labels from;
        - "weight" of all rows labeled by the method.

        "strength" and "weight" are in units of the weight of all labeled rows.
    temperature_ : float
        1 or more; 1 where no other lowers the loss on held-out rows.
    cv_loss_ : float
        Mean log loss of held-out rows, in nats, under the chosen setting. The
        temperature of each row is found without its fold. It is a little too low, as it
        is the lowest of several.
    plain_cv_loss_ : float
        The same without a pool. ``cv_loss_`` is never above it.
    n_features_in_ : int
        Number of columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in,)
        Only if ``X`` has column names.

    See Also
    --------
    salutary.SalutaryClassifier : Labels part of a pool by influence.
    sklearn.semi_supervised.SelfTrainingClassifier : Labels by confidence.
    sklearn.semi_supervised.LabelSpreading : Labels along neighbors.

    Notes
    -----
    Fewer than 1,000 labeled rows are split three times, since whether a pool seems to
    help depends on how few rows happen to be split. One split compares settings, and
    all say whether the best one is used (``docs/studies/margins``).

    Settings are compared on at most 2,000 rows of the pool. The last fit uses the whole
    pool under information maximization, at most 20,000 rows of it under self-training,
    and at most 10,000 under label spreading, drawn at random. With ``use_all`` it uses
    the whole pool under each: under label spreading, all other rows take labels from
    their nearest neighbors among the 10,000, as in scikit-learn's ``predict_proba``.
    Information maximization copies a block of the pool at a time and makes two passes
    over it in an iteration, of which it takes tens to hundreds. Rows of float32 are not
    converted.

    Information maximization is for scaled features, as any penalty is. Its objective
    has several local minima; the fit comes from the supervised optimum by way of all
    smaller strengths.

    The pool is left alone, with a warning, if a class has fewer than five labeled rows,
    as not every fold of the cross-validation then has one. If too few rows are labeled
    to hold any out, or if there is no pool, this is a plain fit with the C of
    ``estimator``, also with a warning.

    References
    ----------
    Information maximization: Grandvalet and Bengio, Semi-supervised Learning by Entropy
    Minimization, 2004; Krause, Perona and Gomes, Discriminative Clustering by
    Regularized Information Maximization, 2010. Self-training: Yarowsky, 1995; with
    shares of each class, Zou, Yu, Vijaya Kumar and Wang, 2018. Label spreading: Zhou,
    Bousquet, Lal, Weston and Schölkopf, 2004. The temperature: Guo, Pleiss, Sun and
    Weinberger, On Calibration of Modern Neural Networks, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from salutary import SemiSupervisedClassifier
    >>> X, y = make_blobs(600, 20, centers=3, cluster_std=6, random_state=0)
    >>> marked = np.where(np.arange(600) < 30, y, -1)
    >>> model = SemiSupervisedClassifier(random_state=0).fit(X, marked)
    >>> model.parameters_
    {'strength': 1.0}
    >>> bool(model.cv_loss_ < model.plain_cv_loss_)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "method": [StrOptions({*get_args(SemiSupervisedMethod), "best"})],
        "estimator": [BaseEstimator, None],
        "use_all": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        method: SemiSupervisedMethod | Literal["best"] = "information_maximization",
        *,
        estimator: Any = None,
        use_all: bool = False,
        random_state: Any = None,
    ) -> None:
        self.method = method
        self.estimator = estimator
        self.use_all = use_all
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None
    ) -> SemiSupervisedClassifier:
        """Tune the method on the labeled rows, and fit labeled and unlabeled rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Labeled and unlabeled rows.
        y : array-like of shape (n_samples,)
            Labels. -1 marks an unlabeled row; so does None or NaN in an array of
            objects or floats.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, with a label or without. A row without weight has no
            part in the fit.

        Returns
        -------
        SemiSupervisedClassifier

        Raises
        ------
        ValueError
            For rows with NaN or infinity, of which the first is named; for fewer than
            two classes; and for labels that are empty texts or the text "-1".

        Warns
        -----
        UserWarning
            If no row is unlabeled; if too few rows are labeled to hold any out, or so
            few of a class that the pool is left alone; and if the features are so large
            or so small that no C of those tried suits them.
        """
        self._validate_params()
        with threadpool_limits(limits=1, user_api="blas"):
            return self._fit(X, y, sample_weight)

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> SemiSupervisedClassifier:
        X, rng = as_rows(X, "X"), check_random_state(self.random_state)
        self._transformer, template = split_estimator(self.estimator)
        if self._transformer is None:
            X = self._check_array(X, "X", reset=True)
        y, unlabeled = find_unlabeled(y)
        check_consistent_length(X, y)
        weight = check_weight(sample_weight, X, "sample_weight")
        matrix, names = self._fit_features(X, np.zeros(0, dtype=np.intp))
        if not weight[unlabeled].any():
            warn_without_pool()
            model = self._fit_labeled(template, matrix, y, unlabeled, weight)
        else:
            task = task_of(matrix, y, unlabeled, weight)
            self.classes_ = task.classes
            self._warn_of_scale(matrix)
            model = self._fit_tuned(
                replace(
                    task,
                    estimator=as_plain_regression(template),
                    seed=int(rng.randint(2**31)),
                    use_all=self.use_all,
                )
            )
        self._finish(model, names)
        return self

    def _fit_tuned(self, task: SemiSupervisedTask) -> LogisticRegression:
        """Fit by the method, tuned on the labeled rows."""
        check_objective(task.estimator)
        name = self.method
        tuned = tune(task, METHODS if name == "best" else {name: METHODS[name]})
        if tuned is None:
            warnings.warn(
                f"the {len(task.rows)} labeled rows are too few to hold any out, so "
                "nothing shows whether the unlabeled rows help, and this is a plain "
                "fit; label five rows or more of each class",
                UserWarning,
                stacklevel=4,
            )
            return self._remember_plain(task.plain(task.estimator.C))
        _warn_of_rare_classes(task)
        self.method_, self.C_ = tuned.method, tuned.chosen.setting.C
        self.parameters_: dict[str, Any] = tuned.chosen.setting.parameters
        self.temperature_ = tuned.chosen.temperature
        self.cv_loss_, self.plain_cv_loss_ = tuned.chosen.loss, tuned.plain.loss
        return tuned.model

    def _warn_of_scale(self, X: Matrix) -> None:
        """Warn of features so large or small that no C of those tried suits them."""
        found = out_of_reach(X)
        if found is None:
            return
        column, deviation = found
        size = "large" if deviation > 1 else "small"
        raw = self._transformer is None and hasattr(self, "feature_names_in_")
        name = repr(self.feature_names_in_[column]) if raw else column
        warnings.warn(
            f"feature {name} has a standard deviation of {deviation:.3g}, the "
            f"largest, which is too {size} for any C from {PENALTIES[0]:g} to "
            f"{PENALTIES[-1]:g}, so the model may be of no use; scale the features, "
            "for instance by estimator=make_pipeline(StandardScaler(), "
            "LogisticRegression())",
            UserWarning,
            stacklevel=4,
        )

    def _fit_labeled(
        self, template: LogisticRegression, X: Any, y: Any, unlabeled: Any, weight: Any
    ) -> LogisticRegression:
        """Fit the labeled rows alone, with the estimator's own C."""
        self.classes_, codes = encode_classes(y, unlabeled)
        labeled = np.flatnonzero(~unlabeled)
        rows = X[labeled], self.classes_[codes[labeled]]
        template = with_chosen_penalty(template, *rows, weight[labeled])
        return self._remember_plain(
            clone(template).fit(*rows, sample_weight=weight[labeled])
        )

    def _remember_plain(self, model: LogisticRegression) -> LogisticRegression:
        """Set the attributes of a fit without a pool, and without tuning."""
        self.method_, self.C_ = None, model.C
        self.parameters_ = {}
        self.temperature_ = 1.0
        self.cv_loss_ = self.plain_cv_loss_ = np.nan
        return model


def _warn_of_rare_classes(task: SemiSupervisedTask) -> None:
    """Warn if the pool was left alone because of classes with few labeled rows."""
    rare = unjudged(task.rows)
    if len(rare):
        names = ", ".join(repr(label) for label in task.classes[rare].tolist())
        warnings.warn(
            f"of class {names} there are fewer than {N_PARTS} labeled rows, so not "
            "every fold of the cross-validation has one, and nothing shows whether the "
            "unlabeled rows help; they are not used. Label five rows or more of each "
            "class",
            UserWarning,
            stacklevel=5,
        )
