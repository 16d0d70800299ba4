"""Whether a run's labels bring more than training on the validation rows would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from salutary.arrays import FloatArray
from salutary.influence.objectives import bind
from salutary.labeling.fitting import Snapshot, fit_converged, training_rows
from salutary.labeling.guard import decrease_in
from salutary.labeling.problem import Fold, Problem
from salutary.labeling.rows import LabeledRows, join


@dataclass(frozen=True)
class Alternative:
    """A model of other rows beside one of a run's labels.

    Parameters
    ----------
    canary_loss : float
        The objective of the former on validation rows that it was not fitted on.
    fall : float
        How much lower that is than the latter's on the same rows.
    se : float
        Standard error of ``fall``.
    """

    canary_loss: float
    fall: float
    se: float


def train_on_both(problem: Problem, kept: FloatArray) -> Alternative | None:
    """Train on labeled and validation rows, and judge as the guard judges the run.

    Parameters
    ----------
    problem : Problem
    kept : ndarray of shape (n_val, n_classes)
        Logits of each canary row after the last round that stayed, one fold after the
        other.

    Returns
    -------
    Alternative or None
        None without a guard, which leaves no rows to judge by. A fold's model is fitted
        on the labeled rows and on the validation rows that its influences looked at.
    """
    return _judged(problem, kept, lambda fold: join(problem.labeled, fold.own))


def train_on_validation(problem: Problem, kept: FloatArray) -> Alternative | None:
    """As `train_on_both`, of the validation rows alone.

    None also where a fold's rows lack a class.
    """
    n_classes = len(problem.classes)
    if any(len(np.unique(fold.own.labels)) < n_classes for fold in problem.folds):
        return None
    return _judged(problem, kept, lambda fold: fold.own)


def labels_on_top(problem: Problem, folds: Sequence[Snapshot]) -> Alternative | None:
    """Labels on top of training on both, against training on both without them.

    Parameters
    ----------
    problem : Problem
    folds : sequence of Snapshot
        The folds' models with their labels, as after the last round that stayed.

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
    return _judged(problem, both, with_labels)


def _judged(
    problem: Problem, kept: FloatArray, rows_of: Callable[[Fold], LabeledRows]
) -> Alternative | None:
    if not problem.folds:
        return None
    logits = _canary_logits(problem, rows_of)
    fall, error = decrease_in(problem.objective, problem.canary, kept, logits)
    value, _ = bind(problem.objective, problem.canary)(logits)
    return Alternative(value, fall, error)


def _canary_logits(
    problem: Problem, rows_of: Callable[[Fold], LabeledRows]
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
