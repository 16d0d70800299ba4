"""A pool of more rows than are looked at, cast batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from salutary.errors import InputError
from salutary.tables.batches import Stamp, stamp, table_batches
from salutary.tables.casting import cast_features


@dataclass(frozen=True)
class LargePool:
    """A pool whose rows do not have to fit into memory.

    Parameters
    ----------
    path : Path
    n_rows : int
    kinds : mapping of str to str
        Kind of each feature, see `column_kinds`.
    verbatim : tuple of str
        Columns of which every value is text, see `read_table`.
    stamp : list of tuple
        Of the files when they were first read.
    """

    path: Path
    n_rows: int
    kinds: Mapping[str, str]
    verbatim: tuple[str, ...]
    stamp: Stamp

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield the features of all rows, batch by batch, as by `cast_features`.

        Raises
        ------
        InputError
            If a value cannot be used, naming its file and row there; and if a file has
            changed since it was first read.
        """
        for batch in table_batches(self.path, self.verbatim):
            yield cast_features(batch.rows, self.kinds, str(batch.file), batch.first)
        if stamp(self.path) != self.stamp:
            raise InputError(
                f"{self.path}: has changed while it was read; start again once nothing "
                "writes to it"
            )

    def frame_of(self, number: int) -> pd.DataFrame:
        """The features of one row."""
        n_passed = 0
        for frame in self.frames():
            if number < n_passed + len(frame):
                return frame.iloc[[number - n_passed]]
            n_passed += len(frame)
        raise IndexError(f"row {number} of {n_passed}")
