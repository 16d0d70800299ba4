"""Read a Parquet file, or a folder of such files: all of it, or batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from salutary.errors import InputError
from salutary.tables.paths import FORMATS, check_exists, readable
from salutary.tables.urls import TableURL

PARQUET = "*.parquet"
"""Names of the files of a folder that are read."""

READ_AHEAD = 1 << 20
"""Bytes of a column that are read at once, where a file is read batch by batch."""

LARGEST_GROUP = 1 << 27
"""Bytes of a row group that is fetched from a URL in one go, not column by column."""


def parquet_files(path: Path) -> list[Path]:
    """The file itself, or the .parquet files of a folder, by name.

    Raises
    ------
    InputError
        If there are none in the folder, or one of them is no file.
    """
    if not path.is_dir():
        return [path]
    found = path.listed(PARQUET) if isinstance(path, TableURL) else _local_files(path)
    if not found:
        raise InputError(f"{path}: holds no .parquet file; pass {FORMATS}")
    for file, is_folder in found:
        if is_folder:
            raise InputError(
                f"{file}: is a folder, not a .parquet file; move it elsewhere"
            )
    return [file for file, _ in found]


def _local_files(folder: Path) -> list[tuple[Path, bool]]:
    """The .parquet files of a folder, and whether each is a folder."""
    files = sorted(folder.glob(PARQUET))
    for file in files:
        check_exists(file)
    for inner in sorted(folder.iterdir()):
        # Writers keep notes in folders such as _temporary; links may go round.
        if inner.name[0] in "_." or inner.is_symlink() or not inner.is_dir():
            continue
        nested = next(inner.rglob(PARQUET), None)
        if nested is not None and inner.suffix != ".parquet":
            raise InputError(
                f"{nested}: is in a folder of the folder, which is not read; move its "
                "files up, or elsewhere"
            )
    return [(file, file.is_dir()) for file in files]


def read_parquet(path: Path) -> pa.Table:
    """Read a file, or all files of a folder, whose columns must be the same."""
    tables = []
    for file in _alike(parquet_files(path)):
        with readable(file):
            tables.append(_with_categories(_opened(file).read()))
    if len(tables) == 1:
        return tables[0]
    names = tables[0].column_names
    tables = [table.select(names) for table in tables]
    try:
        joined = pa.concat_tables(tables, promote_options="permissive")
        joined.unify_dictionaries()
    except pa.ArrowException:  # more categories together than one file had room for
        wide = [_with_wide_categories(table) for table in tables]
        joined = pa.concat_tables(wide, promote_options="permissive")
    return joined


@dataclass(frozen=True)
class RowGroup:
    """Rows of a Parquet file that are stored together, and can be read alone.

    Parameters
    ----------
    file : Path
    number : int
        Its number in the file.
    first : int
        Number of its first row in the file.
    n_rows : int
    """

    file: Path
    number: int
    first: int
    n_rows: int


def row_groups(path: Path) -> list[RowGroup]:
    """The row groups of a file or a folder, in order."""
    found = []
    for file in parquet_files(path):
        with readable(file):
            metadata = _opened(file).metadata
        first = 0
        for number in range(metadata.num_row_groups):
            n_rows = metadata.row_group(number).num_rows
            found.append(RowGroup(file, number, first, n_rows))
            first += n_rows
    return found


def parquet_batches(
    path: Path, size: int, groups: Sequence[RowGroup] | None = None
) -> Iterator[tuple[Path, pa.Table]]:
    """Yield (file, rows), batch by batch, without ever holding a whole file.

    Parameters
    ----------
    path : Path
        A file or a folder.
    size : int
        Largest number of rows in a batch.
    groups : sequence of RowGroup, optional
        Those to read, in their order. By default all.
    """
    files = _alike(parquet_files(path))
    names = parquet_schema(files[0]).names
    for file in files:
        own = None
        if groups is not None:
            own = [group.number for group in groups if group.file == file]
            if not own:
                continue
        with readable(file):
            for batch in _batches(file, size, own):
                yield file, _as_stored(pa.Table.from_batches([batch]).select(names))


def count_parquet_rows(path: Path) -> int:
    """Number of rows of a file or a folder, by what the files say of themselves."""
    n_rows = 0
    for file in parquet_files(path):
        with readable(file):
            n_rows += _opened(file).metadata.num_rows
    return n_rows


def _opened(file: Path, **options: Any) -> pa.parquet.ParquetFile:
    if isinstance(file, TableURL):
        return pa.parquet.ParquetFile(file.open(cache="none"), **options)
    return pa.parquet.ParquetFile(file, **options)


def _batches(
    file: Path, size: int, groups: list[int] | None
) -> Iterator[pa.RecordBatch]:
    # What Arrow buffers before it is asked for, it keeps until all is read.
    opened = _opened(file, buffer_size=READ_AHEAD, pre_buffer=False)
    if not isinstance(file, TableURL) or _largest_group(opened) > LARGEST_GROUP:
        yield from opened.iter_batches(size, groups)
        return
    opened = _opened(file, metadata=opened.metadata, pre_buffer=True)
    for number in range(opened.num_row_groups) if groups is None else groups:
        yield from opened.iter_batches(size, row_groups=[number])


def _largest_group(opened: pa.parquet.ParquetFile) -> int:
    """Bytes, as stored, of the largest row group of a file."""
    metadata = opened.metadata
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    columns = range(metadata.num_columns)
    return max(
        (
            sum(group.column(place).total_compressed_size for place in columns)
            for group in groups
        ),
        default=0,
    )


def parquet_schema(file: Path) -> pa.Schema:
    """Names and types of the columns of a file, as they are read."""
    with readable(file):
        stored = _opened(file).schema.to_arrow_schema()
        return _as_stored(stored.empty_table()).schema


def _alike(files: list[Path]) -> list[Path]:
    """The files of a table; refuse one that cannot be joined with the first.

    Raises
    ------
    InputError
        For a file with other columns, or a column of a type that cannot become that of
        all before it.
    """
    first = files[0]
    joint = parquet_schema(first)
    for file in files[1:]:
        own = parquet_schema(file)
        if {*own.names} != {*joint.names}:
            name = min({*own.names} ^ {*joint.names})
            which = "has" if name in own.names else "lacks"
            raise InputError(
                f"{file}: its columns differ from those of {first.name}: it {which} "
                f"{name!r}; all files of a folder must have the same"
            )
        if len({*own.names}) < len(own.names):
            continue  # which is refused by its name
        fields = []
        for field in joint.remove_metadata():
            both = [pa.schema([field]), pa.schema([own.field(field.name)])]
            try:
                fields.append(
                    pa.unify_schemas(
                        [each.remove_metadata() for each in both],
                        promote_options="permissive",
                    ).field(0)
                )
            except pa.ArrowException:
                raise InputError(
                    f"{file}: column {field.name!r} is of type "
                    f"{own.field(field.name).type}, but of type {field.type} in files "
                    "before it; store it in one type in all files"
                ) from None
        joint = pa.schema(fields)
    return files


def _as_stored(table: pa.Table) -> pa.Table:
    """A table of a file, as the library that wrote it would have it again."""
    return _with_wide_categories(_with_categories(table))


def _with_wide_categories(table: pa.Table) -> pa.Table:
    """The table with room for more categories, as other files may have others."""
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            wide = pa.dictionary(pa.int32(), field.type.value_type)
            table = table.set_column(place, field.name, table.column(place).cast(wide))
    return table


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
