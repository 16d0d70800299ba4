"""Columns that name their rows, and so say nothing about rows still to come."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import kstest

from salutary.errors import InputError
from salutary.tables.casting import KIND_TYPES
from salutary.tables.columns import present_values
from salutary.tables.conversion import cast_column

FEWEST_ROWS = 20
"""In a smaller training table any column may have distinct values."""

ENOUGH_ROWS, LEAST = 50, 1_000
"""Rows and size of numbers from which on they may be ids by their looks alone."""

UNEVEN = 0.2
"""Numbers less likely than this to be drawn evenly are amounts."""

MOST = 0.9
"""Share of distinct values among the rows of a column that is named as an id."""

CHANCE = 1e-6
"""Whole numbers that would be distinct by chance less often than this are numbers of
rows."""

INDEX = re.compile(r"(?i)(unnamed: \d+|index|level_\d+|row_?(id|nr|number|index)|#)")
"""Names that libraries give to an index that they write as a column."""

ID_WORDS = frozenset({"id", "ids", "uid", "uuid", "guid", "key", "nbr", "pk"})
"""The last word of a name that says so, as in "customer_id" and "PassengerId"."""

PERSONAL = frozenset({"email", "mail", "phone", "telephone", "iban", "ssn"})
"""Words of the names of columns that say how to reach a person, or who it is."""

FEWEST_DIGITS = 1_000_000
"""The least number that may be a telephone's; others under such a name are amounts."""

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

UUID = re.compile(r"(?i)\{?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?")

DIGEST = re.compile(r"(?i)(?=.*\d)(?=.*[a-f])[0-9a-f]{16,}")

ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")

DIGITS = re.compile(r"\d+")

SERIAL = re.compile(r"[A-Za-z][A-Za-z_/:-]*#([A-Za-z_/:-]*#)*")
"""A code such as "p-017/2", with "#" for each run of digits."""

MOST_WORDS = 3
"""Words in an id; a text with more is a sentence."""


def id_like(tables: Mapping[str, pa.Table], kinds: Mapping[str, str]) -> dict[str, str]:
    """Columns that name rows: numbers of rows, keys, codes that never repeat.

    A column of numbers, categories or texts is one of these. All are whole numbers or
    texts of at most three words; a column with fractions is never one.

    - *Personal*: addresses with an "@", texts of six digits or more without small
      letters, or whole numbers of seven digits or more, under a name that has one of
      the words "email", "phone", "telephone", "iban" or "ssn". At least half of the
      rows have one, and nine in ten of these their own.

    - *By its name*: the name is one that libraries give to an index ("Unnamed: 0",
      "index", "row_id"), or it starts with the word "id" or ends with "id", "uid",
      "uuid", "guid", "key", "nbr" or "pk". At least nine in ten rows of the training
      table have a value of their own.
    - *Numbers of rows*: no value is missing in the training table, none occurs twice in
      any table, and the values lie so close together that this is no chance. If ``n``
      values are drawn independently from ``R`` whole numbers, all are distinct with a
      probability of at most (1 - 1/R) (1 - 2/R) ... (1 - (n-1)/R), which is reached
      where all are equally likely; ids if that is below one in a million. ``R`` is the
      width of the training table's values, or of all tables' together where no value
      occurs in two of them: a table that was split at random then shows its numbers
      again. 200 different incomes within 40,000 are no ids, 200 within 1,000 are.
    - *Codes*: texts, again without gaps and repeats, that all are UUIDs, or hexadecimal
      digests of one length, or e-mail addresses, or one pattern of letters with digits
      ("p017"), or digits alone that are numbers of rows as above or have one length and
      some zeros in front.

    Nothing is an id in a training table of fewer than 20 rows.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        "train" and others, which may lack some of the columns.
    kinds : mapping of str to str
        Kind of each column to ask about, see `column_kinds`.

    Returns
    -------
    dict of str to str
        What each such column holds, in words.

    Notes
    -----
    The order of rows and of columns does not matter, nor the format of a table. A
    sequence of years or ranks, one for each row, is taken for numbers of rows.

    Examples
    --------
    >>> train = pa.table({"no": range(90, 60, -1), "price": range(0, 90_000, 3_000)})
    >>> id_like({"train": train}, {"no": "number", "price": "number"})
    {'no': 'numbers of rows'}
    """
    if tables["train"].num_rows < FEWEST_ROWS:
        return {}
    found = {}
    for name, kind in kinds.items():
        if kind in ("number", "category", "text"):
            what = _what_it_names(name, kind, tables)
            if what is not None:
                found[name] = what
    return found


def _what_it_names(name: str, kind: str, tables: Mapping[str, pa.Table]) -> str | None:
    train, *others = (
        _values(table[name], kind)
        for table in tables.values()
        if name in table.column_names
    )
    assert train is not None  # the kind is that of its values
    n_rows, n_distinct = len(train), _n_distinct(train)
    if _is_personal(name, train):
        return "an id by its name"
    if n_distinct < MOST * n_rows:
        return None
    may_be = _are_whole(train) if kind == "number" else _are_short(train)
    if may_be and _named_as_id(name):
        return "an id by its name"
    if not may_be or n_distinct < n_rows or any(map(_repeat, others)):
        return None
    if kind != "number":
        what = _code(train.to_pylist())
        if what is not None or not _are_digits(train):
            return what
    numbers = [_as_numbers(values) for values in (train, *others)]
    if _number_rows(numbers):
        return "numbers of rows"
    return "codes" if kind != "number" and _are_padded(train.to_pylist()) else None


