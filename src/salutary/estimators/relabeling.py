"""Influence applied to the labeled set itself: switch labels that do harm."""

from __future__ import annotations

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

from salutary.estimators.pipelines import (
    checked_matrix,
    joined_again,
    matrix_like,
    split_estimator,
    with_chosen_penalty,
)
from salutary.influence.inputs import check_weight
from salutary.influence.labels import (
    check_labels,
    encode_groups,
    encode_training_labels,
    encode_validation_labels,
)
from salutary.influence.objectives import Objective, find_objective
from salutary.labeling.definition import split_folds
from salutary.labeling.edits import SwitchLabel, default_batch, own_pool
from salutary.labeling.loop import Round, as_limit, run
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import Scores, find_rule
from salutary.labeling.tuning import best_C_by_validation
from salutary.names import ObjectiveName, RuleName


@dataclass(frozen=True)
class Relabeling:
    """What came of relabeling.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        The labels, those switched as they are now.
    switches : DataFrame
        A line for each switch that stayed, in the order they were made: row, old_label,
        label, influence, influence_se, probability, round. ``influence`` is by how much
        the objective falls to first order per unit weight of the switched row.
    model : LogisticRegression or Pipeline
        Fitted on the rows with these labels.
    history : list of dict
        For each round, as `salutary.SalutaryClassifier`'s ``history_``.
    termination : str
        "budget", "no_positive_influence", "guard" or "pool_exhausted" (every label has
        been switched); "guard" whenever it undid rounds.
    """

    y: NDArray[Any]
    switches: pd.DataFrame
    model: BaseEstimator
    history: list[dict[str, Any]]
    termination: str


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
    random_state: Any = None,
    verbose: int = 0,
) -> Relabeling:
    r"""Switch the labels whose switching lowers the validation loss most.

    For training labels that are noisy, and validation labels that are not. Each row is
    switched once at most.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        Labels, of which some are wrong. Every value is a class, -1 as well.
    X_val : array-like or sparse matrix of shape (n_val, n_features)
    y_val : array-like of shape (n_val,)
        Clean: every switch is chosen to please them.
    estimator : LogisticRegression(CV) or Pipeline ending in one, optional
        As for `salutary.SalutaryClassifier`. By default a logistic regression with the
        C whose model of the labels as they are does best on the validation rows.
    rule : {"tempered", "plausible", "paper"} or callable, default="tempered"
        From the effect of a switch, and the model's probability of the new label, to a
        score; see `salutary.SalutaryClassifier`.
    objective : {"log_loss", "balanced", "worst_group"} or callable, default="log_loss"
        What is to fall, see `salutary.label_influence`.
    budget : int, optional
        Switches at most; as many as there are rows by default, which leaves the end to
        the guard.
    batch_size : int, optional
        Switches a round; by default 10, or a fiftieth of the rows if that is more.
    min_influence_z : float, default=0.0
        Leave labels whose switch has an influence of fewer standard errors than this.
    guard : bool, default=True
        Judge the rounds by validation rows that influence did not see, undo those after
        the best, and choose the tempered rule's power by them.
    sample_weight : array-like of shape (n_samples,), optional
    groups_val : array-like of shape (n_val,), optional
        Group of each validation row, for an objective that looks at groups.
    random_state : int, RandomState instance or None, default=None
        Decides how the guard parts the validation rows.
    verbose : int, default=0
        1 prints a line a round.

    Returns
    -------
    Relabeling

    Raises
    ------
    ValueError
        For rows with NaN or infinity; labels that are missing, of several kinds or no
        classes; fewer than two classes; or a class in ``y_val`` that ``y`` lacks.

    Notes
    -----
    Switching a row of weight :math:`\epsilon` from y to c moves the optimum by
    :math:`\epsilon H^{-1} (\nabla \ell(x, y) - \nabla \ell(x, c))`, so J falls at the
    rate :math:`I(x, c) - I(x, y) = s_y(x) - s_c(x)`, with the influences of
    `salutary.label_influence`. A round costs what labeling a pool of n_samples rows
    does. Beside it always look at training on the validation rows alone, and on both:
    ``docs/studies/relabel`` has figures.

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
    if budget is not None:
        check_scalar(budget, "budget", Integral, min_val=0)
    if batch_size is not None:
        check_scalar(batch_size, "batch_size", Integral, min_val=1)
    check_scalar(min_influence_z, "min_influence_z", Real, min_val=0)
    if not np.isfinite(min_influence_z):
        raise ValueError(f"min_influence_z == {min_influence_z}, must be finite.")
    transformer, template = split_estimator(estimator)
    if transformer is not None:
        X = transformer.fit(X).transform(X)
        X_val = transformer.transform(X_val)
    X, names = checked_matrix(X, "X")
    X_val = matrix_like(X, names, X_val, "X_val")
    y = check_labels(y, "y", X)
    classes, codes = encode_training_labels(y, X)
    weight = check_weight(sample_weight, X, "sample_weight")
    labeled = LabeledRows(X, codes, weight)
    validation = LabeledRows(
        X_val,
        encode_validation_labels(y_val, classes, X_val),
        np.ones(X_val.shape[0]),
        encode_groups(groups_val, X_val),
    )
    if estimator is None:
        template = LogisticRegression(
            C=best_C_by_validation(labeled, validation, classes)
        )
    template = with_chosen_penalty(template, X, y, weight)
    problem = Problem(
        estimator=template,
        classes=classes,
        labeled=labeled,
        validation=validation,
        folds=split_folds(validation, guard, check_random_state(random_state)),
        pool=own_pool(labeled),
        rule=find_rule(rule),
        hessian="train",
        batch_size=default_batch(len(labeled)) if batch_size is None else batch_size,
        min_influence_z=min_influence_z,
        objective=find_objective(objective),
        edit=SwitchLabel(labeled.labels),
    )
    with threadpool_limits(limits=1, user_api="blas"):
        state, rounds = run(problem, as_limit(budget), verbose=bool(verbose))
    switched = y.copy()
    switched[state.best.rows] = classes[state.best.labels]
    return Relabeling(
        y=switched,
        switches=_switches(y, classes, rounds[: state.best_round]),
        model=joined_again(estimator, transformer, state.best.model, names),
        history=[
            {**record.summary(), "refused": record.number > state.best_round}
            for record in rounds
        ],
        termination=str(state.ending),
    )


def _switches(
    y: NDArray[Any], classes: NDArray[Any], rounds: list[Round]
) -> pd.DataFrame:
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
        columns["label"].extend(classes[chosen.labels].tolist())
        columns["influence"].extend(chosen.assigned_influence.tolist())
        columns["influence_se"].extend(chosen.influence_se.tolist())
        columns["probability"].extend(chosen.assigned_probability.tolist())
        columns["round"].extend([record.number] * len(chosen))
    return pd.DataFrame(columns)
