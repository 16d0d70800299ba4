"""What a pool must offer so that its rows can be labeled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from salutary.arrays import FloatArray, IntArray, Matrix


class Pool(Protocol):
    """Rows that can get a label, numbered from 0.

    In each round, one pass over `blocks` scores all rows. Greedy picks, refits and
    training edits then `take` the few that were chosen.
    """

    @property
    def unlabeled(self) -> NDArray[np.bool_]:
        """Which rows belong to the pool, shape (n_rows,)."""

    @property
    def weight(self) -> FloatArray:
        """Training weight of each row once it has a label, shape (n_rows,)."""

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Type of the rows, float32 or float64."""

    def blocks(self, available: NDArray[np.bool_]) -> Iterator[tuple[IntArray, Matrix]]:
        """Yield (row numbers, rows) of the available rows, block by block."""

    def take(self, rows: IntArray) -> Matrix:
        """The rows of the given numbers, in that order."""
