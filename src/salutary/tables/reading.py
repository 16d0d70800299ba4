"""Read the tables of a run, and check that they go together."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from salutary.arrays import IntArray
from salutary.errors import InputError
from salutary.influence.label_values import shown
from salutary.influence.labels import encode_labels
from salutary.labeling.splits import hold_out
from salutary.tables.batches import Sampled, sample
from salutary.tables.casting import cast_features
from salutary.tables.columns import column_kinds, doubts
from salutary.tables.differences import check_columns
from salutary.tables.formats import DELIMITED, format_of, read_table
from salutary.tables.identifiers import id_like
from salutary.tables.large_pool import LargePool
from salutary.tables.lookup import instead_of
from salutary.tables.names_of_rows import row_groups, row_ids
from salutary.tables.recurring import count_recurring, share_of_twins
from salutary.tables.roles import check_roles, feature_columns
from salutary.tables.sources import HeldOut, Sources
from salutary.tables.targets import (
    cast_labels,
    check_classes,
    labels_with_gaps,
    target_labels,
    target_type,
    typed_labels,
    unlabeled_rows,
)

FEWEST_COPIES = 10
"""Fewer validation rows may all stand in the training table by chance."""


@dataclass(frozen=True)
class Tables:
    """The tables of a run as read.

    The tables are named "train", "validation" and, if there is one, "pool".

    Parameters
    ----------
    kinds : dict of str to str
        Kind of each feature, see `column_kinds`.
    features : dict of str to DataFrame
        Features of each table, all cast to the same types.
    classes : ndarray of shape (n_classes,), sorted
        Classes of the training table, two or more.
    train_labels, validation_labels : ndarray of shape (n_rows,), dtype intp
        Position of each row's class.
    label_type : pyarrow.DataType
        Type of the target column.
    ids : pyarrow.Array or None
        Ids of the pool's rows; without a pool, ids of the training rows, or None if the
        training table has no id column.
    pool_labels : ndarray of shape (n_pool,) or None
        Labels that the pool already has. They are only compared with the labels of the
        run.
    pool_marker : str or None
        What stands in the pool's column of labels if no row has one; empty if nothing.
    groups : ndarray of shape (n_validation,), dtype intp, or None
        Number of each validation row's group, if a group column is asked for.
    left_out : dict of str to str
        Columns of the training table that name rows and are therefore no features, and
        what they hold, see `id_like`.
    train_rows : ndarray of shape (n_train,), dtype intp, or None
        Rows of the training table that are trained on, in ascending order, if the
        others are the validation rows.
    large_pool : LargePool or None
        The pool, if it has so many rows that ``features`` hold no more than a sample of
        them.
    """

    kinds: dict[str, str]
    features: dict[str, pd.DataFrame]
    classes: NDArray[Any]
    train_labels: IntArray
    validation_labels: IntArray
    label_type: pa.DataType
    ids: pa.Array | None
    pool_labels: NDArray[Any] | None
    pool_marker: str | None
    groups: IntArray | None
    left_out: dict[str, str]
    train_rows: IntArray | None = None
    large_pool: LargePool | None = None

    @property
    def n_rows(self) -> dict[str, int]:
        """Number of rows of each table."""
        n_rows = {name: len(frame) for name, frame in self.features.items()}
        if self.large_pool is not None:
            n_rows["pool"] = self.large_pool.n_rows
        return n_rows

    def pool_row(self, number: int) -> pd.Series[Any]:
        """The features of a row of the pool."""
        if self.large_pool is None:
            return self.features["pool"].iloc[number]
        return self.large_pool.frame_of(number).iloc[0]


def read_tables(sources: Sources, seed: int | None = None) -> Tables:
    """Read the tables of a run and check that they go together.

    Features, classes and types are those of the training table; the other tables must
    have the same.

    Parameters
    ----------
    sources : Sources
    seed : int, optional
        Of the draw of `MANY_ROWS` rows, where a pool has more; all others are only
        counted, and their ids and labels read. By default the whole pool is read.

    Returns
    -------
    Tables

    Raises
    ------
    InputError
        For anything in the tables that cannot be used.

    Warns
    -----
    UserWarning
        For a column of the training table that a few texts, or the way its numbers are
        written, keep from being read as numbers; and for dates whose day and month
        cannot be told apart.
    """
    tables, columns, label_type, many = _read(sources, seed)
    train, pool = tables["train"], tables.get("pool")
    # Of all rows, and if the pool is large of some columns only.
    named = (train if pool is None else pool) if many is None else many.columns
    n_named = named.num_rows if many is None else many.n_rows
    ids = row_ids(named, n_named, sources)
    # Held-out rows are taken from what is checked, so that messages name their rows.
    held_out, validation = sources.held_out, tables.get("validation", train)
    groups = row_groups(validation, sources)
    candidates = list(sources.documents) if sources.only_texts else columns
    kinds, left_out = _kinds(tables, candidates, sources)
    check_columns(tables, kinds, left_out, sources)
    large_pool = None if many is None else _large_pool(many, kinds, sources)
    frames = {
        name: _cast(tables[name], kinds, path, large_pool if name == "pool" else None)
        for name, path in sources.tables().items()
    }
    for doubt in doubts(train, train if pool is None else pool, kinds):
        warnings.warn(f"{sources.train}: {doubt}", UserWarning, stacklevel=2)
    labels, validation_labels = (
        target_labels(table, sources.target, label_type, place)
        for table, place in (
            (train, str(sources.train)),
            (validation, sources.validation_name),
        )
    )
    classes, train_labels = np.unique(labels, return_inverse=True)
    check_classes(len(classes), len(labels), sources.target, str(sources.train))
    pool_labels, marker = None, None
    if pool is not None:
        pool_labels, marker = _pool_labels(named, classes, label_type, sources)
    codes = _among(classes, validation_labels, sources)
    if held_out is None:
        _check_copies(frames, sources)
    found = Tables(
        kinds=kinds,
        features=frames,
        classes=classes,
        train_labels=train_labels,
        validation_labels=codes,
        label_type=label_type,
        ids=ids,
        pool_labels=pool_labels,
        pool_marker=marker,
        groups=groups,
        left_out=left_out,
        large_pool=large_pool,
    )
    return found if held_out is None else _split(found, held_out, sources)


def _split(tables: Tables, held_out: HeldOut, sources: Sources) -> Tables:
    """The tables with a part of the training rows as validation rows."""
    rng = np.random.RandomState(held_out.seed)
    kept, held = hold_out(tables.train_labels, held_out.fraction, rng)
    if not len(held):
        raise InputError(
            f"{sources.train}: leaves no row to validate on, as each class must keep "
            "one to train on; add rows, or pass --validation"
        )
    features, ids, groups = dict(tables.features), tables.ids, tables.groups
    train = features.pop("train")
    parts = {
        name: train.iloc[rows].reset_index(drop=True)
        for name, rows in (("train", kept), ("validation", held))
    }
    if "pool" not in features and ids is not None:
        ids = ids.take(pa.array(kept))
    if groups is not None:
        groups = np.unique(groups[held], return_inverse=True)[1].astype(np.intp)
    return replace(
        tables,
        features={**parts, **features},
        train_labels=tables.train_labels[kept],
        validation_labels=tables.train_labels[held],
        ids=ids,
        groups=groups,
        train_rows=kept,
    )


def _large_pool(many: Sampled, kinds: dict[str, str], sources: Sources) -> LargePool:
    assert sources.pool is not None  # it has been sampled
    documents = tuple(sources.documents)
    return LargePool(sources.pool, many.n_rows, kinds, documents, many.stamp)


def _cast(
    table: pa.Table, kinds: dict[str, str], path: Path, large_pool: LargePool | None
) -> pd.DataFrame:
    """Cast a table, or the sample of a large pool."""
    try:
        return cast_features(table, kinds, str(path))
    except InputError:
        if large_pool is not None:  # whose messages name a row of the file
            for _ in large_pool.frames():
                pass
        raise


def _read(
    sources: Sources, seed: int | None
) -> tuple[dict[str, pa.Table], list[str], pa.DataType, Sampled | None]:
    """All tables, or a sample of a large pool; possible features; the labels' type."""
    check_roles(sources)
    train = read_table(sources.train, sources.documents)
    if format_of(sources.train) in DELIMITED:
        train = typed_labels(train, sources.target)
    label_type = target_type(train, sources.target, str(sources.train))
    columns, tables, many = feature_columns(train, sources), {"train": train}, None
    if sources.validation is not None:
        tables["validation"] = read_table(sources.validation, sources.documents)
    if sources.pool is not None:
        if seed is not None:
            roles = {sources.id_column, sources.target}
            many = sample(sources.pool, sources.documents, roles, seed)
        tables["pool"] = (
            read_table(sources.pool, sources.documents) if many is None else many.rows
        )
    return tables, columns, label_type, many


