"""Which labels of a run to distrust, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from salutary.arrays import IntArray
from salutary.ledgers.record import Record
from salutary.report.visible import chance, visible

UNSURE = "within two standard errors of nothing"
AGAINST = "against the model's own guess"
FAR = "far from all training rows"
UNSEEN = "a value never seen in training"
UNDONE = "its round was undone"
DISAGREED = "a fold of the guard gave it another label"
REASONS = (UNSURE, AGAINST, FAR, UNSEEN, UNDONE, DISAGREED)
"""Reasons to distrust a label, in the order in which a page names them."""

MOVING = [reason for reason in REASONS if reason != DISAGREED]
"""Reasons that move a label; that folds disagree is shown beside others alone."""

RULE = (
    "First come labels against the model's own guess, which may well be wrong, the "
    "least probable one first. Then come those of rows that are far or have a value "
    "never seen, of which the model knows little; then all others. Of either, labels "
    "with more reasons come first, then the less probable. That a fold gave another "
    "label moves none."
)
"""How labels are ordered by doubt, for readers of a page."""

ERRORS = 2.0
"""A label is unsure if its influence is at most so many of its standard errors."""

FENCE = 3.0
"""A row is far if its distance is above the labels' upper quartile by so many times
the distance between the quartiles: what Tukey calls far out.
"""


@dataclass(frozen=True)
class Doubts:
    """The reasons to distrust each label.

    Parameters
    ----------
    reasons : DataFrame
        A row for each label, in order of assignment, and a column of booleans for each
        of `REASONS`.
    far : float
        From which distance on a row counts as far; NaN if that is not known.
    typical : float
        The median distance.
    """

    reasons: pd.DataFrame
    far: float
    typical: float

    @property
    def masks(self) -> list[int]:
        """The reasons of each label as the bits of a number."""
        bits = 1 << np.arange(len(REASONS))
        found: list[int] = (self.reasons.to_numpy() @ bits).tolist()
        return found

    def of(self, position: int) -> list[str]:
        """The reasons to distrust a label."""
        row = self.reasons.iloc[position]
        return [name for name in REASONS if row[name]]


def find_doubts(
    labels: pd.DataFrame,
    unseen: list[bool] | None,
    disagreed: list[bool] | None = None,
) -> Doubts:
    """Find the reasons to distrust each label.

    Parameters
    ----------
    labels : DataFrame
        As in `RunFrames`.
    unseen : list of bool or None
        Whether a label's row has a value that no training row has; None if that is not
        known.
    disagreed : list of bool, optional
        Whether a fold of the guard has given the row another label.
    """
    known = labels["distance"][np.isfinite(labels["distance"])]
    low, typical, high = (
        known.quantile([0.25, 0.5, 0.75]) if len(known) else (np.nan,) * 3
    )
    far = high + FENCE * (high - low)
    reasons = pd.DataFrame(
        {
            UNSURE: labels["influence"] <= ERRORS * labels["influence_se"],
            AGAINST: labels["guess"].notna() & (labels["guess"] != labels["label"]),
            FAR: labels["distance"] > far,
            UNSEEN: [False] * len(labels) if unseen is None else unseen,
            UNDONE: labels["undone"].astype(bool),
            DISAGREED: [False] * len(labels) if disagreed is None else disagreed,
        },
        columns=[*REASONS],
    )
    return Doubts(
        reasons.astype(bool).reset_index(drop=True), float(far), float(typical)
    )


def most_doubtful(labels: pd.DataFrame, doubts: Doubts, number: int) -> list[int]:
    """Positions of the labels that there is most reason to distrust.

    Of the labels that were kept, if any was: those that were undone are in no result.
    In the order of `RULE`.
    """
    undone = labels["undone"].to_numpy(dtype=bool)
    shown = doubts.reasons[MOVING].any(axis=1).to_numpy(dtype=bool)
    if not undone.all():
        shown = shown & ~undone
    order = by_doubt(labels, doubts)
    found: list[int] = order[shown[order]][:number].tolist()
    return found


def by_doubt(labels: pd.DataFrame, doubts: Doubts) -> IntArray:
    """Positions of all labels, those that there is most reason to distrust first."""
    reasons = doubts.reasons
    against = reasons[AGAINST].to_numpy()
    strange = reasons[[FAR, UNSEEN]].to_numpy().any(axis=1)
    # Among labels against the guess their probability alone decides.
    count = np.where(against, 0, reasons[MOVING].sum(axis=1))
    probability = labels["probability"].to_numpy(dtype=float)
    return np.lexsort((probability, -count, ~strange & ~against, ~against))


def rows_of_other_labels(record: Record) -> set[int]:
    """Rows that a fold of the guard has given another label than the run."""
    if not record.fold_labels:
        return set()
    own = dict(
        zip(record.labels.rows.tolist(), record.labels.classes.tolist(), strict=True)
    )
    return {
        row
        for rows, classes, _ in record.fold_labels
        for row, code in zip(rows.tolist(), classes.tolist(), strict=True)
        if own.get(row, code) != code
    }


def near(distance: float) -> str:
    """A distance, to three digits."""
    return f"{distance:.3g}"


def reasons_in_words(
    doubts: Doubts,
    label: Any,
    position: int,
    unseen: Mapping[int, Sequence[str]],
    unit: str,
) -> list[str]:
    """Why to distrust a label, with the figures.

    Parameters
    ----------
    doubts : Doubts
    label : Series
        A row of the labels of `RunFrames`.
    position : int
        Its place there.
    unseen : mapping of int to sequence of str
        As in `salutary.report.rows.OwnRows`.
    unit : str
        What the run assigns, in the plural.
    """
    words = {
        UNSURE: f"its influence is {UNSURE}",
        AGAINST: f"{AGAINST}: {visible(label['guess'], 60)}, with probability "
        f"{chance(label['guess_probability'])}",
        FAR: f"{FAR}: the nearest is {near(label['distance'])} away; for half of the "
        f"{unit} it is within {near(doubts.typical)}",
        UNSEEN: "; ".join(unseen.get(position, ())),
        UNDONE: f"{UNDONE}: round {label['round']}",
        DISAGREED: DISAGREED,
    }
    return [words[reason] for reason in doubts.of(position)]
