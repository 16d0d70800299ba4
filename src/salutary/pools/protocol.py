"""What a pool must offer so that its rows can be labeled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from salutary.arrays import FloatArray, IntArray, Matrix

Block = tuple[IntArray, Matrix]
"""Numbers of some pool rows, ascending, and the rows."""

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
A = TypeVar("A")


class Scan(Protocol[R_co]):
    """What a pass over a pool has computed, in parts that stay where the rows are."""

    def ask(self, question: Callable[[R_co], A]) -> list[A]:
        """The answer of each part, by a function of what was computed there."""


class Pool(Protocol):
    """Rows that can get a label, numbered from 0.

    In each round, one `scan` scores all rows. Greedy picks, refits and training edits
    then `take` the few that were chosen.
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

    def blocks(self, available: NDArray[np.bool_]) -> Iterator[Block]:
        """Yield (row numbers, rows) of the available rows, block by block."""

    def take(self, rows: IntArray) -> Matrix:
        """The rows of the given numbers, in that order."""

    def scan(
        self, work: Callable[[Iterable[Block]], R], n_jobs: int | None = None
    ) -> Scan[R]:
        """Pass all rows that can get a label to a function, in parts.

        Parameters
        ----------
        work : callable
            Gets some blocks. Each row is in the blocks of one call.
        n_jobs : int, optional
            Number of threads, where the rows are on this machine.
        """
