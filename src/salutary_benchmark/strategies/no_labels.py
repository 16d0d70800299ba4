"""Strategies that buy no labels: salutary labels, and those of the whole pool."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from salutary import SemiSupervisedClassifier
from salutary.arrays import FloatArray, IntArray
from salutary.errors import InputError
from salutary.labeling import loop
from salutary.labeling.definition import split_folds
from salutary.labeling.fitting import refitted
from salutary.labeling.problem import Problem
from salutary.labeling.rules import RULES
from salutary.names import RuleName, SemiSupervisedMethod
from salutary.pools.arrays import ArrayPool
from salutary.semisupervised.information import Information
from salutary.semisupervised.self_training import SelfTraining
from salutary.semisupervised.spreading import Spreading
from salutary.semisupervised.task import SemiSupervisedTask, Setting
from salutary.semisupervised.tuning import METHODS
from salutary_benchmark.strategies.task import (
    Step,
    Strategy,
    Task,
    as_labeled_rows,
    estimator,
    fit,
    joined,
)

NEIGHBORS = 7
"""Neighbors of each row in the graph that labels spread on."""


@dataclass(frozen=True)
class Salutary:
    """Salutary labels by a rule.

    Parameters
    ----------
    rule : {"tempered", "plausible", "paper"}
    guard : bool
        Whether canary rows (validation rows that influence never sees) end the run when
        its labels do harm, and undo these labels.
    then_validation : bool
        Whether the model of each step is refitted on the validation rows too.
    """

    rule: RuleName
    guard: bool = False
    then_validation: bool = False

    def __call__(self, task: Task) -> Iterator[Step]:
        """Assign labels round by round until the run ends."""
        problem = self.problem(task)
        state = loop.start(problem)
        yield self._step(task, state)
        while state.termination is None:
            state, record = loop.advance(problem, state, task.setting.budget)
            if record is None:
                return
            if task.setting.C is None:
                problem, state = _retuned(task, problem, state)
            yield self._step(task, state)

    def problem(self, task: Task) -> Problem:
        """What a run of `salutary.labeling.loop` works on."""
        labeled, (X_pool, _) = task.split.labeled, task.split.pool
        absent = np.setdiff1d(task.classes, labeled[1])
        if len(absent):
            raise InputError(
                f"no labeled row has class {absent[0]}; draw more labeled rows, as "
                "salutary labels are always of a class that a labeled row has"
            )
        rng = np.random.RandomState(task.seed)
        validation = as_labeled_rows(task.split.validation, task.classes)
        return Problem(
            estimator=estimator(task, labeled),
            classes=task.classes,
            labeled=as_labeled_rows(labeled, task.classes),
            validation=validation,
            folds=split_folds(validation, self.guard, rng),
            pool=ArrayPool.of(X_pool),
            rule=RULES[self.rule],
            hessian=task.setting.hessian,
            batch_size=task.setting.batch_size,
        )

    def _step(self, task: Task, state: loop.State) -> Step:
        """The result of a run that ended now, without the rounds that are undone."""
        labeled, (X_pool, y_pool) = task.split.labeled, task.split.pool
        kept = state.best
        rows = joined(labeled, (X_pool[kept.rows], kept.labels))
        agreement = _agreement(kept.labels, y_pool[kept.rows])
        if not self.then_validation:
            return Step(kept.model, len(rows[1]), agreement)
        rows = joined(rows, task.split.validation)
        # C is not tuned again: the labels were chosen to fit these rows.
        penalized = _with_penalty(task, kept.model.C)
        return Step(fit(penalized, rows, kept.model), len(rows[1]), agreement)


def _retuned(
    task: Task, problem: Problem, state: loop.State
) -> tuple[Problem, loop.State]:
    """The problem with the C that is best now, and the state with models refitted."""
    labeled, (X_pool, _) = task.split.labeled, task.split.pool
    rows = joined(labeled, (X_pool[state.latest.rows], state.latest.labels))
    chosen = estimator(task, rows, n_human=len(labeled[1]))
    if chosen.C == problem.estimator.C:
        return problem, state
    problem = replace(problem, estimator=chosen)
    folds = tuple(refitted(problem, snapshot) for snapshot in state.folds)
    state = replace(
        state,
        latest=refitted(problem, state.latest),
        folds=folds,
        fold_history=(*state.fold_history[:-1], folds),
    )
    if state.best_round == state.rounds:
        logits = problem.canary_logits(state.latest, state.folds)
        canary = replace(state.canary, best=logits)
        state = replace(state, best=state.latest, canary=canary)
    return problem, state


def _with_penalty(task: Task, C: float) -> Task:
    """The task with a fixed C."""
    return replace(task, setting=replace(task.setting, C=C))


def _agreement(assigned: IntArray, true: IntArray) -> float:
    return float(np.mean(assigned == true)) if len(assigned) else float("nan")


def self_training(task: Task) -> Iterator[Step]:
    """Pseudo-labels by scikit-learn's SelfTrainingClassifier, the likeliest first.

    It only has whole rounds, so a rest of the budget below a batch is not spent.
    """
    setting = task.setting
    labeled, (X_pool, y_pool) = task.labeled_with(_all(task)), task.split.pool
    X, y = joined(labeled, (X_pool, np.full(len(X_pool), -1)))
    model = SelfTrainingClassifier(
        estimator(task, labeled),
        criterion="k_best",
        k_best=setting.batch_size,
        max_iter=setting.budget // setting.batch_size,
    ).fit(X, y)
    pseudo, truth = model.transduction_, np.concatenate([labeled[1], y_pool])
    previous = None
    for number in range(model.n_iter_ + 1):
        known = (model.labeled_iter_ >= 0) & (model.labeled_iter_ <= number)
        assigned = known & (model.labeled_iter_ > 0)
        rows = (X[known], pseudo[known])
        previous = fit(task, rows, previous, n_human=len(labeled[1]))
        agreement = _agreement(pseudo[assigned], truth[assigned])
        yield Step(previous, int(known.sum()), agreement)


def label_spreading(task: Task) -> Iterator[Step]:
    """scikit-learn's LabelSpreading over nearest neighbors: one model and no rounds."""
    labeled, (X_pool, y_pool) = task.labeled_with(_all(task)), task.split.pool
    X, y = joined(labeled, (X_pool, np.full(len(X_pool), -1)))
    spread = LabelSpreading(kernel="knn", n_neighbors=NEIGHBORS, max_iter=200).fit(X, y)
    agreement = _agreement(spread.transduction_[len(labeled[1]) :], y_pool)
    frequency = np.bincount(labeled[1], minlength=len(task.classes)) / len(labeled[1])
    yield Step(Spread(spread, frequency[spread.classes_]), len(y), agreement)


