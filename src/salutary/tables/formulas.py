"""Texts in a file that a spreadsheet would run as formulas.

A spreadsheet takes a cell of a .csv file that starts with "=", "+", "-", "@", a tab or
a carriage return for a formula, quoted or not. The only way around it is to put
something before the text, which is then another text: a label or an id that was written
so would not be found again when the file is read. So values are written as they are,
and a warning says where the first such text is.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from salutary.tables.conversion import as_plain
from salutary.tables.formats import DELIMITED, format_of
from salutary.tables.spelling import INFINITY, NUMBER

FORMULA = r"^[=+\-@\t\r][^\s]"
"""How a text starts that is taken for a formula; spaces alone make none."""

LONGEST_SHOWN = 40
"""Characters of a text that the warning shows."""


def warn_of_formulas(path: Path, table: pa.Table) -> None:
    """Warn of the first text of a file that a spreadsheet would run.

    Parameters
    ----------
    path : Path
        The file; only those without types, such as .csv, are looked at.
    table : pyarrow.Table
        Its content.

    Warns
    -----
    UserWarning
        Names the file, the column and the row, from zero.

    Examples
    --------
    >>> table = pa.table({"id": ["a", "=1+1"], "size": ["-1.5", "-2"]})
    >>> first_formula(table)
    ('id', 1, '=1+1')
    """
    if format_of(path) not in DELIMITED:
        return
    found = first_formula(table)
    if found is None:
        return
    column, row, text = found
    shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
    place = f"the name of column {column!r}"
    if row is not None:
        place = f"{shown!r} in column {column!r}, row {row}"
    warnings.warn(
        f"{path}: {place}, would run as a formula in a spreadsheet; open the file "
        "there only if you trust its texts, or write .parquet or .jsonl instead",
        UserWarning,
        stacklevel=3,
    )


def first_formula(table: pa.Table) -> tuple[str, int | None, str] | None:
    """Column, row and text of the first formula; the row of a column's name is None."""
    for name, values in zip(table.column_names, table.columns, strict=True):
        if pc.any(_are_formulas(pa.array([name]))).as_py():
            return name, None, name
        texts = as_plain(values)
        if pa.types.is_string(texts.type):
            row = pc.index(_are_formulas(texts), True).as_py()
            if row >= 0:
                return name, row, texts[row].as_py()
    return None


def _are_formulas(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    starts = pc.match_substring_regex(texts, FORMULA)
    plain = pc.or_(
        pc.match_substring_regex(texts, NUMBER),
        pc.match_substring_regex(texts, INFINITY),
    )
    return pc.and_not(starts, plain)
