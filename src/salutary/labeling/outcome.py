"""What a round of a run decided, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from salutary.labeling.fitting import Snapshot
from salutary.labeling.guard import Verdict
from salutary.labeling.quality import Quality
from salutary.labeling.selection import Selection
from salutary.labeling.standing import Spread


@dataclass(frozen=True)
class Outcome:
    """What a round decided and what came of it, without its models.

    Round 0 is the start: the model of the labeled rows alone. It has no labels.

    Parameters
    ----------
    number : int
    selection, variant, tried, spread
        See `Proposal`. If there was nothing to compare, ``tried`` has the canary loss
        after the round.
    n_labeled : int
        Number of rows that the model was fitted on.
    validation : Quality
        How good the model is on the validation rows that influence sees.
    canary : Quality
        How good it is on the canary rows; NaN without a guard.
    canary_fall, canary_se : float
        Decrease of the canary loss since the start, and the standard error of the
        decrease. NaN without a guard.
    verdict : {"kept", "waiting", "harmful"}
        See `salutary.labeling.guard.judge`.
    seconds : float
        Duration of the round.
    """

    number: int
    selection: Selection
    variant: str | None
    tried: Mapping[str, float]
    spread: Spread
    n_labeled: int
    validation: Quality
    canary: Quality
    canary_fall: float
    canary_se: float
    verdict: Verdict
    seconds: float

    @property
    def validation_loss(self) -> float:
        """The objective on the validation rows that influence sees."""
        return self.validation.loss

    @property
    def canary_loss(self) -> float:
        """The objective on the canary rows; NaN without a guard."""
        return self.canary.loss

    def summary(self) -> dict[str, Any]:
        """Figures of the round for the history of a run."""
        influences = self.selection.assigned_influence
        return {
            "round": self.number,
            "n_labeled": self.n_labeled,
            "validation_loss": self.validation.loss,
            "validation_accuracy": self.validation.accuracy,
            "validation_balanced_accuracy": self.validation.balanced_accuracy,
            "canary_loss": self.canary.loss,
            "canary_fall": self.canary_fall,
            "canary_se": self.canary_se,
            "canary_accuracy": self.canary.accuracy,
            "canary_balanced_accuracy": self.canary.balanced_accuracy,
            "largest_influence": float(max(influences, default=np.nan)),
            "variant": self.variant,
            "verdict": self.verdict,
            "seconds": self.seconds,
        }


def history(outcomes: Iterable[Outcome], best_round: int) -> list[dict[str, Any]]:
    """Figures of the start and of all rounds, and which rounds were undone."""
    return [
        {**outcome.summary(), "undone": outcome.number > best_round}
        for outcome in outcomes
    ]


@dataclass(frozen=True)
class Round(Outcome):
    """What a round decided and what came of it, with its models.

    Parameters
    ----------
    snapshot, folds
        See `Proposal`.
    """

    snapshot: Snapshot
    folds: tuple[Snapshot, ...]

    @property
    def outcome(self) -> Outcome:
        """The same without the models, which would keep memory."""
        own = {field.name: getattr(self, field.name) for field in fields(Outcome)}
        return Outcome(**own)
