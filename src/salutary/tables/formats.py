"""Read one table: CSV, Parquet, JSON lines, or a folder of Parquet files."""

from __future__ import annotations

import codecs
import csv
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from salutary.errors import InputError

logger = logging.getLogger(__name__)

FORMATS = ".csv, .parquet, .jsonl, or a folder of .parquet files"

CHUNK = 1 << 20
"""Bytes of a text file that are checked at once."""

SEPARATORS = ("\t", ";", "|")
"""What may stand in the place of a comma in a .csv file, by mistake."""

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""First bytes of files in UTF-16."""


def read_table(
    path: Path, verbatim: Collection[str] = (), *, keep_index: bool = False
) -> pa.Table:
    r"""Read a table.

    The columns of a .csv file are text, and so is what a .jsonl file has in quotes.

    Parameters
    ----------
    path : Path
        A .csv, .parquet or .jsonl file, or a folder of .parquet files, which are read
        in the order of their names.
    verbatim : collection of str
        Columns of a .csv file in which every value is text, even an empty one. In other
        columns an empty value, "NA", "null" and the like are missing values.
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
    try:
        table = reader(path)
        names = table.column_names
    except (pa.ArrowException, OSError) as error:
        cause = str(error).splitlines()[0]
        raise InputError(
            f"{path}: cannot be read: {cause}; save the table again"
        ) from None
    # pandas stores an index without a name as a column: in a .csv file the first one,
    # without a name; in a .parquet file one with a name of pandas' own.
    index = [name for name in names if name.startswith("__index_level_")]
    index += [name for name in names[:1] if not name]
    if "" in names[1:]:
        raise InputError(
            f"{path}: column {names.index('', 1) + 1} has no name; give it one"
        )
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise InputError(
            f"{path}: column {repeated[0]!r} occurs more than once; rename one"
        )
    if table.num_rows == 0:
        raise InputError(f"{path}: has no rows; pass a table with at least one")
    _check_values(path, table)
    logger.debug("%s: %d rows, %d columns", path, table.num_rows, table.num_columns)
    return table.drop_columns([] if keep_index else index).combine_chunks()


def check_exists(path: Path) -> None:
    """Refuse a path that leads nowhere, or to a pipe or device, which may never end.

    Raises
    ------
    InputError
    """
    if not path.exists():
        reason = "no such file"
        if path.is_symlink():
            reason = "is a link that leads nowhere"
        raise InputError(f"{path}: {reason}; check the path")
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: is a pipe or device; save the table in a file")


def _reader(path: Path, verbatim: Collection[str]) -> Callable[[Path], pa.Table]:
    if path.is_dir():
        return _read_parquet_folder
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return lambda path: _with_verbatim(path, _read_csv(path), verbatim)
    if suffix == ".parquet":
        return _read_parquet
    if suffix == ".jsonl":
        return _read_json_lines
    raise InputError(f"{path}: unknown kind of table; pass {FORMATS}")


def _read_parquet_folder(path: Path) -> pa.Table:
    files = _parquet_files(path)
    if not files:
        raise InputError(f"{path}: holds no .parquet file; pass {FORMATS}")
    tables = [_read_parquet(file) for file in files]
    for file, table in zip(files, tables, strict=True):
        if set(table.column_names) != set(tables[0].column_names):
            raise InputError(
                f"{file}: its columns differ from those of {files[0].name}; "
                "all files of a folder must have the same"
            )
    return pa.concat_tables(
        [table.select(tables[0].column_names) for table in tables],
        promote_options="permissive",
    )


def _read_parquet(path: Path) -> pa.Table:
    """Read one file, with the categories of pandas that are no texts as categories.

    Parquet keeps such a column as its plain values, and pandas notes what it was.
    """
    table = pa.parquet.ParquetFile(path).read()
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


def _parquet_files(folder: Path) -> list[Path]:
    """The .parquet files of a folder, by name; all of them must be files."""
    files = sorted(folder.glob("*.parquet"))
    for file in files:
        if file.is_dir():
            raise InputError(
                f"{file}: is a folder, not a .parquet file; move it elsewhere"
            )
        check_exists(file)
    return files


