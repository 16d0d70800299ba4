"""Types of the feature columns, the same in every table of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from salutary.errors import InputError

LARGEST_NUMBER = float(np.finfo(np.float32).max)
"""Largest size of a feature, since features are float32."""

NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
"""How a number is spelled."""

NUMBERS_A_STRAY = 5
"""A column with so many distinct numbers for each distinct text is meant as numbers."""

ARROW_TYPES: dict[str, pa.DataType] = {
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "date": pa.timestamp("us"),
    "time": pa.time64("us"),
    "document": pa.string(),
}

VECTOR = "vector:"
"""First part of the kind of a column of lists of numbers; their length follows."""


def column_kinds(
    train: pa.Table,
    pool: pa.Table,
    features: list[str],
    documents: Collection[str] = (),
) -> dict[str, str]:
    """Kind of each feature: number, boolean, text, date, time, document or vector.

    Parameters
    ----------
    train, pool : pyarrow.Table
        The types are those of ``train``; those of ``pool`` where a column of ``train``
        is empty.
    features : list of str
        Names of the columns.
    documents : collection of str
        Names of the features whose texts will be embedded.

    Returns
    -------
    dict of str to str
        Kind by column. The kind of lists of n numbers is "vector:n".

    Raises
    ------
    InputError
        For a column of structs, of bytes, or of lists of anything but numbers, and for
        a document that does not hold text.

    Examples
    --------
    >>> import pyarrow as pa
    >>> train = pa.table({"size": [1.5], "color": ["red"], "shape": [[0.2, 0.4]]})
    >>> column_kinds(train, train, ["size", "color", "shape"])
    {'size': 'number', 'color': 'text', 'shape': 'vector:2'}
    """
    kinds = {}
    for name in features:
        arrow_type = train.schema.field(name).type
        if pa.types.is_null(arrow_type):
            arrow_type = pool.schema.field(name).type
        kind = kind_of(arrow_type)
        if name in documents:
            if kind != "text":
                raise InputError(
                    f"text column {name!r} holds {arrow_type}, not text; name another"
                )
            kind = "document"
        if _is_list_of_numbers(arrow_type):
            first = train[name].drop_null()
            kind = f"{VECTOR}{len(first[0]) if len(first) else 0}"
        if kind is None:
            raise InputError(
                f"column {name!r} holds {arrow_type}, which cannot be a feature; drop "
                "it or spread it over columns of numbers"
            )
        kinds[name] = kind
    return kinds


def kind_of(arrow_type: pa.DataType) -> str | None:
    """Kind of a column's type, see `column_kinds`; None if it cannot be a feature."""
    types = pa.types
    if types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    if types.is_boolean(arrow_type):
        return "boolean"
    if types.is_integer(arrow_type) or types.is_floating(arrow_type):
        return "number"
    if types.is_decimal(arrow_type) or types.is_duration(arrow_type):
        return "number"
    if types.is_string(arrow_type) or types.is_large_string(arrow_type):
        return "text"
    if types.is_string_view(arrow_type) or types.is_null(arrow_type):
        return "text"
    if types.is_date(arrow_type) or types.is_timestamp(arrow_type):
        return "date"
    return "time" if types.is_time(arrow_type) else None


def _is_list_of_numbers(arrow_type: pa.DataType) -> bool:
    types = pa.types
    is_list = (
        types.is_list(arrow_type)
        or types.is_large_list(arrow_type)
        or types.is_fixed_size_list(arrow_type)
    )
    return is_list and kind_of(arrow_type.value_type) == "number"


