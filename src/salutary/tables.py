"""Read users' tables, hold them to one set of column types, and encode them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.multiclass import check_classification_targets
from skrub import StringEncoder, TableVectorizer

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
    index = [name for name in names if name.startswith("__index_level_")]
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
    if path.suffix == ".csv":
        return lambda path: _read_csv(path, text_columns)
    if path.suffix == ".parquet":
        return lambda path: pa.parquet.ParquetFile(path).read()
    if path.suffix == ".jsonl":
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


LARGEST_NUMBER = float(np.finfo(np.float32).max)
"""Features are float32."""

ARROW_TYPES: dict[str, pa.DataType] = {
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "date": pa.timestamp("us"),
    "time": pa.time64("us"),
}


def column_kinds(
    train: pa.Table, pool: pa.Table, features: list[str]
) -> dict[str, str]:
    """Kind of each feature: number, boolean, text, date or time, as the table says.

    Parameters
    ----------
    train, pool : pyarrow.Table
        The pool decides about columns that are empty in ``train``.
    features : list of str

    Returns
    -------
    dict of str to str

    Raises
    ------
    InputError
        For lists, structs and bytes.
    """
    kinds = {}
    for name in features:
        arrow_type = train.schema.field(name).type
        if pa.types.is_null(arrow_type):
            arrow_type = pool.schema.field(name).type
        kind = _kind(arrow_type)
        if kind is None:
            raise InputError(
                f"column {name!r} holds {arrow_type}, which is no feature; drop it or "
                "spread it over columns of numbers"
            )
        kinds[name] = kind
    return kinds


def _kind(arrow_type: pa.DataType) -> str | None:
    types = pa.types
    if types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    if types.is_boolean(arrow_type):
        return "boolean"
    if types.is_integer(arrow_type) or types.is_floating(arrow_type):
        return "number"
    if types.is_decimal(arrow_type) or types.is_duration(arrow_type):
        return "number"
    if types.is_string(arrow_type) or types.is_large_string(arrow_type):
        return "text"
    if types.is_string_view(arrow_type) or types.is_null(arrow_type):
        return "text"
    if types.is_date(arrow_type) or types.is_timestamp(arrow_type):
        return "date"
    return "time" if types.is_time(arrow_type) else None


def cast_features(table: pa.Table, kinds: Mapping[str, str], name: str) -> pd.DataFrame:
    """Select the features and give them the types the kinds ask for.

    Parameters
    ----------
    table : pyarrow.Table
    kinds : mapping of str to str
        As from `column_kinds`; its order becomes that of the columns.
    name : str
        What messages call the table.

    Returns
    -------
    pandas.DataFrame
        Numbers, booleans and times of day (in seconds) as float64 with NaN, text as
        objects with None, dates as datetime64 without time zone, in UTC.

    Raises
    ------
    InputError
        For a missing feature, a value that cannot be cast, or infinity; names column
        and row, counted from 0.
    """
    columns = {}
    for column, kind in kinds.items():
        if column not in table.column_names:
            raise InputError(
                f"{name}: has no column {column!r}, which the training table has; "
                "add it"
            )
        values = cast_column(
            table[column], ARROW_TYPES[kind], f"{name}: column {column!r}"
        )
        columns[column] = _to_pandas(values, kind)
        if kind == "number":
            _check_size(columns[column], f"{name}: column {column!r}")
    return pd.DataFrame(columns, index=range(table.num_rows))


def _check_size(values: NDArray[np.float64], place: str) -> None:
    large = np.abs(values) > LARGEST_NUMBER
    if large.any():
        row = int(np.flatnonzero(large)[0])
        what = "infinity is no feature"
        if np.isfinite(values[row]):
            what = f"{values[row]:g} is too large for a feature"
        raise InputError(f"{place}, row {row}: {what}; correct it or leave it empty")


def cast_column(values: pa.ChunkedArray, target: pa.DataType, place: str) -> pa.Array:
    """Cast a column, or name the first value that cannot be cast.

    Parameters
    ----------
    values : pyarrow.ChunkedArray
    target : pyarrow.DataType
    place : str
        File and column, for the message.

    Returns
    -------
    pyarrow.Array

    Raises
    ------
    InputError
    """
    values = _plain(values, target)
    attempts = [target]
    if pa.types.is_timestamp(target):
        attempts.append(pa.timestamp("us", "UTC"))
    if pa.types.is_time(target) and pa.types.is_string(values.type):
        # Arrow parses no times of day, but it parses dates with one.
        dated = pc.binary_join_element_wise("1970-01-01", values, " ")
        cast = _try_cast(dated, [pa.timestamp("us")])
    else:
        cast = _try_cast(values, attempts)
    if isinstance(cast, int):
        value = values[cast].as_py()
        raise InputError(
            f"{place}, row {cast}: {value!r} is not of type {target}, as in the "
            "training table; correct it or leave it empty"
        )
    if cast is None:
        raise InputError(
            f"{place}: is of type {values.type}, but of type {target} in the training "
            "table; convert it"
        )
    return cast.cast(target).combine_chunks()


def _plain(values: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Undo what is only another way to store the same values."""
    types = pa.types
    if types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if types.is_large_string(values.type) or types.is_string_view(values.type):
        values = values.cast(pa.string())
    if types.is_string(values.type) and not types.is_string(target):
        return pc.utf8_trim_whitespace(values)
    if types.is_decimal(values.type):
        return values.cast(pa.float64())
    if types.is_duration(values.type):
        return values.cast(pa.int64())
    if types.is_timestamp(values.type) and values.type.tz is not None:
        return values.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
    return values


