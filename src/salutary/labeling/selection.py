"""Keep the best rows of a pool that is scored block by block."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from salutary.arrays import FloatArray, IntArray


def round_significant(values: FloatArray) -> NDArray[np.float64]:
    """Round to 12 significant digits, or 6 for float32, in float64.

    Scores that differ only by rounding errors, as those of equal rows in different
    blocks may, become equal. Every number is rounded correctly, as when printed.

    Examples
    --------
    >>> import numpy as np
    >>> round_significant(np.array([0.1 + 0.2, -123456.7890123456])).tolist()
    [0.3, -123456.789012]
    """
    digits = 6 if values.dtype == np.float32 else 12
    rounded = [float(f"{value:.{digits - 1}e}") for value in values.ravel().tolist()]
    return np.array(rounded, dtype=np.float64).reshape(values.shape)


FIRST_ROWS = 256
"""Rows of a block that are looked at first, if many may be among the best."""


@dataclass(frozen=True)
class Selection:
    """Pool rows with their labels, and the figures that led to these labels.

    Parameters
    ----------
    rows : ndarray of shape (n,), dtype intp
        Numbers of the rows.
    labels : ndarray of shape (n,), dtype intp
        Position of each row's best class.
    scores : ndarray of shape (n,), float64
        Rounded scores of the labels; positive. Those of picks are the ones by which
        they were picked.
    influence, probability : ndarrays of shape (n, n_classes), float64
    influence_se : ndarray of shape (n,), float64
        Standard error, over the validation rows, of the influence of each row's label.
        NaN where it was not or cannot be computed.
    rank : ndarray of shape (n,), float64
        Rank of the label's influence among the pool rows of the round, see
        `salutary.labeling.standing.Survey`. NaN where it was not computed.
    distance : ndarray of shape (n,), float64
        Distance to the nearest training row, see `nearest_distances` there. NaN where
        it was not computed.
    """

    rows: IntArray
    labels: IntArray
    scores: NDArray[np.float64]
    influence: NDArray[np.float64]
    probability: NDArray[np.float64]
    influence_se: NDArray[np.float64]
    rank: NDArray[np.float64]
    distance: NDArray[np.float64]

    @classmethod
    def unexamined(
        cls,
        rows: IntArray,
        labels: IntArray,
        scores: FloatArray,
        influence: FloatArray,
        probability: FloatArray,
    ) -> Selection:
        """A selection of which nothing else is known yet."""
        unknown = np.full(len(rows), np.nan)
        return cls(
            rows=rows,
            labels=labels,
            scores=np.asarray(scores, dtype=np.float64),
            influence=np.asarray(influence, dtype=np.float64),
            probability=np.asarray(probability, dtype=np.float64),
            influence_se=unknown,
            rank=unknown,
            distance=unknown,
        )

    @classmethod
    def empty(cls, n_classes: int) -> Selection:
        """A selection without rows."""
        none = np.zeros(0, dtype=np.intp)
        table = np.zeros((0, n_classes))
        return cls.unexamined(none, none, np.zeros(0), table, table)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def assigned_influence(self) -> NDArray[np.float64]:
        """Influence of each row's label, shape (n,)."""
        return self.influence[np.arange(len(self)), self.labels]

    @property
    def assigned_probability(self) -> NDArray[np.float64]:
        """Probability of each row's label, shape (n,)."""
        return self.probability[np.arange(len(self)), self.labels]

    def followed_by(self, other: Selection) -> Selection:
        """These rows, followed by those of another selection."""
        return Selection(
            *(
                np.concatenate([getattr(self, field.name), getattr(other, field.name)])
                for field in fields(self)
            )
        )

    def significant(self, smallest_z: float) -> Selection:
        """The rows whose influence is at least ``smallest_z`` standard errors.

        For zero these are all rows. Otherwise rows whose standard error is NaN are not
        among them.
        """
        if smallest_z == 0:
            return self
        clear = self.assigned_influence >= smallest_z * self.influence_se
        return self.take(np.flatnonzero(clear))

    def take(self, places: IntArray | NDArray[np.bool_] | slice) -> Selection:
        """The rows at the given places."""
        return Selection(*(getattr(self, field.name)[places] for field in fields(self)))