def _check_values(path: Path, table: pa.Table) -> None:
    """Refuse values that are not valid, such as Latin-1 text in a Parquet file."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            bad = (row for row, value in enumerate(column) if not _is_valid(value))
            row = next(bad, None)
            raise InputError(
                f"{path}: column {name!r}{'' if row is None else f', row {row}'}: "
                f"cannot be read ({error}); correct it or drop the row"
            ) from None


def _is_valid(value: pa.Scalar) -> bool:
    try:
        value.as_py()
    except ValueError:
        return False
    return True


def _read_json_lines(path: Path) -> pa.Table:
    _check_encoding(path)
    with path.open("rb") as file:
        if file.read(CHUNK).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
            raise InputError(
                f"{path}: is one JSON array, not JSON lines; write each row as an "
                "object on a line of its own"
            )
    table = pa.json.read_json(path)
    # Arrow makes moments of some texts, which could not be told from the file's.
    texts = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
    if not texts:
        return table
    schema = pa.schema([(name, pa.string()) for name in texts])
    options = pa.json.ParseOptions(explicit_schema=schema)
    return pa.json.read_json(path, parse_options=options).select(table.column_names)


def _read_csv(path: Path) -> pa.Table:
    if _check_encoding(path) % 2:
        _check_rows(path)
    names = _header(path)
    try:
        return _parse_csv(
            path,
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
        )
    except pa.ArrowInvalid:
        _check_rows(path)
        raise


def _header(path: Path) -> list[str]:
    """Names of a .csv file's columns; the values must be separated by commas."""
    limit = csv.field_size_limit(path.stat().st_size + 1)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = (row for row in csv.reader(file) if row)
            names, first = next(rows, []), next(rows, [])
    except csv.Error:
        return []  # the parser says what is wrong
    finally:
        csv.field_size_limit(limit)
    for separator in SEPARATORS if len(names) == 1 else ():
        found = names[0].count(separator)
        if found and ",".join(first).count(separator) == found:
            shown = "tabs" if separator == "\t" else f"{separator!r}"
            raise InputError(
                f"{path}: seems to be separated by {shown}; save it with commas "
                "between the values"
            )
    return names


def _with_verbatim(path: Path, table: pa.Table, verbatim: Collection[str]) -> pa.Table:
    """The table with some columns as they are in the file, and no value missing."""
    names = [name for name in table.column_names if name in verbatim]
    if not names:
        return table
    exact = _parse_csv(
        path, column_types=dict.fromkeys(names, pa.string()), include_columns=names
    )
    for name in names:
        place = table.column_names.index(name)
        table = table.set_column(place, name, exact[name])
    return table


def _parse_csv(path: Path, **converted: Any) -> pa.Table:
    return pa.csv.read_csv(
        path,
        convert_options=pa.csv.ConvertOptions(**converted),
        # In one block, so that a type is inferred from the whole column.
        read_options=pa.csv.ReadOptions(
            block_size=max(1, min(path.stat().st_size + 1, 2**31 - 1))
        ),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
    )


def _check_encoding(path: Path) -> int:
    """Number of quotation marks in a text file, which must be in UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, n_quotes, chunk = 1, 0, None
    with path.open("rb") as file:
        while chunk != b"":
            first, chunk = chunk is None, file.read(CHUNK)
            if first and (chunk.startswith(UTF_16) or b"\0" in chunk):
                raise InputError(
                    f"{path}: is in UTF-16 or is not a text file; save it as UTF-8"
                )
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                raise InputError(
                    f"{path}: line {line} is not in UTF-8 (perhaps in Latin-1); save "
                    "the file as UTF-8"
                ) from None
            line += chunk.count(b"\n")
            n_quotes += chunk.count(b'"')
    return n_quotes


def _check_rows(path: Path) -> None:
    """Refuse a .csv file with a row of another length, or a quote that never ends."""
    limit = csv.field_size_limit(path.stat().st_size + 1)
    line, n_columns = 1, None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            for row in rows:
                n_columns = len(row) if n_columns is None else n_columns
                if row and len(row) != n_columns:
                    raise InputError(
                        f"{path}: line {line} has {_values(len(row))}, but the header "
                        f"has {n_columns}; correct it (a value with a comma needs "
                        "quotes)"
                    )
                line = rows.line_num + 1
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            raise InputError(
                f"{path}: line {line} has a quotation mark that starts a value, but "
                "none that ends it; correct it"
            ) from None
    finally:
        csv.field_size_limit(limit)


def _values(number: int) -> str:
    return "1 value" if number == 1 else f"{number} values"


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
    parts = [f"{file.name} {file_sha256(file)}" for file in _parquet_files(path)]
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()
