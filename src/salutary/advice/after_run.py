"""Compare a run's labels with training on the validation rows instead or as well."""

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
    """A model of other training rows, compared with the model of a run's labels.

    Parameters
    ----------
    canary_loss : float
        The objective of the other model on the canary rows: validation rows that it was
        not fitted on.
    decrease : float
        How much lower this is than for the model of the run's labels.
    se : float
        Standard error of ``decrease``.
    """

    canary_loss: float
    decrease: float
    se: float

    def figures(self) -> dict[str, Any]:
        """The figures under the names that a run's report has for them."""
        return {
            "canary_loss": self.canary_loss,
            "fall": self.decrease,
            "se": self.se,
        }


def train_and_validation(problem: Definition, best: FloatArray) -> Alternative | None:
    """Train on labeled and validation rows, and judge this as the guard judges rounds.

    Parameters
    ----------
    problem : Definition
    best : ndarray of shape (n_val, n_classes)
        Logits of each canary row after the run's best round, fold after fold.

    Returns
    -------
    Alternative or None
        In each fold the model is fitted on the labeled rows and on the validation rows
        that the fold's influences see. None without a guard, as there are no canary
        rows to judge by.
    """
    return _compared(problem, best, lambda fold: join(problem.labeled, fold.own))


def validation_only(problem: Definition, best: FloatArray) -> Alternative | None:
    """Like `train_and_validation`, but train on the validation rows alone.

    Also None if a class is missing among the validation rows of a fold.
    """
    n_classes = len(problem.classes)
    if any(len(np.unique(fold.own.labels)) < n_classes for fold in problem.folds):
        return None
    return _compared(problem, best, lambda fold: fold.own)


def labels_on_top(problem: Definition, folds: Sequence[Snapshot]) -> Alternative | None:
    """Compare train + validation + the run's labels with train + validation.

    Parameters
    ----------
    problem : Definition
    folds : sequence of Snapshot
        The snapshot of each fold after the best round.

    Returns
    -------
    Alternative or None
        Its ``decrease`` is positive if the labels help. Each fold uses its own labels,
        whose influences did not see the canary rows. None without a guard.
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
    """Compare a model of other rows with given logits; ``rows_of`` makes its rows."""
    if not problem.folds:
        return None
    logits = _canary_logits(problem, rows_of)
    decrease, error = decrease_in(problem.objective, problem.canary, best, logits)
    value, _ = bind(problem.objective, problem.canary)(logits)
    return Alternative(value, decrease, error)


def _canary_logits(
    problem: Definition, rows_of: Callable[[Fold], LabeledRows]
) -> FloatArray:
    """Logits of each fold's canary rows under a model of the rows made of the fold."""
    return np.concatenate(
        [
            fold.canary.logits(
                fit_converged(problem.estimator, rows_of(fold), problem.classes)
            )
            for fold in problem.folds
        ]
    )
