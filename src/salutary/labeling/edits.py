"""What a label does to the training rows: it adds a row, or changes one's label."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from salutary.arrays import FloatArray, IntArray, as_float64
from salutary.labeling.rows import LabeledRows, join
from salutary.pools.arrays import ArrayPool
from salutary.pools.protocol import Pool


class TrainingEdit(Protocol):
    """How the training rows change when rows of the pool get labels."""

    def training(
        self, labeled: LabeledRows, pool: Pool, rows: IntArray, labels: IntArray
    ) -> LabeledRows:
        """The labeled rows once the given pool rows have the given labels."""

    def lonely(self, done: IntArray, labels: IntArray) -> IntArray:
        """Rows that must keep their label, as no other row has it.

        ``done`` and ``labels`` are rows that have got their labels already.
        """

    def without_last(
        self, done: IntArray, labels: IntArray, rows: IntArray, next_labels: IntArray
    ) -> IntArray:
        """Places of the rows whose label takes no class's last row from training.

        ``rows`` would get ``next_labels``, in this order.
        """

    def effect(self, influence: FloatArray, rows: IntArray) -> FloatArray:
        """Fall of the objective per unit weight under each class, (n_rows, n_classes).

        ``influence`` is that of adding the rows.
        """

    def pull(
        self,
        probability: FloatArray,
        rows: IntArray,
        labels: IntArray,
        class_weight: FloatArray | None,
    ) -> FloatArray:
        """Minus the gradient at the rows' logits of what a unit weight adds to F."""


class AddRow:
    """A label adds its row."""

    def training(
        self, labeled: LabeledRows, pool: Pool, rows: IntArray, labels: IntArray
    ) -> LabeledRows:
        """The labeled rows and after them the pool rows."""
        return join(labeled, LabeledRows(pool.take(rows), labels, pool.weight[rows]))

    def lonely(self, done: IntArray, labels: IntArray) -> IntArray:
        """None: a label takes no other's place."""
        return np.zeros(0, dtype=np.intp)

    def without_last(
        self, done: IntArray, labels: IntArray, rows: IntArray, next_labels: IntArray
    ) -> IntArray:
        """All."""
        return np.arange(len(rows))

    def effect(self, influence: FloatArray, rows: IntArray) -> FloatArray:
        """The influence itself."""
        return influence

    def pull(
        self,
        probability: FloatArray,
        rows: IntArray,
        labels: IntArray,
        class_weight: FloatArray | None,
    ) -> FloatArray:
        """From the probabilities to the label."""
        return _toward(probability, labels, class_weight)


@dataclass(frozen=True)
class SwitchLabel:
    """A label takes the place of its row's own; the pool is the labeled set itself.

    Parameters
    ----------
    own : ndarray of shape (n_rows,), dtype intp
        Position of the class that each row has.
    """

    own: IntArray

    def training(
        self, labeled: LabeledRows, pool: Pool, rows: IntArray, labels: IntArray
    ) -> LabeledRows:
        """The labeled rows in their order, in float64, some with other labels."""
        changed = labeled.labels.copy()
        changed[rows] = labels
        return replace(labeled, X=as_float64(labeled.X), labels=changed)

    def lonely(self, done: IntArray, labels: IntArray) -> IntArray:
        """Rows whose class no other row has now; without them it would be gone."""
        now = self._now(done, labels)
        return np.flatnonzero(np.bincount(now)[now] == 1)

    def without_last(
        self, done: IntArray, labels: IntArray, rows: IntArray, next_labels: IntArray
    ) -> IntArray:
        """All but those that would then be the last of their class."""
        count = np.bincount(self._now(done, labels), minlength=self.own.max() + 1)
        places = []
        for place, (own, label) in enumerate(
            zip(self.own[rows].tolist(), next_labels.tolist(), strict=True)
        ):
            if count[own] > 1:
                count[own] -= 1
                count[label] += 1
                places.append(place)
        return np.array(places, dtype=np.intp)

    def _now(self, done: IntArray, labels: IntArray) -> IntArray:
        now = self.own.copy()
        now[done] = labels
        return now

    def effect(self, influence: FloatArray, rows: IntArray) -> FloatArray:
        """What the label does more than the row's own: zero for that."""
        own = influence[np.arange(len(rows)), self.own[rows]]
        return influence - own[:, None]

    def pull(
        self,
        probability: FloatArray,
        rows: IntArray,
        labels: IntArray,
        class_weight: FloatArray | None,
    ) -> FloatArray:
        """From the row's own label to the other."""
        away = _toward(probability, self.own[rows], class_weight)
        return _toward(probability, labels, class_weight) - away


def _toward(
    probability: FloatArray, labels: IntArray, class_weight: FloatArray | None
) -> FloatArray:
    """e_label - p of each row, times the label's class weight.

    As what the other classes have, not 1 - p, so that a row the model is sure of keeps
    its digits.
    """
    pull = -np.asarray(probability, dtype=np.float64)
    own = np.arange(len(labels)), labels
    pull[own] = 0.0
    pull[own] = -pull.sum(axis=1)
    if class_weight is not None:
        pull *= class_weight[labels][:, None]
    return pull


BATCHES = 50
"""Rounds that would switch every label, in tables of more than 500 rows."""


def default_batch(n_rows: int) -> int:
    """Switches a round for so many rows."""
    return max(10, n_rows // BATCHES)


def own_pool(labeled: LabeledRows) -> ArrayPool:
    """The labeled rows as the pool whose labels are switched."""
    return ArrayPool.of(labeled.X, labeled.weight)
