"""Rows of Arrow data as numbers: a column for each feature, or one of vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from salutary.arrays import FloatArray
from salutary.pools.files import FilePool


def pool_of_batches(
    batches: Iterable[Any],
    n_rows: int,
    n_features: int,
    folder: Path,
    columns: Sequence[str] | None = None,
) -> FilePool:
    """Write the rows of Arrow batches into a file, batch by batch.

    Parameters
    ----------
    batches : iterable of RecordBatch or pyarrow.Table
        In the order in which rows are numbered.
    n_rows : int
        Number of all their rows.
    n_features : int
    folder : Path
        On whose disk the file is, see `FilePool`.
    columns : sequence of str, optional
        See `numbers_of`.

    Raises
    ------
    ValueError
        If a value is missing or not finite, or there is another number of features. It
        names the row.
    OSError
        If the disk has no room.

    Examples
    --------
    >>> rows = pa.table({"a": [1.0, 2.0, 3.0], "b": [0, 1, 0]})
    >>> pool = pool_of_batches(rows.to_batches(), 3, 2, Path())
    >>> pool.take(np.array([1]))
    array([[2., 1.]], dtype=float32)
    """

    def parts() -> Iterator[FloatArray]:
        first = 0
        for batch in batches:
            yield numbers_of(batch, n_features, columns, first)
            first += batch.num_rows

    return FilePool.written(parts(), n_rows, n_features, folder)


def numbers_of(
    batch: Any, n_features: int, columns: Sequence[str] | None = None, first: int = 0
) -> FloatArray:
    """Rows of an Arrow batch as a matrix.

    Parameters
    ----------
    batch : RecordBatch or pyarrow.Table
    n_features : int
    columns : sequence of str, optional
        Names of the features, where each has a column; others are left out. By default
        there is one column of vectors, or all columns are features.
    first : int, default=0
        Number of the first row, for messages.

    Returns
    -------
    ndarray of shape (n_rows, n_features), float32

    Raises
    ------
    ValueError
    """
    names = batch.schema.names
    places = [*range(len(names))]
    if columns is not None and len(names) > 1:
        places = [_place(name, names) for name in columns]
    X = np.column_stack(
        [_numbers(batch.column(place), names[place], first) for place in places]
    )
    if X.shape[1] != n_features:
        raise ValueError(
            f"pool has {X.shape[1]} features, but X has {n_features}; pass a column "
            "for each feature of X, or one column of vectors"
        )
    wrong = np.argwhere(~np.isfinite(X))
    if len(wrong):
        row, column = wrong[0]
        named = f"feature {column}" if len(places) == 1 else repr(names[places[column]])
        raise ValueError(
            f"pool: row {first + row}, {named} is missing, infinite or beyond float32; "
            "drop the row, or fill it"
        )
    return X


def _place(name: str, names: list[str]) -> int:
    if names.count(name) != 1:
        how = "twice" if name in names else "not"
        raise ValueError(f"pool: column {name!r}, which X has, is {how} there")
    return names.index(name)


def _numbers(column: Any, name: str, first: int) -> FloatArray:
    """The numbers of a column, shape (n_rows, n_numbers); NaN where one is missing."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    types, width = pa.types, 1
    n_rows = len(column)
    is_list = types.is_list(column.type) or types.is_large_list(column.type)
    if is_list or types.is_fixed_size_list(column.type):
        lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
        width = int(lengths[0]) if n_rows and lengths[0] == lengths[0] else 0
        other = np.flatnonzero(lengths != width)
        if len(other):
            raise ValueError(
                f"pool: column {name!r}, row {first + other[0]}: is no vector of the "
                f"length of the first, {width}"
            )
        column = pc.list_flatten(column)
    if types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if not (types.is_integer(column.type) or types.is_floating(column.type)):
        raise ValueError(
            f"pool: column {name!r} is of type {column.type}, and not of numbers; "
            "leave it out"
        )
    with np.errstate(over="ignore"):  # what is beyond float32 is refused by its row
        numbers = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        X: FloatArray = numbers.astype(np.float32).reshape(n_rows, width)
    return X