@dataclass(frozen=True)
class Spread:
    """LabelSpreading with predictions also for rows that no label has reached.

    Parameters
    ----------
    model : LabelSpreading
        A fitted model.
    frequency : ndarray of shape (n_classes,)
        Frequency of each class among the labeled rows: the prediction for rows that no
        label has reached.
    """

    model: LabelSpreading
    frequency: FloatArray

    @property
    def classes_(self) -> IntArray:
        return np.asarray(self.model.classes_)

    def predict_proba(self, X: FloatArray) -> FloatArray:
        """Class probabilities, shape (n_rows, n_classes)."""
        with np.errstate(invalid="ignore"):
            chance = self.model.predict_proba(X)
        return np.where(np.isfinite(chance), chance, self.frequency)


@dataclass(frozen=True)
class WholePool:
    """A semi-supervised method under one setting: one model and no rounds.

    C is that of all strategies, and how the pool takes part is not tuned, so that what
    differs from `train_only` is the pool alone.

    Parameters
    ----------
    method : {"information_maximization", "self_training", "label_spreading"}
    setting : Setting
        In the middle of those that `SemiSupervisedClassifier` tunes. Its C has no part.
    """

    method: SemiSupervisedMethod
    setting: Setting

    def __call__(self, task: Task) -> Iterator[Step]:
        """Fit the labeled rows and the whole pool."""
        labeled, (X_pool, _) = task.labeled_with(_all(task)), task.split.pool
        penalized = estimator(task, labeled)
        classes = np.unique(labeled[1])
        of_method = SemiSupervisedTask(
            classes=classes,
            rows=as_labeled_rows(labeled, classes),
            pool=ArrayPool.of(X_pool),
            estimator=penalized,
            seed=task.seed,
        )
        setting = replace(self.setting, C=penalized.C)
        (model,) = METHODS[self.method].models(of_method, [setting])
        yield _with_whole_pool(task, model, labeled[1])


