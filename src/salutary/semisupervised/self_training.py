"""Self-training with the whole pool: shares of it get the model's own labels.

Of the rows that the model gives a class, the most confident share is labeled with it,
so that no class crowds out others. Three times, the model is fitted on the labeled rows
and on these, and labels anew.

References
----------
Yarowsky, Unsupervised Word Sense Disambiguation Rivaling Supervised Methods, 1995.
Zou, Yu, Vijaya Kumar and Wang, Unsupervised Domain Adaptation for Semantic Segmentation
via Class-Balanced Self-Training, 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from sklearn.linear_model import LogisticRegression

from salutary.arrays import Float64Array, IntArray, as_float64
from salutary.labeling.rows import LabeledRows
from salutary.semisupervised.task import (
    Method,
    SemiSupervisedTask,
    Setting,
    pool_rows,
)

SHARES = (0.2, 0.5, 1.0)
"""Shares of the pool to choose from."""

WEIGHTS = (0.5, 1.0, 3.0)
"""Weights of the labeled part of the pool to choose from."""

PASSES = 3
"""How often the model labels the pool and is fitted on it."""

LARGEST_POOL = 20_000
"""Number of pool rows that are drawn from a larger pool, unless all are wanted."""


@dataclass(frozen=True)
class SelfTraining(Setting):
    """What self-training is tuned to.

    Parameters
    ----------
    share : float
        Share of the rows given to a class that are labeled.
    weight : float
        Weight of all labeled pool rows, in units of the weight of all labeled rows.
    """

    share: float
    weight: float


def paths(C: float) -> list[list[Setting]]:
    """All shares and weights, for the C that does best without a pool."""
    return [[SelfTraining(C, share, weight) for weight in WEIGHTS] for share in SHARES]


def models(
    task: SemiSupervisedTask, settings: Sequence[SelfTraining]
) -> Iterator[LogisticRegression]:
    """Fit one setting after the other, each from the supervised model.

    Of a pool of more than 20,000 rows, so many are drawn at random, unless all are
    wanted.
    """
    pool = task.pool_of(LARGEST_POOL)
    numbers = pool_rows(pool)
    X, weight = as_float64(pool.take(numbers)), pool.weight[numbers]
    for setting in settings:
        model = task.plain(setting.C)
        for _ in range(PASSES):
            labels, rows = balanced_share(model.predict_proba(X), setting.share)
            known = np.searchsorted(task.classes, model.classes_)[labels[rows]]
            labeled = LabeledRows(X[rows], known, weight[rows])
            model = task.fit_with_pool(setting.C, labeled, setting.weight, model)
        yield model


METHOD = Method(paths, models, LARGEST_POOL)


def balanced_share(
    probability: Float64Array, share: float
) -> tuple[IntArray, IntArray]:
    """The most likely class of each row, and each class's most confident rows.

    Parameters
    ----------
    probability : ndarray of shape (n_rows, n_classes)
    share : float in (0, 1]
        Share of the rows of each class to take, rounded up.

    Returns
    -------
    labels : ndarray of shape (n_rows,), dtype intp
    rows : ndarray of row numbers, dtype intp, ascending

    Examples
    --------
    >>> import numpy as np
    >>> labels, rows = balanced_share(np.array([[.6, .4], [.9, .1], [.2, .8]]), 0.5)
    >>> labels.tolist(), rows.tolist()
    ([0, 0, 1], [1, 2])
    """
    labels, confidence = probability.argmax(axis=1), probability.max(axis=1)
    taken = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        order = np.argsort(-confidence[rows], kind="stable")
        taken.append(rows[order[: ceil(share * len(rows))]])
    return labels, np.sort(np.concatenate(taken))
