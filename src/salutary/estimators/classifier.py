"""The scikit-learn face of a run."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils import (
    _safe_indexing,
    check_random_state,
    get_tags,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _num_samples,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)
from threadpoolctl import threadpool_limits

from salutary.arrays import Float64Array, IntArray, Matrix
from salutary.estimators.pipelines import (
    checked_matrix,
    joined_again,
    split_estimator,
    with_chosen_penalty,
)
from salutary.estimators.transduction import TransductionMixin
from salutary.influence.inputs import check_finite, check_held, check_size, check_weight
from salutary.influence.labels import (
    encode_classes,
    encode_groups,
    encode_validation_labels,
    find_unlabeled,
)
from salutary.influence.objectives import Objective, find_objective
from salutary.labeling.definition import split_folds
from salutary.labeling.fitting import fit_converged, training_rows
from salutary.labeling.loop import run
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows, join
from salutary.labeling.rules import RULES, Scores, find_rule
from salutary.labeling.splits import split_off
from salutary.names import EstimateName, HessianRows, ObjectiveName, RuleName
from salutary.pools.arrays import ArrayPool


class SalutaryClassifier(TransductionMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression that labels the rows of a pool by their influence.

    In each round the influence of every unlabeled row under every class on the
    validation loss is computed; the best rows get their best class; the model is
    refitted. No person is asked for a label.

    Parameters
    ----------
    estimator : LogisticRegression(CV) or Pipeline ending in one, default=None
        None means ``LogisticRegression()``. Earlier steps of a pipeline are fitted
        once, without labels, on labeled and unlabeled rows. A LogisticRegressionCV
        chooses its C once, by the labeled rows.
    rule : {"tempered", "plausible", "paper"} or callable, default="tempered"
        What makes a label good. "paper" is its influence alone, as published;
        "plausible" its influence times the model's probability of the label. Both take
        the best rows of a round together. "tempered" is the influence times the
        probability to the power of 1, 0 or 2, whichever does best in the round on rows
        that the guard keeps from influence, and picks row by row, each pick knowing
        those before it. The power is 1 without a guard, and with an ``estimate`` other
        than first order. A function (influence, probability) -> scores takes and
        returns arrays of shape (n_rows, n_classes) and treats each row alone; with a
        guard it also sees influences on parts of the validation rows.
    estimate : {"first_order", "newton", "refit"}, default="first_order"
        How the effect of a label is estimated. Other than first order, it re-scores a
        shortlist of five times the batch (of each label, under the tempered rule),
        picks one by one, and refits after each; see `salutary.add_one_in`.
    hessian : {"train", "pool", "both"}, default="train"
        Rows whose curvature enters, see `salutary.label_influence`.
    budget : int, default=100
        Labels to assign at most.
    batch_size : int, default=10
        Labels a round.
    min_influence_z : float, default=0.0
        Rows whose influence is fewer of its standard errors than this are not labeled,
        however good they are otherwise; 0 lets all pass. Each round looks at a
        shortlist of five times the batch (of each label, under the tempered rule), and
        the run ends when none of it passes.
    validation_fraction : float, default=0.2
        Share of the labeled rows to validate on when ``fit`` gets no validation rows.
    objective : {"log_loss", "balanced", "worst_group"} or callable, default="log_loss"
        What is to fall on the validation rows: the mean log loss; that of every class,
        whatever its size; that of the worst group, smoothly; a cost,
        `salutary.ExpectedCost`; or any function, see `salutary.label_influence`. The
        model itself is fitted by log loss.
    guard : bool, default=True
        Judge the rounds on rows that influence has not seen. The validation rows are
        parted into three; beside the run go three more, each with influences on two of
        the parts, and their losses on the third are taken together. Rounds stay up to
        the one after which that loss was lowest; those after it are undone. The run
        ends once the loss is above its lowest by more than the standard error of the
        difference. Four runs instead of one, each of which tries three powers under
        the tempered rule. With fewer than six validation rows, a warning says that
        there is no guard.
    refit_on_validation : bool or "auto", default="auto"
        Whether the final fit includes the validation rows. "auto": only those split off
        the caller's own labeled rows.
    random_state : int, RandomState instance or None, default=None
        Decides the splits; an int fixes the run on any number of threads.
    verbose : int, default=0
        1 prints a line a round.

    Attributes
    ----------
    estimator_ : LogisticRegression or Pipeline
        Fitted on the labeled rows and the rows labeled here.
    classes_ : ndarray of shape (n_classes,)
    transduction_ : ndarray of shape (n_samples,)
        Label of every row; the caller's marker where none was assigned.
    labeled_iter_ : ndarray of shape (n_samples,), int
        Round in which a row was labeled, 0 for the caller's labels, -1 for none.
    influence_ : ndarray of shape (n_samples,), float64
        Influence of the assigned label when it was assigned, NaN elsewhere; in nats of
        validation loss per unit weight.
    influence_se_ : ndarray of shape (n_samples,), float64
        Its standard error over the validation rows, in the same unit; NaN with fewer
        than two. Rows are chosen for influences that came out large, which it does not
        allow for.
    history_ : list of dict
        For each round:

        - round, from 1, and n_labeled, the rows the model was fitted on;
        - validation_loss, the objective after the round;
        - canary_loss, the same on rows that influence has not seen, canary_fall, how
          much that has fallen since before the first round, and canary_se, the standard
          error of the fall; NaN without a guard;
        - largest_influence of the labels assigned;
        - variant of the rule: "p^0", "p^1" or "p^2" by the power of the probability, or
          "callable";
        - seconds, and refused, whether the guard undid the round.
    n_iter_ : int
        Rounds run, refused ones included.
    termination_condition_ : str
        "budget", "no_positive_influence", "guard" or "pool_exhausted"; "guard" whenever
        it undid rounds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        When ``X`` has column names.

    See Also
    --------
    sklearn.semi_supervised.SelfTrainingClassifier : Labels by confidence.

    Notes
    -----
    A round costs one refit, one solve, and one product of the pool with a matrix of 2 K
    columns; with a guard, the same again for each part of the validation rows, and
    under the tempered rule a short refit of each part for each power. Extra memory is a
    few bytes a row of the pool. Training on labeled and validation rows together is
    often as good; compare before you rely on this.

    References
    ----------
    Xiao and Liu, Salutary Labeling with Zero Human Annotation, arXiv 2405.17627. The
    rules "tempered" and "plausible" and the guard are not in the paper.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from salutary import SalutaryClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> marked = np.where(np.arange(150) % 3 == 0, y, -1)
    >>> model = SalutaryClassifier(budget=20, random_state=0).fit(X, marked)
    >>> model.termination_condition_, int((model.labeled_iter_ > 0).sum())
    ('budget', 20)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [BaseEstimator, None],
        "rule": [StrOptions(set(RULES)), callable],
        "estimate": [StrOptions({"first_order", "newton", "refit"})],
        "hessian": [StrOptions({"train", "pool", "both"})],
        "budget": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "min_influence_z": [Interval(Real, 0, None, closed="left")],
        "objective": [str, callable],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "guard": ["boolean"],
        "refit_on_validation": ["boolean", StrOptions({"auto"})],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        rule: RuleName | Scores = "tempered",
        estimate: EstimateName = "first_order",
        hessian: HessianRows = "train",
        budget: int = 100,
        batch_size: int = 10,
        min_influence_z: float = 0.0,
        validation_fraction: float = 0.2,
        objective: ObjectiveName | Objective = "log_loss",
        guard: bool = True,
        refit_on_validation: bool | str = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.rule = rule
        self.estimate = estimate
        self.hessian = hessian
        self.budget = budget
        self.batch_size = batch_size
        self.min_influence_z = min_influence_z
        self.validation_fraction = validation_fraction
        self.objective = objective
        self.guard = guard
        self.refit_on_validation = refit_on_validation
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight: Any = None,
        *,
        groups_val: Any = None,
    ) -> SalutaryClassifier:
        """Label the pool and fit the estimator on the result.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Labeled and unlabeled rows.
        y : array-like of shape (n_samples,)
            Labels; -1 marks an unlabeled row, None or NaN does so for object and float
            dtypes.
        X_val : array-like or sparse matrix of shape (n_val, n_features), optional
            Validation rows. Without them ``validation_fraction`` of the labeled rows is
            split off, class by class.
        y_val : array-like of shape (n_val,), optional
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each labeled row, and of each unlabeled row once it has a label.
        groups_val : array-like of shape (n_val,), optional
            Group of each row of ``X_val``, for an objective that looks at groups.

        Returns
        -------
        SalutaryClassifier

        Raises
        ------
        ValueError
            For rows with NaN or infinity (names the first), fewer than two classes,
            a class in ``y_val`` that no labeled row has, or too few labeled rows to
            split off a validation set.
        """
        self._validate_params()
        find_objective(self.objective)
        check_held(X_val, y_val)
        if groups_val is not None and X_val is None:
            raise ValueError("groups_val are those of X_val; pass X_val and y_val too")
        with threadpool_limits(limits=1, user_api="blas"):
            return self._fit(X, y, X_val, y_val, sample_weight, groups_val)

    def _fit(
        self,
        X: Any,
        y: Any,
        X_val: Any,
        y_val: Any,
        sample_weight: Any,
        groups_val: Any,
    ) -> SalutaryClassifier:
        rng = check_random_state(self.random_state)
        transformer, template = split_estimator(self.estimator)
        if transformer is None:
            X = self._check_array(X, "X", reset=True)
        y, unlabeled = find_unlabeled(y)
        check_consistent_length(X, y)
        self.classes_, codes = encode_classes(y, unlabeled)
        weight = check_weight(sample_weight, X, "sample_weight")

        kept, held = np.flatnonzero(~unlabeled), np.zeros(0, dtype=np.intp)
        if X_val is None and unlabeled.any():
            kept, held = split_off(kept, codes, self.validation_fraction, rng)
        self._transformer = transformer
        matrix, names = self._fit_features(X, held)
        rows = LabeledRows(matrix, codes, weight)
        labeled, validation = rows.take(kept), rows.take(held)
        template = with_chosen_penalty(
            template, labeled.X, self.classes_[labeled.labels], labeled.weight
        )
        if X_val is not None:
            validation = self._validation_rows(X_val, y_val, groups_val)

        if unlabeled.any():
            pool = ArrayPool(rows.X, unlabeled, weight)
            problem = self._problem(template, labeled, validation, pool, rng)
            state, records = run(problem, self.budget, verbose=bool(self.verbose))
            self._remember(y, unlabeled, records, state.best_round)
            self.termination_condition_ = state.ending
            model = state.best.model
            labeled = training_rows(problem, state.best.rows, state.best.labels)
        else:
            self._remember(y, unlabeled, [], 0)
            self.termination_condition_ = "pool_exhausted"
            model = clone(template).fit(
                rows.X, self.classes_[codes], sample_weight=weight
            )
        refits = _refits(self.refit_on_validation, split_off=len(held) > 0)
        if refits and len(validation):
            labeled = join(labeled, validation)
            model = fit_converged(template, labeled, self.classes_, model)
        self._finish(model, names)
        return self

    def _fit_features(self, X: Any, held: IntArray) -> tuple[Matrix, Any]:
        """Fit the earlier steps on all rows but the held; their output and names."""
        if self._transformer is None:
            return X, getattr(self, "feature_names_in_", None)
        rest = np.setdiff1d(np.arange(_num_samples(X)), held)
        self._transformer.fit(_safe_indexing(X, rest))
        return self._transformed(X, "X")

    def _validation_rows(self, X_val: Any, y_val: Any, groups_val: Any) -> LabeledRows:
        matrix = self._matrix(X_val, "X_val")
        codes = encode_validation_labels(y_val, self.classes_, matrix)
        groups = encode_groups(groups_val, matrix)
        return LabeledRows(matrix, codes, np.ones(len(codes)), groups)

    def _problem(
        self,
        template: LogisticRegression,
        labeled: LabeledRows,
        validation: LabeledRows,
        pool: ArrayPool,
        rng: np.random.RandomState,
    ) -> Problem:
        if not validation.weight.any():
            raise ValueError(
                "the validation rows split off have a sample_weight of zero; pass "
                "X_val and y_val, or weigh more labeled rows"
            )
        return Problem(
            estimator=template,
            classes=self.classes_,
            labeled=labeled,
            validation=validation,
            folds=split_folds(validation, self.guard, rng),
            pool=pool,
            rule=find_rule(self.rule),
            hessian=self.hessian,
            batch_size=self.batch_size,
            estimate=self.estimate,
            min_influence_z=self.min_influence_z,
            objective=find_objective(self.objective),
        )

    def _finish(self, model: LogisticRegression, names: Any) -> None:
        """Put the fitted model back behind the fitted earlier steps."""
        self._classifier = model
        # It is shown frames, this class's own methods show theirs bare arrays.
        self.estimator_ = joined_again(self.estimator, self._transformer, model, names)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self._transformer, name):
                setattr(self, name, getattr(self._transformer, name))

    def _check_array(self, X: Any, name: str, *, reset: bool) -> Matrix:
        X = validate_data(
            self,
            X,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,
            reset=reset,
        )
        names = getattr(self, "feature_names_in_", None)
        check_finite(X, name, names)
        check_size(X, name, names)
        return X

    def _transformed(self, X: Any, name: str) -> tuple[Matrix, Any]:
        """The rows after the earlier steps, and their columns' names, if any."""
        return checked_matrix(self._transformer.transform(X), name)

    def _matrix(self, X: Any, name: str) -> Matrix:
        """The rows as the classifier sees them."""
        if self._transformer is None:
            return self._check_array(X, name, reset=False)
        return self._transformed(X, name)[0]

    def predict(self, X: Any) -> NDArray[Any]:
        """Most probable class of each row, shape (n_samples,)."""
        check_is_fitted(self)
        return np.asarray(self._classifier.predict(self._matrix(X, "X")))

    def predict_proba(self, X: Any) -> Float64Array:
        """Class probabilities, shape (n_samples, n_classes)."""
        check_is_fitted(self)
        return np.asarray(self._classifier.predict_proba(self._matrix(X, "X")))

    def predict_log_proba(self, X: Any) -> Float64Array:
        """Logarithms of the class probabilities, shape (n_samples, n_classes)."""
        check_is_fitted(self)
        return np.asarray(self._classifier.predict_log_proba(self._matrix(X, "X")))

    def decision_function(self, X: Any) -> Float64Array:
        """Logits, shape (n_samples, n_classes), or (n_samples,) for two classes."""
        check_is_fitted(self)
        return np.asarray(self._classifier.decision_function(self._matrix(X, "X")))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        if isinstance(self.estimator, BaseEstimator):
            tags.input_tags = get_tags(self.estimator).input_tags
        return tags


def _refits(refit_on_validation: bool | str, *, split_off: bool) -> bool:
    if refit_on_validation == "auto":
        return split_off
    return bool(refit_on_validation)
