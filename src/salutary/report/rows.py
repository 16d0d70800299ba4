"""The rows that got labels, with their own columns, read from the user's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from salutary.arrays import IntArray
from salutary.errors import InputError
from salutary.influence.labels import encode_labels
from salutary.labeling.splits import hold_out
from salutary.report.visible import short, visible
from salutary.tables.batches import read_rows
from salutary.tables.casting import cast_features
from salutary.tables.formats import DELIMITED, file_sha256, format_of, read_table
from salutary.tables.paths import check_exists
from salutary.tables.targets import target_labels, target_type, typed_labels
from salutary.tables.urls import table_at

MOST_COLUMNS = 30
"""Columns of a row that a page shows."""


@dataclass(frozen=True)
class OwnRows:
    """What the user's tables say of the labeled rows.

    Parameters
    ----------
    table : pyarrow.Table or None
        The rows of all labels, in order of assignment, without target and id; None if
        they cannot be read.
    old_labels : sequence
        Labels that the rows of a relabeling had before; empty for other runs.
    unseen : dict of int to list of str
        What of a row no training row has, in words, by position of the label.
    why_not : str or None
        Why the rows cannot be read, or what of them cannot be told.
    """

    table: pa.Table | None = None
    old_labels: Sequence[Any] = ()
    unseen: Mapping[int, Sequence[str]] = field(default_factory=dict)
    why_not: str | None = None

    def of(self, position: int) -> list[tuple[str, str]]:
        """Names and values of the columns of a label's row, each on a line."""
        return [(name, shown_value(value)) for name, value in self.values(position)]

    def values(self, position: int) -> list[tuple[str, pa.Scalar]]:
        """The same as they are in the table."""
        if self.table is None:
            return []
        columns = self.table.column_names[:MOST_COLUMNS]
        return [(name, self.table[at][position]) for at, name in enumerate(columns)]

    def old_label(self, position: int) -> Any:
        """The label that a row had before; None if it had none, or none is known."""
        return self.old_labels[position] if len(self.old_labels) else None

    @property
    def n_left_out(self) -> int:
        """Number of columns that are not shown."""
        return max(
            0, (0 if self.table is None else self.table.num_columns) - MOST_COLUMNS
        )


def own_rows(
    facts: Mapping[str, Any],
    kinds: Mapping[str, str],
    rows: IntArray,
    with_names: bool = False,
) -> OwnRows:
    """Read the labeled rows from the table of the pool, or of the training rows.

    Parameters
    ----------
    facts : mapping
        Of the run, as in its ledger.
    kinds : mapping of str to str
        Kind of each feature.
    rows : ndarray of shape (n_labels,), dtype intp
        Rows of the labels, in order of assignment.
    with_names : bool, default=False
        Whether to keep columns that only name rows.
    """
    if not len(rows):
        return OwnRows()
    name = name_of_table(facts)
    settings, documents = facts["settings"], facts["settings"].get("text") or ()
    try:
        labeled, _ = rows_of_run(facts, rows)
        left_out = () if with_names else facts.get("left_out", ())
        others = (settings["target"], settings["id"], *left_out)
        own = labeled.drop_columns([*{*others} & {*labeled.column_names}])
        old, unseen = [], {}
        if name == "train":
            old = labeled[settings["target"]].to_pylist()
        else:
            kinds = {key: kind for key, kind in kinds.items() if key not in documents}
            unseen = _unseen(facts, labeled, kinds)
    except (InputError, ValueError, OSError, pa.ArrowException, IndexError) as error:
        return OwnRows(why_not=str(error))
    return OwnRows(own, old, unseen)


def name_of_table(facts: Mapping[str, Any]) -> str:
    """The table whose rows a run labels."""
    return "pool" if "pool" in facts["files"] else "train"


def rows_of_run(facts: Mapping[str, Any], rows: IntArray) -> tuple[pa.Table, IntArray]:
    """Rows that a run may label, as their table has them, and their numbers there.

    Of a large pool no others are held in memory.

    Parameters
    ----------
    facts : mapping
        Of the run, as in its ledger.
    rows : ndarray of shape (n_rows,), dtype intp
        Their numbers in the ledger.

    Raises
    ------
    InputError
        As `unchanged_table`.
    IndexError
        If the table has no such row.
    """
    name = name_of_table(facts)
    if name == "train":
        table = unchanged_table(facts, name)
        in_file = training_rows(facts, table)[rows]
        return table.take(pa.array(in_file)), in_file
    path = _unchanged_path(facts, name)
    return read_rows(path, rows, facts["settings"].get("text") or ()), rows


