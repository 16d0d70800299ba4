"""Read the one sheet of an Excel workbook."""

from __future__ import annotations

import datetime
import warnings
import zipfile
from collections.abc import Iterator
from io import BytesIO
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from salutary.errors import InputError, needs
from salutary.tables.text_files import LARGEST_UNPACKED
from salutary.tables.urls import TableURL

MOST_ROWS = 1_048_576
"""Rows that a sheet can have; a damaged file may name rows far beyond."""

Row = tuple[Any, ...]


def read_workbook(path: Path) -> pa.Table:
    """Read the only sheet of a workbook that holds anything.

    Its first row that is not blank has the names of the columns. Blank rows do not
    count. A column whose cells are of several kinds is text, as all is in a .csv file.

    Raises
    ------
    InputError
        If the file is damaged or unpacks to more than a gigabyte, if no sheet or
        several hold something, if a row is longer than the header, or if a formula has
        no value.
    MissingExtraError
        If openpyxl is not installed.
    """
    with needs("excel"):
        import openpyxl
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what a table does not have, such as styles
        try:
            # Opened here, as openpyxl leaves open what it reads in part.
            with _opened(path) as first, _opened(path) as second:
                _check_size(path, first)
                values = openpyxl.load_workbook(first, read_only=True, data_only=True)
                formulas = openpyxl.load_workbook(second, read_only=True)
                sheet = _only_sheet(path, values.worksheets)
                rows = list(_rows(path, sheet, formulas[sheet.title]))
        except InputError:
            raise
        except Exception as error:
            # A damaged workbook can fail in any way, as it is XML within an archive.
            cause = " ".join(str(error).split()) or type(error).__name__
            raise InputError(
                f"{path}: cannot be read: {cause}; save the workbook again"
            ) from None
    return _table(path, rows)


def _opened(path: Path) -> BinaryIO:
    """The workbook, whose parts are read in no order; from a URL all at once."""
    if isinstance(path, TableURL):
        return BytesIO(path.read_bytes())
    return path.open("rb")


def _check_size(path: Path, workbook: BinaryIO) -> None:
    with zipfile.ZipFile(workbook) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
    if unpacked > LARGEST_UNPACKED:
        raise InputError(
            f"{path}: unpacks to more than {LARGEST_UNPACKED // 2**30} GB; save the "
            "sheet as .csv"
        )


def _only_sheet(path: Path, sheets: list[Any]) -> Any:
    """The only sheet with a value."""
    filled = []
    for sheet in sheets:
        sheet.reset_dimensions()  # which a file may state wrongly
        rows = sheet.iter_rows(max_row=MOST_ROWS, values_only=True)
        if any(value is not None for row in rows for value in row):
            filled.append(sheet)
    if not filled:
        raise InputError(f"{path}: has no rows; pass a table with at least one")
    if len(filled) > 1:
        names = ", ".join(repr(sheet.title) for sheet in filled[:5])
        raise InputError(
            f"{path}: has {len(filled)} sheets with values ({names}); save the one to "
            "read in a file of its own"
        )
    return filled[0]


def _rows(path: Path, values: Any, formulas: Any) -> Iterator[tuple[int, Row]]:
    """The rows that are not blank, without blanks at their ends, and their numbers."""
    formulas.reset_dimensions()
    both = (
        sheet.iter_rows(max_row=MOST_ROWS, values_only=True)
        for sheet in (values, formulas)
    )
    for number, (row, written) in enumerate(zip(*both, strict=True), start=1):
        for value, formula in zip_longest(row, written):
            if value is None and isinstance(formula, str) and formula.startswith("="):
                raise InputError(
                    f"{path}: row {number} of the sheet has a formula without a value, "
                    f"{formula[:60]!r}; open the workbook and save it, or write the "
                    "value"
                )
        filled = [place for place, value in enumerate(row) if value is not None]
        if filled:
            yield number, row[: filled[-1] + 1]


def _table(path: Path, rows: list[tuple[int, Row]]) -> pa.Table:
    (_, header), *body = rows
    names = ["" if name is None else _text(name) for name in header]
    for number, row in body:
        if len(row) > len(names):
            raise InputError(
                f"{path}: row {number} of the sheet has {len(row)} cells, but the "
                f"header has {len(names)}; correct it"
            )
    columns = zip_longest(*(row for _, row in body)) if body else ()
    arrays = [_column(column) for column in columns]
    arrays += [pa.nulls(len(body))] * (len(names) - len(arrays))
    return pa.table(arrays, names=names)


def _column(cells: Row) -> pa.Array:
    """A column in the type that all its cells have, else as text."""
    kinds = {_kind(cell) for cell in cells if cell is not None}
    if len(kinds) > 1:
        return pa.array([None if cell is None else _text(cell) for cell in cells])
    if kinds == {float}:
        try:
            return pa.array(cells)
        except (pa.ArrowInvalid, OverflowError):  # whole numbers beyond 64 bits
            return pa.array(cells, pa.float64())
    return pa.array(cells)


def _kind(cell: Any) -> type:
    return float if type(cell) in (int, float) else type(cell)


def _text(cell: Any) -> str:
    """A cell as a .csv file would have it."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return str(cell.date())
    return str(cell)
