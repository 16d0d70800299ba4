"""What an option of the advice may use, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from salutary.arrays import Float64Array, IntArray, Matrix
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
from salutary.labeling.splits import repeated_parts
from salutary.labeling.tuning import (
    PENALTIES,
    best_C,
    best_C_by_cross_validation,
    fit_penalized,
    held_out_losses,
    n_repeats,
)
from salutary.names import RuleName, SemiSupervisedMethod
from salutary.pools.arrays import ArrayPool
from salutary.pools.protocol import Pool
from salutary.semisupervised.task import SemiSupervisedTask
from salutary.semisupervised.tuning import Tuning, begin_tuning

TUNING_PARTS = 3
"""Number of folds of the validation rows by which C and weights are tuned."""

Parts = list[tuple[LabeledRows, LabeledRows]]
"""Rows to fit on, and validation rows to evaluate on, for each fold."""

Run = tuple[State, list[Round]]
"""The end of a run, and its rounds."""


def weighed(rows: LabeledRows, weight: float) -> LabeledRows:
    """The rows, with their weights multiplied by a number."""
    return replace(rows, weight=weight * rows.weight)


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
    use_all : bool
        Whether to use all rows of a large pool.
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
    use_all: bool = False

    @cached_property
    def splits(self) -> list[tuple[IntArray, IntArray]]:
        """Numbers of two thirds of the validation rows, and of the other third.

        In three ways, and in nine where there are few rows.
        """
        labels = self.validation.labels
        repeats = n_repeats(len(labels))
        return repeated_parts(labels, TUNING_PARTS, repeats, self.seed)

    @cached_property
    def parts(self) -> Parts:
        """The validation rows themselves, split so."""
        rows = self.validation
        return [(rows.take(rest), rows.take(part)) for rest, part in self.splits]

    @cached_property
    def train_C(self) -> float:
        """The best C for the training rows alone, by the loss on validation rows."""
        return self.best_C([(self.train, self.validation)])[0]

    @cached_property
    def both_C(self) -> float:
        """The best C for training and validation rows, by cross-validation on both.

        Whoever trains on both trusts both, and twice as many rows choose C better.
        """
        rows = join(self.train, self.validation)
        return best_C_by_cross_validation(
            rows, self.classes, self.seed, self.penalties, self.estimator
        )

    @cached_property
    def both(self) -> Any:
        """The model of training and validation rows, which is also a fallback."""
        return self.fit(self.both_C, join(self.train, self.validation))

    @cached_property
    def with_pool(self) -> Tuning | None:
        """What all methods that use a whole pool are tuned by; None for too few rows.

        Rows of both tables take part, as for whoever trains on both.
        """
        rows = join(self.train, self.validation)
        return begin_tuning(
            SemiSupervisedTask(
                classes=self.classes,
                rows=rows.take(np.flatnonzero(rows.weight > 0)),
                pool=ArrayPool.of(self.unlabeled),
                estimator=self.estimator,
                seed=self.seed,
                use_all=self.use_all,
            )
        )

    @cached_property
    def labeled(self) -> Run:
        """A run under the default rule, which two options use."""
        return self.label_pool("tempered")

    @cached_property
    def relabeled(self) -> Run:
        """A run that relabels the training rows, which two options use."""
        train = self.train
        edit = SwitchLabel(train.labels)
        problem = self._problem("tempered", own_pool(train), edit)
        problem = replace(problem, batch_size=default_batch(len(train)))
        return run(problem, len(train))

    @property
    def unlabeled(self) -> Matrix:
        """The rows of the pool."""
        if self.pool is None:
            raise ValueError("this option needs a pool; pass one")
        return self.pool

    def label_pool(self, rule: RuleName) -> Run:
        """Label the pool by influence, starting with the model of the training rows."""
        pool = ArrayPool.of(self.unlabeled)
        return run(self._problem(rule, pool, AddRow()), self.budget)

    def best_C(self, parts: Parts, near: float | None = None) -> tuple[float, float]:
        """The best C, and its loss, see `salutary.labeling.tuning.best_C`."""
        return best_C(parts, self.classes, self.penalties, self.estimator, near)

    def fit(self, C: float, rows: LabeledRows, previous: Any = None) -> Any:
        """Fit the rows, see `salutary.labeling.tuning.fit_penalized`."""
        return fit_penalized(C, rows, self.classes, previous, estimator=self.estimator)

    def held_out_losses(self, C: float, weight: float) -> Float64Array:
        """Log loss of each validation row under models that were not fitted on it.

        They are fitted on the training rows and other validation rows, which get
        ``weight``. A mean over the ways to split.
        """
        losses, times = np.zeros((2, len(self.validation)))
        found = held_out_losses(
            C, self.with_train(weight), self.classes, self.estimator
        )
        for (_, part), loss in zip(self.splits, found, strict=True):
            losses[part] += loss
            times[part] += 1
        return losses / times

    def with_train(self, weight: float) -> Parts:
        """The parts, with the training rows added to those to fit on.

        Validation rows to fit on get ``weight``.
        """
        return [
            (join(self.train, weighed(rest, weight)), judged)
            for rest, judged in self.parts
        ]

    def _problem(self, rule: RuleName, pool: Pool, edit: TrainingEdit) -> Problem:
        return Problem(
            estimator=clone(self.estimator).set_params(C=self.train_C),
            classes=self.classes,
            labeled=self.train,
            validation=self.validation,
            folds=split_folds(
                self.validation,
                # With fewer rows there would be a warning, and no guard, for each run.
                len(self.validation) >= 2 * FOLDS,
                np.random.RandomState(self.seed),
            ),
            pool=pool,
            rule=RULES[rule],
            hessian="train",
            batch_size=self.batch_size,
            edit=edit,
        )


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
        The rounds in which they got it. Empty for other options than runs.
    pool_rows : int
        Number of pool rows that took part in the fit without such a label.
    pool_method : str or None
        How they did.
    """

    model: Any
    C: float
    validation_weight: float = 0.0
    rows: IntArray = field(default_factory=_nothing)
    labels: IntArray = field(default_factory=_nothing)
    rounds: tuple[Round, ...] = ()
    pool_rows: int = 0
    pool_method: SemiSupervisedMethod | None = None

    @property
    def n_labels(self) -> int:
        """Number of assigned labels."""
        return len(self.rows)
