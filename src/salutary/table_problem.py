"""From three tables to a problem the loop can run on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from salutary.columns import (
    cast_features,
    column_kinds,
    stray_texts,
    whole_numbers,
)
from salutary.encoding import (
    ColumnTypes,
    count_recurring,
    table_encoder,
    unseen_categories,
)
from salutary.errors import InputError
from salutary.influence.add_one_in import Estimate
from salutary.influence.inputs import encode_labels
from salutary.labeling.rules import find_rule
from salutary.pools.arrays import ArrayPool
from salutary.problem import Problem, split_folds
from salutary.rows import LabeledRows
from salutary.tables import read_table
from salutary.targets import cast_labels, target_labels, target_type, typed_labels

Stage = Callable[[str], AbstractContextManager[object]]
"""Shows a person what is going on while the block runs."""


@dataclass(frozen=True)
class Sources:
    """Where the tables are and how to read them.

    Parameters
    ----------
    train, validation, pool : Path
    target : str
        Column of the labels.
    id_column : str or None
        Column that names the pool's rows; None for their numbers.
    """

    train: Path
    validation: Path
    pool: Path
    target: str
    id_column: str | None

    def paths(self) -> dict[str, Path]:
        """The three tables by name."""
        return {"train": self.train, "validation": self.validation, "pool": self.pool}


@dataclass(frozen=True)
class Settings:
    """What a run does with its tables; see ``salutary label --help``."""

    rule: str
    C: float
    batch_size: int
    guard: bool
    seed: int
    min_influence_z: float = 0.0
    estimate: Estimate = "first_order"


@dataclass(frozen=True)
class TableProblem:
    """A problem, and what leads back from it to the tables.

    Parameters
    ----------
    problem : Problem
    encoder : Pipeline
        Fitted; from the table's columns to the problem's features.
    label_type : pyarrow.DataType
        Of the target column.
    ids : pyarrow.Array
        The pool's rows' names.
    pool_labels : ndarray or None
        The pool's own labels, where it has them; they are never looked at but to
        report the agreement.
    n_rows : dict of str to int
        Rows of each table.
    unseen : dict of str to int
        Pool rows with a category that no training row has, by column.
    recurring : int
        Validation rows that stand in the training table or the pool as well.
    """

    problem: Problem
    encoder: Pipeline
    label_type: pa.DataType
    ids: pa.Array
    pool_labels: NDArray[Any] | None
    n_rows: dict[str, int]
    unseen: dict[str, int]
    recurring: int

    def model(self, classifier: LogisticRegression) -> Pipeline:
        """The whole way from a table to a class."""
        return Pipeline([*self.encoder.steps, ("classify", classifier)])


@dataclass(frozen=True)
class _Tables:
    """The tables as read: features cast, labels as arrays."""

    kinds: dict[str, str]
    features: dict[str, pd.DataFrame]
    train_labels: NDArray[Any]
    validation_labels: NDArray[Any]
    label_type: pa.DataType
    ids: pa.Array
    pool_labels: NDArray[Any] | None


def prepare(sources: Sources, settings: Settings, stage: Stage) -> TableProblem:
    """Read, check and encode three tables.

    Parameters
    ----------
    sources : Sources
    settings : Settings
    stage : callable

    Returns
    -------
    TableProblem

    Raises
    ------
    InputError
        For anything in the tables that cannot be used.
    """
    with stage("reading the tables"):
        tables = _read(sources)
    train, pool = tables.features["train"], tables.features["pool"]
    classes, train_codes = np.unique(tables.train_labels, return_inverse=True)
    place = f"column {sources.target!r}"
    if len(classes) < 2:
        raise InputError(
            f"{sources.train}: target {place} has one class only, "
            f"{classes.tolist()[0]!r}; add rows of another"
        )
    try:
        validation_codes = encode_labels(
            tables.validation_labels, classes, f"{sources.validation}: {place}"
        )
    except ValueError as error:
        raise InputError(str(error)) from None

    encoder = table_encoder(settings.seed)
    with stage("encoding the columns"):
        matrix = _encode(encoder, pd.concat([train, pool], ignore_index=True), sources)
        validation_matrix = np.asarray(encoder.transform(tables.features["validation"]))
    validation = LabeledRows(
        validation_matrix, validation_codes, np.ones(len(validation_codes))
    )
    rng = np.random.RandomState(settings.seed)
    n_train, n_pool = len(train), len(pool)
    problem = Problem(
        estimator=LogisticRegression(C=settings.C),
        classes=classes,
        labeled=LabeledRows(matrix[:n_train], train_codes, np.ones(n_train)),
        validation=validation,
        folds=split_folds(validation, settings.guard, rng),
        pool=ArrayPool(matrix[n_train:], np.ones(n_pool, dtype=bool), np.ones(n_pool)),
        rule=find_rule(settings.rule),
        hessian="train",
        batch_size=settings.batch_size,
        estimate=settings.estimate,
        min_influence_z=settings.min_influence_z,
    )
    steps = [("types", ColumnTypes(tables.kinds)), *encoder.steps]
    return TableProblem(
        problem=problem,
        encoder=Pipeline(steps),
        label_type=tables.label_type,
        ids=tables.ids,
        pool_labels=tables.pool_labels,
        n_rows={name: len(frame) for name, frame in tables.features.items()},
        unseen=unseen_categories(encoder, train, pool),
        recurring=count_recurring(tables.features["validation"], train, pool),
    )


def _read(sources: Sources) -> _Tables:
    target, id_column = sources.target, sources.id_column
    if id_column == target:
        raise InputError(f"--id {id_column!r}: is the target; pass another column")
    train = read_table(sources.train, [target])
    if sources.train.suffix.lower() == ".csv":
        train = typed_labels(train, target)
    label_type = target_type(train, target, str(sources.train))
    features = [name for name in train.column_names if name not in (target, id_column)]
    if not features:
        raise InputError(f"{sources.train}: has no column besides {target!r}; add some")
    text_columns = [*features, target, *([id_column] if id_column else [])]
    validation = read_table(sources.validation, text_columns)
    pool = read_table(sources.pool, text_columns)
    ids = _row_ids(pool, sources)
    for table, path in ((validation, sources.validation), (pool, sources.pool)):
        _check_columns(table, path, features, sources)
    if sources.train.suffix.lower() == ".csv":
        _warn_of_strays(train, features, sources.train)
    try:
        kinds = column_kinds(train, pool, features)
    except InputError as error:
        raise InputError(f"{sources.train}: {error}") from None
    tables = {"train": train, "validation": validation, "pool": pool}
    return _Tables(
        kinds=kinds,
        features={
            name: cast_features(tables[name], kinds, str(path))
            for name, path in sources.paths().items()
        },
        train_labels=target_labels(train, target, label_type, str(sources.train)),
        validation_labels=target_labels(
            validation, target, label_type, str(sources.validation)
        ),
        label_type=label_type,
        ids=ids,
        pool_labels=_pool_labels(pool, label_type, sources),
    )


def _warn_of_strays(train: pa.Table, features: list[str], path: Path) -> None:
    for column, (row, text) in stray_texts(train, features).items():
        warnings.warn(
            f"{path}: column {column!r} is taken as text, not numbers, because of "
            f"{text!r} in row {row}; correct it or leave it empty",
            UserWarning,
            stacklevel=2,
        )


def _check_columns(
    table: pa.Table, path: Path, features: list[str], sources: Sources
) -> None:
    """Refuse a table whose features are not those of the training table."""
    known = {*features, sources.target, sources.id_column}
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


def _row_ids(pool: pa.Table, sources: Sources) -> pa.Array:
    if sources.id_column is None:
        return pa.array(np.arange(pool.num_rows))
    column = sources.id_column
    if column not in pool.column_names:
        raise InputError(f"{sources.pool}: has no id column {column!r}; add it")
    ids = pool[column].combine_chunks()
    if pa.types.is_dictionary(ids.type):
        ids = ids.dictionary_decode()
    if ids.null_count:
        row = pc.index(ids.is_null(), True).as_py()
        raise InputError(f"{sources.pool}: id column {column!r} is empty in row {row}")
    seen: dict[Any, int] = {}
    for row, value in enumerate(ids.to_pylist()):
        if value in seen:
            raise InputError(
                f"{sources.pool}: id column {column!r} has {value!r} in rows "
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


def _encode(
    encoder: Pipeline, frame: pd.DataFrame, sources: Sources
) -> NDArray[np.float32]:
    try:
        return np.asarray(encoder.fit_transform(frame))
    except ValueError as error:
        if not frame.isna().all(axis=None) and "0 feature(s)" not in str(error):
            raise
        raise InputError(
            f"{sources.train}: no feature has a value; fill at least one column"
        ) from None
