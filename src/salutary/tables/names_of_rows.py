"""The columns that a user says name the rows: their ids, and their groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from salutary.arrays import IntArray
from salutary.errors import InputError
from salutary.influence.label_values import shown
from salutary.tables.lookup import instead_of
from salutary.tables.sources import Sources
from salutary.tables.spelling import whole_numbers


def row_groups(validation: pa.Table, sources: Sources) -> IntArray | None:
    """Number of each validation row's group, if a group column is asked for."""
    column, path = sources.group_column, sources.validation_name
    if column is None:
        return None
    if column not in validation.column_names:
        instead = instead_of(column, validation.column_names, "add it")
        raise InputError(f"{path}: has no group column {column!r}; {instead}")
    groups = _names(validation[column], f"{path}: group column {column!r}")
    # Objects, as NumPy would give each text the room of the longest.
    values = pd.Series(whole_numbers(groups).to_pylist(), dtype=object)
    codes: IntArray = pd.factorize(values, sort=True)[0].astype(np.intp)
    return codes


def row_ids(table: pa.Table, n_rows: int, sources: Sources) -> pa.Array | None:
    """Ids of the pool's rows, or without a pool of the training rows.

    Parameters
    ----------
    table : pyarrow.Table
        The pool, or without one the training table; of its columns no others than that
        of the ids are needed.
    n_rows : int
        Number of its rows, by which they go without ids.
    sources : Sources
    """
    path, column = sources.pool or sources.train, sources.id_column
    if column is None:
        return pa.array(np.arange(n_rows))
    if column not in table.column_names:
        if sources.pool is None:
            return None
        remedy = "pass one of them as --id"
        instead = instead_of(column, table.column_names, remedy)
        raise InputError(f"{path}: has no id column {column!r}; {instead}")
    ids = _names(table[column], f"{path}: id column {column!r}")
    numbers = whole_numbers(ids)
    if _may_recur(numbers):
        _check_unique(ids, f"{path}: id column {column!r}")
    return numbers


def _may_recur(ids: pa.Array) -> bool:
    """Whether two ids are equal, or of a type that cannot be sorted.

    Sorting takes a fraction of the memory of a table of hashes.
    """
    try:
        ascending = ids.take(pc.sort_indices(ids))
    except pa.ArrowNotImplementedError:
        return True
    return bool(pc.any(pc.equal(ascending[:-1], ascending[1:])).as_py())


def _check_unique(ids: pa.Array, place: str) -> None:
    seen: dict[Any, int] = {}
    for row, value in enumerate(ids.to_pylist()):
        if value in seen:
            raise InputError(
                f"{place} has {shown(value)} in rows {seen[value]} and {row}; make the "
                "ids unique"
            )
        seen[value] = row


def _names(values: pa.ChunkedArray, place: str) -> pa.Array:
    """Ids or groups as plain values, none of them missing."""
    names = values.combine_chunks()
    if pa.types.is_dictionary(names.type):
        names = names.dictionary_decode()
    if pa.types.is_string_view(names.type):
        names = names.cast(pa.string())
    if pa.types.is_nested(names.type):
        raise InputError(f"{place} is of type {names.type}; make it text or numbers")
    row = pc.index(names.is_null(nan_is_null=True), True).as_py()
    if row >= 0:
        raise InputError(f"{place} is empty in row {row}; fill it or drop the row")
    return names
