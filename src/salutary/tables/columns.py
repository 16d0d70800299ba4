"""One set of column types for all tables of a run: find it, and cast to it."""

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
"""Features are float32."""

NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
"""What is written so is a number."""

NUMBERS_A_STRAY = 5
"""So many times more distinct numbers than texts make a column one of numbers."""

ARROW_TYPES: dict[str, pa.DataType] = {
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "date": pa.timestamp("us"),
    "time": pa.time64("us"),
    "document": pa.string(),
}

VECTOR = "vector:"
"""Begins the kind of columns that hold a list of so many numbers in every row."""


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
        The pool decides about columns that are empty in ``train``.
    features : list of str
    documents : collection of str
        Those of them whose texts will be embedded.

    Returns
    -------
    dict of str to str
        The kind of a list of n numbers is "vector:n".

    Raises
    ------
    InputError
        For structs and bytes, for lists of anything but numbers, and for documents that
        are no texts.
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
                f"column {name!r} holds {arrow_type}, which is no feature; drop it or "
                "spread it over columns of numbers"
            )
        kinds[name] = kind
    return kinds


def kind_of(arrow_type: pa.DataType) -> str | None:
    """Kind of the features of a type, see `column_kinds`; None if they can be none."""
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
    """Texts for whose sake a column of numbers was read as text.

    Returns
    -------
    dict of str to (int, str)
        By column the first row with one, from 0, and the text, where distinct numbers
        are `NUMBERS_A_STRAY` times as many as distinct texts.

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
    """Select the features and give them the types the kinds ask for.

    Parameters
    ----------
    table : pyarrow.Table
    kinds : mapping of str to str
        As from `column_kinds`; its order becomes that of the columns.
    name : str
        What messages call the table.

    Returns
    -------
    pandas.DataFrame
        Numbers, booleans and times of day (in seconds) as float64 with NaN, text as
        objects with None, dates as datetime64 without time zone, in UTC; a vector as
        columns of float32 named "COLUMN[0]" and so on.

    Raises
    ------
    InputError
        For a missing feature, a value that cannot be cast, infinity, or a document or
        vector that is missing; names column and row, counted from 0.
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
                    f"{place}: an entry of its vectors is called as the column "
                    f"{both[0]!r}; rename that"
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
    """A column of vectors as columns of numbers."""
    n_entries = int(kind.removeprefix(VECTOR))
    if not _is_list_of_numbers(values.type):
        raise InputError(
            f"{place}: is of type {values.type}, but holds vectors in the training "
            "table; convert it"
        )
    lengths = pc.list_value_length(values).fill_null(-1).to_numpy()
    wrong = np.flatnonzero(lengths != n_entries)
    if n_entries == 0 or len(wrong):
        row = int(wrong[0]) if n_entries else 0
        raise InputError(
            f"{place}, row {row}: is no vector of {n_entries or 'any'} numbers, as in "
            "the first row of the training table; correct it or drop the row"
        )
    flat = pc.list_flatten(values).cast(pa.float64(), safe=False).to_numpy()
    entries = flat.reshape(-1, n_entries)
    # NaN is not above either.
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
        what = "infinity is no feature"
        if np.isfinite(values[row]):
            what = f"{values[row]:g} is too large for a feature"
        raise InputError(f"{place}, row {row}: {what}; correct it or leave it empty")


def cast_column(
    values: pa.ChunkedArray,
    target: pa.DataType,
    place: str,
    otherwise: str = "leave it empty",
) -> pa.Array:
    """Cast a column, or name the first value that cannot be cast.

    Parameters
    ----------
    values : pyarrow.ChunkedArray
    target : pyarrow.DataType
    place : str
        File and column, for the message.
    otherwise : str
        What to do with a value that cannot be corrected, for the message.

    Returns
    -------
    pyarrow.Array

    Raises
    ------
    InputError
    """
    values = _plain(values, target)
    attempts = [target]
    if pa.types.is_timestamp(target):
        attempts.append(pa.timestamp("us", "UTC"))
    if pa.types.is_time(target) and pa.types.is_string(values.type):
        # Arrow parses no times of day, but it parses dates with one.
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
            "table; convert it"
        )
    return cast.cast(target).combine_chunks()


def _plain(values: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Undo what is only another way to store the same values."""
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
        finer = values.type.unit == "ns"  # whose last digits may be lost
        values = values.cast(pa.timestamp("us", "UTC"), safe=not finer)
        return values.cast(pa.timestamp("us"))
    return values


def _try_cast(
    values: pa.ChunkedArray, targets: list[pa.DataType]
) -> pa.ChunkedArray | int | None:
    """Cast to the first target that fits; else the first bad row, or None for none."""
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
    """The first row whose value fits no target, or not the one of most rows."""
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
    """Ids that were read as text, as the numbers they are, unless digits would go."""
    if not pa.types.is_string(ids.type):
        return ids
    try:
        numbers = ids.cast(pa.int64())
    except pa.ArrowInvalid:
        return ids
    return numbers if numbers.cast(pa.string()).equals(ids) else ids
