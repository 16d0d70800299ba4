"""What a ledger holds of a run: its facts, its rounds, and the labels they assigned."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salutary.arrays import Float64Array, IntArray
from salutary.labeling.loop import Coefficients, Termination

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
    influence: Float64Array
    probability: Float64Array
    influence_se: Float64Array

    def first(self, number: int) -> AssignedLabels:
        """The labels that came first."""
        columns = {
            field.name: getattr(self, field.name)[:number] for field in fields(self)
        }
        return AssignedLabels(**columns)

    def of_label(self, scores: NDArray[np.float64]) -> Float64Array:
        """The scores of each row's own label, shape (n,)."""
        return scores[np.arange(len(self.classes)), self.classes]


@dataclass(frozen=True)
class Record:
    """All that a ledger holds, read at once.

    Parameters
    ----------
    facts : dict
        Settings, files, fingerprints, versions and, once finished, the report.
    entries : list of RoundEntry
        From round 0.
    labels : AssignedLabels
        Of all rounds, also those that were undone.
    fold_labels : tuple of FoldLabels
        What each fold of the guard has labeled.
    """

    facts: dict[str, Any]
    entries: list[RoundEntry]
    labels: AssignedLabels
    fold_labels: tuple[FoldLabels, ...]

    @property
    def best(self) -> RoundEntry:
        """The round with the lowest canary loss; the last without a guard."""
        return [entry for entry in self.entries if entry.verdict == "kept"][-1]

    @property
    def termination(self) -> Termination | None:
        """Why no further round can be run, if so."""
        return "guard" if self.entries[-1].verdict == "harmful" else None

    def labels_by(self, entry: RoundEntry) -> RowsAndClasses:
        """Pool rows that were labeled by the end of a round, and their classes."""
        found = self.labels
        return _until(entry, found.rows, found.classes, found.rounds)

    def fold_labels_by(self, entry: RoundEntry) -> list[RowsAndClasses]:
        """The same of each fold."""
        return [_until(entry, *labels) for labels in self.fold_labels]


def _until(
    entry: RoundEntry, rows: IntArray, classes: IntArray, rounds: IntArray
) -> RowsAndClasses:
    n_labels = int(np.searchsorted(rounds, entry.round, side="right"))
    return rows[:n_labels], classes[:n_labels]
