"""Read the users' tables, and check that they go together."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from salutary.arrays import IntArray
from salutary.errors import InputError
from salutary.influence.labels import encode_labels
from salutary.tables.columns import (
    cast_features,
    column_kinds,
    stray_texts,
    whole_numbers,
)
from salutary.tables.formats import read_table
from salutary.tables.sources import Sources
from salutary.tables.targets import (
    cast_labels,
    target_labels,
    target_type,
    typed_labels,
)


@dataclass(frozen=True)
class Tables:
    """The tables as read.

    Parameters
    ----------
    kinds : dict of str to str
        Of the features, as from `column_kinds`.
    features : dict of str to DataFrame
        Those of each table, cast.
    classes : ndarray of shape (n_classes,), sorted
        Of the training table; two or more.
    train_labels, validation_labels : ndarrays of shape (n_rows,), dtype intp
        Position of each row's class.
    label_type : pyarrow.DataType
        Of the target column.
    ids : pyarrow.Array or None
        Names of the pool's rows, or without a pool those of the training table; None if
        that lacks the column.
    pool_labels : ndarray or None
        The pool's own labels, where it has them.
    groups : ndarray of shape (n_rows,), dtype intp, or None
        Of the validation rows, where they are asked for.
    """

    kinds: dict[str, str]
    features: dict[str, pd.DataFrame]
    classes: NDArray[Any]
    train_labels: IntArray
    validation_labels: IntArray
    label_type: pa.DataType
    ids: pa.Array | None
    pool_labels: NDArray[Any] | None
    groups: IntArray | None


def read_tables(sources: Sources) -> Tables:
    """Read tables whose features and classes are those of the training table.

    Parameters
    ----------
    sources : Sources

    Returns
    -------
    Tables

    Raises
    ------
    InputError
        For anything in the tables that cannot be used.
    """
    target, id_column = sources.target, sources.id_column
    if id_column == target:
        raise InputError(f"--id {id_column!r}: is the target; pass another column")
    if id_column in sources.documents:
        raise InputError(f"--id {id_column!r}: is a text column; pass another column")
    named = [target, *([id_column] if id_column else [])]
    train = read_table(sources.train, named, sources.documents)
    if sources.train.suffix.lower() == ".csv":
        train = typed_labels(train, target)
    label_type = target_type(train, target, str(sources.train))
    features = [name for name in train.column_names if name not in (target, id_column)]
    if not features:
        raise InputError(f"{sources.train}: has no column besides {target!r}; add some")
    for column in sources.documents:
        if column not in features:
            raise InputError(
                f"{sources.train}: has no text column {column!r} besides target and "
                "ids; name another"
            )
    tables = {"train": train, **_read_others(sources, features)}
    pool = tables.get("pool")
    paths = sources.tables()
    of_ids = "train" if pool is None else "pool"
    ids = None
    if pool is not None or id_column in (None, *train.column_names):
        ids = _row_ids(tables[of_ids], paths[of_ids], id_column)
    groups = _groups(tables["validation"], sources)
    for name in tables:
        further = {sources.group_column} if name == "validation" else set()
        known = {*features, target, id_column, *further}
        if sources.only_texts:
            features, known = list(sources.documents), {*tables[name].column_names}
        _check_columns(tables[name], paths[name], features, known, sources)
    if sources.train.suffix.lower() == ".csv":
        others = [name for name in features if name not in sources.documents]
        _warn_of_strays(train, others, sources.train)
    try:
        kinds = column_kinds(
            train, train if pool is None else pool, features, sources.documents
        )
    except InputError as error:
        raise InputError(f"{sources.train}: {error}") from None
    frames = {
        name: cast_features(table, kinds, str(paths[name]))
        for name, table in tables.items()
    }
    labels, validation_labels = (
        target_labels(tables[name], target, label_type, str(paths[name]))
        for name in ("train", "validation")
    )
    pool_labels = None if pool is None else _pool_labels(pool, label_type, sources)
    classes, train_labels = np.unique(labels, return_inverse=True)
    return Tables(
        kinds=kinds,
        features=frames,
        classes=classes,
        train_labels=train_labels,
        validation_labels=_among(classes, validation_labels, sources),
        label_type=label_type,
        ids=ids,
        pool_labels=pool_labels,
        groups=groups,
    )


def _read_others(sources: Sources, features: list[str]) -> dict[str, pa.Table]:
    """The tables besides the training table, whose types they will get."""
    further = [name for name in (sources.id_column, sources.group_column) if name]
    text_columns = [*features, sources.target, *further]
    return {
        name: read_table(path, text_columns, sources.documents)
        for name, path in sources.tables().items()
        if name != "train"
    }


def _among(classes: NDArray[Any], labels: NDArray[Any], sources: Sources) -> IntArray:
    """Positions of the validation labels among the training table's classes."""
    place = f"column {sources.target!r}"
    if len(classes) < 2:
        raise InputError(
            f"{sources.train}: target {place} has one class only, "
            f"{classes.tolist()[0]!r}; add rows of another"
        )
    try:
        return encode_labels(labels, classes, f"{sources.validation}: {place}")
    except ValueError as error:
        raise InputError(str(error)) from None


