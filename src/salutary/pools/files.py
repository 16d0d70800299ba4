"""A pool that is a file of numbers, read block by block."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from salutary.arrays import BLOCK_ROWS, FloatArray, IntArray, Matrix
from salutary.pools.protocol import Block, R
from salutary.pools.threads import ThreadedScan, scan_in_threads

BYTES = 4
"""Of a number in the file, which is a float32."""


class FilePool:
    """A `Pool` of all rows of a file of float32 numbers.

    A pass over the rows takes the memory of a block, whatever their number. With
    `written` the file has no name where the system allows that, so nothing is left of
    it after a process that was killed.

    Parameters
    ----------
    file : binary file
        Opened without a buffer; row after row. It is closed with the pool.
    n_rows, n_features : int
    block_rows : int, default=BLOCK_ROWS
        Number of rows in a block. It only affects speed.

    Examples
    --------
    >>> pool = FilePool.written([np.ones((2, 2)), np.zeros((1, 2))], 3, 2, Path())
    >>> pool.take(np.array([2, 0]))
    array([[0., 0.],
           [1., 1.]], dtype=float32)
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self, file: Any, n_rows: int, n_features: int, block_rows: int = BLOCK_ROWS
    ) -> None:
        self.n_features = n_features
        self.block_rows = block_rows
        self.unlabeled: NDArray[np.bool_] = np.ones(n_rows, dtype=bool)
        # A weight of one for every row takes no memory.
        self.weight: FloatArray = np.broadcast_to(np.float64(1.0), n_rows)
        self._file = file
        self._lock = threading.Lock()  # threads share the file's position
        weakref.finalize(self, file.close)

    @classmethod
    def written(
        cls, parts: Iterable[FloatArray], n_rows: int, n_features: int, folder: Path
    ) -> FilePool:
        """Write rows into a new file on the disk of a folder.

        Parameters
        ----------
        parts : iterable of ndarray of shape (n, n_features)
            All rows, in order.
        n_rows, n_features : int
        folder : Path

        Raises
        ------
        ValueError
            If the parts have another number of rows.
        OSError
            If the disk has no room for them.
        """
        file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        pool = cls(file, n_rows, n_features)
        n_written = sum(map(pool._append, parts))
        if n_written != n_rows:
            raise ValueError(f"{n_written} rows were written, not {n_rows}")
        return pool

    def _append(self, rows: FloatArray) -> int:
        """Write rows at the end of the file; their number."""
        left = memoryview(np.ascontiguousarray(rows, dtype=np.float32).tobytes())
        while left:
            left = left[self._file.write(left) :]
        return len(rows)

    @staticmethod
    def size(n_rows: int, n_features: int) -> int:
        """Bytes that so many rows take on disk."""
        return n_rows * n_features * BYTES

    @property
    def X(self) -> Matrix:
        """All rows, memory-mapped for reading, shape (n_rows, n_features)."""
        shape = len(self.unlabeled), self.n_features
        return np.memmap(self._file, dtype=np.float32, mode="r", shape=shape)

    def take(self, rows: IntArray) -> FloatArray:
        """The rows of the given numbers, in that order."""
        taken = np.empty((len(rows), self.n_features), dtype=np.float32)
        for place, row in enumerate(rows.tolist()):
            self._read(row, taken[place : place + 1])
        return taken

    def blocks(self, available: NDArray[np.bool_]) -> Iterator[Block]:
        """Yield (row numbers, rows) of the available rows, block by block."""
        for batch in gen_batches(len(available), self.block_rows):
            rows = batch.start + np.flatnonzero(available[batch])
            if not len(rows):
                continue
            block = np.empty((batch.stop - batch.start, self.n_features), np.float32)
            self._read(batch.start, block)
            whole = len(rows) == len(block)
            yield rows, block if whole else block[rows - batch.start]

    def scan(
        self, work: Callable[[Iterable[Block]], R], n_jobs: int | None = None
    ) -> ThreadedScan[R]:
        """Pass all rows to a function, see `Pool.scan`."""
        return scan_in_threads(self, work, n_jobs)

    def _read(self, first: int, into: FloatArray) -> None:
        """Read rows from a given one on."""
        left = into.reshape(-1).view(np.uint8).data
        with self._lock:
            self._file.seek(self.size(first, self.n_features))
            while left:
                n_read = self._file.readinto(left)
                if not n_read:
                    raise OSError("the file of the pool's rows has been cut short")
                left = left[n_read:]