def _kinds(
    tables: dict[str, pa.Table], columns: list[str], sources: Sources
) -> tuple[dict[str, str], dict[str, str]]:
    """Kinds of the features, and the columns that name rows and are left out."""
    train = tables["train"]
    try:
        kinds = column_kinds(
            train, tables.get("pool", train), columns, sources.documents
        )
    except InputError as error:
        raise InputError(f"{sources.train}: {error}") from None
    for name in sources.keep:
        if name not in kinds:
            raise InputError(
                f"--keep {name!r}: {sources.train} has no such column besides the "
                f"target and the ids; {instead_of(name, kinds, 'pass one of them')}"
            )
    found = id_like(tables, kinds)
    left_out = {name: found[name] for name in found if name not in sources.keep}
    kinds = {name: kind for name, kind in kinds.items() if name not in left_out}
    if not kinds:
        raise InputError(
            f"{sources.train}: has no column besides {sources.target!r} and "
            f"{', '.join(map(repr, left_out))}, which names rows; add features, or "
            f"pass --keep {next(iter(left_out))!r}"
        )
    return kinds, left_out


def _check_copies(frames: dict[str, pd.DataFrame], sources: Sources) -> None:
    """Refuse validation rows that all stand in the training table."""
    train, validation = frames["train"], frames["validation"]
    if (
        len(validation) >= FEWEST_COPIES
        and count_recurring(validation, train) == len(validation)
        # Where rows are alike by nature, it may be chance.
        and max(share_of_twins(train), share_of_twins(validation)) < 0.5
    ):
        if sources.validation == sources.train:
            raise InputError(
                f"{sources.train}: is passed as VAL too, and rows cannot judge a model "
                "of their own; pass other rows, or --validation-fraction instead"
            )
        raise InputError(
            f"{sources.validation}: all of its {len(validation)} rows stand in "
            f"{sources.train} too, so they cannot judge a model of that; take them out "
            "there, or pass other rows"
        )


