"""Values of one column in another type: without loss, or refused by row."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from salutary.errors import InputError
from salutary.influence.label_values import shown
from salutary.tables.spelling import (
    only_where,
    parsed_dates,
    parsed_times,
    spell_booleans,
    spells_number,
)

YEARS = (-62_135_596_800, 253_402_300_800)
"""Seconds since 1970 of the first moment of year 1, and of year 10,000."""

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Parts of a second."""

LARGEST_WHOLE = 2.0**53
"""Beyond it, floats skip whole numbers."""

BOOLEANS = ("false", "0", "0.0", "true", "1", "1.0")
"""Spellings of booleans in small letters, first those of false."""


def is_number(arrow_type: pa.DataType) -> bool:
    """Whether a type is whole numbers, floats or decimals."""
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(is_kind(arrow_type) for is_kind in kinds)


def as_plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values in their plain type, where the column stores them in another way.

    Categories become what they are categories of, every type of text becomes string,
    half floats become float64, and NaN becomes null.
    """
    types = pa.types
    if types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if (
        types.is_large_string(values.type)
        or types.is_string_view(values.type)
        or types.is_null(values.type)
    ):
        values = values.cast(pa.string())
    if types.is_float16(values.type):
        values = values.cast(pa.float64(), safe=False)
    if types.is_floating(values.type):
        return only_where(pc.invert(pc.is_nan(values)), values)
    return values


def cast_column(
    values: pa.ChunkedArray,
    target: pa.DataType,
    place: str,
    otherwise: str = "leave it empty",
    date_format: str = "",
    first: int = 0,
) -> pa.Array:
    """Cast a column losslessly, or refuse it by the first value that cannot be cast.

    Gaps stay gaps. Whole numbers become floats rounded to the nearest, as every feature
    is rounded to float32; only 0, 1 and their spellings become booleans; moments keep
    their microseconds.

    Parameters
    ----------
    values : pyarrow.ChunkedArray
    target : pyarrow.DataType
        Text, booleans, numbers, timestamp[us], time64[us] or duration[ns].
    place : str
        File and column, for the message.
    otherwise : str, default="leave it empty"
        What the message advises for a value that cannot be corrected.
    date_format : str, default=""
        How dates are spelled if they are text, see `datetime.strptime`; as 2024-02-29
        if empty.
    first : int, default=0
        Number of the first row in messages, where the column is a part of one.

    Returns
    -------
    pyarrow.Array

    Raises
    ------
    InputError
        The message names the row, from zero, unless no value of the column's type can
        be cast.
    """
    values = as_plain(values)
    cast = _cast(date_format, values, target)
    if cast is None:
        raise InputError(
            f"{place}: is of type {values.type}, but holds {_words(target)[1]} in the "
            "training table; convert it to that"
        )
    # What could not be cast is null where there was a value.
    lost = pc.and_(values.is_valid(), cast.is_null())
    if pc.any(lost).as_py():
        row = pc.index(lost, True).as_py()
        spelled = f" written as {date_format}" if date_format else ""
        raise InputError(
            f"{place}, row {first + row}: {_shown(values[row])} is not "
            f"{_words(target)[0]}"
            f"{spelled}, as in the training table; correct it or {otherwise}"
        )
    return cast.combine_chunks() if isinstance(cast, pa.ChunkedArray) else cast


def _cast(
    date_format: str, values: pa.ChunkedArray, target: pa.DataType
) -> pa.ChunkedArray | None:
    """Values cast, null where it is not possible; None for a type that never is."""
    types, given = pa.types, values.type
    if values.null_count == len(values):
        return pa.chunked_array([pa.nulls(len(values), target)])
    if types.is_string(target) or types.is_large_string(target):
        return _texts(values, target)
    if types.is_string(given):
        return _from_text(pc.utf8_trim_whitespace(values), target, date_format)
    if types.is_timestamp(target):
        return _moments(values)
    if types.is_time(target):
        return values.cast(target, safe=False) if types.is_time(given) else None
    if types.is_duration(target):
        return _durations(values) if types.is_duration(given) else None
    if types.is_decimal(given):  # by its digits, of which float64 may lose some
        return _from_text(_decimal_texts(values), target, "")
    if is_number(given) or types.is_boolean(given):
        return _between_numbers(values, target)
    return None


def _texts(values: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray | None:
    """Values as text, the same number in one way whatever its type: 1.0 as "1".

    Booleans and all else as Arrow spells them. None for durations, which it spells
    without their unit, and null for moments outside the years 1 to 9999, for which it
    has no words.
    """
    types = pa.types
    unspelled = (types.is_nested, types.is_binary, types.is_duration)
    if any(is_type(values.type) for is_type in unspelled):
        return None
    if types.is_decimal(values.type):
        return _decimal_texts(values).cast(target)
    if types.is_floating(values.type):
        return _float_texts(values).cast(target)
    moments = _moments(values)
    if moments is not None:
        values = only_where(moments.is_valid(), values)
    try:
        return values.cast(target)
    except pa.ArrowException:  # such as a moment beyond all calendars
        return None


def _float_texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Floats as text; whole ones by their digits, not 1e+15, as whole numbers are."""
    size = pc.abs(values)
    whole = pc.and_(
        pc.less_equal(size, LARGEST_WHOLE), pc.equal(pc.floor(values), values)
    )
    digits = only_where(whole, values).cast(pa.int64())
    return pc.if_else(whole, digits.cast(pa.string()), values.cast(pa.string()))


