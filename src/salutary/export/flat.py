"""Labels as one table in a file: CSV, JSON lines or Parquet, written and read."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from salutary.errors import InputError
from salutary.export.cells import harmless, harmless_names
from salutary.export.labeled_rows import LabeledRows
from salutary.export.values import json_text, plain_column, plain_rows
from salutary.files import write_text, write_whole
from salutary.influence.label_values import shown
from salutary.tables.conversion import as_plain
from salutary.tables.delimited import rows_of, separator_of
from salutary.tables.formats import check_names

HUGGING_FACE = b"huggingface"
"""Key of a Parquet file's metadata that holds what `datasets` makes of its columns."""


def flat_table(rows: LabeledRows, own: pa.Table) -> pa.Table:
    """The rows' own columns, then the run's, then people's.

    Raises
    ------
    InputError
        If one of the rows' own columns has the name of another.
    """
    names, arrays = [], []
    for table in (own, rows.given, rows.reviewed):
        names += table.column_names
        arrays += table.columns
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(
            f"{rows.path}: column {twice[0]!r} has the name of a column of the export; "
            "pass --to label-studio or argilla, which keep the two apart"
        )
    return pa.table(arrays, names=names)


def write_csv(rows: LabeledRows, path: Path) -> None:
    """Write a .csv file in which no cell runs in a spreadsheet; see `cells`."""
    table = flat_table(rows, rows.own)
    cells = pa.table(
        [_cells(values) for values in table.columns],
        names=harmless_names(table.column_names),
    )
    write_whole(path, lambda beside: pa.csv.write_csv(cells, beside))


def _cells(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as numbers, booleans or harmless texts."""
    values = as_plain(values)
    of_type = values.type
    if pa.types.is_boolean(of_type) or pa.types.is_integer(of_type):
        return values
    if pa.types.is_floating(of_type):
        return values
    if not pa.types.is_string(of_type):
        texts = [
            each if each is None or isinstance(each, str) else json_text(each)
            for each in plain_column(values)
        ]
        values = pa.chunked_array([pa.array(texts, pa.string())])
    return harmless(values)


def write_json_lines(rows: LabeledRows, path: Path) -> None:
    """Write a .jsonl file, an object for each row."""
    lines = map(json_text, plain_rows(flat_table(rows, rows.typed())))
    write_text(path, "".join(f"{line}\n" for line in lines))


def write_parquet(rows: LabeledRows, path: Path) -> None:
    """Write a .parquet file."""
    table = flat_table(rows, rows.typed())
    write_whole(path, lambda beside: pa.parquet.write_table(table, beside))


def read_csv(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a .csv or .tsv file, all of whose values are text.

    Raises
    ------
    InputError
    """
    try:
        header, *rows = [*rows_of(path, separator_of(path))] or [[]]
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise _unreadable(path, error) from None
    if not rows:
        raise InputError(f"{path}: has no rows; pass a file in which people decided")
    check_names(filter(None, header), str(path))
    for number, row in enumerate(rows):
        if not any(row):  # spreadsheets add rows of nothing
            continue
        if len(row) != len(header):
            raise InputError(
                f"{path}: row {number} has {len(row)} values, but the header has "
                f"{len(header)}; correct it"
            )
        yield dict(zip(header, row, strict=True))


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a .jsonl file.

    Raises
    ------
    InputError
    """
    lines = [*filter(bytes.strip, path.read_bytes().split(b"\n"))]
    if not lines:
        raise InputError(f"{path}: has no rows; pass a file in which people decided")
    for number, line in enumerate(lines):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise InputError(f"{path}: row {number} is no JSON object; correct it")
        yield row


def read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a .parquet file, with the names of Hugging Face's class labels.

    Raises
    ------
    InputError
    """
    try:
        table = pa.parquet.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None
    yield from rows_of_table(path, table)


def rows_of_table(path: Path, table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows of an Arrow table, with the names of Hugging Face's class labels."""
    check_names(table.column_names, str(path))
    for name, labels in _class_labels(table).items():
        codes = table[name].to_pylist()
        named = [
            _named(code, labels, f"{path}: row {row}: {name!r}")
            for row, code in enumerate(codes)
        ]
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(named, pa.string()))
    yield from plain_rows(table)


def _named(code: Any, labels: Sequence[str], place: str) -> str | None:
    """The name of a class by its number, of which -1 is none."""
    if code is None or code == -1:
        return None
    if isinstance(code, int) and 0 <= code < len(labels):
        return labels[code]
    raise InputError(f"{place} is {shown(code)}, which is no class; correct it")


def _class_labels(table: pa.Table) -> dict[str, list[str]]:
    """The class names of each column of class labels that a table has."""
    try:
        noted = json.loads((table.schema.metadata or {})[HUGGING_FACE])
        features = noted["info"]["features"]
        return {
            name: [str(each) for each in feature["names"]]
            for name, feature in features.items()
            if feature.get("_type") == "ClassLabel" and name in table.column_names
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _unreadable(path: Path, error: Exception) -> InputError:
    cause = [*str(error).splitlines(), type(error).__name__][0]
    return InputError(f"{path}: cannot be read: {cause}; save the file again")
