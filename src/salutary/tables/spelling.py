"""How values are spelled where all is text: gaps, numbers, dates.

A .csv file has no types, and other files often keep numbers and dates as text. The same
rules hold for all of them. `spelled_kind` decides by the training table alone.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from skrub import ToDatetime
from skrub.core import RejectColumn

MISSING = frozenset(
    {
        *("", "?", "...", "none", "None", "null", "NULL", "NA", "<NA>", "#NA"),
        *("N/A", "n/a", "#N/A", "#N/A N/A", "nan", "NaN", "NAN", "-nan", "-NaN"),
        *("1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
    }
)
"""Texts that mark a missing feature in every table; spaces around them do not count."""

MISSING_LABELS = MISSING - {"none", "None"}
"""Texts that mark a missing label. "none" may be the name of a class."""

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
"""How a number is spelled. Spaces around it do not count."""

INFINITY = r"(?i)^[+-]?inf(inity)?$"
"""How infinity is spelled, which is a number, though it cannot be a feature."""

LEADING_ZERO = r"^[+-]?0\d"
"""How a code of digits may start, such as "007", but a number does not."""

FORMATTED = (
    r"^[(]?[+\-\x{2212}]?\p{Z}*\p{Sc}?\p{Z}*[+\-\x{2212}]?"
    r"(\d{1,3}([.,'\x{2019}\p{Z}]\d{3})+([.,]\d+)?|\d+([.,]\d*)?)"
    r"\p{Z}*(%|\p{Sc})?[)]?$"
)
"""Numbers as people write them: "0,75", "12%", "$5", "1,234", a true minus sign."""

NUMBERS_A_STRAY = 5
"""A column with so many distinct numbers for each distinct text is meant as numbers."""

TIME = r"^\d{2}:\d{2}(:\d{2}(\.\d+)?)?$"
"""How a time of day is spelled."""

DATE = "date"
"""Kind of dates. If they are not spelled as 2024-02-29, ":" and their format follow."""


def with_gaps(
    values: pa.ChunkedArray, markers: Collection[str] = MISSING
) -> pa.ChunkedArray:
    """Texts with null in place of each marker of a missing value.

    Examples
    --------
    >>> with_gaps(pa.chunked_array([["red", " ", "?", " x"]])).to_pylist()
    ['red', None, None, ' x']
    """
    is_marker = pc.is_in(
        pc.utf8_trim_whitespace(values), value_set=pa.array(sorted(markers))
    )
    return only_where(pc.invert(is_marker), values)


def only_where(known: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values where ``known`` is true, null elsewhere.

    Examples
    --------
    >>> known = pa.chunked_array([[True, False, None]])
    >>> only_where(known, pa.chunked_array([["a", "b", "c"]])).to_pylist()
    ['a', None, None]
    """
    # By one null, Arrow before 24 spoils texts that are a slice of others.
    return pc.if_else(known, values, pa.nulls(len(values), values.type))


