"""Read a Parquet file, or a folder of such files: all of it, or batch by batch."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from salutary.errors import InputError
from salutary.tables.paths import FORMATS, check_exists, readable

READ_AHEAD = 1 << 20
"""Bytes of a column that are read at once, where a file is read batch by batch."""


def parquet_files(path: Path) -> list[Path]:
    """The file itself, or the .parquet files of a folder, by name.

    Raises
    ------
    InputError
        If there are none in the folder, or one of them is no file.
    """
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.parquet"))
    if not files:
        raise InputError(f"{path}: holds no .parquet file; pass {FORMATS}")
    for file in files:
        if file.is_dir():
            raise InputError(
                f"{file}: is a folder, not a .parquet file; move it elsewhere"
            )
        check_exists(file)
    return files


def read_parquet(path: Path) -> pa.Table:
    """Read a file, or all files of a folder, whose columns must be the same."""
    files = parquet_files(path)
    names = _column_names(files[0])
    tables = []
    for file in files:
        _check_columns(file, files[0], names)
        with readable(file):
            tables.append(_with_categories(pa.parquet.ParquetFile(file).read()))
    if len(tables) == 1:
        return tables[0]
    return pa.concat_tables(
        [table.select(names) for table in tables], promote_options="permissive"
    )


def parquet_batches(
    path: Path, size: int, columns: Collection[str] | None = None
) -> Iterator[tuple[Path, pa.Table]]:
    """Yield (file, rows), batch by batch, without ever holding a whole file.

    Parameters
    ----------
    path : Path
        A file or a folder.
    size : int
        Largest number of rows in a batch.
    columns : collection of str, optional
        Columns that are read, of those that there are; all by default.
    """
    files = parquet_files(path)
    names = _column_names(files[0])
    read = [name for name in names if columns is None or name in columns]
    for file in files:
        _check_columns(file, files[0], names)
        with readable(file):
            opened = pa.parquet.ParquetFile(file, buffer_size=READ_AHEAD)
            chosen = None if columns is None else read
            for batch in opened.iter_batches(size, columns=chosen):
                table = pa.Table.from_batches([batch])
                yield file, _with_categories(table.select(read))


def count_parquet_rows(path: Path) -> int:
    """Number of rows of a file or a folder, by what the files say of themselves."""
    n_rows = 0
    for file in parquet_files(path):
        with readable(file):
            n_rows += pa.parquet.read_metadata(file).num_rows
    return n_rows


def _column_names(file: Path) -> list[str]:
    with readable(file):
        names: list[str] = pa.parquet.read_schema(file).names
    return names


def _check_columns(file: Path, first: Path, names: Collection[str]) -> None:
    if {*_column_names(file)} != {*names}:
        raise InputError(
            f"{file}: its columns differ from those of {first.name}; "
            "all files of a folder must have the same"
        )


def _with_categories(table: pa.Table) -> pa.Table:
    """A table of a file, with the categories of pandas that are no texts as categories.

    Parquet keeps such a column as its plain values, and pandas notes what it was.
    """
    try:
        notes = table.schema.pandas_metadata["columns"]
        names = [
            note["field_name"]
            for note in notes
            if note["pandas_type"] == "categorical"
            and not pa.types.is_nested(table.schema.field(note["field_name"]).type)
        ]
    except (ValueError, KeyError, TypeError):  # no notes, or none of pandas
        return table
    for name in names:
        place = table.column_names.index(name)
        table = table.set_column(place, name, table[name].dictionary_encode())
    return table