@dataclass(frozen=True)
class Keep:
    """Keeps the best rows of a stream: ``size`` of all, or ``size`` of each label.

    The best rows may all have the same label. With rows of every label on a shortlist,
    later picks have a choice.

    Parameters
    ----------
    size : int
    of_each_class : bool
    """

    size: int
    of_each_class: bool

    def __call__(
        self,
        best: Selection,
        rows: IntArray,
        scores: FloatArray,
        influence: FloatArray,
        probability: FloatArray,
    ) -> Selection:
        """Merge a block of rows into a selection, and keep the best.

        Parameters
        ----------
        best : Selection
            The best rows so far.
        rows : ndarray of shape (n_rows,), dtype intp
        scores, influence, probability : ndarrays of shape (n_rows, n_classes)

        Returns
        -------
        Selection
            Rows with positive scores, in descending order, or those of one label after
            those of another; of rows whose rounded scores are equal, the lower number
            comes first. The result does not depend on how the pool is cut into blocks.
            Costs O(n_rows n_classes).
        """
        rest, n_few = self.near(best, scores), FIRST_ROWS
        while len(rest):  # the first set a floor that most others do not reach
            few, rest = rest[:n_few], rest[n_few:]
            block = rows[few], scores[few], influence[few], probability[few]
            best, n_few = self._merged(best, *block), 4 * n_few
            if len(rest):
                rest = rest[self.near(best, scores[rest])]
        return best

    def _merged(
        self,
        best: Selection,
        rows: IntArray,
        scores: FloatArray,
        influence: FloatArray,
        probability: FloatArray,
    ) -> Selection:
        labels, top = _labels(scores), scores.max(axis=1)
        few = self._best_within(labels, top)
        new = Selection.unexamined(
            rows[few],
            labels[few],
            round_significant(top[few]),
            influence[few],
            probability[few],
        )
        return self.best_of(best.followed_by(new))

    def near(self, best: Selection, scores: FloatArray) -> IntArray:
        """Places of rows of a block that may be kept beside the best so far.

        Others are too far below the worst that is kept, also after rounding. Most rows
        of a long stream are.
        """
        top = scores.max(axis=1)
        share = scores.dtype.type(1 - _slack(scores))
        floors = self.floors(best, scores.shape[1]).astype(scores.dtype) * share
        near = np.flatnonzero((top > 0) & (top >= floors.min()))
        if self.of_each_class and len(near) > self.size:
            # Of a label that few rows have, every row may be kept; of others not.
            needed = np.maximum(top[near] * share, floors[:, None])
            near = near[(scores.T[:, near] >= needed).any(axis=0)]
        return near

    def best_of(self, selection: Selection) -> Selection:
        """The best rows of a selection, those of one label after those of another."""
        group = self._groups(selection.labels)
        order = np.lexsort((selection.rows, -selection.scores, group))
        return selection.take(order[_ranks(group[order]) < self.size])

    def _groups(self, labels: IntArray) -> IntArray:
        """Rows that compete with each other have the same number."""
        return labels if self.of_each_class else np.zeros_like(labels)

    def floors(self, best: Selection, n_classes: int) -> NDArray[np.float64]:
        """The worst kept score of each class, or zero while there is room.

        Of all classes together, of shape (1,), unless each class has rows of its own.
        """
        group = self._groups(best.labels)
        full = np.flatnonzero(_ranks(group) == self.size - 1)
        floors = np.zeros(n_classes if self.of_each_class else 1)
        floors[group[full]] = best.scores[full]
        return floors

    def _best_within(self, labels: IntArray, top: FloatArray) -> IntArray:
        """Places of the best rows, and of those that may be equal after rounding.

        Thus only few rows are rounded.
        """
        group = self._groups(labels)
        order = np.lexsort((-top, group))
        last = order[_ranks(group[order]) == self.size - 1]
        floors = np.zeros(labels.max() + 1, dtype=top.dtype)
        floors[group[last]] = top[last]
        return np.flatnonzero(top >= floors[group] * top.dtype.type(1 - _slack(top)))


def _ranks(group: IntArray) -> IntArray:
    """How many rows with the same number come before each; they stand together."""
    return np.arange(len(group)) - np.searchsorted(group, group)


def _labels(scores: FloatArray) -> IntArray:
    """Best class of each row; of classes with equal rounded scores, the first."""
    label: IntArray = scores.argmax(axis=1)
    top = scores[np.arange(len(scores)), label]
    floor = top * (1 - _slack(scores))  # wrong for negative scores, which are not kept
    tied = np.flatnonzero(np.count_nonzero(scores >= floor[:, None], axis=1) > 1)
    label[tied] = round_significant(scores[tied]).argmax(axis=1)
    return label


def _slack(scores: FloatArray) -> float:
    """Largest relative difference that rounding may remove."""
    return 1e-5 if scores.dtype == np.float32 else 1e-11
