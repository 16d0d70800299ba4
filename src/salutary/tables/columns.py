"""What kind each feature is, decided once for every table of a run."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from salutary.errors import InputError
from salutary.influence.label_values import shown
from salutary.tables.casting import KIND_TYPES, VECTOR, is_list_of_numbers
from salutary.tables.conversion import as_plain, cast_column, is_number
from salutary.tables.spelling import (
    DATE,
    is_formatted,
    spelled_kind,
    stray_text,
    swapped_dates,
    with_gaps,
)

FEW_CATEGORIES = 40
"""Text with fewer distinct values is a category."""


def column_kinds(
    train: pa.Table,
    pool: pa.Table,
    features: list[str],
    documents: Collection[str] = (),
) -> dict[str, str]:
    """Kind of each feature, which says how values are cast and encoded.

    Numbers, booleans, dates, times of day and durations are what their type says. Text
    is what it spells, by one rule for every format, see `spelled_kind`; what spells
    nothing is a category if it has fewer than 40 distinct values, else text. An Arrow
    dictionary, as which pandas stores a Categorical, is never a number: it is a
    category, or text from 40 distinct values on.

    Parameters
    ----------
    train, pool : pyarrow.Table
        The training table decides; the pool, if it has the column, decides on one
        without any value in the training table. Both count for the number of distinct
        values and, where dates of the training table leave open which is the day, for
        the format.
    features : list of str
        Names of the columns.
    documents : collection of str
        Names of the features whose texts will be embedded.

    Returns
    -------
    dict of str to str
        "number", "boolean", "category", "text", "date", "date:FORMAT", "time",
        "duration", "document", or "vector:n" for lists of n numbers, by column. FORMAT
        is that of `datetime.strptime`.

    Raises
    ------
    InputError
        For a column of structs, of bytes, or of lists of anything but numbers, and for
        a document that does not hold text.

    Examples
    --------
    >>> import pyarrow as pa
    >>> train = pa.table(
    ...     {"size": ["1.5"], "color": ["red"], "code": ["007"], "shape": [[0.2, 0.4]]}
    ... )
    >>> column_kinds(train, train, ["size", "color", "code", "shape"])
    {'size': 'number', 'color': 'category', 'code': 'category', 'shape': 'vector:2'}
    """
    return {
        name: _document(train[name], name)
        if name in documents
        else _column_kind(
            train[name], (pool if name in pool.column_names else train)[name], name
        )
        for name in features
    }


def _document(train: pa.ChunkedArray, name: str) -> str:
    if plain_kind(train.type) != "text":
        raise InputError(
            f"text column {name!r} holds {train.type}, not text; name another"
        )
    return "document"


def _column_kind(train: pa.ChunkedArray, pool: pa.ChunkedArray, name: str) -> str:
    decides = train if _has_value(train) else pool
    if is_list_of_numbers(decides.type):
        first = decides.drop_null()
        return f"{VECTOR}{len(first[0]) if len(first) else 0}"
    kind = plain_kind(decides.type)
    if kind is None:
        raise InputError(
            f"column {name!r} holds {decides.type}, which cannot be a feature; drop "
            "it or spread it over columns of numbers"
        )
    if kind == "text" and not pa.types.is_dictionary(decides.type):
        kind = _kind_of_texts(decides, pool)
    elif pa.types.is_dictionary(decides.type):
        kind = "text"
    if kind == "text" and _n_distinct(train, pool) < FEW_CATEGORIES:
        return "category"
    return kind


def plain_kind(arrow_type: pa.DataType) -> str | None:
    """Kind of a plain type, or of the values of a dictionary.

    Returns
    -------
    {"number", "boolean", "text", "date", "time", "duration"} or None
        None if the type cannot be a feature.
    """
    types = pa.types
    if types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    for is_kind, kind in (
        (types.is_boolean, "boolean"),
        (is_number, "number"),
        (is_text, "text"),
        (types.is_null, "text"),
        (types.is_date, "date"),
        (types.is_timestamp, "date"),
        (types.is_time, "time"),
        (types.is_duration, "duration"),
    ):
        if is_kind(arrow_type):
            return kind
    return None


def is_text(arrow_type: pa.DataType) -> bool:
    """Whether a type is text, in whatever way it is stored."""
    types = pa.types
    kinds = (types.is_string, types.is_large_string, types.is_string_view)
    return any(is_kind(arrow_type) for is_kind in kinds)


def _has_value(values: pa.ChunkedArray) -> bool:
    present = present_values(values)
    return bool(len(present) > present.null_count)


def present_values(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Plain values, with null for whatever marks a missing one."""
    plain = as_plain(values)
    return with_gaps(plain) if pa.types.is_string(plain.type) else plain


