"""``relabel``: switch labels of the training rows that raise the validation loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_random_state, check_scalar
from threadpoolctl import threadpool_limits

from salutary.advice.after_run import verdict_on
from salutary.advice.verdict import Verdict
from salutary.displays.reprs import (
    in_a_notebook,
    on_a_screen,
    rounds_table,
    switches_table,
)
from salutary.estimators.mistakes import check_rows, row_keys
from salutary.estimators.pipelines import (
    as_rows,
    checked_matrix,
    fit_without_labels,
    joined_again,
    matrix_like,
    split_estimator,
    transformed,
    with_chosen_penalty,
)
from salutary.estimators.told import ToldRun
from salutary.influence.inputs import check_weight
from salutary.influence.labels import (
    encode_groups,
    encode_training_labels,
    encode_validation_labels,
)
from salutary.influence.objectives import (
    Objective,
    find_objective,
    objective_name,
)
from salutary.labeling.callbacks import RunCallback, check_callbacks
from salutary.labeling.definition import split_folds
from salutary.labeling.edits import SwitchLabel, default_batch, own_pool
from salutary.labeling.loop import State, as_limit, outcomes_of
from salutary.labeling.outcome import Round, history
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import Scores, find_rule
from salutary.labeling.tuning import best_C_by_validation, tuned_folds
from salutary.names import ObjectiveName, RuleName


@dataclass(frozen=True, repr=False)
class Relabeling:
    """Labels after relabeling, and how they came about.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        All labels, including those that were switched.
    switches : DataFrame
        A row for each switch that stays, in the order in which they were made, with the
        columns row, old_label, label, influence, influence_se, probability and round.
        ``influence`` estimates how far the switch lowers the objective, to first order
        and per unit weight of the row; ``influence_se`` is its standard error and
        ``probability`` the model's probability of the new label.
    model : LogisticRegression or Pipeline
        Fitted on the rows with the labels ``y``.
    history : list of dict
        For the start and each round, what ``history_`` of
        `salutary.SalutaryClassifier` has.
    termination : str
        Why the run ended: "budget", "no_positive_influence", "guard" or
        "pool_exhausted" (every label has been switched). It is "guard" whenever rounds
        were undone.
    verdict : Verdict or None
        Whether to use the switched labels, or to train on other rows instead, see
        `salutary.SalutaryClassifier`. None without a guard.
    """

    y: NDArray[Any]
    switches: pd.DataFrame
    model: BaseEstimator
    history: list[dict[str, Any]]
    termination: str
    verdict: Verdict | None

    def __repr__(self) -> str:
        return on_a_screen(*self._summary(), switches_table(self.switches))

    def _repr_html_(self) -> str:
        rounds = rounds_table(self.history)
        return in_a_notebook(*self._summary(), rounds, switches_table(self.switches))

    def _summary(self) -> list[str]:
        sentence = [] if self.verdict is None else [self.verdict.sentence]
        counts = (
            f"Relabeling: {len(self.switches)} of {len(self.y)} labels switched in "
            f"{max(len(self.history) - 1, 0)} rounds; ended by {self.termination!r}."
        )
        return [counts, *sentence]


def relabel(
    X: Any,
    y: Any,
    X_val: Any,
    y_val: Any,
    *,
    estimator: Any = None,
    rule: RuleName | Scores = "tempered",
    objective: ObjectiveName | Objective = "log_loss",
    budget: int | None = None,
    batch_size: int | None = None,
    min_influence_z: float = 0.0,
    guard: bool = True,
    sample_weight: Any = None,
    groups_val: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int = 0,
    callbacks: Sequence[RunCallback] | None = None,
) -> Relabeling:
    r"""Switch the training labels whose switching lowers the validation loss most.

    For training rows some of whose labels are wrong, and validation rows whose labels
    are right. Each label is switched once at most.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Training rows.
    y : array-like of shape (n_samples,)
        Labels, some of them wrong. Every value is a class, -1 too.
    X_val : array-like or sparse matrix of shape (n_val, n_features)
        Validation rows.
    y_val : array-like of shape (n_val,)
        Labels of the validation rows. They must be right, as every switch is chosen by
        them.
    estimator : LogisticRegression(CV) or Pipeline ending in one, optional
        As for `salutary.SalutaryClassifier`. By default a logistic regression whose C
        does best on the validation rows when fitted on the labels as they are.
    rule : {"tempered", "plausible", "paper"} or callable, default="tempered"
        How the influence of a switch and the model's probability of the new label
        become a score, see `salutary.SalutaryClassifier`.
    objective : {"log_loss", "balanced", "worst_group"} or callable, default="log_loss"
        The validation loss that switches are chosen to lower, see
        `salutary.SalutaryClassifier`.
    budget : int, optional
        Maximum number of switches. By default there is no limit but the number of rows,
        and the guard ends the run.
    batch_size : int, optional
        Switches in a round; by default a fiftieth of the rows, but at least 10.
    min_influence_z : float, default=0.0
        Switch only labels whose switch has an influence of at least this many times its
        standard error.
    guard : bool, default=True
        Whether to undo rounds that do not help. Rounds are judged on canary rows,
        validation rows that influence never sees; see `salutary.SalutaryClassifier`.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the training rows.
    groups_val : array-like of shape (n_val,), optional
        Group of each validation row, for an objective that looks at groups.
    n_jobs : int, optional
        Number of threads, see `salutary.SalutaryClassifier`. It changes no switch.
    random_state : int, RandomState instance or None, default=None
        Decides how the guard cuts the validation rows into parts.
    verbose : int, default=0
        1 prints a line for each round. The logger "salutary" gets these lines too, at
        the level INFO.
    callbacks : list of RunCallback, optional
        Told when the run begins, after each round and at the end, see
        `salutary.RunCallback`; they change no switch.

    Returns
    -------
    Relabeling

    Raises
    ------
    ValueError
        For rows with NaN or infinity; for labels that are missing, empty, of several
        kinds, or numbers with a fraction; for fewer than two classes; for a class in
        ``y_val`` that ``y`` lacks; and if all validation rows are training rows too.

    Warns
    -----
    UserWarning
        If some validation rows are training rows too.

    See Also
    --------
    salutary.advise : Compares relabeling with training on the validation rows.

    Notes
    -----
    Switching a row of weight :math:`\epsilon` from y to c moves the optimum by
    :math:`\epsilon H^{-1} (\nabla \ell(x, y) - \nabla \ell(x, c))`, so the objective
    falls at the rate :math:`I(x, c) - I(x, y) = s_y(x) - s_c(x)`, with the influences
    I of `salutary.label_influence`. A round costs what labeling a pool of n_samples
    rows costs.

    Training on the validation rows alone, or on the training and validation rows
    together, may do as well. ``docs/studies/relabel`` compares the three.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> noisy = y[::2].copy()
    >>> noisy[::5] = (noisy[::5] + 1) % 3
    >>> found = relabel(X[::2], noisy, X[1::2], y[1::2], random_state=0)
    >>> int((noisy != y[::2]).sum()), int((found.y != y[::2]).sum())
    (15, 2)
    """
    settings = {
        "estimator": estimator,
        "rule": rule,
        "objective": objective,
        "budget": budget,
        "batch_size": batch_size,
        "min_influence_z": min_influence_z,
        "guard": guard,
        "n_jobs": n_jobs,
        "random_state": random_state,
    }
    _check_limits(budget, batch_size, min_influence_z)
    check_callbacks(callbacks)
    told = ToldRun("relabel", callbacks, settings, verbose)
    X, X_val = as_rows(X, "X"), as_rows(X_val, "X_val")
    given = X
    transformer, template = split_estimator(estimator)
    if transformer is not None:
        fit_without_labels(transformer, X)
        X = transformed(transformer, X, "X")
        X_val = transformed(transformer, X_val, "X_val")
    X, names = checked_matrix(X, "X")
    X_val = matrix_like(X, names, X_val, "X_val")
    classes, codes = encode_training_labels(y, X)
    labeled = LabeledRows(X, codes, check_weight(sample_weight, X, "sample_weight"))
    validation = LabeledRows(
        X_val,
        encode_validation_labels(y_val, classes, X_val),
        np.ones(X_val.shape[0]),
        encode_groups(groups_val, X_val),
    )
    folds = split_folds(validation, guard, check_random_state(random_state))
    keys = row_keys(X)
    check_rows(keys, row_keys(X_val), keys[:0])
    if estimator is None:
        template = LogisticRegression(
            C=best_C_by_validation(labeled, validation, classes)
        )
        folds = tuned_folds(folds, labeled, classes, best_C_by_validation)
    problem = Problem(
        estimator=with_chosen_penalty(template, X, classes[codes], labeled.weight),
        classes=classes,
        labeled=labeled,
        validation=validation,
        folds=folds,
        pool=own_pool(labeled),
        rule=find_rule(rule),
        hessian="train",
        batch_size=default_batch(len(labeled)) if batch_size is None else batch_size,
        min_influence_z=min_influence_z,
        objective=find_objective(objective),
        edit=SwitchLabel(codes),
        n_jobs=n_jobs,
    )
    with threadpool_limits(limits=1, user_api="blas"):
        _, state, rounds = told.run(problem, as_limit(budget))
        judged_by = objective_name(objective)
        verdict = verdict_on(problem, state, judged_by, n_jobs=n_jobs)
    model = joined_again(estimator, transformer, state.best.model, names)
    found = _relabeling(problem, state, rounds, model, verdict)
    told.end(found.history, found.termination, lambda: verdict, model, given)
    return found


def _check_limits(
    budget: int | None, batch_size: int | None, min_influence_z: float
) -> None:
    if budget is not None:
        check_scalar(budget, "budget", Integral, min_val=0)
    if batch_size is not None:
        check_scalar(batch_size, "batch_size", Integral, min_val=1)
    check_scalar(min_influence_z, "min_influence_z", Real, min_val=0)
    if not np.isfinite(min_influence_z):
        raise ValueError(f"min_influence_z == {min_influence_z}, must be finite.")


def _relabeling(
    problem: Problem,
    state: State,
    rounds: list[Round],
    model: BaseEstimator,
    verdict: Verdict | None,
) -> Relabeling:
    """What a finished run comes to."""
    codes = problem.labeled.labels.copy()
    codes[state.best.rows] = state.best.labels
    return Relabeling(
        y=problem.classes[codes],
        switches=_switches(problem, rounds[: state.best_round]),
        model=model,
        history=history(outcomes_of(state, rounds), state.best_round),
        termination=str(state.ending),
        verdict=verdict,
    )


def _switches(problem: Problem, rounds: list[Round]) -> pd.DataFrame:
    """The switches of some rounds, in their order."""
    y = problem.classes[problem.labeled.labels]
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            *("row", "old_label", "label"),
            *("influence", "influence_se", "probability", "round"),
        )
    }
    for record in rounds:
        chosen = record.selection
        columns["row"].extend(chosen.rows.tolist())
        columns["old_label"].extend(y[chosen.rows].tolist())
        columns["label"].extend(problem.classes[chosen.labels].tolist())
        columns["influence"].extend(chosen.assigned_influence.tolist())
        columns["influence_se"].extend(chosen.influence_se.tolist())
        columns["probability"].extend(chosen.assigned_probability.tolist())
        columns["round"].extend([record.number] * len(chosen))
    return pd.DataFrame(columns)
