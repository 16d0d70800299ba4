"""Read text files of separated values: CSV and TSV, gzipped or not."""

from __future__ import annotations

import csv
import sys
import warnings
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from salutary.errors import InputError
from salutary.tables.text_files import (
    Contents,
    check_text,
    is_gzipped,
    open_bytes,
    open_text,
)

SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
"""What may stand between two values, and what several of it are called."""

ROWS_LOOKED_AT = 20
"""Rows, with the header, that must show what separates values."""

BLOCK, LARGEST_BLOCK = 1 << 22, 2**31 - 1
"""Bytes of a file that are read at once, batch by batch; and at most."""

TOO_LONG = "straddling object"
"""What Arrow says of a row that is longer than a block."""


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
    contents = check_delimited(path)
    # In one block, as there is no need for several.
    block = max(1, min(contents.size + 1, LARGEST_BLOCK))
    with _rows_checked(path), _readers(path, verbatim, block) as readers:
        return _joined([reader.read_all() for reader in readers])


def delimited_batches(
    path: Path, verbatim: Collection[str], block: int = BLOCK
) -> Iterator[pa.Table]:
    """Yield the rows of a file, as `read_delimited` has them, batch by batch.

    Parameters
    ----------
    path : Path
        A file that `check_delimited` has looked at.
    verbatim : collection of str
        Columns in which every value is text, even an empty one.
    block : int, default=BLOCK
        Number of bytes that are read at once; it grows where a row is longer.
    """
    n_rows = 0
    try:
        with _rows_checked(path), _readers(path, verbatim, block) as readers:
            for batches in zip(*readers, strict=True):
                yield _joined([pa.Table.from_batches([batch]) for batch in batches])
                n_rows += batches[0].num_rows
    except pa.ArrowInvalid as error:
        if TOO_LONG not in str(error) or block >= LARGEST_BLOCK:
            raise
    else:
        return
    for table in delimited_batches(path, verbatim, min(8 * block, LARGEST_BLOCK)):
        known = min(n_rows, table.num_rows)
        n_rows -= known
        if known < table.num_rows:
            yield table.slice(known)


def check_delimited(path: Path) -> Contents:
    """Look at a whole file of separated values before it is read.

    Raises
    ------
    InputError
        As `read_delimited`, but for rows of another length.

    Warns
    -----
    UserWarning
        If the values are separated by another character than the suffix says.
    """
    contents = check_text(path)
    separator, usual = separator_of(path), _usual_separator(path)
    if separator != usual:
        warnings.warn(
            f"{path}: is read as separated by {SEPARATORS[separator]}, as its first "
            f"lines are; {SEPARATORS[usual]} are usual there",
            UserWarning,
            stacklevel=2,
        )
    if contents.n_quotes % 2:
        _check_rows(path, separator)
    return contents


@contextmanager
def _readers(
    path: Path, verbatim: Collection[str], block: int
) -> Iterator[list[pa.csv.CSVStreamingReader]]:
    """A reader of all columns, and one of those that are verbatim if there are any."""
    separator = separator_of(path)
    try:
        names = next(rows_of(path, separator), [])
    except csv.Error:
        names = []  # the parser says what is wrong
    exact = [name for name in names if name in verbatim]
    as_text = dict.fromkeys(names, pa.string())
    kinds: list[dict[str, Any]] = [
        {"column_types": as_text, "strings_can_be_null": True}
    ]
    if exact:
        kinds.append({"column_types": as_text, "include_columns": exact})
    with ExitStack() as stack:
        yield [
            pa.csv.open_csv(
                stack.enter_context(open_bytes(path)),
                convert_options=pa.csv.ConvertOptions(**kind),
                read_options=pa.csv.ReadOptions(block_size=block),
                parse_options=pa.csv.ParseOptions(
                    delimiter=separator, newlines_in_values=True
                ),
            )
            for kind in kinds
        ]


@contextmanager
def _rows_checked(path: Path) -> Iterator[None]:
    """Name the line, where Arrow refuses one in the block."""
    try:
        yield
    except pa.ArrowInvalid as error:
        if TOO_LONG not in str(error):
            _check_rows(path, separator_of(path))
        raise


def _joined(parts: list[pa.Table]) -> pa.Table:
    """All columns, some of them as a second table has them."""
    table, *exact = parts
    for columns in exact:
        for name in columns.column_names:
            place = table.column_names.index(name)
            table = table.set_column(place, name, columns[name])
    return table


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