def _decimal_texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decimals as text, with all their digits but zeros at the end: 1.50 as "1.5"."""
    texts = [None if one is None else f"{one:f}" for one in values.to_pylist()]
    spelled = pa.chunked_array([pa.array(texts, pa.string())])
    return pc.replace_substring_regex(spelled, r"(\.\d*[1-9])0+$|\.0+$", r"\1")


def _between_numbers(values: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Numbers and booleans cast to another such type, null where they would change."""
    if pa.types.is_floating(target) or pa.types.is_boolean(values.type):
        return values.cast(target, safe=False)
    if pa.types.is_boolean(target):
        known = pc.is_in(values, value_set=pa.array([0, 1]).cast(values.type))
        return only_where(known, values).cast(target)
    if pa.types.is_floating(values.type):
        exact = pc.less_equal(pc.abs(values), LARGEST_WHOLE)
        values = only_where(exact, values)
    cast = values.cast(target, safe=False)
    same = pc.equal(cast.cast(values.type, safe=False), values)
    same = pc.and_(same, pc.equal(_is_negative(cast), _is_negative(values)))
    return only_where(same, cast)


def _is_negative(values: pa.ChunkedArray) -> pa.ChunkedArray | pa.Scalar:
    # Arrow would compare unsigned numbers as signed ones, and stumble from 2**63 on.
    if pa.types.is_unsigned_integer(values.type):
        return pa.scalar(False)
    return pc.less(values, 0)


def _from_text(
    texts: pa.ChunkedArray, target: pa.DataType, date_format: str
) -> pa.ChunkedArray | None:
    """What texts spell, null where they spell something else."""
    types = pa.types
    if types.is_floating(target):
        if spell_booleans(texts):
            return _booleans(texts).cast(pa.int8()).cast(target)
        return only_where(spells_number(texts), texts).cast(target)
    if types.is_boolean(target):
        return _booleans(texts)
    if types.is_timestamp(target) and date_format:
        return _dates(texts, date_format)
    if types.is_timestamp(target):
        return _distinct(texts, parsed_dates, target)
    if types.is_time(target):
        return _distinct(texts, parsed_times, target)
    if types.is_integer(target):
        return _distinct(texts, lambda texts: _parsed(texts, target), target)
    return None


