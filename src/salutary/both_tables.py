"""Whether salutary labels bring more than training on the validation rows would."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salutary.fitting import fit_converged
from salutary.labeling.guard import fall_of
from salutary.objective import FloatArray
from salutary.problem import Problem, join


@dataclass(frozen=True)
class BothTables:
    """A model of the labeled and validation rows beside one of salutary labels.

    Parameters
    ----------
    canary_loss : float
        Mean log loss of the former on validation rows that it was not fitted on.
    fall : float
        How much lower that is than the latter's on the same rows.
    se : float
        Standard error of ``fall``.
    """

    canary_loss: float
    fall: float
    se: float


def train_on_both(problem: Problem, kept: FloatArray) -> BothTables | None:
    """Train on labeled and validation rows, and judge as the guard judges the run.

    Parameters
    ----------
    problem : Problem
    kept : ndarray of shape (n_val,)
        Loss of each canary row after the last round that stayed, one fold after the
        other.

    Returns
    -------
    BothTables or None
        None without a guard, which leaves no rows to judge by. A fold's model is fitted
        on the labeled rows and on the validation rows that its influences looked at.
    """
    if not problem.folds:
        return None
    losses = np.concatenate(
        [
            fold.canary.loss(
                fit_converged(
                    problem.estimator, join(problem.labeled, fold.own), problem.classes
                )
            )
            for fold in problem.folds
        ]
    )
    weight = problem.canary_weight
    fall, error = fall_of(kept, losses, weight)
    return BothTables(float(np.average(losses, weights=weight)), fall, error)
