"""How a label changes the training rows: it adds a row, or replaces a row's label."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from salutary.arrays import Float64Array, FloatArray, IntArray, as_float64
from salutary.influence.softmax import log_loss_gradient
from salutary.labeling.rows import LabeledRows, join
from salutary.labeling.standing import nearest_distances
from salutary.pools.arrays import ArrayPool
from salutary.pools.protocol import Pool


class TrainingEdit(Protocol):
    """How the training rows change when rows of the pool get labels."""

    def training(
        self, labeled: LabeledRows, pool: Pool, rows: IntArray, labels: IntArray
    ) -> LabeledRows:
        """The training rows after the given pool rows have got the given labels."""

    def last_of_class(self, done: IntArray, labels: IntArray) -> IntArray:
        """Rows that must keep their label, because no other row has it.

        The rows ``done`` have got ``labels`` already.
        """

    def keeping_every_class(
        self, done: IntArray, labels: IntArray, rows: IntArray, next_labels: IntArray
    ) -> IntArray:
        """Places of the rows that can be labeled so that every class keeps a row.

        The rows ``done`` have got ``labels`` already; ``rows`` would get
        ``next_labels``, in this order.
        """

    def effect(self, influence: FloatArray, rows: IntArray) -> FloatArray:
        """Influence of each label on the objective, shape (n_rows, n_classes).

        ``influence`` is that of adding the rows under each class.
        """

    def distances(
        self, labeled: LabeledRows, pool: Pool, rows: IntArray
    ) -> Float64Array:
        """Distance of pool rows to the nearest other labeled row, shape (n_rows,)."""

    def pull(
        self,
        probability: FloatArray,
        rows: IntArray,
        labels: IntArray,
        class_weight: FloatArray | None,
    ) -> FloatArray:
        """Minus the gradient, at the logits, of the change of the training objective.

        The change is that by one unit of weight of the row with its label. Shape
        (n_rows, n_classes).
        """


class AddRow:
    """A label adds its row to the training rows."""

    def training(
        self, labeled: LabeledRows, pool: Pool, rows: IntArray, labels: IntArray
    ) -> LabeledRows:
        """The labeled rows, followed by the pool rows."""
        return join(labeled, LabeledRows(pool.take(rows), labels, pool.weight[rows]))

    def last_of_class(self, done: IntArray, labels: IntArray) -> IntArray:
        """No rows, as a label replaces no other."""
        return np.zeros(0, dtype=np.intp)

    def keeping_every_class(
        self, done: IntArray, labels: IntArray, rows: IntArray, next_labels: IntArray
    ) -> IntArray:
        """All places, as a label replaces no other."""
        return np.arange(len(rows))

    def effect(self, influence: FloatArray, rows: IntArray) -> FloatArray:
        """The influence itself."""
        return influence

    def distances(
        self, labeled: LabeledRows, pool: Pool, rows: IntArray
    ) -> Float64Array:
        """Distance to the nearest labeled row."""
        return nearest_distances(pool.take(rows), labeled.X)

    def pull(
        self,
        probability: FloatArray,
        rows: IntArray,
        labels: IntArray,
        class_weight: FloatArray | None,
    ) -> FloatArray:
        """The difference from the probabilities to the label."""
        return _toward(probability, labels, class_weight)


@dataclass(frozen=True)
class SwitchLabel:
    """A label replaces the label that its row has; the pool is the labeled set.

    Parameters
    ----------
    own : ndarray of shape (n_rows,), dtype intp
        Position of the class that each row had at first.
    """

    own: IntArray

    def training(
        self, labeled: LabeledRows, pool: Pool, rows: IntArray, labels: IntArray
    ) -> LabeledRows:
        """The labeled rows in their order, in float64, some with other labels."""
        changed = labeled.labels.copy()
        changed[rows] = labels
        return replace(labeled, X=as_float64(labeled.X), labels=changed)

    def last_of_class(self, done: IntArray, labels: IntArray) -> IntArray:
        """Rows whose class no other row has now."""
        now = self._now(done, labels)
        return np.flatnonzero(np.bincount(now)[now] == 1)

    def keeping_every_class(
        self, done: IntArray, labels: IntArray, rows: IntArray, next_labels: IntArray
    ) -> IntArray:
        """All places but those that would leave a class without a row."""
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
        """Influence of the new label minus that of the row's own label."""
        own = influence[np.arange(len(rows)), self.own[rows]]
        return influence - own[:, None]

    def distances(
        self, labeled: LabeledRows, pool: Pool, rows: IntArray
    ) -> Float64Array:
        """Distance to the nearest labeled row but the row itself."""
        return nearest_distances(pool.take(rows), labeled.X, own=rows)

    def pull(
        self,
        probability: FloatArray,
        rows: IntArray,
        labels: IntArray,
        class_weight: FloatArray | None,
    ) -> FloatArray:
        """The difference from the row's own label to the new one."""
        away = _toward(probability, self.own[rows], class_weight)
        return _toward(probability, labels, class_weight) - away


def _toward(
    probability: FloatArray, labels: IntArray, class_weight: FloatArray | None
) -> FloatArray:
    """e_label - p of each row, times the class weight of the label."""
    pull = -log_loss_gradient(np.asarray(probability, dtype=np.float64), labels)
    if class_weight is not None:
        pull *= class_weight[labels][:, None]
    return pull


BATCHES = 50
"""Number of rounds in which every label would be switched, beyond 500 rows."""


def default_batch(n_rows: int) -> int:
    """Number of labels to switch in a round, for a number of training rows."""
    return max(10, n_rows // BATCHES)


def own_pool(labeled: LabeledRows) -> ArrayPool:
    """Take the labeled rows as the pool, to switch their labels."""
    return ArrayPool.of(labeled.X, labeled.weight)
