"""Whether a run's labels bring more than training on the validation rows would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from salutary.arrays import FloatArray
from salutary.influence.objectives import bind
from salutary.labeling.definition import Definition, Fold
from salutary.labeling.fitting import Snapshot, fit_converged, training_rows
from salutary.labeling.guard import decrease_in
from salutary.labeling.rows import LabeledRows, join


@dataclass(frozen=True)
class Alternative:
    """A model of other training rows, compared with one of a run's labels.

    Parameters
    ----------
    canary_loss : float
        The objective of the other model on validation rows it was not fitted on.
    decrease : float
        How much lower that is than the labels' on the same rows.
    se : float
        Standard error of ``decrease``.
    """

    canary_loss: float
    decrease: float
    se: float

    def figures(self) -> dict[str, Any]:
        """The same as a run's report has it."""
        return {
            "canary_loss": self.canary_loss,
            "fall": self.decrease,
            "se": self.se,
        }


def train_and_validation(problem: Definition, best: FloatArray) -> Alternative | None:
    """Train on labeled and validation rows, and judge as the guard judges the run.

    Parameters
    ----------
    problem : Definition
    best : ndarray of shape (n_val, n_classes)
        Logits of each canary row after the run's best round, one fold after another.

    Returns
    -------
    Alternative or None
        None without a guard, which leaves no rows to judge by. A fold's model is fitted
        on the labeled rows and on the validation rows that its influences looked at.
    """
    return _compared(problem, best, lambda fold: join(problem.labeled, fold.own))


def validation_only(problem: Definition, best: FloatArray) -> Alternative | None:
    """As `train_and_validation`, of the validation rows alone.

    None also where a fold's rows lack a class.
    """
    n_classes = len(problem.classes)
    if any(len(np.unique(fold.own.labels)) < n_classes for fold in problem.folds):
        return None
    return _compared(problem, best, lambda fold: fold.own)


def labels_on_top(problem: Definition, folds: Sequence[Snapshot]) -> Alternative | None:
    """Labels on top of train + validation, against train + validation without them.

    Parameters
    ----------
    problem : Definition
    folds : sequence of Snapshot
        The folds' models with their labels, as after the best round.

    Returns
    -------
    Alternative or None
        None without a guard. Each fold's labels are its own, given by influences that
        did not look at the rows it is judged by.
    """
    if not problem.folds:
        return None
    snapshots = iter(folds)

    def with_labels(fold: Fold) -> LabeledRows:
        snapshot = next(snapshots)
        return join(training_rows(problem, snapshot.rows, snapshot.labels), fold.own)

    both = _canary_logits(problem, lambda fold: join(problem.labeled, fold.own))
    return _compared(problem, both, with_labels)


def _compared(
    problem: Definition, best: FloatArray, rows_of: Callable[[Fold], LabeledRows]
) -> Alternative | None:
    """A model of the rows that a function makes of each fold, and given logits."""
    if not problem.folds:
        return None
    logits = _canary_logits(problem, rows_of)
    decrease, error = decrease_in(problem.objective, problem.canary, best, logits)
    value, _ = bind(problem.objective, problem.canary)(logits)
    return Alternative(value, decrease, error)


def _canary_logits(
    problem: Definition, rows_of: Callable[[Fold], LabeledRows]
) -> FloatArray:
    """Logits of each fold's canary rows under a model of other rows."""
    return np.concatenate(
        [
            fold.canary.logits(
                fit_converged(problem.estimator, rows_of(fold), problem.classes)
            )
            for fold in problem.folds
        ]
    )
