"""The products of a pool's rows that belong to one view, and the best rows by them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from salutary.arrays import FloatArray, IntArray
from salutary.influence.scores import InfluenceScorer
from salutary.labeling.edits import AddRow, TrainingEdit
from salutary.labeling.rules import Scores, Tempered
from salutary.labeling.selection import Keep, Selection
from salutary.labeling.standing import Count, Survey

PENDING = 256
"""Rows that compiled code has found before they are scored, as a call costs as much."""

Shortlists = dict[str, Selection]
"""The best rows by each variant of a rule."""


@dataclass(frozen=True)
class Columns:
    """What one view needs to score rows.

    It may travel to other machines, so it holds no more than that.

    Parameters
    ----------
    scorer : InfluenceScorer
    edit : TrainingEdit
    variants : dict of str to callable
        Variants of the rule.
    keep : Keep
        Which rows come onto the shortlists.
    taken : ndarray of shape (n_taken,), dtype intp
        Pool rows that can no longer be labeled, ascending.
    weight : ndarray of shape (n_pool,), or None
        Weights of the pool's rows, unless all are one.
    surveyed : bool
        Whether the influences of all rows that can be labeled are gathered.
    """

    scorer: InfluenceScorer
    edit: TrainingEdit
    variants: dict[str, Scores]
    keep: Keep
    taken: IntArray
    weight: FloatArray | None
    surveyed: bool

    @property
    def no_rows(self) -> Shortlists:
        """Shortlists before any row has passed."""
        return dict.fromkeys(self.variants, Selection.empty(self.scorer.n_classes))

    def free(self, rows: IntArray) -> IntArray | slice:
        """Places of those of some pool rows, ascending, that can still be labeled."""
        first, end = np.searchsorted(self.taken, [rows[0], rows[-1] + 1])
        if first == end:
            return slice(None)
        return np.flatnonzero(np.isin(rows, self.taken[first:end], invert=True))

    def take_in(
        self,
        rows: IntArray,
        products: FloatArray,
        room: FloatArray,
        best: Shortlists,
    ) -> FloatArray:
        """Score some rows of the pool, keep the best, and return the influences."""
        n_classes = self.scorer.n_classes
        room = room[: 3 * n_classes * len(rows)].reshape(3 * n_classes, len(rows))
        room, left = room[: 2 * n_classes], room[2 * n_classes :].T
        influence, probability = self.scorer.finish(products, room)
        influence = self.edit.effect(influence, rows)
        for name, variant in self.variants.items():
            if isinstance(variant, Tempered):
                scores = variant(influence, probability, left)
            else:  # a caller's own function may keep or change what it gets
                scores = variant(influence.copy(), probability.copy())
            if self.weight is not None:
                # To first order, a row of weight two moves the model twice as far.
                scores = scores * self.weight[rows, None].astype(scores.dtype)
            near = self.keep.near(best[name], scores)
            if len(near):
                near = near[self.free(rows[near])]
            if len(near):
                block = rows[near], scores[near], influence[near], probability[near]
                best[name] = self.keep(best[name], *block)
        return influence

    @property
    def exponents(self) -> tuple[float, ...]:
        """Those of the variants that are `Tempered`."""
        variants = self.variants.values()
        return tuple(one.exponent for one in variants if isinstance(one, Tempered))

    @property
    def can_be_screened(self) -> bool:
        """Whether `salutary.labeling.screening` knows such rows and such a rule."""
        return (
            self.scorer.weights.dtype == np.float32
            and isinstance(self.edit, AddRow)
            and set(self.exponents) <= {0.0, 1.0, 2.0}
            and len(self.exponents) == len(self.variants)
        )


@dataclass(frozen=True)
class Compiled:
    """What `salutary.labeling.screening` has, which needs Numba."""

    screen: Callable[..., tuple[FloatArray, NDArray[np.bool_]]]
    count: Count


def compiled_for(columns: Sequence[Columns]) -> Compiled | None:
    """Compiled code that finds rows for some views, if there is any for them."""
    return _compiled() if all(own.can_be_screened for own in columns) else None


@cache
def _compiled() -> Compiled | None:
    """The compiled code, or nothing if Numba cannot be used here; asked for once.

    It may not be installed, not for this NumPy, broken, or have no folder for its
    files. A run does not need it, so no reason is worth an error.
    """
    try:
        from salutary.labeling.screening import count, screen
    except Exception as error:
        logging.getLogger("salutary").debug("no compiled code: %r", error)
        return None
    return Compiled(screen, count)


class Pass(Protocol):
    """Passes the rows of a pool in one view, some at a time."""

    best: Shortlists
    """The best rows, once it is finished."""

    def add(self, rows: IntArray, products: FloatArray) -> None:
        """Take in rows, and their products with the scorer's weights."""

    def finish(self) -> None:
        """Complete the shortlists."""