def stray_texts(table: pa.Table, features: list[str]) -> dict[str, tuple[int, str]]:
    """Texts that keep a column of numbers from being read as numbers.

    Parameters
    ----------
    table : pyarrow.Table
    features : list of str
        Names of the columns to look at.

    Returns
    -------
    dict of str to (int, str)
        By column, the first row with such a text, from zero, and the text. Only columns
        with at least `NUMBERS_A_STRAY` distinct numbers for each distinct text count.

    Examples
    --------
    >>> import pyarrow as pa
    >>> sizes = pa.array(["1", "2.5", "n.a.", "4", "5", "6"])
    >>> stray_texts(pa.table({"size": sizes}), ["size"])
    {'size': (2, 'n.a.')}
    """
    found = {}
    for name in features:
        if not pa.types.is_string(table.schema.field(name).type):
            continue
        values = pc.unique(table[name]).drop_null()
        strays = values.filter(pc.invert(pc.match_substring_regex(values, NUMBER)))
        if 0 < len(strays) * (NUMBERS_A_STRAY + 1) <= len(values):
            found[name] = (pc.index(table[name], strays[0]).as_py(), strays[0].as_py())
    return found


def cast_features(table: pa.Table, kinds: Mapping[str, str], name: str) -> pd.DataFrame:
    """Select the features of a table, and cast them to their kinds.

    Parameters
    ----------
    table : pyarrow.Table
    kinds : mapping of str to str
        As from `column_kinds`. The columns of the result are in its order.
    name : str
        Name of the table in messages.

    Returns
    -------
    pandas.DataFrame
        Numbers, booleans and times of day (in seconds) are float64, with NaN for gaps.
        Text and documents are objects, with None for gaps. Dates are datetime64 in UTC,
        without a time zone. A vector becomes columns of float32 named "COLUMN[0]",
        "COLUMN[1]" and so on.

    Raises
    ------
    InputError
        For a missing feature, a value that cannot be cast, an infinite or too large
        number, and a missing document or vector. The message names the column and the
        row, from zero.
    """
    columns: dict[str, Any] = {}
    for column, kind in kinds.items():
        if column not in table.column_names:
            raise InputError(
                f"{name}: has no column {column!r}, which the training table has; "
                "add it"
            )
        place = f"{name}: column {column!r}"
        if kind.startswith(VECTOR):
            entries = _entries(table[column], column, kind, place)
            both = sorted(set(entries) & {*kinds, *columns})
            if both:
                raise InputError(
                    f"{place}: an entry of its vectors has the name of the column "
                    f"{both[0]!r}; rename that column"
                )
            columns.update(entries)
            continue
        values = cast_column(table[column], ARROW_TYPES[kind], place)
        if kind == "document" and values.null_count:
            row = pc.index(values.is_null(), True).as_py()
            raise InputError(
                f"{place}, row {row}: the text is missing; fill it or drop the row"
            )
        columns[column] = _to_pandas(values, kind)
        if kind == "number":
            _check_size(columns[column], place)
    return pd.DataFrame(columns, index=range(table.num_rows))


def _entries(
    values: pa.ChunkedArray, column: str, kind: str, place: str
) -> dict[str, NDArray[np.float32]]:
    """The entries of a column of vectors, each as a column of numbers."""
    n_entries = int(kind.removeprefix(VECTOR))
    if not _is_list_of_numbers(values.type):
        raise InputError(
            f"{place}: is of type {values.type}, but holds vectors in the training "
            "table; convert it to lists of numbers"
        )
    lengths = pc.list_value_length(values).fill_null(-1).to_numpy()
    wrong = np.flatnonzero(lengths != n_entries)
    if n_entries == 0 or len(wrong):
        row = int(wrong[0]) if n_entries else 0
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
            f"{place}, row {bad[0]}: has a number that is missing or too large; "
            "correct it or drop the row"
        )
    return {
        f"{column}[{number}]": entries[:, number].astype(np.float32)
        for number in range(n_entries)
    }


def _check_size(values: NDArray[np.float64], place: str) -> None:
    large = np.abs(values) > LARGEST_NUMBER
    if large.any():
        row = int(np.flatnonzero(large)[0])
        what = "infinity cannot be a feature"
        if np.isfinite(values[row]):
            what = f"{values[row]:g} is too large for a feature"
        raise InputError(f"{place}, row {row}: {what}; correct it or leave it empty")


