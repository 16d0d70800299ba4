"""Where picks stand: among the influences of their pool, and beside training rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.metrics import euclidean_distances
from sklearn.utils import gen_batches

from salutary.arrays import (
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

_INNER = EDGES[1:-1].astype(np.float32)


def _by_first_bits() -> tuple[IntArray, FloatArray]:
    """See `FIRST_BIN` and `END_OF_BIN`.

    Numbers that share them differ by less than a hundredth, so by one bin at most.
    """
    lowest = np.arange(2**16, dtype=np.uint32) << np.uint32(16)
    ends = np.stack([lowest, lowest | np.uint32(0xFFFF)]).view(np.float32)
    ends = np.where(np.isnan(ends), np.copysign(np.inf, ends), ends)
    smallest, largest = np.sort(ends, axis=0)
    first = np.searchsorted(_INNER, smallest, side="right")
    end = np.append(_INNER, np.float32(np.nan))[first]  # nothing reaches NaN
    return first.astype(np.intp), np.where(end <= largest, end, np.float32(np.nan))


FIRST_BIN, END_OF_BIN = _by_first_bits()
"""For each of the upper 16 bits of a float32, the first bin and where it ends."""

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


Count = Callable[[FloatArray, IntArray], None]
"""Adds float32 influences of shape (n_rows,) to the numbers of rows in each bin."""


def count(largest: FloatArray, counts: IntArray) -> None:
    """Add influences to a histogram, by their bits in half the time of a sort.

    Parameters
    ----------
    largest : ndarray of shape (n_rows,), float32
    counts : ndarray of shape (n_bins,), dtype intp
        Number of rows in each bin of `EDGES`; gets the new ones too.
    """
    place = largest.view(np.uint32) >> np.uint32(16)
    bins = FIRST_BIN[place] + (largest >= END_OF_BIN[place])
    counts += np.bincount(bins, minlength=len(counts))


class Survey:
    """The largest influences of rows of a pool, gathered as its blocks pass.

    The influence of a row is that of its best label. Where a label replaces another, a
    row that is best left alone counts with zero, the effect of the label it has. Each
    row takes four bytes, so that a pick's rank needs no second pass over the pool; a
    million rows take 4 MB, less than one column of them. Exact ranks would take eight,
    and differ only among rows that share one (`NEAR`).

    Parameters
    ----------
    count : callable, optional
        Does what `count` does.

    Attributes
    ----------
    counts : ndarray of shape (n_bins,), dtype intp
        Number of rows in each bin of `EDGES`.

    Examples
    --------
    >>> import numpy as np
    >>> survey = Survey()
    >>> survey.add(np.array([0.3, 0.0]))
    >>> survey.add(np.array([0.8]))
    >>> survey.above(np.array([0.8, 0.3, -1.0])).tolist()
    [0, 1, 3]
    >>> Spread.of_counts(survey.counts).n_rows.tolist()
    [1, 1, 1]
    """

    def __init__(self, count: Count = count) -> None:
        self._count = count
        self._largest: list[FloatArray] = []
        self.counts: IntArray = np.zeros(len(EDGES) - 1, dtype=np.intp)

    def add(self, largest: FloatArray) -> None:
        """Take in rows by the influence of each row's best label, shape (n_rows,)."""
        with np.errstate(over="ignore"):  # what is beyond float32 is infinite
            largest = largest.astype(np.float32)
        self._largest.append(largest)
        self._count(largest, self.counts)

    def above(self, floors: FloatArray) -> IntArray:
        """Number of rows whose largest influence is larger, for each floor.

        Costs O(n_rows), whatever the number of floors.
        """
        ascending = np.sort(floors.astype(np.float32))
        passed = np.zeros(len(floors) + 1, dtype=np.intp)  # rows above so many floors
        for block in self._largest:
            block = block[block > ascending.min(initial=np.inf)]
            above = np.searchsorted(ascending, block, side="left")
            passed += np.bincount(above, minlength=len(passed))
        larger: IntArray = passed[::-1].cumsum()[-2::-1]
        return larger[np.searchsorted(ascending, floors.astype(np.float32))]


def rank_floors(influence: FloatArray) -> FloatArray:
    """What a row's largest influence must exceed to rank before each of some labels."""
    with np.errstate(over="ignore"):
        floors: FloatArray = (influence + NEAR * np.abs(influence)).astype(np.float32)
    return floors


def ranks_by(floors: FloatArray, above: IntArray, largest: FloatArray) -> IntArray:
    """Ranks from the number of rows above each floor, the row itself among them."""
    with np.errstate(over="ignore"):
        own = largest.astype(np.float32) > floors  # by another label than the row's
    return np.asarray(1 + above - own, dtype=np.intp)


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