def semi_supervised(task: Task) -> Iterator[Step]:
    """`salutary.SemiSupervisedClassifier` as it comes, which may leave the pool alone.

    It tunes C, how the pool takes part, and a temperature, whatever the setting's C is.
    """
    labeled, (X_pool, _) = task.labeled_with(_all(task)), task.split.pool
    template = LogisticRegression(
        fit_intercept=task.setting.fit_intercept, max_iter=10_000
    )
    model = SemiSupervisedClassifier(estimator=template, random_state=task.seed)
    with warnings.catch_warnings():
        # Of classes with few labeled rows, for which the pool is left alone.
        warnings.simplefilter("ignore", UserWarning)
        model.fit(*joined(labeled, (X_pool, np.full(len(X_pool), -1))))
    if model.parameters_:
        yield _with_whole_pool(task, model, labeled[1])
    else:
        yield Step(model, len(labeled[1]))


def _with_whole_pool(task: Task, model: Any, labels: IntArray) -> Step:
    """The step of a model that the whole pool took part in."""
    X_pool, y_pool = task.split.pool
    agreement = _agreement(model.predict(X_pool), y_pool)
    return Step(model, len(labels) + len(y_pool), agreement)


def _all(task: Task) -> int:
    return len(task.split.validation[1])


def train_only(task: Task) -> Iterator[Step]:
    """Train only: the labeled rows alone, where every strategy starts."""
    rows = task.split.labeled
    yield Step(fit(task, rows), len(rows[1]))


def validation_only(task: Task) -> Iterator[Step]:
    """Validation only: the validation rows alone."""
    rows = task.split.validation
    yield Step(fit(task, rows), len(rows[1]))


def train_plus_validation(task: Task) -> Iterator[Step]:
    """Train + validation: labeled and validation rows, without the pool."""
    rows = joined(task.split.labeled, task.split.validation)
    yield Step(fit(task, rows), len(rows[1]))


def full_pool(task: Task) -> Iterator[Step]:
    """Labeled rows and the whole pool with its true labels, as an upper bound."""
    rows = joined(task.split.labeled, task.split.pool)
    yield Step(fit(task, rows), len(rows[1]))


WHOLE_POOL: dict[str, Strategy] = {
    "InformationMaximization": WholePool(
        "information_maximization", Information(C=1.0, strength=0.3)
    ),
    "WholePoolSelfTraining": WholePool(
        "self_training", SelfTraining(C=1.0, share=0.5, weight=1.0)
    ),
    "LabelSpreadingTeacher": WholePool(
        "label_spreading", Spreading(C=1.0, n_neighbors=NEIGHBORS, weight=1.0)
    ),
    "SemiSupervised": semi_supervised,
}
"""Strategies in which all pool rows take part in one fit, by name."""

NO_LABELS: dict[str, Strategy] = {
    "SelfTraining": self_training,
    "LabelSpreading": label_spreading,
    **WHOLE_POOL,
    "Salutary-paper": Salutary("paper"),
    "Salutary-plausible": Salutary("plausible"),
    "Salutary-tempered": Salutary("tempered"),
    "Salutary-guarded": Salutary("tempered", guard=True),
    "Salutary+Validation": Salutary("tempered", guard=True, then_validation=True),
}
"""Strategies that use the pool and buy no labels, by name."""

CONTROLS: dict[str, Strategy] = {
    "TrainOnly": train_only,
    "ValidationOnly": validation_only,
    "TrainPlusValidation": train_plus_validation,
    "FullPool": full_pool,
}
"""Single fits to compare with, by name."""
