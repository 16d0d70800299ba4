"""What a ledger holds of a run: its rounds, and the labels they assigned."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from salutary.arrays import FloatArray, IntArray

Coefficients = tuple[FloatArray, FloatArray]
"""scikit-learn's coef_ and intercept_, (1 or n_classes, n_features) and
(1 or n_classes,), float64."""

RowsAndClasses = tuple[IntArray, IntArray]
"""Pool rows in the order they were labeled, and their classes, each of shape (n,)."""

FoldLabels = tuple[IntArray, IntArray, IntArray]
"""The same, and the rounds they were labeled in."""


@dataclass(frozen=True)
class RoundEntry:
    """A row of the ledger's rounds; round 0 is the model fitted on the labeled set.

    ``folds`` are the guard's models after the round; None where there is no figure.
    """

    round: int
    n_labeled: int
    validation_loss: float
    canary_loss: float | None
    canary_fall: float | None
    canary_se: float | None
    largest_influence: float | None
    variant: str | None
    verdict: str
    seconds: float
    model: Coefficients
    folds: tuple[Coefficients, ...]


@dataclass(frozen=True)
class AssignedLabels:
    """Labels in the order of assignment, with every class's scores.

    ``rows``, ``rounds``, ``classes`` and ``influence_se``, the standard error of the
    label's own influence, have shape (n,); ``influence`` and ``probability``
    (n, n_classes).
    """

    rows: IntArray
    rounds: IntArray
    classes: IntArray
    influence: NDArray[np.float64]
    probability: NDArray[np.float64]
    influence_se: NDArray[np.float64]

    def first(self, number: int) -> AssignedLabels:
        """The labels that came first."""
        columns = {
            field.name: getattr(self, field.name)[:number] for field in fields(self)
        }
        return AssignedLabels(**columns)

    def of_label(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The scores of each row's own label, shape (n,)."""
        return scores[np.arange(len(self.classes)), self.classes]