class PlainPass:
    """Scores every row.

    Parameters
    ----------
    columns : Columns
    survey : Survey
        Gets the influences, if they are surveyed.
    room : ndarray of shape (3 n_classes n_rows,)
        Memory for the figures of as many rows as are added at once.
    """

    def __init__(self, columns: Columns, survey: Survey, room: FloatArray) -> None:
        self.best = columns.no_rows
        self._columns, self._survey, self._room = columns, survey, room

    def add(self, rows: IntArray, products: FloatArray) -> None:
        """Score rows, and keep the best."""
        own = self._columns
        influence = own.take_in(rows, products, self._room, self.best)
        if own.surveyed:
            self._survey.add(influence.max(axis=1)[own.free(rows)])

    def finish(self) -> None:
        """Nothing is left to do."""


class ScreenedPass:
    """Scores the rows that compiled code finds, see `salutary.labeling.screening`.

    Rows wait until there are `PENDING`. Until then the floors stay as they are, so that
    some more rows are found than could be kept.

    Parameters
    ----------
    columns : Columns
    survey : Survey
        Gets the influences, if they are surveyed.
    compiled : Compiled
    """

    def __init__(self, columns: Columns, survey: Survey, compiled: Compiled) -> None:
        self.best = columns.no_rows
        self._columns, self._survey, self._compiled = columns, survey, compiled
        self._rows: list[IntArray] = []
        self._products: list[FloatArray] = []
        self._floors = self._reached()
        # Copies, as compiled code refuses memory that is read only, which Ray gives.
        scorer = columns.scorer
        self._offset, self._class_weight = scorer.offset[:, 0].copy(), None
        if scorer.class_weight is not None:
            self._class_weight = scorer.class_weight[:, 0].copy()

    def add(self, rows: IntArray, products: FloatArray) -> None:
        """Find rows that may be kept."""
        own = self._columns
        weight = None if own.weight is None else own.weight[rows].astype(np.float32)
        largest, near = self._compiled.screen(
            products,
            self._offset,
            self._class_weight,
            weight,
            own.exponents,
            self._floors,
        )
        if own.surveyed:
            self._survey.add(largest[own.free(rows)])
        found = np.flatnonzero(near)
        if len(found):
            self._rows.append(rows[found])
            self._products.append(products[found])
            if sum(map(len, self._rows)) >= PENDING:
                self.finish()

    def finish(self) -> None:
        """Score the rows that wait, and keep the best."""
        if not self._rows:
            return
        rows, products = np.concatenate(self._rows), np.concatenate(self._products)
        self._rows, self._products = [], []
        room = np.empty(3 * self._columns.scorer.n_classes * len(rows), np.float32)
        self._columns.take_in(rows, products, room, self.best)
        self._floors = self._reached()

    def _reached(self) -> FloatArray:
        """The worst kept score by each variant and of each class."""
        keep, n_classes = self._columns.keep, self._columns.scorer.n_classes
        floors = [keep.floors(own, n_classes) for own in self.best.values()]
        shape = len(floors), n_classes
        return np.broadcast_to(np.array(floors, dtype=np.float32), shape).copy()
