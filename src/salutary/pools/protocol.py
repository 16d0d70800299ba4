"""What a pool must offer to be labeled from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from salutary.arrays import FloatArray, IntArray, Matrix


class Pool(Protocol):
    """Rows that can get a label, by number from 0.

    One pass of `blocks` a round scores all of them; greedy picks, refits and training
    edits then `take` the few that were chosen.
    """

    @property
    def unlabeled(self) -> NDArray[np.bool_]:
        """Which rows belong to the pool, shape (n_rows,)."""

    @property
    def weight(self) -> FloatArray:
        """Training weight a row gets together with its label, shape (n_rows,)."""

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Of the rows, float32 or float64."""

    def blocks(self, available: NDArray[np.bool_]) -> Iterator[tuple[IntArray, Matrix]]:
        """Yield (row numbers, rows) of the available rows, block by block."""

    def take(self, rows: IntArray) -> Matrix:
        """The rows of the given numbers, in that order."""