def unchanged_table(facts: Mapping[str, Any], name: str) -> pa.Table:
    """Read a table of a run, if it is as it was then.

    Raises
    ------
    InputError
        If it is gone, is no file now, or has changed since the run.
    """
    path = _unchanged_path(facts, name)
    return read_table(path, facts["settings"].get("text") or ())


def _unchanged_path(facts: Mapping[str, Any], name: str) -> Path:
    path = path_of(facts, name)
    if not path.exists():
        raise InputError(f"{path} is no longer there")
    check_exists(path)  # a pipe or device would be read for ever
    if file_sha256(path) != facts["data"][name]:
        raise InputError(f"{path} has changed since the run")
    return path


def path_of(facts: Mapping[str, Any], name: str) -> Path:
    """Where a table of a run is: its URL, or absolute path if the run noted that."""
    noted = facts.get("options", {}).get(name)
    return table_at(noted if isinstance(noted, str) else facts["files"][name])


def training_rows(facts: Mapping[str, Any], train: pa.Table) -> IntArray:
    """Rows of the training table that were trained on."""
    held = held_out(facts, train)
    return np.arange(train.num_rows) if held is None else held[0]


def held_out(
    facts: Mapping[str, Any], train: pa.Table
) -> tuple[IntArray, IntArray] | None:
    """Rows of the training table that were trained on, and those held out of it."""
    settings = facts["settings"]
    fraction = settings.get("validation_fraction")
    if fraction is None:
        return None
    target, place = settings["target"], "TRAIN"
    if format_of(path_of(facts, "train")) in DELIMITED:
        train = typed_labels(train, target)
    labels = target_labels(train, target, target_type(train, target, place), place)
    codes = np.unique(labels, return_inverse=True)[1]
    return hold_out(codes, fraction, np.random.RandomState(settings["seed"]))


def _unseen(
    facts: Mapping[str, Any], labeled: pa.Table, kinds: Mapping[str, str]
) -> dict[int, list[str]]:
    """What of the labeled rows no training row has: categories, and far numbers."""
    plain = {key: kind for key, kind in kinds.items() if kind in ("category", "number")}
    train = unchanged_table(facts, "train")
    train = train.take(pa.array(training_rows(facts, train)))
    seen, found = (cast_features(table, plain, "table") for table in (train, labeled))
    unseen: dict[int, list[str]] = {}
    for name, kind in plain.items():
        before, now = seen[name].dropna(), found[name]
        if kind == "category":
            is_new = now.notna() & ~now.isin(before)
            what = "{name} = {value}, which no training row has"
        else:
            low, high = before.min(), before.max()
            width = high - low
            is_new = ((now < low - width) | (now > high + width)) & (width > 0)
            limits = f"{short(low)} to {short(high)}"
            what = f"{{name}} = {{value}}, far outside the training rows' {limits}"
        for position in np.flatnonzero(is_new).tolist():
            words = what.format(name=visible(name, 60), value=_plain(now[position]))
            unseen.setdefault(position, []).append(words)
    return unseen


def _plain(value: Any) -> str:
    return short(value) if isinstance(value, float) else visible(value, 60)


def shown_value(value: pa.Scalar) -> str:
    """A value of a table as a page shows it, on a line."""
    try:
        return visible(value.as_py())
    except (ValueError, OverflowError):  # a date beyond Python's calendar
        return visible(str(value))


def validation_rows(
    facts: Mapping[str, Any], classes: Any
) -> tuple[pa.Table, IntArray]:
    """The validation rows of a run, and the positions of their classes.

    Raises
    ------
    InputError
        If they cannot be read, or are not those of the run any more.
    """
    name = "validation" if "validation" in facts["files"] else "train"
    table = unchanged_table(facts, name)
    if name == "train":
        parts = held_out(facts, table)
        if parts is None:
            raise InputError("the run does not say which rows validated it")
        table = table.take(pa.array(parts[1]))
    place = f"column {facts['settings']['target']!r}"
    label_type = pa.array(classes).type
    labels = target_labels(table, facts["settings"]["target"], label_type, place)
    return table, encode_labels(labels, classes, place)
