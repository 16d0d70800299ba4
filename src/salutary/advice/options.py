"""The options: what can be done with training rows, validation rows and a pool.

An option is a function of an `AdviceTask`. To add one, write it and add it to
`OPTIONS`, or to `POOL_OPTIONS` if it needs a pool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from salutary.arrays import IntArray, Matrix
from salutary.labeling.definition import split_folds
from salutary.labeling.edits import (
    AddRow,
    SwitchLabel,
    TrainingEdit,
    default_batch,
    own_pool,
)
from salutary.labeling.guard import FOLDS
from salutary.labeling.loop import State, run
from salutary.labeling.outcome import Round
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows, join
from salutary.labeling.rules import RULES
from salutary.labeling.splits import stratified_parts
from salutary.labeling.tuning import N_PARTS, PENALTIES, best_C, fit_penalized
from salutary.names import (
    RELABELED,
    SALUTARY,
    TRAIN_AND_VALIDATION,
    TRAIN_ONLY,
    VALIDATION_ONLY,
    RuleName,
)
from salutary.pools.arrays import ArrayPool
from salutary.pools.protocol import Pool

VALIDATION_WEIGHTS = (2.0, 5.0, 20.0)
"""Weights of a validation row to try, besides 1; a training row weighs 1."""

TUNING_PARTS = 3
"""Number of folds of the validation rows by which C and weights are tuned."""

Parts = list[tuple[LabeledRows, LabeledRows]]
"""Rows to fit on, and validation rows to evaluate on, for each fold."""

Run = tuple[State, list[Round]]
"""The end of a run, and its rounds."""


def _nothing() -> IntArray:
    return np.zeros(0, dtype=np.intp)


@dataclass(frozen=True, eq=False)
class AdviceTask:
    """All that an option may use.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,), sorted
    train : LabeledRows
        At least one row of each class.
    validation : LabeledRows
        At least one row.
    pool : ndarray or CSR matrix of shape (n_pool, n_features), or None
        Unlabeled rows.
    budget, batch_size : int
        Number of labels to assign in all, and in a round.
    seed : int
        Seed of all random choices.
    penalties : tuple of float
        Values of C to choose from, ascending.
    estimator : LogisticRegression
        Unfitted. Every model is one of its kind, with a C of its own.
    """

    classes: NDArray[Any]
    train: LabeledRows
    validation: LabeledRows
    pool: Matrix | None
    budget: int
    batch_size: int
    seed: int
    penalties: tuple[float, ...] = PENALTIES
    estimator: LogisticRegression = field(default_factory=LogisticRegression)

    @cached_property
    def parts(self) -> Parts:
        """Two thirds of the validation rows, and the other third, in three ways."""
        rows, rng = self.validation, np.random.RandomState(self.seed)
        return [
            (rows.take(rest), rows.take(part))
            for rest, part in stratified_parts(rows.labels, TUNING_PARTS, rng)
        ]

    @cached_property
    def train_C(self) -> float:
        """The best C for the training rows alone, by the loss on validation rows."""
        return self.best_C([(self.train, self.validation)])[0]

    @cached_property
    def both_C(self) -> float:
        """The best C for training and validation rows, by cross-validation on both.

        Whoever trains on both trusts both, and twice as many rows choose C better.
        """
        rows, rng = join(self.train, self.validation), np.random.RandomState(self.seed)
        return self.best_C(
            [
                (rows.take(rest), rows.take(part))
                for rest, part in stratified_parts(rows.labels, N_PARTS, rng)
            ]
        )[0]

    @cached_property
    def labeled(self) -> Run:
        """A run under the default rule, which two options use."""
        return label_pool(self, "tempered")

    @cached_property
    def relabeled(self) -> Run:
        """A run that relabels the training rows, which two options use."""
        train = self.train
        problem = _problem(self, "tempered", own_pool(train), SwitchLabel(train.labels))
        problem = replace(problem, batch_size=default_batch(len(train)))
        return run(problem, len(train))

    def best_C(self, parts: Parts) -> tuple[float, float]:
        """The best C, and its loss, see `salutary.labeling.tuning.best_C`."""
        return best_C(parts, self.classes, self.penalties, self.estimator)

    def fit(self, C: float, rows: LabeledRows, previous: Any = None) -> Any:
        """Fit the rows, see `salutary.labeling.tuning.fit_penalized`."""
        return fit_penalized(C, rows, self.classes, previous, estimator=self.estimator)

    def with_train(self, weight: float) -> Parts:
        """The parts, with the training rows added to those to fit on.

        Validation rows to fit on get ``weight``.
        """
        return [
            (join(self.train, weighed(rest, weight)), judged)
            for rest, judged in self.parts
        ]


@dataclass(frozen=True)
class FittedOption:
    """The result of an option.

    Parameters
    ----------
    model : classifier
        Fitted.
    C : float
        The tuned inverse strength of the penalty.
    validation_weight : float
        Weight of each validation row in the fit; 0 if the model was not fitted on them.
    rows, labels : ndarrays of shape (n_labels,), dtype intp
        Pool rows, or training rows that were relabeled, that got a label which no
        person gave, and the positions of its class.
    rounds : tuple of Round
        The rounds in which they got it. Empty for self-training, too, which has none.
    """

    model: Any
    C: float
    validation_weight: float = 0.0
    rows: IntArray = field(default_factory=_nothing)
    labels: IntArray = field(default_factory=_nothing)
    rounds: tuple[Round, ...] = ()

    @property
    def n_labels(self) -> int:
        """Number of labels that no person gave."""
        return len(self.rows)


Option = Callable[[AdviceTask], FittedOption]
"""A function that fits a model on the rows of a task."""


def weighed(rows: LabeledRows, weight: float) -> LabeledRows:
    """The rows, with their weights multiplied by a number."""
    return replace(rows, weight=weight * rows.weight)


def train_only(task: AdviceTask) -> FittedOption:
    """Fit the training rows alone."""
    return FittedOption(task.fit(task.train_C, task.train), task.train_C)


def validation_only(task: AdviceTask) -> FittedOption:
    """Fit the validation rows alone."""
    C, _ = task.best_C(task.parts)
    return FittedOption(task.fit(C, task.validation), C, 1.0)


def train_and_validation(task: AdviceTask) -> FittedOption:
    """Fit the training and the validation rows: all that a person has labeled."""
    rows = join(task.train, task.validation)
    return FittedOption(task.fit(task.both_C, rows), task.both_C, 1.0)


def weighted_validation(task: AdviceTask) -> FittedOption:
    """Fit the training and the validation rows, with a tuned weight of the latter."""
    found = {
        weight: task.best_C(task.with_train(weight))
        for weight in (1.0, *VALIDATION_WEIGHTS)
    }
    weight = min(found, key=lambda weight: found[weight][1])
    C, _ = found[weight]
    rows = join(task.train, weighed(task.validation, weight))
    return FittedOption(task.fit(C, rows), C, weight)


def relabeled(task: AdviceTask) -> FittedOption:
    """Fit the training rows, after some got other labels by influence."""
    return _of_run(task.relabeled, task.relabeled[0].best.model, task.train_C)


def relabeled_and_validation(task: AdviceTask) -> FittedOption:
    """Fit the relabeled training rows and the validation rows."""
    kept = task.relabeled[0].best
    edit = SwitchLabel(task.train.labels)
    rows = edit.training(task.train, own_pool(task.train), kept.rows, kept.labels)
    model = task.fit(task.both_C, join(rows, task.validation))
    return _of_run(task.relabeled, model, task.both_C, 1.0)


def self_training(task: AdviceTask) -> FittedOption:
    """Label the pool by the model's own predictions, the most confident first.

    Like SelfTrainingClassifier of scikit-learn with ``criterion="k_best"``, which does
    not accept sample weights.
    """
    pool, model = _pool(task), train_only(task).model
    rows, labels = _nothing(), _nothing()
    while len(rows) < min(task.budget, pool.shape[0]):
        chance = model.predict_proba(pool)
        chance[rows] = -np.inf
        size = min(task.batch_size, task.budget - len(rows), pool.shape[0] - len(rows))
        chosen = np.argsort(-chance.max(axis=1), kind="stable")[:size]
        rows = np.concatenate([rows, chosen])
        labels = np.concatenate([labels, chance[chosen].argmax(axis=1)])
        fitted = _with_pool(task, rows, labels)
        model = task.fit(task.train_C, fitted, model)
    return FittedOption(model, task.train_C, rows=rows, labels=labels)


def salutary_paper(task: AdviceTask) -> FittedOption:
    """Label the pool by influence alone, as published, but with the guard."""
    found = label_pool(task, "paper")
    return _of_run(found, found[0].best.model, task.train_C)


def salutary(task: AdviceTask) -> FittedOption:
    """Label the pool under the default rule."""
    return _of_run(task.labeled, task.labeled[0].best.model, task.train_C)


def salutary_and_validation(task: AdviceTask) -> FittedOption:
    """Label the pool under the default rule, then fit on validation rows as well."""
    kept = task.labeled[0].best
    rows = join(_with_pool(task, kept.rows, kept.labels), task.validation)
    # The fit does not start from the run's model. So if no label was kept, the result
    # is that of train + validation to the last digit, and rounding cannot make it seem
    # better.
    model = task.fit(task.both_C, rows)
    return _of_run(task.labeled, model, task.both_C, 1.0)


def _of_run(
    found: Run, model: Any, C: float, validation_weight: float = 0.0
) -> FittedOption:
    """An option with the labels of a run that were not undone."""
    state, rounds = found
    kept, best = state.best, tuple(rounds[: state.best_round])
    return FittedOption(model, C, validation_weight, kept.rows, kept.labels, best)


def label_pool(task: AdviceTask, rule: RuleName) -> Run:
    """Label the pool, starting with the model of the training rows."""
    pool = ArrayPool.of(_pool(task))
    return run(_problem(task, rule, pool, AddRow()), task.budget)


def _problem(
    task: AdviceTask, rule: RuleName, pool: Pool, edit: TrainingEdit
) -> Problem:
    return Problem(
        estimator=clone(task.estimator).set_params(C=task.train_C),
        classes=task.classes,
        labeled=task.train,
        validation=task.validation,
        folds=split_folds(
            task.validation,
            # With fewer rows there would be a warning, and no guard, for each run.
            len(task.validation) >= 2 * FOLDS,
            np.random.RandomState(task.seed),
        ),
        pool=pool,
        rule=RULES[rule],
        hessian="train",
        batch_size=task.batch_size,
        edit=edit,
    )


def _pool(task: AdviceTask) -> Matrix:
    if task.pool is None:
        raise ValueError("this option needs a pool; pass one")
    return task.pool


def _with_pool(task: AdviceTask, rows: IntArray, labels: IntArray) -> LabeledRows:
    """The training rows, and the given pool rows with the given labels."""
    return join(task.train, LabeledRows(_pool(task)[rows], labels, np.ones(len(rows))))


OPTIONS: dict[str, Option] = {
    TRAIN_AND_VALIDATION: train_and_validation,
    TRAIN_ONLY: train_only,
    VALIDATION_ONLY: validation_only,
    "train + weighted validation": weighted_validation,
    RELABELED: relabeled,
    f"{RELABELED} + validation": relabeled_and_validation,
}
"""Options that need no pool, by name, the most preferred first.

An option that uses all labels that a person gave comes first: leaving some out needs a
reason.
"""

POOL_OPTIONS: dict[str, Option] = {
    "self-training": self_training,
    f"{SALUTARY}, paper's rule": salutary_paper,
    SALUTARY: salutary,
    f"{SALUTARY} + validation": salutary_and_validation,
}
"""Options that need a pool, by name, the simplest first.

They are less preferred than those in `OPTIONS`.
"""


def options_of(task: AdviceTask) -> dict[str, Option]:
    """The options of a task, the most preferred first."""
    return OPTIONS if task.pool is None else {**OPTIONS, **POOL_OPTIONS}
