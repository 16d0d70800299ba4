"""``SalutaryClassifier``: label a pool of rows in scikit-learn's way."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_consistent_length
from threadpoolctl import threadpool_limits

from salutary.advice.after_run import RunToJudge
from salutary.arrays import IntArray
from salutary.estimators.explaining import ExplainingMixin, RunToExplain
from salutary.estimators.mistakes import check_rows, row_keys, warn_without_pool
from salutary.estimators.pipelines import (
    PipelineMixin,
    as_rows,
    split_estimator,
    with_chosen_penalty,
)
from salutary.estimators.pools import as_pool, check_apart
from salutary.estimators.told import (
    CallbackSupportMixin,
    Tasks,
    ToldRun,
    torn_down,
)
from salutary.estimators.transduction import TransductionMixin
from salutary.influence.inputs import check_held, check_weight
from salutary.influence.labels import (
    encode_classes,
    encode_groups,
    encode_validation_labels,
    find_unlabeled,
)
from salutary.influence.objectives import (
    Objective,
    find_objective,
    objective_name,
)
from salutary.labeling.callbacks import RunCallback, check_callbacks
from salutary.labeling.definition import split_folds
from salutary.labeling.fitting import fit_converged, training_rows
from salutary.labeling.loop import outcomes_of
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows, join
from salutary.labeling.rules import Scores, find_rule
from salutary.labeling.splits import split_off
from salutary.names import EstimateName, HessianRows, ObjectiveName, RuleName
from salutary.pools.arrays import ArrayPool
from salutary.pools.protocol import Pool


class SalutaryClassifier(
    ExplainingMixin,
    TransductionMixin,
    PipelineMixin,
    CallbackSupportMixin,  # type: ignore[misc]
    ClassifierMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Logistic regression that labels unlabeled rows by their influence.

    Each round computes, for every unlabeled row and every class, how far the validation
    loss would fall if the model were also trained on the row with that class. The best
    rows get their best class, and the model is refitted. No person is asked for a
    label.

    Parameters
    ----------
    estimator : LogisticRegression(CV) or Pipeline ending in one, default=None
        None means ``LogisticRegression()``. The earlier steps of a pipeline are fitted
        once, without labels, on labeled and unlabeled rows. A LogisticRegressionCV
        chooses its C once, on the labeled rows.
    rule : {"tempered", "plausible", "paper"} or callable, default="tempered"
        How influences become scores; the labels of highest score are assigned.

        - "paper": the influence alone, as published.
        - "plausible": the influence times the model's probability of the label.
        - "tempered": the influence times the probability to the power of 1, 0 or 2. A
          round tries all three and takes the one that does best on the canary rows,
          validation rows that influence never sees (see ``guard``). Without a guard, or
          with an ``estimate`` other than "first_order", the power is 1.
        - A function (influence, probability) -> scores of arrays of shape (n_rows,
          n_classes). It must treat each row alone. With a guard it is also called with
          influences on parts of the validation rows.

        "tempered" picks the rows of a round one by one, each in view of those picked
        before; the others take the best rows together.
    estimate : {"first_order", "newton", "refit"}, default="first_order"
        How the effect of a label is estimated, see `salutary.add_one_in`. With "newton"
        and "refit", each round scores a shortlist anew, picks rows one by one, and
        refits after each. The shortlist is five times ``batch_size`` rows; under
        "tempered" that many for each class.
    hessian : {"train", "pool", "both"}, default="train"
        Rows whose curvature enters the influence, see `salutary.label_influence`.
    budget : int, default=100
        Maximum number of labels to assign.
    batch_size : int, default=10
        Labels assigned in a round.
    min_influence_z : float, default=0.0
        Label only rows whose influence is at least this many times its standard error.
        If it is positive, each round looks at a shortlist only, as large as that of
        ``estimate``, and the run ends when no row of it qualifies.
    validation_fraction : float, default=0.2
        Share of the labeled rows to validate on when ``fit`` gets no validation rows.
    objective : {"log_loss", "balanced", "worst_group"} or callable, default="log_loss"
        The validation loss that labels are chosen to lower. "log_loss" is the mean over
        rows, "balanced" the mean over classes of each class's mean log loss, and
        "worst_group" a smooth maximum of the groups' mean log losses. For the cost of
        mistakes pass `salutary.ExpectedCost`; any function will do, see
        `salutary.label_influence`. The model itself is always fitted by log loss.
    guard : bool, default=True
        Whether to undo rounds that do not help. The validation rows are cut into three
        parts, and three more runs go beside the run. Each of them keeps one part as its
        canary rows, which its influences never see. Rounds after the one with the
        lowest loss on all canary rows together are undone. The run ends once that loss
        is above its lowest by more than the standard error of the difference. A guarded
        run takes about four times as long, and longer under "tempered", which tries
        three powers. With fewer than six validation rows there is no guard, and a
        warning says so.
    refit_on_validation : bool or "auto", default="auto"
        Whether the final model is also fitted on the validation rows. "auto": only if
        they were split off the labeled rows passed to ``fit``.
    n_jobs : int, optional
        Number of threads that score the pool, if features times classes are many, and
        that work on the run and the three runs of the guard at once, if labeled rows
        have a million values; with less to do, threads only wait for each other. None
        means 1, and -1 as many as there are processors. Labels are the same for any
        number.
    random_state : int, RandomState instance or None, default=None
        Decides the splits. An int makes runs repeatable, on any number of threads.
    verbose : int, default=0
        1 prints a line for each round. The logger "salutary" gets these lines too, at
        the level INFO.
    callbacks : list of RunCallback, optional
        Told when the run begins, after each round and at the end, see
        `salutary.RunCallback`; they change no result. Callbacks of scikit-learn itself,
        which it has from 1.9 on, are passed to ``set_callbacks``.

    Attributes
    ----------
    estimator_ : LogisticRegression or Pipeline
        Fitted on the labeled rows and the rows labeled in the run.
    classes_ : ndarray of shape (n_classes,)
    transduction_ : ndarray of shape (n_samples,)
        Label of every row. A row without one keeps the mark it had in ``y``.
    pool_labels_ : DataFrame
        Only if ``fit`` got a ``pool``: its rows that were labeled, by their numbers
        from zero, in the order of labeling, with the columns row, label, round,
        influence, influence_se and probability. The other attributes are about ``X``.
    labeled_iter_ : ndarray of shape (n_samples,), int
        Round in which a row was labeled; 0 if it was labeled in ``y``, -1 if never.
    influence_ : ndarray of shape (n_samples,), float64
        Influence of the assigned label when it was assigned, in nats of validation loss
        per unit of ``sample_weight``. NaN for rows not labeled in the run.
    influence_se_ : ndarray of shape (n_samples,), float64
        Standard error of ``influence_`` over the validation rows; NaN with fewer than
        two. It does not allow for the rows having been chosen for large influences.
    history_ : list of dict
        For the start, which is round 0, and for each round; empty if there was nothing
        to label:

        - round;
        - n_labeled: rows that the model was fitted on;
        - validation_loss: the objective on the validation rows after the round;
          validation_accuracy and validation_balanced_accuracy there;
        - canary_loss, canary_accuracy, canary_balanced_accuracy: the same on the canary
          rows; canary_fall: how far the loss has fallen since the start; canary_se: the
          standard error of that fall. All are NaN without a guard;
        - largest_influence of the labels assigned in the round;
        - variant of the rule: "p^0", "p^1" or "p^2" after the power of the probability,
          or "callable";
        - verdict of the guard: "kept", "waiting" for later rounds, or "harmful";
        - seconds the round took;
        - undone: whether the guard has undone the round.
    n_iter_ : int
        Number of rounds, including those that were undone.
    termination_condition_ : str
        Why the run ended: "budget", "no_positive_influence", "guard" or
        "pool_exhausted". It is "guard" whenever rounds were undone.
    verdict_ : Verdict or None
        Whether to use the labels, or to train on labeled rows, on validation rows or on
        both without them: ``verdict_.sentence`` says it in words, ``verdict_.table`` in
        figures. These alternatives have the kind of ``estimator``, with a tuned C. It
        is computed when it is first looked at, which can take as long as the run. None
        without a guard, and if there was nothing to label.
    n_features_in_ : int
        Number of columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in,)
        Only if ``X`` has column names.

    See Also
    --------
    salutary.advise : Compares labeling with training on the rows that have labels.
    sklearn.semi_supervised.SelfTrainingClassifier : Labels by confidence.

    Notes
    -----
    A round costs one refit, one linear solve, and one product of the pool with a matrix
    of 2 K columns for K classes. With a guard, each part of the validation rows costs
    the same again, and under the tempered rule a short refit for each power. Memory
    besides the rows themselves is a few bytes for each row of the pool.

    Training on the labeled and validation rows together is often as good as labeling a
    pool. Compare the two with `salutary.advise` before you rely on this.

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
        "rule": [StrOptions(set(get_args(RuleName))), callable],
        "estimate": [StrOptions(set(get_args(EstimateName)))],
        "hessian": [StrOptions(set(get_args(HessianRows)))],
        "budget": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "min_influence_z": [Interval(Real, 0, None, closed="left")],
        "objective": [str, callable],  # find_objective refuses names, with a remedy
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "guard": ["boolean"],
        "refit_on_validation": ["boolean", StrOptions({"auto"})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "callbacks": [list, tuple, None],
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
        refit_on_validation: bool | Literal["auto"] = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Sequence[RunCallback] | None = None,
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
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    def fit(
        self,
        X: Any,
        y: Any,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight: Any = None,
        *,
        groups_val: Any = None,
        pool: Any = None,
    ) -> SalutaryClassifier:
        """Label the pool and fit the estimator on the result.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Labeled and unlabeled rows.
        y : array-like of shape (n_samples,)
            Labels. -1 marks an unlabeled row; so does None or NaN in an array of
            objects or floats.
        X_val : array-like or sparse matrix of shape (n_val, n_features), optional
            Validation rows. Without them, ``validation_fraction`` of the labeled rows
            is split off, stratified by class.
        y_val : array-like of shape (n_val,), optional
            Labels of the validation rows.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, which an unlabeled row gets once it has a label.
        groups_val : array-like of shape (n_val,), optional
            Group of each validation row, for an objective that looks at groups.
        pool : optional
            The unlabeled rows, by themselves; then ``X`` has labeled rows alone, and
            the labels are in ``pool_labels_``. They may be

            - an array-like or CSR matrix, also memory-mapped;
            - the path of a Parquet file or a folder of them, a pyarrow.Table or
              pyarrow.dataset.Dataset, or a Dataset of Hugging Face, with a column for
              each feature or one of vectors. They are read once, batch by batch, into a
              file of float32 in the system's folder of temporary files, and need not
              fit into memory;
            - a ray.data.Dataset, which is scored on the machines of its cluster;
            - any object with what ``salutary.pools.protocol.Pool`` asks for.

        Returns
        -------
        SalutaryClassifier

        Raises
        ------
        ValueError
            For rows with NaN or infinity, of which the first is named; for fewer than
            two classes; for labels that are empty texts or the text "-1"; for a class
            in ``y_val`` that no labeled row has; if too few rows are labeled to split
            off validation rows; if all validation rows are labeled rows of ``X``; and
            for a ``pool`` with unlabeled rows in ``X``, earlier steps of a pipeline,
            or, where it is no matrix, another ``hessian`` than "train".

        Warns
        -----
        UserWarning
            If no row is unlabeled, if validation rows are also rows of ``X``, or if
            unlabeled rows are also labeled ones.
        """
        self._validate_params()
        check_callbacks(self.callbacks)
        find_objective(self.objective)
        check_held(X_val, y_val)
        if groups_val is not None and X_val is None:
            raise ValueError("groups_val belongs to X_val; pass X_val and y_val too")
        with threadpool_limits(limits=1, user_api="blas"), torn_down(self):
            return self._fit(X, y, X_val, y_val, sample_weight, groups_val, pool)

    def _fit(
        self,
        X: Any,
        y: Any,
        X_val: Any,
        y_val: Any,
        sample_weight: Any,
        groups_val: Any,
        apart: Any,
    ) -> SalutaryClassifier:
        given, rng = as_rows(X, "X"), check_random_state(self.random_state)
        X = given
        transformer, template = split_estimator(self.estimator)
        if transformer is None:
            X = self._check_array(X, "X", reset=True)
        y, unlabeled = find_unlabeled(y)
        if apart is not None:
            check_apart(unlabeled, transformer)
        check_consistent_length(X, y)
        self.classes_, codes = encode_classes(y, unlabeled)
        weight = check_weight(sample_weight, X, "sample_weight")

        kept, held = np.flatnonzero(~unlabeled), np.zeros(0, dtype=np.intp)
        has_pool = apart is not None or bool(unlabeled.any())
        if X_val is None and has_pool:
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
        keys = row_keys(matrix)
        # Of rows split off, those that recur do so by chance.
        seen = keys[:0] if X_val is None else row_keys(validation.X)
        pool: Pool = ArrayPool(rows.X, unlabeled, weight)
        of_pool = keys[unlabeled]
        if apart is not None:
            pool = as_pool(apart, matrix, names, self.hessian)
            of_pool = row_keys(pool.X) if isinstance(pool, ArrayPool) else keys[:0]
        check_rows(keys[kept], seen, of_pool)

        tasks = Tasks(self, given, y, kept)
        told = ToldRun.of(
            self,
            "label",
            lambda record: tasks.round(
                lambda: self._fitted_with(record.snapshot.model, names)
            ),
        )
        if has_pool:
            tasks.begin()
            problem = self._problem(template, labeled, validation, pool, rng)
            labeled, model = self._label(
                problem, y, kept, held, told, apart is not None
            )
        else:
            warn_without_pool()
            self._to_explain: RunToExplain | None = None
            self._remember(y, unlabeled, [], 0, "pool_exhausted")
            model = clone(template).fit(
                rows.X, self.classes_[codes], sample_weight=weight
            )
        refit = self.refit_on_validation
        if len(validation) and (len(held) > 0 if refit == "auto" else refit):
            labeled = join(labeled, validation)
            model = fit_converged(template, labeled, self.classes_, model)
        self._finish(model, names)
        tasks.end()
        self._tell_end(told, self.estimator_, given)
        return self

    def _label(
        self,
        problem: Problem,
        y: NDArray[Any],
        kept: IntArray,
        held: IntArray,
        told: ToldRun,
        apart: bool,
    ) -> tuple[LabeledRows, LogisticRegression]:
        """Label the pool; the rows that then have a label, and the model of these."""
        _, state, records = told.run(problem, self.budget)
        unlabeled, best = problem.pool.unlabeled, state.best
        ended = outcomes_of(state, records), state.best_round, state.ending
        if apart:
            self._remember_apart(y, *ended)
        else:
            self._remember(y, unlabeled, *ended)
        if problem.folds:
            objective = objective_name(self.objective)
            to_judge = RunToJudge.of(problem, state, objective)
            self._to_judge = to_judge.without_the_pool()
        self._to_explain = RunToExplain.of(problem, state, kept, held)
        return training_rows(problem, best.rows, best.labels), best.model

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
        pool: Pool,
        rng: np.random.RandomState,
    ) -> Problem:
        if not validation.weight.any():
            raise ValueError(
                "the validation rows split off all have a sample_weight of zero; pass "
                "X_val and y_val, or give more labeled rows a weight"
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
            n_jobs=self.n_jobs,
        )