def _among(classes: NDArray[Any], labels: NDArray[Any], sources: Sources) -> IntArray:
    """Positions of the validation labels among the training table's classes."""
    place = f"column {sources.target!r}"
    if len(classes) < 2:
        raise InputError(
            f"{sources.train}: target {place} has one class only, "
            f"{shown(classes.tolist()[0])}; add rows of another class"
        )
    try:
        return encode_labels(labels, classes, f"{sources.validation_name}: {place}")
    except ValueError as error:
        raise InputError(str(error)) from None


def _pool_labels(
    pool: pa.Table,
    classes: NDArray[Any],
    label_type: pa.DataType,
    sources: Sources,
) -> tuple[NDArray[Any] | None, str | None]:
    """The pool's own labels if every row has one, and what marks that no row has."""
    if sources.target not in pool.column_names:
        return None, None
    column = pool[sources.target]
    unlabeled = unlabeled_rows(column, classes)
    if unlabeled.all():
        markers = labels_with_gaps(column).drop_null()
        return None, str(markers[0].as_py()).strip() if len(markers) else ""
    if unlabeled.any():
        row = int(np.flatnonzero(unlabeled)[0])
        raise InputError(
            f"{sources.pool}: target column {sources.target!r} is only partly filled "
            f"(row {row} has no label); move labeled rows to {sources.train}, or drop "
            "the column"
        )
    labels = labels_with_gaps(column)
    place = f"{sources.pool}: column {sources.target!r}"
    own: NDArray[Any] = cast_labels(labels, label_type, place).to_numpy(
        zero_copy_only=False
    )
    return own, None
