"""A pool that is a matrix in memory, or memory-mapped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from salutary.arrays import BLOCK_ROWS, FloatArray, IntArray, Matrix
from salutary.pools.protocol import Block, R
from salutary.pools.threads import ThreadedScan, scan_in_threads


@dataclass(frozen=True)
class ArrayPool:
    """A `Pool` of the unlabeled rows of a dense or CSR matrix.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    unlabeled : ndarray of shape (n_rows,), bool
        Which rows belong to the pool.
    weight : ndarray of shape (n_rows,)
        Training weight of each row once it has a label.
    block_rows : int
        Number of rows of ``X`` in a block. It only affects speed.
    """

    X: Matrix
    unlabeled: NDArray[np.bool_]
    weight: FloatArray
    block_rows: int = 4 * BLOCK_ROWS  # as most blocks are not copied

    @classmethod
    def of(cls, X: Matrix, weight: FloatArray | None = None) -> ArrayPool:
        """Make a pool of all rows of a matrix, by default with weights of one."""
        n_rows = X.shape[0]
        weight = np.ones(n_rows) if weight is None else weight
        return cls(X, np.ones(n_rows, dtype=bool), weight)

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Type of the rows."""
        dtype: np.dtype[np.floating] = self.X.dtype
        return dtype

    def take(self, rows: IntArray) -> Matrix:
        """The rows of the given numbers, in that order."""
        return self.X[rows]

    def blocks(self, available: NDArray[np.bool_]) -> Iterator[Block]:
        """Yield (row numbers, rows) of the available rows, copying at most a block."""
        for batch in gen_batches(self.X.shape[0], self.block_rows):
            rows = batch.start + np.flatnonzero(available[batch])
            if len(rows) == batch.stop - batch.start:
                yield rows, self.X[batch]
            elif len(rows):
                yield rows, self.X[rows]

    def scan(
        self, work: Callable[[Iterable[Block]], R], n_jobs: int | None = None
    ) -> ThreadedScan[R]:
        """Pass all rows that can get a label to a function, see `Pool.scan`."""
        return scan_in_threads(self, work, n_jobs)