def cast_column(
    values: pa.ChunkedArray,
    target: pa.DataType,
    place: str,
    otherwise: str = "leave it empty",
) -> pa.Array:
    """Cast a column, or refuse it by the first value that cannot be cast.

    Parameters
    ----------
    values : pyarrow.ChunkedArray
    target : pyarrow.DataType
    place : str
        File and column, for the message.
    otherwise : str, default="leave it empty"
        What the message advises for a value that cannot be corrected.

    Returns
    -------
    pyarrow.Array

    Raises
    ------
    InputError
        The message names the row, from zero, unless no value of the column's type can
        be cast.
    """
    values = _plain(values, target)
    attempts = [target]
    if pa.types.is_timestamp(target):
        attempts.append(pa.timestamp("us", "UTC"))
    if pa.types.is_time(target) and pa.types.is_string(values.type):
        # Arrow cannot parse a time of day alone, but it can parse a date with one.
        dated = pc.binary_join_element_wise("1970-01-01", values, " ")
        cast = _try_cast(dated, [pa.timestamp("us")])
    else:
        cast = _try_cast(values, attempts)
    if isinstance(cast, int):
        value = values[cast].as_py()
        raise InputError(
            f"{place}, row {cast}: {value!r} is not of type {target}, as in the "
            f"training table; correct it or {otherwise}"
        )
    if cast is None:
        raise InputError(
            f"{place}: is of type {values.type}, but of type {target} in the training "
            "table; convert it to that"
        )
    return cast.cast(target).combine_chunks()


def _plain(values: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Values in their plain type, where the column stores them in another way."""
    types = pa.types
    if types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if types.is_large_string(values.type) or types.is_string_view(values.type):
        values = values.cast(pa.string())
    if types.is_string(values.type) and kind_of(target) != "text":
        return pc.utf8_trim_whitespace(values)
    if types.is_decimal(values.type):
        return values.cast(pa.float64())
    if types.is_duration(values.type):
        return values.cast(pa.int64())
    if types.is_timestamp(values.type) and values.type.tz is not None:
        finer = values.type.unit == "ns"  # the last digits may be lost
        values = values.cast(pa.timestamp("us", "UTC"), safe=not finer)
        return values.cast(pa.timestamp("us"))
    return values


def _try_cast(
    values: pa.ChunkedArray, targets: list[pa.DataType]
) -> pa.ChunkedArray | int | None:
    """Values cast to the first target that fits.

    If none fits, the number of the first row that cannot be cast; None if the column's
    type is wrong as a whole.
    """
    numeric = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if numeric and pa.types.is_temporal(targets[0]):
        return None
    for target in targets:
        # Digits of large integers and of split seconds may be lost.
        exact = not (pa.types.is_temporal(target) or pa.types.is_floating(target))
        try:
            return values.cast(target, safe=exact)
        except pa.ArrowNotImplementedError:
            return None
        except pa.ArrowInvalid:
            continue
    return _first_uncastable(values, targets)


def _first_uncastable(values: pa.ChunkedArray, targets: list[pa.DataType]) -> int:
    """First row that cannot be cast to the target that suits the most rows."""
    failing = [
        [row for row, value in enumerate(values) if not _castable(value, target)]
        for target in targets
    ]
    return min(failing, key=len)[0]


def _castable(value: pa.Scalar, target: pa.DataType) -> bool:
    try:
        value.cast(target)
    except pa.ArrowInvalid:
        return False
    return True


def _to_pandas(values: pa.Array, kind: str) -> Any:
    if kind == "date":
        return values.to_numpy(zero_copy_only=False)
    if kind in ("text", "document"):
        return pd.Series(values.to_pylist(), dtype=object)
    if kind == "time":
        seconds = pc.divide(values.cast(pa.int64()).cast(pa.float64()), 1e6)
        return seconds.to_numpy(zero_copy_only=False)
    return values.cast(pa.float64()).to_numpy(zero_copy_only=False)


def whole_numbers(ids: pa.Array) -> pa.Array:
    """Ids that were read as text as the whole numbers they spell.

    They stay text if one of them is not a whole number, or would lose digits, as "007".
    """
    if not pa.types.is_string(ids.type):
        return ids
    try:
        numbers = ids.cast(pa.int64())
    except pa.ArrowInvalid:
        return ids
    return numbers if numbers.cast(pa.string()).equals(ids) else ids
