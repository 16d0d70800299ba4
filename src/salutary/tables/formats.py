"""Read one table, of whatever format its name shows, or a folder of Parquet files."""

from __future__ import annotations

import codecs
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.json

from salutary.errors import InputError
from salutary.tables.delimited import read_delimited
from salutary.tables.parquet import parquet_files, read_parquet
from salutary.tables.paths import FORMATS, check_exists, readable
from salutary.tables.text_files import (
    CHUNK,
    GZIPPED,
    check_text,
    is_gzipped,
    open_bytes,
)
from salutary.tables.urls import TableURL
from salutary.tables.workbooks import read_workbook

logger = logging.getLogger(__name__)

DELIMITED = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
"""Formats in which all is text."""

JSON_LINES = (".jsonl", ".jsonl.gz")

ARROW = (".feather", ".arrow")

ARROW_FILE = b"ARROW1"
"""First bytes of Arrow's file format; a file without them may be in stream format."""


def read_table(
    path: Path, verbatim: Collection[str] = (), *, keep_index: bool = False
) -> pa.Table:
    r"""Read a table.

    The columns of a .csv or .tsv file are text, and so is what a .jsonl file has in
    quotes.

    Parameters
    ----------
    path : Path
        A file of one of the `FORMATS`, or a folder of .parquet files, which are read
        in the order of their names.
    verbatim : collection of str
        Columns of a .csv or .tsv file in which every value is text, even an empty one.
        In other columns an empty value, "NA", "null" and the like are missing values.
    keep_index : bool, default=False
        Whether to keep the column in which pandas stored an index without a name.

    Returns
    -------
    pyarrow.Table
        With at least one row, and column names that are unique.

    Raises
    ------
    InputError
        If the table cannot be read, has no rows, or has a column without a name, with
        another column's name or with values that are not valid.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "rows.csv"
    ...     _ = path.write_text("code,size\n007,1.5\n,\n")
    ...     read_table(path).to_pydict()
    {'code': ['007', None], 'size': ['1.5', None]}
    """
    check_exists(path)
    reader = _reader(path, verbatim)
    with readable(path):
        table = reader(path)
    index = index_columns(path, table.column_names)
    if table.num_rows == 0:
        raise InputError(f"{path}: has no rows; pass a table with at least one")
    check_values(path, table)
    logger.debug("%s: %d rows, %d columns", path, table.num_rows, table.num_columns)
    return table.drop_columns([] if keep_index else index).combine_chunks()


def index_columns(path: Path, names: list[str]) -> list[str]:
    """Columns in which pandas stored an index without a name, once names are checked.

    In a .csv file it is the first column, without a name; in a .parquet file one with a
    name of pandas' own.

    Raises
    ------
    InputError
        For another column without a name, and for names that recur.
    """
    if "" in names[1:]:
        raise InputError(
            f"{path}: column {names.index('', 1) + 1} has no name; give it one"
        )
    check_names(names, str(path))
    index = [name for name in names if name.startswith("__index_level_")]
    return index + [name for name in names[:1] if not name]


def check_names(names: Iterable[Any], called: str) -> None:
    """Refuse names of columns that do not tell the columns apart.

    Parameters
    ----------
    names : iterable
    called : str
        What the caller calls the table, for messages.

    Raises
    ------
    InputError
    """
    counts = Counter(names)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise InputError(
            f"{called}: column {repeated[0]!r} occurs more than once; rename one"
        )
    cut = [name for name in counts if str(name).endswith("\0")]
    if cut:
        raise InputError(
            f"{called}: column {cut[0]!r} ends with the character NUL, which arrays of "
            "names lose; rename it"
        )


def _reader(path: Path, verbatim: Collection[str]) -> Callable[[Path], pa.Table]:
    if path.is_dir():
        return read_parquet
    suffix = format_of(path)
    if suffix in DELIMITED:
        return lambda path: read_delimited(path, verbatim)
    readers = {
        ".parquet": read_parquet,
        ".xlsx": read_workbook,
        **dict.fromkeys(JSON_LINES, _read_json_lines),
        **dict.fromkeys(ARROW, _read_arrow),
    }
    if suffix in readers:
        return readers[suffix]
    raise InputError(f"{path}: unknown kind of table; pass {FORMATS}")


def format_of(path: Path) -> str:
    """Suffix that names a file's format, in small letters.

    Examples
    --------
    >>> format_of(Path("rows.v2.CSV.gz")), format_of(Path("rows.parquet"))
    ('.csv.gz', '.parquet')
    """
    if is_gzipped(path):
        return Path(path.stem).suffix.lower() + GZIPPED
    return path.suffix.lower()


def _read_arrow(path: Path) -> pa.Table:
    """Read Arrow's file format, as which Feather is kept too, or its stream format."""
    opened = pa.ipc.open_file if is_arrow_file(path) else pa.ipc.open_stream
    with opened_for_arrow(path) as file, opened(file) as rows:
        return rows.read_all()


def opened_for_arrow(path: Path) -> pa.NativeFile:
    """Open a file to read any part of it."""
    if isinstance(path, TableURL):
        return pa.PythonFile(path.open(), mode="r")
    return pa.OSFile(str(path.absolute()))


def is_arrow_file(path: Path) -> bool:
    """Whether a file is in Arrow's file format, not in its stream format."""
    with path.open("rb") as file:
        return file.read(len(ARROW_FILE)) == ARROW_FILE


def check_values(path: Path, table: pa.Table, first: int = 0) -> None:
    """Refuse values that are not valid, such as Latin-1 text in a Parquet file.

    ``first`` is the number of the table's first row in its file.

    Raises
    ------
    InputError
    """
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            bad = (row for row, value in enumerate(column) if not _is_valid(value))
            row = next(bad, None)
            place = "" if row is None else f", row {first + row}"
            raise InputError(
                f"{path}: column {name!r}{place}: cannot be read ({error}); correct it "
                "or drop the row"
            ) from None


def _is_valid(value: pa.Scalar) -> bool:
    try:
        value.as_py()
    except ValueError:
        return False
    return True


def _read_json_lines(path: Path) -> pa.Table:
    check_text(path)
    with open_bytes(path) as file:
        if file.read(CHUNK).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
            raise InputError(
                f"{path}: is one JSON array, not JSON lines; write each row as an "
                "object on a line of its own"
            )
    table = _parsed_json(path)
    # Arrow makes moments of some texts, which could not be told from the file's.
    texts = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
    if not texts:
        return table
    schema = pa.schema([(name, pa.string()) for name in texts])
    return _parsed_json(path, schema).select(table.column_names)


def _parsed_json(path: Path, schema: pa.Schema | None = None) -> pa.Table:
    options = pa.json.ParseOptions(explicit_schema=schema)
    with open_bytes(path) as file:
        return pa.json.read_json(file, parse_options=options)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, or of the names and hashes of a folder's files.

    Parameters
    ----------
    path : Path
        A file, or a folder, of which only the .parquet files count.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    parts = [f"{file.name} {file_sha256(file)}" for file in parquet_files(path)]
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()