def spells_number(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether each text, without spaces around it, spells a number or infinity."""
    known = pc.or_(_matches(texts, NUMBER), _matches(texts, INFINITY))
    return pc.and_not(known, _matches(texts, LEADING_ZERO))


def _matches(texts: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    return pc.match_substring_regex(texts, pattern)


def spelled_kind(values: pa.ChunkedArray) -> str | None:
    """Kind of the values that all texts of a column spell; None if they are just texts.

    Texts are numbers only if every value that is present matches `NUMBER` and none has
    a leading zero, as the code "007" has. They are booleans if all are "true" or
    "false", in capitals or not, times of day if all match `TIME`, and dates if all are
    spelled in one format.

    Parameters
    ----------
    values : pyarrow.ChunkedArray of string
        With null for missing values, see `with_gaps`.

    Returns
    -------
    {"number", "boolean", "time", "date", "date:FORMAT"} or None
        FORMAT is that of ``datetime.strptime``. Where day and month cannot be told
        apart, the month comes first.

    Examples
    --------
    >>> spelled_kind(pa.chunked_array([["1", "-2.5e3", None]]))
    'number'
    >>> spelled_kind(pa.chunked_array([["31/12/2020", "01/02/2021"]]))
    'date:%d/%m/%Y'
    >>> spelled_kind(pa.chunked_array([["007", "12"]])) is None
    True
    """
    texts = pc.unique(pc.utf8_trim_whitespace(values)).drop_null()
    if len(texts) == 0:
        return None
    if pc.all(spells_number(texts)).as_py():
        return "number" if pc.any(_matches(texts, NUMBER)).as_py() else None
    if spell_booleans(texts):
        return "boolean"
    if pc.all(_matches(texts, TIME)).as_py() and parsed_times(texts) is not None:
        return "time"
    if parsed_dates(texts) is not None:
        return DATE
    return _other_dates(texts)


def spell_booleans(texts: pa.Array | pa.ChunkedArray) -> bool:
    """Whether all texts are "true" or "false", in capitals or not."""
    words = pa.array(["true", "false", None])
    return bool(pc.all(pc.is_in(pc.utf8_lower(texts), value_set=words)).as_py())


def parsed_times(texts: pa.Array | pa.ChunkedArray) -> pa.Array | None:
    """Times of day that texts spell, or None if one of them spells none."""
    # Arrow cannot parse a time of day alone, but it can parse a date with one.
    try:
        dated = pc.binary_join_element_wise("1970-01-01", texts, " ")
        return dated.cast(pa.timestamp("us")).cast(pa.time64("us"))
    except pa.ArrowInvalid:
        return None


def parsed_dates(texts: pa.Array | pa.ChunkedArray) -> pa.Array | None:
    """Moments, in UTC, that texts spell as 2024-02-29, or None if one does not.

    Either all have a time zone or none has.
    """
    for zone in (None, "UTC"):
        try:
            return texts.cast(pa.timestamp("us", zone)).cast(pa.timestamp("us"))
        except pa.ArrowInvalid:
            continue
    return None


def _other_dates(texts: pa.Array) -> str | None:
    """The kind of dates in another format, if all texts are so."""
    if not pc.all(_matches(texts, r"\d")).as_py():
        return None  # sooner than by trying
    try:
        found = ToDatetime().fit(pd.Series(texts.to_pylist(), dtype=object))
    except RejectColumn:
        return None
    return f"{DATE}:{found.format_}"


def swapped_dates(values: pa.ChunkedArray, kind: str) -> str | None:
    """A date whose day and month could be exchanged, if no date tells which is which.

    Parameters
    ----------
    values : pyarrow.ChunkedArray of string
        Dates of one column, with null for missing values.
    kind : str
        As from `spelled_kind`.

    Returns
    -------
    str or None
        The first date that would be another one. None if a date has no such format with
        day and month exchanged, and for dates that begin with the year.

    Examples
    --------
    >>> swapped_dates(pa.chunked_array([["01/01/2020", "05/02/2021"]]), "date:%m/%d/%Y")
    '05/02/2021'
    """
    written = kind.removeprefix(f"{DATE}:")
    if "%d" not in written or "%m" not in written or written.startswith("%Y"):
        return None
    day_first = written.index("%d") < written.index("%m")
    first, second = ("%d", "%m") if day_first else ("%m", "%d")
    swapped = second.join(part.replace(second, first) for part in written.split(first))
    texts = pd.Series(
        pc.unique(pc.utf8_trim_whitespace(values)).drop_null().to_pylist()
    )
    others = pd.to_datetime(texts, format=swapped, errors="coerce", utc=True)
    if others.isna().any():
        return None
    different = others != pd.to_datetime(texts, format=written, utc=True)
    return str(texts[different].iloc[0]) if different.any() else None


def stray_text(values: pa.ChunkedArray) -> tuple[int, str] | None:
    """The text that keeps a column of numbers from being read as numbers.

    Parameters
    ----------
    values : pyarrow.ChunkedArray of string
        With null for missing values, see `with_gaps`.

    Returns
    -------
    (int, str) or None
        The first row with a text that is not a plain number, from zero, and the text.
        None if fewer than `NUMBERS_A_STRAY` distinct values are numbers, `FORMATTED` or
        not, for each that is none. None also if only leading zeros make the difference.

    Examples
    --------
    >>> stray_text(pa.chunked_array([["1", "2.5", "n.a.", "4", "5", "6"]]))
    (2, 'n.a.')
    """
    texts = pc.unique(values).drop_null()
    trimmed = pc.utf8_trim_whitespace(texts)
    plain = pc.or_(_matches(trimmed, NUMBER), _matches(trimmed, INFINITY))
    other = texts.filter(pc.invert(plain))
    strays = pc.sum(pc.invert(pc.or_(plain, _matches(trimmed, FORMATTED)))).as_py() or 0
    if not len(other) or max(strays, 1) * (NUMBERS_A_STRAY + 1) > len(texts):
        return None
    return pc.index(values, other[0]).as_py(), other[0].as_py()


def is_formatted(text: str) -> bool:
    """Whether a text is a number as people write it, but not as it is read."""
    return bool(pc.match_substring_regex(text.strip(), FORMATTED).as_py())


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
