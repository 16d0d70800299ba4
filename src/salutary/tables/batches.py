"""The rows of a table batch by batch, of any format; some rows or a sample of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from salutary.arrays import Float64Array, IntArray
from salutary.errors import InputError
from salutary.tables.delimited import check_delimited, delimited_batches
from salutary.tables.formats import (
    ARROW,
    DELIMITED,
    JSON_LINES,
    check_values,
    format_of,
    index_columns,
    is_arrow_file,
    opened_for_arrow,
    read_table,
)
from salutary.tables.parquet import (
    PARQUET,
    RowGroup,
    count_parquet_rows,
    parquet_batches,
    parquet_files,
)
from salutary.tables.paths import check_exists, readable
from salutary.tables.text_files import check_text, is_gzipped
from salutary.tables.urls import TableURL

MANY_ROWS = 50_000
"""A pool with more rows is read in batches, and a sample of so many is looked at."""

BATCH_ROWS = 1 << 14
"""Largest number of rows in a batch."""

Stamp = list[tuple[str, int, int | str]]
"""Name and size of each file, and when, or to what, it has changed."""


@dataclass(frozen=True)
class Batch:
    """Some consecutive rows of a table.

    Parameters
    ----------
    rows : pyarrow.Table
        Without the columns in which pandas stored an index.
    file : Path
        The file that holds them, if the table is a folder.
    first : int
        Number of the first row in its file, from zero.
    """

    rows: pa.Table
    file: Path
    first: int


def table_batches(
    path: Path,
    verbatim: Collection[str] = (),
    groups: Sequence[RowGroup] | None = None,
) -> Iterator[Batch]:
    """Yield the rows of a table, batch by batch, each checked as by `read_table`.

    Parameters
    ----------
    path : Path
        A file or folder of any format. Of Parquet, Arrow and separated values no more
        than a batch is in memory; other formats are read whole.
    verbatim : collection of str
        Columns of a .csv or .tsv file in which every value is text, even an empty one.
    groups : sequence of RowGroup, optional
        The part of a table of Parquet that is read. By default all.

    Raises
    ------
    InputError
        If a row cannot be read; it names the file.
    """
    file, first = None, 0
    starts = {group.file: group.first for group in reversed(groups or ())}
    for source, read in _read(path, verbatim, groups):
        index = index_columns(source, read.column_names)
        read = _plainly_stored(source, read.drop_columns(index))
        for start in range(0, read.num_rows, BATCH_ROWS):
            rows = read.slice(start, BATCH_ROWS)
            if source != file:
                file, first = source, starts.get(source, 0)
            check_values(file, rows, first)
            yield Batch(rows, file, first)
            first += rows.num_rows


def _read(
    path: Path, verbatim: Collection[str], groups: Sequence[RowGroup] | None
) -> Iterator[tuple[Path, pa.Table]]:
    """Parts of a table as its format has them, and their file."""
    if is_parquet(path):
        yield from parquet_batches(path, BATCH_ROWS, groups)
    elif format_of(path) in DELIMITED:
        with readable(path):
            for table in delimited_batches(path, verbatim):
                yield path, table
    elif format_of(path) in ARROW:
        with readable(path):
            for table in _arrow_batches(path):
                yield path, table
    else:
        yield path, read_table(path, verbatim)


def _arrow_batches(path: Path) -> Iterator[pa.Table]:
    with opened_for_arrow(path) as file:
        if is_arrow_file(path):
            with pa.ipc.open_file(file) as reader:
                for number in range(reader.num_record_batches):
                    yield pa.Table.from_batches([reader.get_batch(number)])
        else:
            with pa.ipc.open_stream(file) as stream:
                for batch in stream:
                    yield pa.Table.from_batches([batch])


def _plainly_stored(path: Path, table: pa.Table) -> pa.Table:
    """The table without types of which Arrow cannot take rows or join batches.

    Raises
    ------
    InputError
        If one of them cannot be stored otherwise.
    """
    types = pa.types
    for place, field in enumerate(table.schema):
        column = table.column(place)
        try:
            if types.is_run_end_encoded(field.type):
                column = pa.chunked_array(
                    [pc.run_end_decode(chunk) for chunk in column.chunks],
                    field.type.value_type,
                )
            elif types.is_string_view(field.type):
                column = column.cast(pa.large_string())
            elif types.is_binary_view(field.type):
                column = column.cast(pa.large_binary())
            elif types.is_dictionary(field.type):
                wide = pa.dictionary(pa.int32(), field.type.value_type)
                column = column.cast(wide)
                column.slice(0, 1).take(pa.array([0][: len(column)], pa.int64()))
            else:
                continue
        except pa.ArrowException:
            raise InputError(
                f"{path}: column {field.name!r} is stored as {field.type}, which "
                "cannot be read in batches; store it as plain text or numbers"
            ) from None
        table = table.set_column(place, field.name, column)
    return table


def is_parquet(path: Path) -> bool:
    """Whether a table is a Parquet file, or a folder of them."""
    return path.is_dir() or format_of(path) == ".parquet"


def may_have_many_rows(path: Path) -> bool:
    """Whether a table may have more than `MANY_ROWS` rows, by a look at its size.

    Raises
    ------
    InputError
        If there is no such table, or a text file is not in UTF-8.
    """
    check_exists(path)
    if is_parquet(path):
        return count_parquet_rows(path) > MANY_ROWS
    is_large = path.stat().st_size > 2 * MANY_ROWS  # a row of text has two bytes
    if format_of(path) in (*DELIMITED, *JSON_LINES):
        with readable(path):
            may_be = is_large or is_gzipped(path)
            return may_be and check_text(path).n_lines > MANY_ROWS
    # Not even Excel can hold many, and nobody would want to read them from there.
    return is_large and format_of(path) in ARROW


def read_rows(path: Path, numbers: IntArray, verbatim: Collection[str]) -> pa.Table:
    """Read some rows of a table, in a given order.

    Parameters
    ----------
    path : Path
    numbers : ndarray of shape (n_rows,), dtype intp
        Numbers of the rows, from zero.
    verbatim : collection of str
        As for `table_batches`.

    Raises
    ------
    IndexError
        If the table has no such row.
    """
    if not may_have_many_rows(path):
        return read_table(path, verbatim).take(pa.array(numbers))
    wanted, places = np.unique(numbers, return_inverse=True)
    parts, n_passed = [], 0
    for batch in table_batches(path, verbatim):
        if not len(wanted):
            return batch.rows.slice(0, 0)
        low, high = np.searchsorted(wanted, [n_passed, n_passed + batch.rows.num_rows])
        if high > low:
            parts.append(batch.rows.take(pa.array(wanted[low:high] - n_passed)))
        n_passed += batch.rows.num_rows
    if wanted[-1] >= n_passed:
        raise IndexError(f"row {wanted[-1]} of {n_passed}")
    found = pa.concat_tables(parts, promote_options="permissive")
    return found.combine_chunks().take(pa.array(places))


def check_texts(path: Path) -> None:
    """Check the whole text of a file, once, before its rows are read in batches.

    Raises
    ------
    InputError
        See `check_delimited`.
    """
    if not path.is_dir() and format_of(path) in DELIMITED:
        with readable(path):
            check_delimited(path)


@dataclass(frozen=True)
class Sampled:
    """A table that was read once, batch by batch.

    Parameters
    ----------
    rows : pyarrow.Table
        `MANY_ROWS` of its rows, drawn at random, in their order.
    n_rows : int
        Number of all its rows.
    columns : pyarrow.Table
        Some of its columns, of all rows.
    stamp : list of tuple
        Of its files before they were read.
    """

    rows: pa.Table
    n_rows: int
    columns: pa.Table
    stamp: Stamp


def sample(
    path: Path, verbatim: Collection[str], columns: Collection[str | None], seed: int
) -> Sampled | None:
    """Draw rows of a table in one pass; None if it has no more than `MANY_ROWS`.

    Which rows are drawn depends on the seed and the number of rows alone.

    Parameters
    ----------
    path : Path
    verbatim : collection of str
        As for `table_batches`.
    columns : collection of str
        Columns of which all rows are kept, of those that there are.
    seed : int

    Raises
    ------
    InputError
        If a row cannot be read.
    """
    if not may_have_many_rows(path):
        return None
    check_texts(path)
    before, drawn, whole, n_rows = stamp(path), _Draw(seed), [], 0
    for batch in table_batches(path, verbatim):
        drawn.add(batch.rows)
        kept = [name for name in batch.rows.column_names if name in columns]
        whole.append(batch.rows.select(kept))
        n_rows += batch.rows.num_rows
    if n_rows <= MANY_ROWS:
        return None
    joined = pa.concat_tables(whole, promote_options="permissive")
    return Sampled(drawn.rows(), n_rows, joined.combine_chunks(), before)


class _Draw:
    """The rows with the smallest of random keys, one for each row in turn."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.RandomState(seed)
        self.tables: list[pa.Table] = []
        self.keys: Float64Array = np.zeros(0)
        self.bound = np.inf

    def add(self, table: pa.Table) -> None:
        keys = self.rng.random_sample(table.num_rows)
        near = np.flatnonzero(keys < self.bound)
        self.tables.append(table.take(pa.array(near)))
        self.keys = np.concatenate([self.keys, keys[near]])
        if len(self.keys) >= 2 * MANY_ROWS:
            self._draw()

    def rows(self) -> pa.Table:
        self._draw()
        return self.tables[0]

    def _draw(self) -> None:
        if len(self.keys) > MANY_ROWS:
            self.bound = float(np.partition(self.keys, MANY_ROWS)[MANY_ROWS])
        near = np.flatnonzero(self.keys < self.bound)
        joined = pa.concat_tables(self.tables, promote_options="permissive")
        # Categories of several batches become those of one.
        self.tables = [
            joined.take(pa.array(near)).unify_dictionaries().combine_chunks()
        ]
        self.keys = self.keys[near]


def stamp(path: Path) -> Stamp:
    """Name, size and time of change of each file of a table; at a URL, its ETag too.

    Where it is the same as before, so is the table.
    """
    if isinstance(path, TableURL):
        return path.stamp(PARQUET)
    files = parquet_files(path) if path.is_dir() else [path]
    found = [(file.name, file.stat()) for file in files]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in found]
