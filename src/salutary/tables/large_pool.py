"""Tables of many rows, cast batch by batch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from salutary.errors import InputError
from salutary.influence.label_values import shown
from salutary.tables.batches import Batch, Stamp, is_parquet, stamp, table_batches
from salutary.tables.casting import cast_features
from salutary.tables.columns import present_values
from salutary.tables.parquet import RowGroup, parquet_files, parquet_schema, row_groups
from salutary.tables.spelling import spell_booleans


def cast_batches(
    path: Path,
    kinds: Mapping[str, str],
    verbatim: Collection[str] = (),
    groups: Sequence[RowGroup] | None = None,
) -> Iterator[tuple[pa.Table, pd.DataFrame]]:
    """Yield the rows of a table batch by batch, as read and as by `cast_features`.

    See `table_batches`.

    Raises
    ------
    InputError
        If a value cannot be used, naming its file and row there.
    """
    texts = _Texts(kinds)
    for batch in table_batches(path, verbatim, groups):
        texts.check(batch)
        called = str(batch.file)
        yield batch.rows, cast_features(batch.rows, kinds, called, batch.first)


class _Texts:
    """Columns of numbers that are texts here, and what they spell in all batches.

    A text column of true and false alone is read as 1 and 0. Among numbers these words
    are refused, also where a batch has no number.
    """

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self.numbers = [name for name, kind in kinds.items() if kind == "number"]
        self.spelled: dict[str, bool] = {}

    def check(self, batch: Batch) -> None:
        given = {*batch.rows.column_names}
        for name in (name for name in self.numbers if name in given):
            texts = present_values(batch.rows[name])
            known = np.flatnonzero(texts.is_valid().to_numpy())
            if not len(known) or not pa.types.is_string(texts.type):
                continue
            words = spell_booleans(pc.utf8_trim_whitespace(texts))
            if self.spelled.setdefault(name, words) != words:
                row = int(known[0])
                raise InputError(
                    f"{batch.file}: column {name!r}, row {batch.first + row}: "
                    f"{shown(texts[row].as_py())} stands in a column that has numbers "
                    "in some rows, and true and false in others; correct it or leave "
                    "it empty"
                )


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
    groups : tuple of RowGroup, optional
        The part of a Parquet table that this is; by default all of it.
    """

    path: Path
    n_rows: int
    kinds: Mapping[str, str]
    verbatim: tuple[str, ...]
    stamp: Stamp
    groups: tuple[RowGroup, ...] | None = None

    def parts(self, n_parts: int) -> list[LargePool]:
        """Cut a table of Parquet into parts of about the same number of rows.

        No part is smaller than a row group, so there may be fewer.

        Raises
        ------
        InputError
            If the table is not of Parquet, or has numbers that are stored as texts,
            which only all rows together tell from true and false.
        """
        if not is_parquet(self.path):
            raise InputError(
                f"{self.path}: only Parquet can be read by several machines at once; "
                "save it as .parquet, or leave out --engine ray"
            )
        self._refuse_texts()
        cut: list[list[RowGroup]] = [[] for _ in range(n_parts)]
        n_passed = 0
        for group in row_groups(self.path):
            middle = n_passed + group.n_rows / 2
            place = int(middle * n_parts / self.n_rows)
            cut[min(place, n_parts - 1)].append(group)
            n_passed += group.n_rows
        return [
            replace(
                self,
                n_rows=sum(group.n_rows for group in groups),
                groups=tuple(groups),
            )
            for groups in cut
            if groups
        ]

    def _refuse_texts(self) -> None:
        numbers = [name for name, kind in self.kinds.items() if kind == "number"]
        for file in parquet_files(self.path):
            schema = parquet_schema(file)
            for name in {*numbers} & {*schema.names}:
                stored = schema.field(name).type
                if pa.types.is_string(stored) or pa.types.is_large_string(stored):
                    raise InputError(
                        f"{file}: column {name!r} has numbers that are stored as text; "
                        "store them as numbers, or leave out --engine ray"
                    )

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield the features of all rows, batch by batch, as by `cast_features`.

        Raises
        ------
        InputError
            If a value cannot be used, naming its file and row there; and if a file has
            changed since it was first read.
        """
        for _, frame in cast_batches(self.path, self.kinds, self.verbatim, self.groups):
            yield frame
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
