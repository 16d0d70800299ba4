"""Label spreading as teacher: labels spread along neighbors, a regression learns them.

Labels of the labeled rows spread over the graph of nearest neighbors. The pool's rows
get the labels that reach them, weighted by how clearly one of them leads, and the
regression is fitted on them beside the labeled rows.

Finding neighbors takes the square of the number of rows. Of a pool of more than 10,000,
so many are drawn to spread along; if all are wanted, each of the others takes labels
from its neighbors among these.

References
----------
Zhou, Bousquet, Lal, Weston and Schölkopf, Learning with Local and Global Consistency,
2004; scikit-learn's ``LabelSpreading``.
Delalleau, Bengio and Le Roux, Efficient Non-Parametric Function Induction in
Semi-Supervised Learning, 2005: labels of further rows, as in ``predict_proba`` there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.semi_supervised import LabelSpreading
from sklearn.utils import gen_batches
from threadpoolctl import threadpool_limits

from salutary.arrays import FloatArray, IntArray, Matrix, as_float64
from salutary.labeling.rows import LabeledRows
from salutary.semisupervised.task import (
    Method,
    SemiSupervisedTask,
    Setting,
    pool_rows,
)

NEIGHBORS = (7, 15)
"""Numbers of neighbors to choose from."""

WEIGHTS = (0.5, 1.0, 3.0)
"""Weights of the pool to choose from."""

LARGEST_POOL = 10_000
"""Number of pool rows that labels spread along; they are drawn from a larger pool."""

BLOCK = 50_000
"""Number of further rows whose neighbors are sought at a time."""

SPREADING_TOLERANCE = 1e-9
"""Change in an iteration that ends spreading.

Labels fade fivefold with each step along the graph. Under scikit-learn's default of
1e-3 they do not come far from the few rows that have one.
"""

SPREADING_STEPS = 1000
"""Maximum number of iterations of spreading; it converges in far fewer."""


@dataclass(frozen=True)
class Spreading(Setting):
    """What label spreading is tuned to.

    Parameters
    ----------
    n_neighbors : int
        Number of neighbors that a row takes labels from.
    weight : float
        Weight of all pool rows, in units of the weight of all labeled rows.
    """

    n_neighbors: int
    weight: float


def paths(C: float) -> list[list[Setting]]:
    """All numbers of neighbors and weights, for the C that does best without a pool."""
    return [
        [Spreading(C, n_neighbors, weight) for weight in WEIGHTS]
        for n_neighbors in NEIGHBORS
    ]


def models(
    task: SemiSupervisedTask, settings: Sequence[Spreading]
) -> Iterator[LogisticRegression]:
    """Fit one setting after the other, each from the supervised model.

    Of a pool of more than 10,000 rows, so many are drawn at random, unless all are
    wanted.
    """
    pool = task.pool_of(LARGEST_POOL)
    numbers = pool_rows(pool)
    X, weight = as_float64(pool.take(numbers)), pool.weight[numbers]
    along = _spread_along(len(numbers), task.seed)
    taught: dict[int, LabeledRows] = {}
    for setting in settings:
        n_neighbors = setting.n_neighbors
        if n_neighbors not in taught:
            found = spread(task.rows, X, n_neighbors, along)
            taught[n_neighbors] = LabeledRows(X, found.labels, found.weight * weight)
        yield task.fit_with_pool(setting.C, taught[n_neighbors], setting.weight)


METHOD = Method(paths, models, LARGEST_POOL)


def _spread_along(n_rows: int, seed: int) -> IntArray | None:
    """Numbers of the rows that labels spread along; None for all."""
    if n_rows <= LARGEST_POOL:
        return None
    rng = np.random.RandomState(seed)
    return np.sort(rng.choice(n_rows, LARGEST_POOL, replace=False))


def spread(
    rows: LabeledRows, X: Matrix, n_neighbors: int, along: IntArray | None = None
) -> LabeledRows:
    """Labels that spread from labeled rows to others.

    Parameters
    ----------
    rows : LabeledRows
        Their weights have no part in it.
    X : ndarray or CSR matrix of shape (n_rows, n_features), float64
    n_neighbors : int
        With fewer rows in all, all of them are neighbors.
    along : ndarray of row numbers, dtype intp, optional
        The rows of ``X`` that labels spread along, and the others take theirs from. By
        default all.

    Returns
    -------
    LabeledRows
        ``X`` with labels; the weight of a row is its label's share, and 0 where no
        label arrives.
    """
    both = (rows.X, X if along is None else X[along])
    if sparse.issparse(X):
        every = sparse.csr_array(sparse.vstack(both, format="csr"))
    else:
        every = np.vstack(both)
    marked = np.concatenate([rows.labels, np.full(both[1].shape[0], -1)])
    teacher = LabelSpreading(
        kernel="knn",
        n_neighbors=min(n_neighbors, len(marked) - 1),
        max_iter=SPREADING_STEPS,
        tol=SPREADING_TOLERANCE,
    )
    # Which of several rows at one distance are neighbors depends on how threads share
    # the rows.
    with threadpool_limits(limits=1, user_api="openmp"):
        teacher.fit(every, marked)
        shares = teacher.label_distributions_[len(rows) :]
        if along is not None:
            taken = _taken_over(every, teacher.label_distributions_, X, n_neighbors)
            taken[along] = shares
            shares = taken
    labels = np.asarray(teacher.classes_, dtype=np.intp)[shares.argmax(axis=1)]
    return LabeledRows(X, labels, shares.max(axis=1))


def _taken_over(
    known: Matrix, shares: FloatArray, X: Matrix, n_neighbors: int
) -> FloatArray:
    """The shares of labels that rows take from their nearest known rows.

    In proportion to the sum of these rows' shares, as in scikit-learn's
    ``LabelSpreading.predict_proba``; zero where none of them has a label.
    """
    nearest = NearestNeighbors(n_neighbors=n_neighbors).fit(known)
    taken: FloatArray = np.empty((X.shape[0], shares.shape[1]))
    for batch in gen_batches(X.shape[0], BLOCK):
        rows = nearest.kneighbors(X[batch], return_distance=False)
        taken[batch] = shares[rows].sum(axis=1)
    total = taken.sum(axis=1, keepdims=True)
    np.divide(taken, total, out=taken, where=total > 0)
    return taken
