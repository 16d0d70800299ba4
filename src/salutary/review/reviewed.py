"""A run under review: its labels in an order, and what has been decided of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from salutary.arrays import IntArray
from salutary.ledgers.decisions import DecisionName, HeldDecisions, NewDecision
from salutary.ledgers.run_ledger import Ledger
from salutary.report.doubts import by_doubt, reasons_in_words
from salutary.report.label_table import WORDS
from salutary.report.run_page import RunPage
from salutary.review.cells import Cell, cells_of

ORDERS: dict[str, str] = {
    "doubt": "most doubtful first",
    "influence": "smallest influence first",
    "probability": "least probable first",
    "assigned": "in order of assignment",
}
"""Orders of labels, and what a page calls them."""

GRID = 50
"""Labels of a page of the grid."""

MOST_CLASSES = 30
"""Classes that a label's page lists; of more, those with the largest influence."""

RESERVED = "argu"
KEYS = "123456789" + "".join(
    letter for letter in "abcdefghijklmopqrstvwxyz" if letter not in RESERVED
)
"""Keys of classes, in their order. Others accept, reject, undo and go to the grid."""


class Reviewed:
    """A run under review.

    What the run did is read once. Decisions are read from the ledger as they come, so
    that those of another window are known too; no request reads all of them.

    Parameters
    ----------
    page : RunPage
        Of a finished run of ``salutary label``.
    ledger : Ledger
        Open for as long as the review lasts.
    """

    def __init__(self, page: RunPage, ledger: Ledger) -> None:
        self.page, self._ledger = page, ledger
        labels = page.labels
        self._rows: list[int] = labels["row"].tolist()
        kept = np.flatnonzero(~labels["undone"].to_numpy(dtype=bool))
        self._kept = {self._rows[at]: at for at in kept.tolist()}
        n_classes = len(page.frames.classes)
        scores = page.frames.scores
        self._influence, self._probability = (
            scores[name].to_numpy(dtype=float).reshape(-1, n_classes)
            for name in ("influence", "probability")
        )
        self._held = HeldDecisions()
        self._decided: set[int] = set()
        self.refresh()

    def __len__(self) -> int:
        return len(self._kept)

    @cached_property
    def orders(self) -> dict[str, IntArray]:
        """Positions of the labels that were kept, by the name of their order."""
        labels = self.page.labels
        undone = labels["undone"].to_numpy(dtype=bool)
        found = {
            "doubt": by_doubt(labels, self.page.doubts),
            "influence": _ascending(labels["influence"]),
            "probability": _ascending(labels["probability"]),
            "assigned": np.arange(len(labels)),
        }
        return {name: order[~undone[order]] for name, order in found.items()}

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return self.page.frames.classes

    @property
    def n_decided(self) -> int:
        """Number of labels that somebody has decided about."""
        return len(self._decided)

    def refresh(self) -> None:
        """Read decisions that were made since they were last read."""
        new = self._ledger.decisions(after=self._held.count)
        self._held.add(new)
        for row in {one.row for one in new} & self._kept.keys():
            if row in self._held.holds:
                self._decided.add(row)
            else:
                self._decided.discard(row)

    def decide(
        self, row: int, decision: DecisionName, code: int | None, expected: Any
    ) -> None:
        """Store a decision; see `Ledger.decide` for what it raises.

        Choosing the class that a row has already is to accept it.
        """
        label = None
        if decision == "change":
            label = None if code is None else self.classes[code]
            if label == self._label(self._kept[row])["label"]:
                decision, label = "accept", None
        new = NewDecision(row, decision, label, expected)
        try:
            self._ledger.decide([new], "review")
        finally:
            self.refresh()

    def has(self, row: object) -> bool:
        """Whether something is a row whose label can be decided about."""
        return type(row) is int and row in self._kept

    def next_open(self, order: str, place: int) -> int | None:
        """The next place in an order, after a place, that nobody has decided about."""
        positions = self.orders[order]
        for step in range(1, len(positions)):
            at = (place + step) % len(positions)
            if self._rows[positions[at]] not in self._decided:
                return at
        return None

    def first_open(self, order: str) -> int:
        """The first place in an order that nobody has decided about; else the first."""
        if self._rows[self.orders[order][0]] not in self._decided:
            return 0
        return self.next_open(order, 0) or 0

    def state(self, row: int) -> dict[str, Any]:
        """What holds for a row, and the last decision that there is about it."""
        holds = self._held.holds.get(row)
        return {"holds": holds, "expected": self._held.last.get(row)}

    def label(self, order: str, place: int) -> dict[str, Any]:
        """All that a page says of the label at a place of an order."""
        at = int(self.orders[order][place])
        label, page = self._label(at), self.page
        return {
            **self._briefly(at),
            "place": place,
            "reasons": reasons_in_words(
                page.doubts, label, at, page.rows.unseen, page.words[1]
            ),
            "classes": self._classes(at, label),
            "columns": self.columns(at),
            "at": at,
        }

    def grid(self, order: str, first: int) -> list[dict[str, Any]]:
        """What a grid says of labels from a place of an order on."""
        positions = self.orders[order][first : first + GRID].tolist()
        return [
            {**self._briefly(at), "place": first + step}
            for step, at in enumerate(positions)
        ]

    def columns(self, at: int) -> list[Cell]:
        """The own columns of a label's row."""
        return cells_of(self.page.rows, self.page.facts, at)

    def _label(self, at: int) -> Any:
        return self.page.labels.iloc[at]

    def _briefly(self, at: int) -> dict[str, Any]:
        label = self._label(at)
        names = ("id", "label", "round", "influence", "influence_se", "probability")
        return {
            **{name: label[name] for name in (*names, "guess", "guess_probability")},
            "row": self._rows[at],
            "doubts": [WORDS[reason] for reason in self.page.doubts.of(at)],
            **self.state(self._rows[at]),
        }

    def _classes(self, at: int, label: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The classes that a label's page lists, each with its figures and its key."""
        influence, probability = self._influence[at], self._probability[at]
        codes = range(len(self.classes))
        if len(self.classes) > MOST_CLASSES:
            best = np.argsort(-influence, kind="stable")[:MOST_CLASSES].tolist()
            named = {self.classes.index(label[name]) for name in ("label", "guess")}
            codes = sorted({*best, *named})  # type: ignore[assignment]
        return [
            {
                "code": code,
                "name": self.classes[code],
                "key": KEYS[code] if code < len(KEYS) else None,
                "influence": influence[code],
                "probability": probability[code],
                "assigned": self.classes[code] == label["label"],
                "guessed": self.classes[code] == label["guess"],
            }
            for code in codes
        ]


def _ascending(values: pd.Series[float]) -> IntArray:
    """Places of values, the smallest first; of equals, the first."""
    return np.argsort(values.to_numpy(dtype=float), kind="stable")
