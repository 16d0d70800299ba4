"""The content of a ledger: facts of a run, its rounds, and the labels they assigned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salutary.arrays import Float64Array, IntArray
from salutary.labeling.standing import Spread
from salutary.labeling.steps import Coefficients, Termination
from salutary.ledgers.decisions import Decision

RowsAndClasses = tuple[IntArray, IntArray]
"""Pool rows in the order they were labeled, and their classes, each of shape (n,)."""

FoldLabels = tuple[IntArray, IntArray, IntArray]
"""Rows and classes as in `RowsAndClasses`, and the round of each label."""


@dataclass(frozen=True)
class RoundEntry:
    """A round in the ledger; round 0 is the model fitted on the labeled set.

    ``model`` and ``folds`` are the coefficients, after the round, of the model and of
    each fold. A figure that does not exist, for instance without a guard, is None.
    """

    round: int
    n_labeled: int
    validation_loss: float
    validation_accuracy: float
    validation_balanced_accuracy: float
    canary_loss: float | None
    canary_fall: float | None
    canary_se: float | None
    canary_accuracy: float | None
    canary_balanced_accuracy: float | None
    largest_influence: float | None
    variant: str | None
    verdict: str
    seconds: float
    model: Coefficients
    folds: tuple[Coefficients, ...]


@dataclass(frozen=True)
class RoundDetails:
    """What the ledger holds of a round for those who look at it, besides its labels.

    Nothing of it is needed to go on with a run.

    Parameters
    ----------
    class_losses : ndarray of shape (n_classes, 2)
        Mean log loss of the validation rows of each class, and of the canary rows; NaN
        for none.
    tried : mapping of str to float
        Canary loss of each variant of the rule that was tried; NaN without a guard.
    spread : Spread
        Histogram of the pool rows' largest influences before the round.
    """

    class_losses: Float64Array
    tried: Mapping[str, float]
    spread: Spread


@dataclass(frozen=True)
class AssignedLabels:
    """Labels in the order of assignment, with influences and probabilities.

    ``rows``, ``rounds`` and ``classes`` have shape (n,); ``influence`` and
    ``probability``, of every class, (n, n_classes). ``influence_se``, of shape (n,), is
    the standard error of the influence of the label; ``scores``, ``rank`` and
    ``distance`` are as in `salutary.labeling.selection.Selection`.
    """

    rows: IntArray
    rounds: IntArray
    classes: IntArray
    influence: Float64Array
    probability: Float64Array
    influence_se: Float64Array
    scores: Float64Array
    rank: Float64Array
    distance: Float64Array

    def first(self, number: int) -> AssignedLabels:
        """The first labels, as many as ``number``."""
        return self.take(np.arange(len(self.rows))[:number])

    def take(self, places: IntArray) -> AssignedLabels:
        """The labels at some places."""
        columns = {
            field.name: getattr(self, field.name)[places] for field in fields(self)
        }
        return AssignedLabels(**columns)

    def of_label(self, scores: NDArray[np.float64]) -> Float64Array:
        """Scores of each row's label, shape (n,), out of those of every class."""
        return scores[np.arange(len(self.classes)), self.classes]


@dataclass(frozen=True)
class Record:
    """All that a ledger holds, read at once.

    Parameters
    ----------
    facts : dict
        Settings, files, fingerprints, versions and, once finished, the report.
    entries : list of RoundEntry
        All rounds, from round 0.
    labels : AssignedLabels
        Labels of all rounds, also of those that were undone.
    fold_labels : tuple of FoldLabels
        Labels that each fold of the guard assigned.
    decisions : tuple of Decision
        What people have decided about labels, in order.
    """

    facts: dict[str, Any]
    entries: list[RoundEntry]
    labels: AssignedLabels
    fold_labels: tuple[FoldLabels, ...]
    decisions: tuple[Decision, ...] = ()

    @property
    def best(self) -> RoundEntry:
        """The best round; without a guard, the last."""
        return [entry for entry in self.entries if entry.verdict == "kept"][-1]

    @property
    def termination(self) -> Termination | None:
        """Why no further round can be run; None if one can."""
        return "guard" if self.entries[-1].verdict == "harmful" else None

    def labels_by(self, entry: RoundEntry) -> RowsAndClasses:
        """Pool rows that had a label at the end of a round, and their classes."""
        found = self.labels
        return _until(entry, found.rows, found.classes, found.rounds)

    def fold_labels_by(self, entry: RoundEntry) -> list[RowsAndClasses]:
        """The same for each fold."""
        return [_until(entry, *labels) for labels in self.fold_labels]


def _until(
    entry: RoundEntry, rows: IntArray, classes: IntArray, rounds: IntArray
) -> RowsAndClasses:
    n_labels = int(np.searchsorted(rounds, entry.round, side="right"))
    return rows[:n_labels], classes[:n_labels]
