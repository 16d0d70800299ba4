"""Read users' tables: CSV, Parquet, JSON lines, or a folder of Parquet files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from salutary.errors import InputError

FORMATS = ".csv, .parquet, .jsonl, or a folder of .parquet files"


def read_table(path: Path, text_columns: Collection[str] = ()) -> pa.Table:
    """Read a table whole.

    Parameters
    ----------
    path : Path
        A .csv, .parquet or .jsonl file, or a folder of .parquet files, which are read
        in the order of their names.
    text_columns : collection of str
        Columns of a .csv file to leave as text, to be cast later. Without it "007"
        would become 7.

    Returns
    -------
    pyarrow.Table
        At least one row; column names are unique.

    Raises
    ------
    InputError
        If it cannot be read or is empty.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; check the path")
    reader = _reader(path, text_columns)
    try:
        table = reader(path)
        names = table.column_names
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not in UTF-8; save it so") from None
    except (pa.ArrowException, OSError) as error:
        cause = str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be read: {cause}") from None
    # pandas writes an index without a name as a column of its own.
    index = [name for name in names if not name or name.startswith("__index_level_")]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"{path}: column {repeated[0]!r} occurs more than once; rename one"
        )
    if table.num_rows == 0:
        raise InputError(f"{path}: has no rows; pass a table with at least one")
    return table.drop_columns(index).combine_chunks()


def _reader(path: Path, text_columns: Collection[str]) -> Callable[[Path], pa.Table]:
    if path.is_dir():
        return _read_parquet_folder
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return lambda path: _read_csv(path, text_columns)
    if suffix == ".parquet":
        return lambda path: pa.parquet.ParquetFile(path).read()
    if suffix == ".jsonl":
        return lambda path: pa.json.read_json(path)
    raise InputError(f"{path}: unknown kind of table; pass {FORMATS}")


def _read_parquet_folder(path: Path) -> pa.Table:
    files = sorted(path.glob("*.parquet"))
    if not files:
        raise InputError(f"{path}: holds no .parquet file; pass {FORMATS}")
    tables = [pa.parquet.ParquetFile(file).read() for file in files]
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


def _read_csv(path: Path, text_columns: Collection[str]) -> pa.Table:
    return pa.csv.read_csv(
        path,
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(text_columns, pa.string()),
            strings_can_be_null=True,
        ),
        # One block: a type is inferred from the whole column, not from its beginning.
        read_options=pa.csv.ReadOptions(
            block_size=max(1, min(path.stat().st_size + 1, 2**31 - 1))
        ),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
    )


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, or of the names and hashes of a folder's .parquet files."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    parts = [
        f"{file.name} {fingerprint(file)}" for file in sorted(path.glob("*.parquet"))
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
