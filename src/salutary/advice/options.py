"""The options: what can be done with training rows, validation rows and a pool.

An option is a function of an `AdviceTask`. To add one, write it and add it to
`OPTIONS`, or to `POOL_OPTIONS` if it needs a pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from salutary.advice.task import AdviceTask, FittedOption, Run, weighed
from salutary.arrays import IntArray
from salutary.labeling.edits import SwitchLabel, own_pool
from salutary.labeling.guard import mean_decrease
from salutary.labeling.rows import LabeledRows, join
from salutary.names import (
    RELABELED,
    SALUTARY,
    TRAIN_AND_VALIDATION,
    TRAIN_ONLY,
    VALIDATION_ONLY,
    WEIGHTED_VALIDATION,
    WHOLE_POOL,
)
from salutary.semisupervised.tuning import MARGIN, METHODS, Methods

VALIDATION_WEIGHTS = (2.0, 5.0, 20.0)
"""Weights of a validation row to try, besides 1; a training row weighs 1."""

Option = Callable[[AdviceTask], FittedOption]
"""A function that fits a model on the rows of a task."""


def train_only(task: AdviceTask) -> FittedOption:
    """Fit the training rows alone."""
    return FittedOption(task.fit(task.train_C, task.train), task.train_C)


def validation_only(task: AdviceTask) -> FittedOption:
    """Fit the validation rows alone."""
    C, _ = task.best_C(task.parts)
    return FittedOption(task.fit(C, task.validation), C, 1.0)


def train_and_validation(task: AdviceTask) -> FittedOption:
    """Fit the training and the validation rows: all that a person has labeled."""
    return FittedOption(task.both, task.both_C, 1.0)


def weighted_validation(task: AdviceTask) -> FittedOption:
    """Fit the training and the validation rows, with a tuned weight of the latter.

    Where cross-validation does not show that a weight helps, by more than a standard
    error, this is `train_and_validation` to the last digit.
    """
    found, C = {}, task.both_C
    for weight in VALIDATION_WEIGHTS:
        found[weight] = task.best_C(task.with_train(weight), near=C)
        C, _ = found[weight]
    weight = min(found, key=lambda weight: found[weight][1])
    C, _ = found[weight]
    if not _helps(task, C, weight):
        return train_and_validation(task)
    rows = join(task.train, weighed(task.validation, weight))
    return FittedOption(task.fit(C, rows), C, weight)


def _helps(task: AdviceTask, C: float, weight: float) -> bool:
    """Whether validation rows with a weight lower the loss of those held out."""
    judges = task.validation.weight
    if not judges.any():
        return False
    plain = task.held_out_losses(task.both_C, 1.0)
    fall, error = mean_decrease(plain, task.held_out_losses(C, weight), judges)
    return fall > MARGIN * error


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
    pool, model = task.unlabeled, train_only(task).model
    rows = labels = np.zeros(0, dtype=np.intp)
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


def whole_pool(task: AdviceTask, methods: Methods = METHODS) -> FittedOption:
    """Fit the training and the validation rows, and let all pool rows take part.

    By the method that cross-validation of these rows finds best. Where it does not show
    that the pool helps, the pool is left alone, and this is `train_and_validation` to
    the last digit.
    """
    tuning = task.with_pool
    tuned = None if tuning is None else tuning.tuned(methods)
    if tuned is None or tuned.method is None:
        return train_and_validation(task)
    n_pool, C = int(task.unlabeled.shape[0]), tuned.chosen.setting.C
    n_used = methods[tuned.method].n_used(n_pool, task.use_all)
    return FittedOption(tuned.model, C, 1.0, pool_rows=n_used, pool_method=tuned.method)


def salutary_paper(task: AdviceTask) -> FittedOption:
    """Label the pool by influence alone, as published, but with the guard."""
    found = task.label_pool("paper")
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


def _with_pool(task: AdviceTask, rows: IntArray, labels: IntArray) -> LabeledRows:
    """The training rows, and the given pool rows with the given labels."""
    return join(
        task.train, LabeledRows(task.unlabeled[rows], labels, np.ones(len(rows)))
    )


OPTIONS: dict[str, Option] = {
    TRAIN_AND_VALIDATION: train_and_validation,
    TRAIN_ONLY: train_only,
    VALIDATION_ONLY: validation_only,
    WEIGHTED_VALIDATION: weighted_validation,
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
    WHOLE_POOL: whole_pool,
}
"""Options that need a pool, by name, the simplest first of those that label a part.

They are less preferred than those in `OPTIONS`.
"""


def options_of(task: AdviceTask) -> dict[str, Option]:
    """The options of a task, the most preferred first."""
    return OPTIONS if task.pool is None else {**OPTIONS, **POOL_OPTIONS}