def _booleans(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    known = pc.index_in(pc.utf8_lower(texts), value_set=pa.array(BOOLEANS))
    return pc.greater_equal(known, len(BOOLEANS) // 2)


def _parsed(texts: pa.Array, target: pa.DataType) -> pa.Array | None:
    try:
        return texts.cast(target)
    except pa.ArrowInvalid:
        return None


def _distinct(
    texts: pa.ChunkedArray,
    parse: Callable[[pa.Array], pa.Array | None],
    target: pa.DataType,
) -> pa.ChunkedArray:
    """Texts parsed all at once or, if one of them cannot be, each distinct one."""
    encoded = texts.combine_chunks().dictionary_encode()
    parsed = parse(encoded.dictionary)
    if parsed is None:
        one_by_one = [
            parse(encoded.dictionary[i : i + 1]) for i in range(len(encoded.dictionary))
        ]
        parsed = pa.concat_arrays(
            [pa.nulls(1, target) if one is None else one for one in one_by_one]
        )
    return pa.chunked_array([parsed.take(encoded.indices)])


def _dates(texts: pa.ChunkedArray, date_format: str) -> pa.ChunkedArray:
    """Dates in a format of `datetime.strptime`, in UTC if it has a time zone."""
    encoded = texts.combine_chunks().dictionary_encode()
    parsed = pd.to_datetime(
        pd.Series(encoded.dictionary.to_pylist(), dtype=object),
        format=date_format,
        errors="coerce",
        utc="%z" in date_format,
    )
    if parsed.dt.tz is not None:
        parsed = parsed.dt.tz_convert(None)
    moments = pa.array(parsed.astype("datetime64[us]"))
    return pa.chunked_array([moments.take(encoded.indices)])


def _moments(values: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Dates and moments in UTC, null outside the years 1 to 9999."""
    types, given = pa.types, values.type
    if types.is_date32(given):
        values = values.cast(pa.int32()).cast(pa.int64())
        values = pc.multiply(values, 24 * 3600).cast(pa.timestamp("s"))
    elif types.is_date64(given):
        values = values.cast(pa.int64()).cast(pa.timestamp("ms"))
    elif not types.is_timestamp(given):
        return None
    unit = values.type.unit
    if unit != "ns":  # of which 64 bits hold a few centuries only
        count = values.cast(pa.int64())
        first, end = (second * UNITS[unit] for second in YEARS)
        known = pc.and_(pc.greater_equal(count, first), pc.less(count, end))
        values = only_where(known, values)
    # The last digits of nanoseconds may be lost.
    values = values.cast(pa.timestamp("us", values.type.tz), safe=unit != "ns")
    return values.cast(pa.timestamp("us"))


def _durations(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Durations in nanoseconds, null where 64 bits cannot hold them (292 years)."""
    longest = (2**63 - 1) // (UNITS["ns"] // UNITS[values.type.unit])
    known = pc.less_equal(pc.abs(values.cast(pa.int64())), longest)
    values = only_where(known, values)
    return values.cast(pa.duration("ns"))


def _shown(value: pa.Scalar) -> str:
    """A value as a message shows it, not too long."""
    try:
        plain = value.as_py()
    except (ValueError, OverflowError):  # a moment that Python cannot hold
        return f"{value.value} ({value.type})"
    return shown(plain)


def _words(target: pa.DataType) -> tuple[str, str]:
    """One value of a type, and several, as a message calls them."""
    types = pa.types
    for is_type, one, several in (
        (types.is_boolean, "true or false", "booleans"),
        (types.is_integer, f"a whole number of type {target}", "whole numbers"),
        (types.is_floating, "a number", "numbers"),
        (types.is_timestamp, "a date", "dates"),
        (types.is_time, "a time of day", "times of day"),
        (types.is_duration, "a duration", "durations"),
    ):
        if is_type(target):
            return one, several
    return "a text", "texts"
