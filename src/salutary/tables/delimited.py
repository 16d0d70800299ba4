"""Read text files of separated values: CSV and TSV, gzipped or not."""

from __future__ import annotations

import csv
import sys
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from salutary.errors import InputError
from salutary.tables.text_files import check_text, is_gzipped, open_bytes, open_text

SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
"""What may stand between two values, and what several of it are called."""

ROWS_LOOKED_AT = 20
"""Rows, with the header, that must show what separates values."""


def read_delimited(path: Path, verbatim: Collection[str]) -> pa.Table:
    """Read a file of separated values, every column as text.

    Parameters
    ----------
    path : Path
    verbatim : collection of str
        Columns in which every value is text, even an empty one.

    Raises
    ------
    InputError
        For a file that is not in UTF-8, a row of another length, a quotation mark that
        never ends, and values separated by nobody knows what.

    Warns
    -----
    UserWarning
        If the values are separated by another character than the suffix says.
    """
    contents = check_text(path)
    separator = separator_of(path)
    usual = _usual_separator(path)
    if separator != usual:
        warnings.warn(
            f"{path}: is read as separated by {SEPARATORS[separator]}, as its first "
            f"lines are; {SEPARATORS[usual]} are usual there",
            UserWarning,
            stacklevel=2,
        )
    if contents.n_quotes % 2:
        _check_rows(path, separator)

    def parsed(**converted: Any) -> pa.Table:
        return _parsed(path, separator, contents.size, converted)

    try:
        names = next(rows_of(path, separator), [])
    except csv.Error:
        names = []  # the parser says what is wrong
    try:
        table = parsed(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True
        )
    except pa.ArrowInvalid:
        _check_rows(path, separator)
        raise
    exact = [name for name in table.column_names if name in verbatim]
    if not exact:
        return table
    as_is = parsed(
        column_types=dict.fromkeys(exact, pa.string()), include_columns=exact
    )
    for name in exact:
        table = table.set_column(table.column_names.index(name), name, as_is[name])
    return table


def _parsed(
    path: Path, separator: str, size: int, converted: dict[str, Any]
) -> pa.Table:
    with open_bytes(path) as file:
        return pa.csv.read_csv(
            file,
            convert_options=pa.csv.ConvertOptions(**converted),
            # In one block, so that a type is inferred from the whole column.
            read_options=pa.csv.ReadOptions(
                block_size=max(1, min(size + 1, 2**31 - 1))
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=separator, newlines_in_values=True
            ),
        )


def _usual_separator(path: Path) -> str:
    name = Path(path.stem) if is_gzipped(path) else path
    return "\t" if name.suffix.lower() == ".tsv" else ","


def separator_of(path: Path) -> str:
    """What separates the values of a file: what is usual, or what its lines show.

    Another separator than the usual one is taken only if the usual one is in no line's
    right place, and the other one gives each of the first lines as many values as the
    header has.

    Raises
    ------
    InputError
        If two others would do.
    """
    usual = _usual_separator(path)
    if _splits(path, usual):
        return usual
    others = [other for other in SEPARATORS if other != usual and _splits(path, other)]
    if len(others) > 1:
        words = " or ".join(SEPARATORS[other] for other in others)
        raise InputError(
            f"{path}: may be separated by {words}; "
            f"save it with {SEPARATORS[usual]} between the values"
        )
    return others[0] if others else usual


def _splits(path: Path, separator: str) -> bool:
    """Whether a separator gives the first rows as many values each, two or more."""
    try:
        lengths = {len(row) for row in islice(rows_of(path, separator), ROWS_LOOKED_AT)}
    except csv.Error:
        return False  # the parser says what is wrong
    return len(lengths) == 1 and lengths != {1}


def rows_of(path: Path, separator: str) -> Iterator[list[str]]:
    """The rows of a file that are not blank."""
    with _long_values(), open_text(path) as file:
        yield from (row for row in csv.reader(file, delimiter=separator) if row)


@contextmanager
def _long_values() -> Iterator[None]:
    """Let a value of the csv module be of any length."""
    limit = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _check_rows(path: Path, separator: str) -> None:
    """Refuse a row of another length, or a quotation mark that never ends."""
    line, n_columns = 1, None
    mark = SEPARATORS[separator].removesuffix("s")
    try:
        with _long_values(), open_text(path) as file:
            rows = csv.reader(file, delimiter=separator, strict=True)
            for row in rows:
                n_columns = len(row) if n_columns is None else n_columns
                if row and len(row) != n_columns:
                    raise InputError(
                        f"{path}: line {line} has {_values(len(row))}, but the header "
                        f"has {n_columns}; correct it (a value with a {mark} needs "
                        "quotes)"
                    )
                line = rows.line_num + 1
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            raise InputError(
                f"{path}: line {line} has a quotation mark that starts a value, but "
                "none that ends it; correct it"
            ) from None


def _values(number: int) -> str:
    return "1 value" if number == 1 else f"{number} values"
