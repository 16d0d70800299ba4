"""Write tables: new ones, and a user's own with some labels changed."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from salutary.arrays import IntArray
from salutary.errors import InputError
from salutary.files import write_text, write_whole
from salutary.tables.formats import read_table
from salutary.tables.formulas import warn_of_formulas

BLANKS = re.compile(r"\s*")
"""What may stand between two JSON objects."""


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table in the format that the suffix names, whole or not at all.

    Parameters
    ----------
    table : pyarrow.Table
    path : Path
        Ends in .parquet, .csv or .jsonl. An existing file is replaced.

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
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        write_whole(path, lambda beside: pa.parquet.write_table(table, beside))
    elif suffix == ".csv":
        write_whole(path, lambda beside: pa.csv.write_csv(table, beside))
    elif suffix == ".jsonl":
        write_whole(path, lambda beside: _write_json_lines(table, beside))
    else:
        raise InputError(
            f"{path}: unknown kind of table; pass .csv, .parquet or .jsonl"
        )


def _write_json_lines(table: pa.Table, path: Path) -> None:
    table.to_pandas().to_json(
        path,
        orient="records",
        lines=True,
        double_precision=15,
        date_format="iso",
        date_unit="ns",
    )


def write_relabeled(
    source: Path, out: Path, target: str, before: IntArray, after: IntArray
) -> None:
    """Write a copy of a table in which some rows have another label.

    Everything else stays as the source has it, also the spelling of values in a .csv or
    .jsonl file. A new label is spelled as in the first row that had it before.

    Parameters
    ----------
    source : Path
        A .csv, .jsonl or .parquet file, or a folder of .parquet files, which are
        written as one.
    out : Path
        Of the source's kind: .csv, .jsonl, or .parquet for a folder too.
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
    if out.suffix == ".csv":
        write_text(out, _relabeled_csv(source, target, label_from))
    elif out.suffix == ".jsonl":
        text = source.read_text("utf-8-sig")
        write_text(out, _relabeled_json(text, target, label_from))
    else:
        table = read_table(source, keep_index=True)
        write_table(_relabeled(table, target, label_from), out)
        return
    warn_of_formulas(out, read_table(out))


def _relabeled_csv(path: Path, target: str, label_from: Mapping[int, int]) -> str:
    """The text of a .csv file, with the labels of some rows copied from other rows."""
    limit = csv.field_size_limit(path.stat().st_size + 1)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = (row for row in csv.reader(file) if row)
    finally:
        csv.field_size_limit(limit)
    column = header.index(target)
    labels = [row[column] for row in rows]
    for row, other in label_from.items():
        rows[row][column] = labels[other]
    return "".join(
        ",".join(_quoted(value) for value in row) + "\n" for row in (header, *rows)
    )


def _quoted(value: str) -> str:
    # csv.writer with "\n" as the line end would leave a lone "\r" unquoted.
    if any(mark in value for mark in ',"\r\n'):
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
