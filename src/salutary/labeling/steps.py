"""What the loop asks of whatever is labeled and refitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from salutary.arrays import FloatArray, IntArray
from salutary.influence.objectives import Objective, Truth
from salutary.labeling.fitting import Snapshot
from salutary.labeling.selection import Selection
from salutary.labeling.standing import Spread

Termination = Literal["budget", "no_positive_influence", "guard", "pool_exhausted"]
"""Why a run ends."""

Coefficients = tuple[FloatArray, FloatArray]
"""coef_ and intercept_ of scikit-learn: float64, one row for two classes."""


@dataclass(frozen=True)
class Proposal:
    """A batch, and the models refitted with it.

    Parameters
    ----------
    selection : Selection
        The rows of the batch with their labels; at least one.
    variant : str
        Variant of the rule by which the rows were chosen.
    snapshot : Snapshot
        The model refitted with the batch.
    folds : tuple of Snapshot
        The model of each fold, refitted with the fold's own batch.
    tried : mapping of str to float
        The canary loss by which each variant was compared with the others; empty if
        there was nothing to compare.
    spread : Spread
        How the pool rows' largest influences were spread before the batch.
    """

    selection: Selection
    variant: str
    snapshot: Snapshot
    folds: tuple[Snapshot, ...] = ()
    tried: Mapping[str, float] = field(default_factory=dict)
    spread: Spread = field(default_factory=Spread.empty)


class Steps(Protocol):
    """What the loop needs from a problem: how to choose labels, and how to refit."""

    @property
    def classes(self) -> NDArray[np.generic]:
        """The classes, sorted, shape (n_classes,)."""

    @property
    def batch_size(self) -> int:
        """Number of labels in a round."""

    @property
    def objective(self) -> Objective:
        """What labels are to lower on the validation rows."""

    @property
    def seen(self) -> Truth:
        """The validation rows that influence sees."""

    @property
    def canary(self) -> Truth:
        """The canary rows; empty without a guard."""

    def first(self) -> tuple[Snapshot, tuple[Snapshot, ...]]:
        """The model of the labeled rows alone, and the model of each fold."""

    def n_available(self, latest: Snapshot) -> int:
        """Number of pool rows that can still be labeled."""

    def n_trained_on(self, snapshot: Snapshot) -> int:
        """Number of rows that a snapshot's model was fitted on."""

    def propose(
        self, number: int, latest: Snapshot, folds: tuple[Snapshot, ...], size: int
    ) -> Proposal | Termination:
        """Choose a batch of at most ``size`` rows and refit; or why there is none."""

    def canary_logits(
        self, latest: Snapshot, folds: tuple[Snapshot, ...]
    ) -> FloatArray:
        """Logits of the canary rows, under models that did not see them."""

    def seen_logits(self, latest: Snapshot) -> FloatArray:
        """Logits of the validation rows that influence sees."""

    def restored(
        self,
        number: int,
        rows: IntArray,
        labels: IntArray,
        coefficients: Coefficients,
        fold: int | None = None,
    ) -> Snapshot:
        """The snapshot after a round, of the run or of a fold, from its record."""
