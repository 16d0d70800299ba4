"""What a deep model is worth as it comes: logistic regressions on its vectors.

Without fine-tuning, the vectors of the model as it comes say what texts or images have
to do with classes. What fine-tuning and its labels bring is compared with this, and
what such a regression says of the pool can be learned by the deep model (distillation).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from salutary.advice.after_run import in_float64, task_of
from salutary.advice.comparison import LARGEST_POOL
from salutary.advice.cross_fitting import FoldResults, judge_fold
from salutary.advice.options import Option, train_and_validation, whole_pool
from salutary.advice.task import AdviceTask, FittedOption
from salutary.arrays import Float64Array, IntArray, Matrix, as_float64
from salutary.labeling.definition import Fold
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows, join
from salutary.names import FROZEN, FROZEN_POOL
from salutary.semisupervised import information
from salutary.semisupervised.task import drawn, pool_rows
from salutary.semisupervised.tuning import Methods

TEACHING: Methods = {"information_maximization": information.METHOD}
"""How the pool takes part here."""


def frozen_pool(task: AdviceTask) -> FittedOption:
    """Fit both tables and the whole pool by information maximization.

    No label is assigned, so the option has none.
    """
    found = whole_pool(task, TEACHING)
    return FittedOption(found.model, found.C, found.validation_weight)


FROZEN_OPTIONS: dict[str, Option] = {
    FROZEN: train_and_validation,
    FROZEN_POOL: frozen_pool,
}
"""What the vectors of the model as it comes are good for."""


LARGEST_TAUGHT_POOL = 2_000
"""Number of pool rows that a teacher labels; of a larger pool as many are drawn.

A deep model is trained on them in every epoch, which takes minutes without a GPU.
"""


@dataclass(frozen=True, eq=False)
class Taught:
    """What a regression on the vectors of the model as it comes says of pool rows.

    Parameters
    ----------
    teacher : str
        Name of the option that the regression is.
    rows : ndarray of row numbers, dtype intp
        Positions in the pool, ascending.
    chance : ndarray of shape (n_rows, n_classes)
        Probabilities.
    model : LogisticRegression
    """

    teacher: str
    rows: IntArray
    chance: Float64Array
    model: Any


@dataclass(frozen=True)
class Frozen:
    """All rows of a run of fine-tuning, under the model as it comes.

    Parameters
    ----------
    problem : Problem
        Its folds have the rows of those of the run's surrogate.
    canary : LabeledRows
        The rows that judge the deep model.
    seed : int
        Seed of what is drawn from a large pool.
    """

    problem: Problem
    canary: LabeledRows
    seed: int

    def in_fold(self, number: int) -> FoldResults:
        """The options of `FROZEN_OPTIONS`, judged by the canary rows of a fold."""
        return self._judged(self.problem.folds[number])

    def figures(self) -> dict[str, dict[str, float]]:
        """Log loss and accuracy on the canary rows, by option."""
        found = self._judged(Fold(self.problem.validation, self.canary))
        truth = self.canary.labels
        return {
            name: {
                "log_loss": result.loss,
                "accuracy": float(np.mean(result.logits.argmax(axis=1) == truth)),
            }
            for name, result in found.items()
        }

    @cached_property
    def taught(self) -> Taught:
        """What the better regression of rows but the canary rows says of the pool.

        Cross-validation of these rows chooses, so that the canary rows can judge it.
        """
        n_labeled, n_own = len(self.problem.labeled), len(self.problem.validation)
        return self.taught_by(np.arange(n_labeled + n_own))

    def taught_by(self, rows: IntArray) -> Taught:
        """What the better regression of some of people's rows says of the pool.

        Parameters
        ----------
        rows : ndarray of row numbers, dtype intp, ascending
            Of the labeled rows, then the validation rows, then the canary rows.
        """
        labeled = self.problem.labeled
        others = join(self.problem.validation, self.canary)
        own, rest = np.split(rows, [np.searchsorted(rows, len(labeled))])
        problem = replace(self.problem, labeled=labeled.take(own))
        fold = Fold(others.take(rest - len(labeled)), self.canary)
        task = task_of(problem, fold, self._pool())
        with threadpool_limits(limits=1, user_api="blas"):
            found = whole_pool(task, TEACHING)
        pool = self.problem.pool
        taught = pool_rows(pool)
        if len(taught) > LARGEST_TAUGHT_POOL:
            rng = np.random.RandomState(self.seed)
            taught = np.sort(rng.choice(taught, LARGEST_TAUGHT_POOL, replace=False))
        chance = found.model.predict_proba(as_float64(pool.take(taught)))
        teacher = FROZEN_POOL if found.pool_rows else FROZEN
        return Taught(teacher, taught, chance, found.model)

    def _judged(self, fold: Fold) -> FoldResults:
        """The options, fitted on the labeled rows and on those that the fold sees."""
        pool = self._pool()
        options = FROZEN_OPTIONS if pool is not None else {FROZEN: train_and_validation}
        task = task_of(self.problem, fold, pool)
        with threadpool_limits(limits=1, user_api="blas"):
            return judge_fold(task, in_float64(fold.canary), options)

    def _pool(self) -> Matrix | None:
        """The pool's rows, of a large pool as many as the advice draws."""
        if not self.problem.pool.unlabeled.any():
            return None
        used = drawn(self.problem.pool, LARGEST_POOL, self.seed)
        return as_float64(used.take(pool_rows(used)))
