"""Where picks stand: among the influences of their pool, and beside training rows."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import numpy as np
from scipy import sparse
from sklearn.metrics import euclidean_distances
from sklearn.utils import gen_batches

from salutary.arrays import (
    BLOCK_ROWS,
    Float64Array,
    FloatArray,
    IntArray,
    Matrix,
    as_float64,
)

DECADES, BINS_PER_DECADE = (-12, 12), 10

_ABOVE_ZERO = 10.0 ** (
    np.arange(DECADES[0] * BINS_PER_DECADE, DECADES[1] * BINS_PER_DECADE + 1)
    / BINS_PER_DECADE
)

EDGES: Float64Array = np.concatenate([-_ABOVE_ZERO[::-1], _ABOVE_ZERO])
"""Edges of a `Spread`: logarithmic on both sides of zero, which has a bin of its own.

They are the same for all runs, so neither blocks nor rounds show in a histogram, and
two of them can be laid upon each other.
"""

NEAR = 1e-5
"""Influences whose relative difference is at most this share a rank.

So a rank depends neither on how a library sums nor on the four bytes of `Survey`.
"""

PAIRS = 100_000
"""Distances that are computed at once."""


@dataclass(frozen=True)
class Spread:
    """A histogram of the pool rows' largest influences.

    Parameters
    ----------
    lower, upper : ndarrays of shape (n_bins,)
        Edges of the bins that hold rows, out of `EDGES`, ascending; a bin holds its
        lower edge. The outermost bins also hold all that is beyond them.
    n_rows : ndarray of shape (n_bins,), dtype intp
    """

    lower: Float64Array
    upper: Float64Array
    n_rows: IntArray

    @classmethod
    def of_counts(cls, counts: IntArray) -> Spread:
        """Of the number of rows in each bin of `EDGES`."""
        held = np.flatnonzero(counts)
        return cls(EDGES[held], EDGES[held + 1], counts[held])

    @classmethod
    def empty(cls) -> Spread:
        """The spread of no influences."""
        return cls.of_counts(np.zeros(len(EDGES) - 1, dtype=np.intp))


class Survey:
    """The largest influence of each row of a pool, gathered as its blocks pass.

    The influence of a row is that of its best label. Where a label replaces another, a
    row that is best left alone counts with zero, the effect of the label it has.

    Parameters
    ----------
    n_rows : int
        Number of rows of the pool. Each takes four bytes, so that a pick's rank needs
        no second pass over the pool; a million rows take 4 MB, less than one column of
        them. Exact ranks would take eight, and differ only among rows that share one
        (`NEAR`).

    Examples
    --------
    >>> import numpy as np
    >>> survey = Survey(4)
    >>> survey.add(np.array([0, 1]), np.array([[0.3, -0.1], [0.0, -2.0]]))
    >>> survey.add(np.array([3]), np.array([[-0.9, 0.8]]))
    >>> survey.ranks(np.array([3, 0]), np.array([0.8, 0.3])).tolist()
    [1, 2]
    >>> survey.spread().n_rows.tolist()
    [1, 1, 1]
    """

    def __init__(self, n_rows: int) -> None:
        self._largest = np.full(n_rows, -np.inf, dtype=np.float32)
        self._counts = np.zeros(len(EDGES) - 1, dtype=np.intp)
        self._counting = Lock()

    def add(self, rows: IntArray, influence: FloatArray) -> None:
        """Take in a block of rows, with influences of shape (n_rows, n_classes)."""
        largest = influence.max(axis=1)
        with np.errstate(over="ignore"):  # what is beyond float32 is infinite
            self._largest[rows] = largest
        # Edges among sorted rows: a third of the time of rows among edges.
        below = np.searchsorted(np.sort(largest).astype(np.float64), EDGES[1:-1])
        counts = np.diff(below, prepend=0, append=len(rows))
        with self._counting:  # other threads take in other blocks
            self._counts += counts

    def largest(self, rows: IntArray) -> FloatArray:
        """The largest influence of some rows."""
        return self._largest[rows]

    def spread(self) -> Spread:
        """The histogram of all rows taken in."""
        return Spread.of_counts(self._counts)

    def ranks(self, rows: IntArray, influence: FloatArray) -> IntArray:
        """Ranks of influences of some rows among those of all; 1 for the largest.

        A rank is one more than the number of other rows whose largest influence is
        larger. Costs O(n_pool), whatever the number of ranks.
        """
        with np.errstate(over="ignore"):
            floors = (influence + NEAR * np.abs(influence)).astype(np.float32)
        ascending = np.sort(floors)
        passed = np.zeros(len(floors) + 1, dtype=np.intp)  # rows above so many floors
        for batch in gen_batches(len(self._largest), BLOCK_ROWS):
            block = self._largest[batch]
            block = block[block > ascending.min(initial=np.inf)]
            above = np.searchsorted(ascending, block, side="left")
            passed += np.bincount(above, minlength=len(passed))
        larger = passed[::-1].cumsum()[-2::-1][np.searchsorted(ascending, floors)]
        own = self._largest[rows] > floors  # by another label than the row's
        return np.asarray(1 + larger - own, dtype=np.intp)


def nearest_distances(
    X: Matrix, training: Matrix, own: IntArray | None = None
) -> Float64Array:
    """Euclidean distance of each row to the nearest training row.

    Parameters
    ----------
    X : matrix of shape (n_rows, n_features)
    training : matrix of shape (n_training, n_features)
    own : ndarray of shape (n_rows,), dtype intp, optional
        The training row that each row is; it does not count.

    Returns
    -------
    ndarray of shape (n_rows,)

    Notes
    -----
    The nearest row is found by a matrix product, and its distance is then computed by
    differences, so that a row equal to a training row has distance 0. Costs
    O(n_rows n_training n_features).

    Examples
    --------
    >>> import numpy as np
    >>> nearest_distances(np.array([[3.0, 4.0]]), np.array([[0.0, 0.0], [9.0, 9.0]]))
    array([5.])
    """
    X, training = as_float64(X), as_float64(training)
    if not sparse.issparse(training):  # far from zero a product has no digits left
        center = training.mean(axis=0)
        X, training = X - center, training - center
    found = np.zeros(X.shape[0])
    for batch in gen_batches(len(found), max(1, PAIRS // training.shape[0])):
        squares = euclidean_distances(X[batch], training, squared=True)
        if own is not None:
            squares[np.arange(len(squares)), own[batch]] = np.inf
        apart = X[batch] - training[squares.argmin(axis=1)]
        if sparse.issparse(apart):
            found[batch] = sparse.linalg.norm(apart, axis=1)
        else:
            found[batch] = np.linalg.norm(apart, axis=1)
    return found