def _try_cast(
    values: pa.ChunkedArray, targets: list[pa.DataType]
) -> pa.ChunkedArray | int | None:
    """Cast to the first target that fits; else the first bad row, or None for none."""
    numeric = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if numeric and pa.types.is_temporal(targets[0]):
        return None
    for target in targets:
        # Digits of large integers and of split seconds may be lost.
        exact = not (pa.types.is_temporal(target) or pa.types.is_floating(target))
        try:
            return values.cast(target, safe=exact)
        except pa.ArrowNotImplementedError:
            return None
        except pa.ArrowInvalid:
            continue
    return _first_uncastable(values, targets)


def _first_uncastable(values: pa.ChunkedArray, targets: list[pa.DataType]) -> int:
    """The first row whose value fits no target, or not the one of most rows."""
    failing = [
        {row for row, value in enumerate(values) if not _castable(value, target)}
        for target in targets
    ]
    return min(min(failing, key=lambda rows: len(rows)))


def _castable(value: pa.Scalar, target: pa.DataType) -> bool:
    try:
        value.cast(target)
    except pa.ArrowInvalid:
        return False
    return True


def _to_pandas(values: pa.Array, kind: str) -> Any:
    if kind == "date":
        return values.to_numpy(zero_copy_only=False)
    if kind == "text":
        return pd.Series(values.to_pylist(), dtype=object)
    if kind == "time":
        seconds = pc.divide(values.cast(pa.int64()).cast(pa.float64()), 1e6)
        return seconds.to_numpy(zero_copy_only=False)
    return values.cast(pa.float64()).to_numpy(zero_copy_only=False)


def target_type(train: pa.Table, target: str, name: str) -> pa.DataType:
    """Type of the target column, for every table and the output.

    Raises
    ------
    InputError
        If the column is missing, or its type can have no classes.
    """
    if target not in train.column_names:
        hint = ""
        if train.num_columns == 1 and ";" in train.column_names[0]:
            hint = "; the file seems to be separated by ';', save it with commas"
        shown = ", ".join(repr(column) for column in train.column_names[:20])
        raise InputError(f"{name}: has no target column {target!r}, only {shown}{hint}")
    found = train.schema.field(target).type
    if pa.types.is_dictionary(found):
        found = found.value_type
    allowed = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
    )
    if not any(check(found) for check in allowed):
        raise InputError(
            f"{name}: target column {target!r} is of type {found}; make it text, whole "
            "numbers or booleans"
        )
    return found


def target_labels(
    table: pa.Table, target: str, arrow_type: pa.DataType, name: str
) -> NDArray[Any]:
    """The target as an array of labels, one for every row.

    Returns
    -------
    ndarray of shape (n_rows,)
        Of objects for text.

    Raises
    ------
    InputError
        For a missing column, an empty cell (names the row, from 0), a value of another
        type, or numbers that are no classes.
    """
    if target not in table.column_names:
        raise InputError(f"{name}: has no target column {target!r}; add it")
    values = cast_column(table[target], arrow_type, f"{name}: column {target!r}")
    if values.null_count:
        row = pc.index(values.is_null(), True).as_py()
        raise InputError(
            f"{name}: target column {target!r} is empty in row {row}; fill it, or move "
            "the row to the pool"
        )
    labels: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    try:
        check_classification_targets(labels)
    except ValueError:
        raise InputError(
            f"{name}: target column {target!r} holds real numbers, not classes; bin "
            "them first"
        ) from None
    return labels


class ColumnTypes(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Give a table's columns the types of the training table.

    The first step of a saved model, so that it takes any table a user may read.

    Parameters
    ----------
    kinds : dict of str to str
        As from `column_kinds`.
    """

    def __init__(self, kinds: dict[str, str]) -> None:
        self.kinds = kinds

    def fit(self, X: pd.DataFrame, y: object = None) -> ColumnTypes:
        """Do nothing; the types are known."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Select and cast the columns, see `cast_features`."""
        present = [column for column in self.kinds if column in X.columns]
        table = pa.Table.from_pandas(pd.DataFrame(X)[present], preserve_index=False)
        return cast_features(table, self.kinds, "table")


def table_encoder(seed: int) -> Pipeline:
    """Steps from columns as `cast_features` gives them to a standardized matrix.

    skrub's TableVectorizer makes numbers of categories, texts and dates; then gaps are
    filled with medians and columns standardized.

    Parameters
    ----------
    seed : int
        Of the encoder of texts of many values.

    Returns
    -------
    Pipeline, unfitted
        Its output is float32.
    """
    return Pipeline(
        [
            (
                "vectorize",
                TableVectorizer(
                    # No column dropped: unseen categories are then zeros everywhere.
                    low_cardinality=OneHotEncoder(
                        dtype="float32", handle_unknown="ignore", sparse_output=False
                    ),
                    high_cardinality=StringEncoder(random_state=seed),
                ),
            ),
            ("impute", SimpleImputer(strategy="median")),
            ("scale", StandardScaler()),
        ]
    )


def unseen_categories(
    encoder: Pipeline, train: pd.DataFrame, pool: pd.DataFrame
) -> dict[str, int]:
    """Pool rows, by column, with a category that no training row has."""
    columns = encoder["vectorize"].kind_to_columns_["low_cardinality"]
    counts = {}
    for column in columns:
        unseen = pool[column].notna() & ~pool[column].isin(train[column].dropna())
        if unseen.any():
            counts[column] = int(unseen.sum())
    return counts


def count_recurring(rows: pd.DataFrame, *others: pd.DataFrame) -> int:
    """Rows whose features stand in another table as well."""
    hashes = pd.util.hash_pandas_object(rows, index=False)
    known = pd.concat(
        [pd.util.hash_pandas_object(other, index=False) for other in others]
    )
    return int(hashes.isin(known).sum())