def _kind_of_texts(texts: pa.ChunkedArray, pool: pa.ChunkedArray) -> str:
    present = present_values(texts)
    kind = spelled_kind(present)
    if kind is None:
        return "text"
    if kind.startswith(f"{DATE}:") and is_text(pool.type):
        both = pa.chunked_array([*present.chunks, *present_values(pool).chunks])
        joint = spelled_kind(both)
        if joint is not None and joint.startswith(f"{DATE}:"):
            return joint
    return kind


def _n_distinct(*tables: pa.ChunkedArray) -> int:
    """Number of distinct texts in a column of several tables."""
    chunks: list[pa.Array] = []
    for values in tables:
        try:
            chunks.append(cast_column(present_values(values), KIND_TYPES["text"], ""))
        except InputError:  # refused later, with the table's name
            continue
    count: int = pc.count_distinct(pa.chunked_array(chunks)).as_py()
    return count


def stray_texts(table: pa.Table, kinds: dict[str, str]) -> dict[str, tuple[int, str]]:
    """Texts that keep a column that is meant as numbers from being read as numbers.

    Parameters
    ----------
    table : pyarrow.Table
        The training table.
    kinds : dict of str to str
        As from `column_kinds`.

    Returns
    -------
    dict of str to (int, str)
        By column, what `stray_text` finds.

    Examples
    --------
    >>> import pyarrow as pa
    >>> sizes = pa.array(["1", "2.5", "n.a.", "4", "5", "6"])
    >>> stray_texts(pa.table({"size": sizes}), {"size": "category"})
    {'size': (2, 'n.a.')}
    """
    found = {}
    for name, kind in kinds.items():
        if kind in ("category", "text") and is_text(table.schema.field(name).type):
            stray = stray_text(present_values(table[name]))
            if stray is not None:
                found[name] = stray
    return found


def open_dates(
    train: pa.Table, pool: pa.Table, kinds: dict[str, str]
) -> dict[str, tuple[str, str]]:
    """Columns of dates that may have been read with day and month exchanged.

    Parameters
    ----------
    train, pool : pyarrow.Table
        Both decide on the format, see `column_kinds`.
    kinds : dict of str to str
        As from `column_kinds`.

    Returns
    -------
    dict of str to (str, str)
        By column, a date that could be two and the format it is read in.

    Examples
    --------
    >>> import pyarrow as pa
    >>> days = pa.table({"day": ["05/02/2021", "01/03/2021"]})
    >>> open_dates(days, days, {"day": "date:%m/%d/%Y"})
    {'day': ('05/02/2021', '%m/%d/%Y')}
    """
    found = {}
    for name, kind in kinds.items():
        if not kind.startswith(f"{DATE}:"):
            continue
        chunks = [
            chunk
            for table in (train, pool)
            if name in table.column_names and is_text(table.schema.field(name).type)
            for chunk in present_values(table[name]).chunks
        ]
        date = swapped_dates(pa.chunked_array(chunks, pa.string()), kind)
        if date is not None:
            found[name] = date, kind.removeprefix(f"{DATE}:")
    return found


def doubts(train: pa.Table, pool: pa.Table, kinds: dict[str, str]) -> Iterator[str]:
    """What may be meant otherwise than it is read, and the remedy, a line a column.

    Parameters
    ----------
    train, pool : pyarrow.Table
        As for `column_kinds`.
    kinds : dict of str to str
        As from `column_kinds`.

    Examples
    --------
    >>> import pyarrow as pa
    >>> train = pa.table({"size": ["1", "2.5", "n.a.", "4", "5", "6"]})
    >>> print(*doubts(train, train, {"size": "category"}))
    column 'size' is taken as text, not numbers, because of 'n.a.' in row 2; correct \
    it or leave it empty, unless these are codes
    """
    for column, (row, text) in stray_texts(train, kinds).items():
        remedy = "correct it or leave it empty, unless these are codes"
        if is_formatted(text):
            remedy = "write all numbers plainly, such as -1234.5"
        yield (
            f"column {column!r} is taken as text, not numbers, because of "
            f"{shown(text)} in row {row}; {remedy}"
        )
    for column, (date, written) in open_dates(train, pool, kinds).items():
        day_first = written.index("%d") < written.index("%m")
        first = "day" if day_first else "month"
        read = pd.to_datetime(date, format=written).date()
        yield (
            f"the dates of column {column!r} are read with the {first} first "
            f"({date!r} as {read}), as no date tells it from the other way round; "
            "write them as 2024-02-29"
        )