def _warn_of_strays(train: pa.Table, features: list[str], path: Path) -> None:
    for column, (row, text) in stray_texts(train, features).items():
        warnings.warn(
            f"{path}: column {column!r} is taken as text, not numbers, because of "
            f"{text!r} in row {row}; correct it or leave it empty",
            UserWarning,
            stacklevel=2,
        )


def _check_columns(
    table: pa.Table,
    path: Path,
    features: list[str],
    known: set[str | None],
    sources: Sources,
) -> None:
    """Refuse a table whose features are not those of the training table."""
    missing = [name for name in features if name not in table.column_names]
    if missing:
        raise InputError(
            f"{path}: has no column {missing[0]!r}, which {sources.train} has; add it, "
            "or drop it there"
        )
    further = [name for name in table.column_names if name not in known]
    if further:
        raise InputError(
            f"{path}: has the column {further[0]!r}, which {sources.train} lacks; drop "
            "it, or add it there"
        )


def _groups(validation: pa.Table, sources: Sources) -> IntArray | None:
    """Number of each validation row's group, if there is to be one."""
    column, path = sources.group_column, sources.validation
    if column is None:
        return None
    if column not in validation.column_names:
        raise InputError(f"{path}: has no group column {column!r}; add it")
    groups = _names(validation[column], f"{path}: group column {column!r}")
    codes: IntArray = np.unique(groups.to_pylist(), return_inverse=True)[1]
    return codes


def _names(values: pa.ChunkedArray, place: str) -> pa.Array:
    """What rows or groups are called: plain values, none of them missing."""
    names = values.combine_chunks()
    if pa.types.is_dictionary(names.type):
        names = names.dictionary_decode()
    if pa.types.is_string_view(names.type):
        names = names.cast(pa.string())
    if pa.types.is_nested(names.type):
        raise InputError(f"{place} is of type {names.type}; make it text or numbers")
    row = pc.index(names.is_null(nan_is_null=True), True).as_py()
    if row >= 0:
        raise InputError(f"{place} is empty in row {row}; fill it or drop the row")
    return names


def _row_ids(table: pa.Table, path: Path, column: str | None) -> pa.Array:
    if column is None:
        return pa.array(np.arange(table.num_rows))
    if column not in table.column_names:
        raise InputError(f"{path}: has no id column {column!r}; add it")
    ids = _names(table[column], f"{path}: id column {column!r}")
    seen: dict[Any, int] = {}
    for row, value in enumerate(ids.to_pylist()):
        if value in seen:
            raise InputError(
                f"{path}: id column {column!r} has {value!r} in rows "
                f"{seen[value]} and {row}; make the ids unique"
            )
        seen[value] = row
    return whole_numbers(ids)


def _pool_labels(
    pool: pa.Table, label_type: pa.DataType, sources: Sources
) -> NDArray[Any] | None:
    """The pool's own labels if all rows have one, None if none has."""
    if sources.target not in pool.column_names:
        return None
    place = f"{sources.pool}: column {sources.target!r}"
    labels = pool[sources.target]
    if labels.null_count == len(labels):
        return None
    if labels.null_count:
        row = pc.index(labels.combine_chunks().is_null(), True).as_py()
        raise InputError(
            f"{sources.pool}: target column {sources.target!r} is only partly filled "
            f"(row {row} is empty); move labeled rows to {sources.train}, or drop the "
            "column"
        )
    own: NDArray[Any] = cast_labels(labels, label_type, place).to_numpy(
        zero_copy_only=False
    )
    return own
