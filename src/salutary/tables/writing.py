"""Write tables: new ones, and a user's own with some labels changed."""

from __future__ import annotations

import gzip
import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet

from salutary.arrays import IntArray
from salutary.errors import InputError
from salutary.files import write_whole
from salutary.tables.delimited import rows_of, separator_of
from salutary.tables.formats import (
    ARROW,
    DELIMITED,
    JSON_LINES,
    format_of,
    read_table,
)
from salutary.tables.formulas import warn_of_formulas
from salutary.tables.text_files import is_gzipped, open_text

WRITTEN = (*DELIMITED, *JSON_LINES, ".parquet", *ARROW)
"""Formats that can be written."""

BLANKS = re.compile(r"\s*")
"""What may stand between two JSON objects."""


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table in the format that the suffix names, whole or not at all.

    Parameters
    ----------
    table : pyarrow.Table
    path : Path
        Its suffix is one of `WRITTEN`. An existing file is replaced.

    Raises
    ------
    InputError
        For another suffix.
    OSError
        If the file cannot be written; ``path`` is then as it was.

    Warns
    -----
    UserWarning
        If a .csv file has a text that a spreadsheet would run, see `warn_of_formulas`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sizes.jsonl"
    ...     write_table(pa.table({"size": [1, None]}), path)
    ...     print(path.read_text(), end="")
    {"size":1.0}
    {"size":null}
    """
    warn_of_formulas(path, table)
    suffix = format_of(path)
    check_can_be_written(path)
    if suffix == ".parquet":
        write_whole(path, lambda beside: pa.parquet.write_table(table, beside))
    elif suffix in ARROW:
        write_whole(path, lambda beside: pa.feather.write_feather(table, str(beside)))
    elif suffix in JSON_LINES:
        _write_text(path, _as_json_lines(table))
    else:
        _write_text(path, _as_delimited(table, "\t" if ".tsv" in suffix else ","))


def check_can_be_written(path: Path) -> None:
    """Refuse a file whose name shows no format that can be written.

    Raises
    ------
    InputError
    """
    if format_of(path) not in WRITTEN:
        raise InputError(
            f"{path}: unknown kind of table; pass .csv, .tsv or .jsonl (also with "
            ".gz), .parquet, .feather or .arrow"
        )


def _write_text(path: Path, text: bytes) -> None:
    """Write bytes whole or not at all, gzipped if the name says so."""
    # Without the time, the same text gives the same file.
    packed = gzip.compress(text, mtime=0) if is_gzipped(path) else text
    write_whole(path, lambda beside: _write_bytes(beside, packed))


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _as_delimited(table: pa.Table, separator: str) -> bytes:
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(table, sink, pa.csv.WriteOptions(delimiter=separator))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _as_json_lines(table: pa.Table) -> bytes:
    lines: str = table.to_pandas().to_json(
        orient="records",
        lines=True,
        double_precision=15,
        date_format="iso",
        date_unit="ns",
    )
    return lines.encode()


def write_relabeled(
    source: Path, out: Path, target: str, before: IntArray, after: IntArray
) -> None:
    """Write a copy of a table in which some rows have another label.

    Everything else stays as the source has it, also the spelling of values in a text
    file and what separates them. A new label is spelled as in the first row that had
    it before.

    Parameters
    ----------
    source : Path
        A table of any format, or a folder of .parquet files, which are written as one.
    out : Path
        Named by `relabeled_name`.
    target : str
        The column of labels.
    before, after : ndarray of shape (n_rows,), dtype intp
        Position of each row's class, in the source and in the copy. A class in
        ``after`` also occurs in ``before``.
    """
    classes, first = np.unique(before, return_index=True)
    first_of = dict(zip(classes.tolist(), first.tolist(), strict=True))
    changed = np.flatnonzero(before != after).tolist()
    label_from = {row: first_of[after[row]] for row in changed}
    of_source = None if source.is_dir() else format_of(source)
    if of_source in DELIMITED:
        _write_text(out, _relabeled_rows(source, target, label_from).encode())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # all was said when it was first read
            table = read_table(source)
        warn_of_formulas(out, table)
    elif of_source in JSON_LINES:
        with open_text(source) as file:
            text = file.read()
        _write_text(out, _relabeled_json(text, target, label_from).encode())
    else:
        table = read_table(source, keep_index=True)
        write_table(_relabeled(table, target, label_from), out)


def relabeled_name(source: Path, stem: str) -> str:
    """File name of a table with other labels: of the source's format if possible.

    Examples
    --------
    >>> relabeled_name(Path("rows.csv.gz"), "cleaned")
    'cleaned.csv.gz'
    >>> relabeled_name(Path("rows.xlsx"), "cleaned")
    'cleaned.csv'
    """
    if source.is_dir():
        return f"{stem}.parquet"
    suffix = format_of(source)
    return f"{stem}{suffix if suffix in WRITTEN else '.csv'}"


def _relabeled_rows(path: Path, target: str, label_from: Mapping[int, int]) -> str:
    """A file of separated values, the labels of some rows copied from other rows."""
    separator = separator_of(path)
    header, *rows = rows_of(path, separator)
    column = header.index(target)
    labels = [row[column] for row in rows]
    for row, other in label_from.items():
        rows[row][column] = labels[other]
    return "".join(
        separator.join(_quoted(value, separator) for value in row) + "\n"
        for row in (header, *rows)
    )


def _quoted(value: str, separator: str) -> str:
    # csv.writer with "\n" as the line end would leave a lone "\r" unquoted.
    if any(mark in value for mark in f'{separator}"\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


def _relabeled_json(text: str, target: str, label_from: Mapping[int, int]) -> str:
    """JSON lines, with the labels of some rows copied from other rows.

    Only rows with a new label are written anew; the text of all others is kept.
    """
    decoder, rows, lines = json.JSONDecoder(), [], []
    start = _after_blanks(text, 0)
    while start < len(text):
        row, end = decoder.raw_decode(text, start)
        rows.append(row)
        lines.append(text[start:end])
        start = _after_blanks(text, end)
    for row, other in label_from.items():
        changed = {**rows[row], target: rows[other][target]}
        lines[row] = json.dumps(changed, ensure_ascii=False)
    return "".join(f"{line}\n" for line in lines)


def _after_blanks(text: str, place: int) -> int:
    found = BLANKS.match(text, place)
    return place if found is None else found.end()


def _relabeled(table: pa.Table, target: str, label_from: Mapping[int, int]) -> pa.Table:
    """A table, with the labels of some rows copied from other rows."""
    rows = np.arange(table.num_rows)
    rows[list(label_from)] = list(label_from.values())
    labels = table[target].combine_chunks()
    is_view = pa.types.is_string_view(labels.type)  # Arrow cannot take rows of views
    plain = labels.cast(pa.string()) if is_view else labels
    copied = plain.take(pa.array(rows)).cast(labels.type)
    return table.set_column(table.column_names.index(target), target, copied)