def perhaps_ids(train: pd.DataFrame, kinds: Mapping[str, str]) -> list[str]:
    """Columns of whole numbers that may name rows, though nothing is sure.

    Every row has a number of its own, of four digits or more and as many as the others,
    and they are spread evenly over their range: so are numbers of customers. Amounts
    are denser somewhere, which the test of Kolmogorov and Smirnov sees.

    Parameters
    ----------
    train : DataFrame
        Features as `cast_features` returns them.
    kinds : mapping of str to str

    Examples
    --------
    >>> drawn = np.random.default_rng(0).choice(90_000, 200, replace=False)
    >>> train = pd.DataFrame({"customer": 10_000.0 + drawn, "income": 100.0 * drawn})
    >>> perhaps_ids(train, {"customer": "number", "income": "number"})
    ['customer']
    """
    if len(train) < ENOUGH_ROWS:
        return []
    found = []
    for name, kind in kinds.items():
        if kind == "number" and train[name].is_unique:
            values = train[name].to_numpy(dtype=np.float64)
            whole = np.isfinite(values).all() and (values == np.floor(values)).all()
            if whole and values.min() >= LEAST:
                n_digits = np.floor(np.log10(values))
                if n_digits.min() == n_digits.max() and _are_even(values):
                    found.append(name)
    return found


def _are_even(numbers: np.ndarray) -> bool:
    """Whether numbers may be drawn evenly from their range."""
    low, high = numbers.min(), numbers.max()
    even = kstest(numbers, "uniform", args=(low, high - low))
    return bool(even.pvalue > UNEVEN)


def _values(column: pa.ChunkedArray, kind: str) -> pa.Array | None:
    """A column in the type of its kind, or None where it cannot be cast."""
    try:
        values = cast_column(present_values(column), KIND_TYPES[kind], "")
    except InputError:
        return None
    return values if kind == "number" else pc.utf8_trim_whitespace(values)


def _n_distinct(values: pa.Array) -> int:
    count: int = pc.count_distinct(values).as_py()
    return count


def _repeat(values: pa.Array | None) -> bool:
    """Whether a value occurs twice; in a large table, costly to know."""
    return values is not None and _n_distinct(values) < len(values) - values.null_count


def _is_personal(name: str, values: pa.Array) -> bool:
    """Whether a column has people's addresses or numbers, some of them missing."""
    words = {word.lower() for word in WORD.findall(name)}
    if not words & PERSONAL and not {"e", "mail"} <= words:
        return False
    present = values.drop_null()
    if 2 * len(present) < len(values) or _n_distinct(present) < MOST * len(present):
        return False
    if pa.types.is_floating(present.type):
        return _are_whole(present) and pc.min(present).as_py() >= FEWEST_DIGITS
    # A sentence about a telephone has small letters, and no address alone.
    address = pc.match_substring_regex(present, r"^[^@\s]+@[^@\s]+$")
    digits = pc.match_substring_regex(present, r"^([^a-z\d]*\d){6}[^a-z]*$")
    return bool(pc.all(pc.or_(address, digits)).as_py())


def _named_as_id(name: str) -> bool:
    words = [word.lower() for word in WORD.findall(name)]
    is_index = INDEX.fullmatch(name.strip()) is not None
    return is_index or (bool(words) and (words[-1] in ID_WORDS or words[0] == "id"))


def _are_whole(numbers: pa.Array) -> bool:
    return bool(pc.all(pc.equal(pc.floor(numbers), numbers)).as_py())


def _are_short(texts: pa.Array) -> bool:
    n_words = pc.add(pc.count_substring_regex(texts, r"\s+"), 1)
    return bool(pc.max(n_words).as_py() <= MOST_WORDS)


def _are_digits(texts: pa.Array | None) -> bool:
    return texts is not None and bool(
        pc.all(pc.match_substring_regex(texts, r"^\d{1,15}$")).as_py()
    )


def _code(texts: list[str]) -> str | None:
    """What texts are that differ only as codes do."""
    if all(map(UUID.fullmatch, texts)):
        return "UUIDs"
    if len(set(map(len, texts))) == 1 and all(map(DIGEST.fullmatch, texts)):
        return "hexadecimal codes"
    if all(map(ADDRESS.fullmatch, texts)):
        return "e-mail addresses"
    patterns = {DIGITS.sub("#", text) for text in texts}
    if len(patterns) == 1 and SERIAL.fullmatch(patterns.pop()):
        return "codes"
    return None


def _are_padded(texts: list[str]) -> bool:
    """Whether digits alone are codes of one length, as some have zeros in front."""
    return len({*map(len, texts)}) == 1 and any(text[0] == "0" for text in texts)


def _as_numbers(values: pa.Array | None) -> np.ndarray | None:
    """Whole numbers, without gaps, or None where there are others."""
    if values is None:
        return None
    values = values.drop_null()
    if not pa.types.is_floating(values.type):
        if not _are_digits(values):
            return None
        values = values.cast(pa.float64())
    numbers = values.to_numpy(zero_copy_only=False)
    return numbers if np.isfinite(numbers).all() and _are_whole(values) else None


def _number_rows(tables: list[np.ndarray | None]) -> bool:
    """Whether whole numbers are those of rows, by the first table or by all of them."""
    train = tables[0]
    if train is None:
        return False
    if _rarely_distinct(train):
        return True
    known = [numbers for numbers in tables if numbers is not None]
    together = np.concatenate(known)
    in_one_only = len(known) == len(tables) and len(np.unique(together)) == len(
        together
    )
    return in_one_only and _rarely_distinct(together)


def _rarely_distinct(numbers: np.ndarray) -> bool:
    """Whether so many distinct whole numbers in their range would be a rare chance."""
    width = float(numbers.max() - numbers.min() + 1)
    drawn = np.arange(min(len(numbers), width))
    return bool(np.log1p(-drawn / width).sum() < np.log(CHANCE))
