"""The rows that a run labeled: their own columns, the run's labels, and people's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from salutary.arrays import IntArray
from salutary.displays.frames import RunFrames
from salutary.errors import InputError
from salutary.export import columns
from salutary.ledgers.decisions import Decision, current_decisions
from salutary.ledgers.run_ledger import Ledger
from salutary.ledgers.schema import LEDGER
from salutary.ledgers.sealed import UNREADABLE, damaged, open_ledger
from salutary.report.rows import name_of_table, path_of, rows_of_run
from salutary.tables.columns import present_values
from salutary.tables.conversion import cast_column
from salutary.tables.spelling import whole_numbers

TYPED = {"number": pa.float64(), "boolean": pa.bool_()}
"""Types of the kinds of features that every format has."""


@dataclass(frozen=True, eq=False)
class LabeledRows:
    """The rows that a run has labeled, in the order of assignment.

    Parameters
    ----------
    run : str
        Name of the run, which no other run has.
    classes : tuple of str
    path : Path
        The table of the rows.
    id_column : str or None
    texts : tuple of str
        Columns whose texts a language model read.
    kinds : mapping of str to str
        Kind of each feature.
    own : pyarrow.Table
        The rows' own columns, as the file has them.
    given : pyarrow.Table
        What the run says of them, in the columns `columns.PROVENANCE`, and with all
        influences those of the classes.
    reviewed : pyarrow.Table
        What people say of the labels, in the columns `columns.REVIEW`.
    """

    run: str
    classes: tuple[str, ...]
    path: Path
    id_column: str | None
    texts: tuple[str, ...]
    kinds: Mapping[str, str]
    own: pa.Table
    given: pa.Table
    reviewed: pa.Table

    @property
    def n_reviewed(self) -> int:
        """Number of rows whose label a person has decided about."""
        decided = self.reviewed[columns.REVIEWED]
        return len(decided) - int(decided.null_count)

    def typed(self) -> pa.Table:
        """The rows' own columns; numbers and booleans that are spelled as text typed.

        They are those that the model takes for numbers and booleans.
        """
        table = self.own
        for place, name in enumerate(table.column_names):
            of_type = TYPED.get(self.kinds.get(name, ""))
            if of_type is not None and pa.types.is_string(table[name].type):
                typed = _typed(table[name], of_type)
                table = table.set_column(place, name, typed)
        return table


def _typed(texts: pa.ChunkedArray, of_type: pa.DataType) -> pa.ChunkedArray | pa.Array:
    present = present_values(texts)
    whole = whole_numbers(present.combine_chunks())
    if pa.types.is_integer(whole.type) and pa.types.is_floating(of_type):
        return whole
    try:
        return cast_column(present, of_type, "")
    except InputError:  # such as infinity
        return texts


def read_labeled_rows(run_dir: Path, *, all_influences: bool = False) -> LabeledRows:
    """Read the rows that a run has labeled, from its ledger and its table.

    Parameters
    ----------
    run_dir : Path
        Directory of a run of label, relabel or finetune, finished or not.
    all_influences : bool, default=False
        Whether to give the influence of every class.

    Raises
    ------
    InputError
        If there is no run, it has no labels, its ledger is damaged, or the table of the
        rows is gone or has changed.
    """
    frames = RunFrames.of_run(run_dir)
    with open_ledger(Ledger, run_dir / LEDGER) as ledger:
        decided = current_decisions(ledger.decisions())
    try:
        return _labeled_rows(run_dir, frames, decided, all_influences)
    except InputError:
        raise
    except (*UNREADABLE, AttributeError) as error:  # facts that are no run's
        raise damaged(run_dir / LEDGER, error) from None


def _labeled_rows(
    run_dir: Path,
    frames: RunFrames,
    decided: Mapping[int, Decision],
    all_influences: bool,
) -> LabeledRows:
    facts, labels = frames.facts, kept_labels(frames)
    if not len(labels):
        raise InputError(f"{run_dir}: has no labels; there is nothing to export")
    rows = labels["row"].to_numpy(dtype=np.intp)
    try:
        own, in_file = rows_of_run(facts, rows)
    except InputError as error:
        raise InputError(f"{error}; restore it") from None
    given = _given(facts, labels, in_file)
    if all_influences:
        given = _with_influences(given, frames, labels)
    settings = facts["settings"]
    documents = settings.get("text") or ()
    return LabeledRows(
        run=name_of_run(facts),
        classes=tuple(frames.classes),
        path=path_of(facts, name_of_table(facts)),
        id_column=settings["id"],
        texts=tuple(name for name in documents if name in own.column_names),
        kinds=facts.get("features", {}),
        own=own,
        given=given,
        reviewed=_reviewed([decided.get(row) for row in rows.tolist()]),
    )


def kept_labels(frames: RunFrames) -> pd.DataFrame:
    """The labels of a run that were not undone, in the order of assignment."""
    return frames.labels[~frames.labels["undone"]]


def name_of_run(facts: Mapping[str, Any]) -> str:
    """A name that no other run has, but the same run if it goes on.

    It comes of when the run started, and of the content of its tables.
    """
    what = [facts["kind"], facts.get("started"), facts["data"]]
    text = json.dumps(what, sort_keys=True)
    # With letters first, so that no program takes it for a number.
    return f"run-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _given(
    facts: Mapping[str, Any], labels: pd.DataFrame, in_file: IntArray
) -> pa.Table:
    def same(text: str | None) -> pa.Array:
        return pa.array([text] * len(labels), pa.string())

    return pa.table(
        {
            columns.ROW: in_file,
            columns.LABEL: pa.array(labels["label"].tolist(), pa.string()),
            columns.PROBABILITY: labels["probability"].to_numpy(),
            columns.INFLUENCE: labels["influence"].to_numpy(),
            columns.INFLUENCE_SE: pa.array(labels["influence_se"], from_pandas=True),
            columns.ROUND: labels["round"].to_numpy(),
            columns.RULE: same(facts["settings"]["rule"]),
            columns.SOURCE: same(f"salutary {facts['versions']['salutary']}"),
            columns.STARTED: same(facts.get("started")),
            columns.RUN: same(name_of_run(facts)),
        }
    )


def _with_influences(
    given: pa.Table, frames: RunFrames, labels: pd.DataFrame
) -> pa.Table:
    influence = frames.scores["influence"].to_numpy().reshape(-1, len(frames.classes))
    of_labels = influence[labels["position"].to_numpy(dtype=np.intp)]
    for label, values in zip(frames.classes, of_labels.T, strict=True):
        given = given.append_column(columns.influence_of(label), pa.array(values))
    return given


def _reviewed(decisions: list[Decision | None]) -> pa.Table:
    def of_all(name: str) -> pa.Array:
        values = [None if one is None else getattr(one, name) for one in decisions]
        return pa.array(values, pa.string())

    return pa.table(
        {
            columns.REVIEWED: of_all("decision"),
            columns.REVIEWED_LABEL: of_all("label"),
        }
    )
