"""The one gate for values: a column becomes its kind losslessly, or is refused by row.

Every table passes through here, whatever file or data frame it comes from: the tables
of a run, and the tables that a saved model predicts. Nothing behind this gate guesses a
type again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from salutary.errors import InputError
from salutary.tables.conversion import UNITS, as_plain, cast_column, is_number
from salutary.tables.spelling import DATE, with_gaps

LARGEST_NUMBER = float(np.finfo(np.float32).max)
"""Largest size of a feature, since features are float32."""

VECTOR = "vector:"
"""First part of the kind of a column of lists of numbers; their length follows."""

KIND_TYPES: dict[str, pa.DataType] = {
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "category": pa.string(),
    "text": pa.string(),
    "document": pa.string(),
    DATE: pa.timestamp("us"),
    "time": pa.time64("us"),
    "duration": pa.duration("ns"),
}


def cast_features(
    table: pa.Table, kinds: Mapping[str, str], name: str, first: int = 0
) -> pd.DataFrame:
    """Select the features of a table, and cast them to their kinds.

    Parameters
    ----------
    table : pyarrow.Table
    kinds : mapping of str to str
        As from `column_kinds`. The columns of the result are in its order.
    name : str
        Name of the table in messages.
    first : int, default=0
        Number of its first row in messages, where it is a part of a table.

    Returns
    -------
    pandas.DataFrame
        Numbers, booleans, times of day and durations (both in seconds) are float64,
        with NaN for gaps. Categories, text and documents are objects, with None for
        gaps. Dates are datetime64 in UTC, without a time zone. A vector becomes columns
        of float32 named "COLUMN[0]", "COLUMN[1]" and so on.

    Raises
    ------
    InputError
        For a missing feature, a value that cannot be cast without loss, an infinite or
        too large number, and a missing, empty or blank document, or a missing vector.
        The message names the column and the row, from zero.
    """
    columns: dict[str, Any] = {}
    # Asked of a dict, as a table makes the list of its names anew each time.
    given = dict(zip(table.column_names, table.columns, strict=True))
    for column, kind in kinds.items():
        if column not in given:
            raise InputError(
                f"{name}: has no column {column!r}, which the training table has; "
                "add it"
            )
        place = f"{name}: column {column!r}"
        if kind.startswith(VECTOR):
            entries = _entries(given[column], column, kind, place, first)
            both = sorted(set(entries) & {*kinds, *columns})
            if both:
                raise InputError(
                    f"{place}: an entry of its vectors has the name of the column "
                    f"{both[0]!r}; rename that column"
                )
            columns.update(entries)
        else:
            columns[column] = _cast_feature(given[column], kind, place, first)
    return pd.DataFrame(columns, index=range(table.num_rows))


def _cast_feature(values: pa.ChunkedArray, kind: str, place: str, first: int) -> Any:
    """A column that is no vector, cast to its kind, as pandas is to have it."""
    values = as_plain(values)
    if kind != "document" and pa.types.is_string(values.type):
        values = with_gaps(values)
    kind, _, date_format = kind.partition(":")
    target = KIND_TYPES[kind]
    cast = cast_column(values, target, place, date_format=date_format, first=first)
    # "NA" may be a text; nothing is none, in whatever way a format writes it.
    if kind == "document" and (gaps := with_gaps(cast, [""])).null_count:
        row = pc.index(gaps.is_null(), True).as_py()
        raise InputError(
            f"{place}, row {first + row}: the text is missing; fill it or drop the row"
        )
    if kind in ("category", "text", "document"):
        return pd.Series(cast.to_pylist(), dtype=object)
    if kind in ("time", "duration"):
        count = cast.cast(pa.int64()).cast(pa.float64(), safe=False)
        cast = pc.divide(count, float(UNITS[cast.type.unit]))
    if kind == "boolean":
        cast = cast.cast(pa.int8()).cast(pa.float64())
    numbers = cast.to_numpy(zero_copy_only=False)
    if kind == "number":
        _check_size(numbers, place, first)
    return numbers


def _entries(
    values: pa.ChunkedArray, column: str, kind: str, place: str, first: int
) -> dict[str, NDArray[np.float32]]:
    """The entries of a column of vectors, each as a column of numbers."""
    n_entries = int(kind.removeprefix(VECTOR))
    if not is_list_of_numbers(values.type):
        raise InputError(
            f"{place}: is of type {values.type}, but holds vectors in the training "
            "table; convert it to lists of numbers"
        )
    lengths = pc.list_value_length(values).fill_null(-1).to_numpy()
    wrong = np.flatnonzero(lengths != n_entries)
    if n_entries == 0 or len(wrong):
        row = first + (int(wrong[0]) if n_entries else 0)
        raise InputError(
            f"{place}, row {row}: is not a vector of {n_entries or 'any'} numbers, as "
            "in the first row of the training table; correct it or drop the row"
        )
    flat = pc.list_flatten(values).cast(pa.float64(), safe=False).to_numpy()
    entries = flat.reshape(-1, n_entries)
    # Asked this way round, as NaN compares as False.
    bad = np.flatnonzero(~(np.abs(entries) <= LARGEST_NUMBER).all(axis=1))
    if len(bad):
        raise InputError(
            f"{place}, row {first + bad[0]}: has a number that is missing or too "
            "large; correct it or drop the row"
        )
    return {
        name: entries[:, number].astype(np.float32)
        for number, name in enumerate(entry_names(column, kind))
    }


def entry_names(column: str, kind: str) -> list[str]:
    """Names of the columns that a column of vectors becomes.

    Examples
    --------
    >>> entry_names("pixels", "vector:2")
    ['pixels[0]', 'pixels[1]']
    """
    n_entries = int(kind.removeprefix(VECTOR))
    return [f"{column}[{number}]" for number in range(n_entries)]


def is_list_of_numbers(arrow_type: pa.DataType) -> bool:
    """Whether a type is lists of numbers, of a fixed length or not."""
    types = pa.types
    is_list = (
        types.is_list(arrow_type)
        or types.is_large_list(arrow_type)
        or types.is_fixed_size_list(arrow_type)
    )
    return is_list and is_number(arrow_type.value_type)


def _check_size(values: NDArray[np.float64], place: str, first: int) -> None:
    large = np.abs(values) > LARGEST_NUMBER
    if large.any():
        row = int(np.flatnonzero(large)[0])
        what = "infinity cannot be a feature"
        if np.isfinite(values[row]):
            what = f"{values[row]:g} is too large for a feature"
        raise InputError(
            f"{place}, row {first + row}: {what}; correct it or leave it empty"
        )
