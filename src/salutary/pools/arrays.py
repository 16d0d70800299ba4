"""A pool that is a matrix in memory, or mapped into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from salutary.arrays import BLOCK_ROWS, FloatArray, IntArray, Matrix


@dataclass(frozen=True)
class ArrayPool:
    """Rows of a dense or CSR matrix, of which some are unlabeled; a `Pool`.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_features)
    unlabeled : ndarray of shape (n_rows,), bool
        Rows that belong to the pool.
    weight : ndarray of shape (n_rows,)
        Training weight a row gets together with its label.
    block_rows : int
        Rows a block takes from ``X``; a matter of speed only.
    """

    X: Matrix
    unlabeled: NDArray[np.bool_]
    weight: FloatArray
    block_rows: int = BLOCK_ROWS

    @classmethod
    def of(cls, X: Matrix, weight: FloatArray | None = None) -> ArrayPool:
        """A pool of all rows; each weighs one unless weights are given."""
        n_rows = X.shape[0]
        weight = np.ones(n_rows) if weight is None else weight
        return cls(X, np.ones(n_rows, dtype=bool), weight)

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Of the rows."""
        dtype: np.dtype[np.floating] = self.X.dtype
        return dtype

    def take(self, rows: IntArray) -> Matrix:
        """The rows of the given numbers, in that order."""
        return self.X[rows]

    def blocks(self, available: NDArray[np.bool_]) -> Iterator[tuple[IntArray, Matrix]]:
        """Yield (row numbers, rows) of the available rows; copies a block at most."""
        for batch in gen_batches(self.X.shape[0], self.block_rows):
            rows = batch.start + np.flatnonzero(available[batch])
            if len(rows) == batch.stop - batch.start:
                yield rows, self.X[batch]
            elif len(rows):
                yield rows, self.X[rows]
