"""A run as it was at some moment, restored from its record without running a round."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from salutary.arrays import IntArray
from salutary.deep.fine_tuning import SURROGATE_BATCH
from salutary.labeling.effects import LabelEffects
from salutary.labeling.fitting import Snapshot, extend
from salutary.labeling.problem import Problem
from salutary.ledgers.record import Record, RoundEntry
from salutary.runs.finetune import TextProblem
from salutary.runs.resume import restored
from salutary.runs.table_problem import TableProblem
from salutary.tables.casting import VECTOR, entry_names
from salutary.tables.original_columns import original_columns
from salutary.tables.reading import Tables

Place = tuple[str, int]
"""A table ("train", "validation" or "pool"), and a row's number in its file."""


@dataclass(frozen=True)
class Moment:
    """A run as it was when a row got its label, or when it ended.

    Parameters
    ----------
    problem : Problem
        Of the run, or of the surrogate of a fine-tuning.
    snapshot : Snapshot
    folds : tuple of Snapshot
    row : int
        Number of the row in the problem's pool.
    columns : list
        The column of the table that each feature comes from.
    labeled, validation : list of Place
        Where the labeled rows and the validation rows are.
    """

    problem: Problem
    snapshot: Snapshot
    folds: tuple[Snapshot, ...]
    row: int
    columns: list[Hashable]
    labeled: list[Place]
    validation: list[Place]


def moment_of_tables(
    prepared: TableProblem, record: Record, after: RoundEntry, row: int
) -> Moment:
    """A run on the columns of tables, as it was after a round.

    Raises
    ------
    ValueError, IndexError
        If the record cannot be of this run.
    """
    problem, encoded = prepared.problem, prepared.encoded
    state = restored(record, problem, len(prepared.ids))
    return Moment(
        problem=problem,
        snapshot=problem.restored(after.round, *record.labels_by(after), after.model),
        folds=state.fold_history[after.round],
        row=row,
        columns=_columns(prepared),
        labeled=[("train", number) for number in train_rows(encoded.tables)],
        validation=_validation_places(encoded.tables),
    )


def moment_of_texts(
    prepared: TextProblem, record: Record, after: RoundEntry, row: int
) -> Moment:
    """The surrogate of a fine-tuning, as it was after a round, or within the next.

    The next round gives its labels in batches, and fits the surrogate again after each.
    If it gives the row a label, the surrogate is fitted with the batches before that.
    Its folds are those of the round's start.

    Raises
    ------
    InputError
        If the fine-tuned model of the round is gone.
    """
    task = replace(prepared.problem, fine_tune=prepared.cache.kept)
    tables, (rows, classes) = prepared.tables, record.labels_by(after)
    problem, pool = task.surrogate(task.fine_tuned(after.round, rows, classes))
    start, folds = problem.first()
    n_train = len(tables.train_labels)
    own = task.own_rows - len(task.pool) - n_train
    places = _validation_places(tables)
    return Moment(
        problem=problem,
        snapshot=_when_picked(problem, start, record, after, pool, row),
        folds=folds,
        row=int(np.searchsorted(pool, row)),
        columns=[" + ".join(tables.features["pool"].columns)] * _width(problem),
        labeled=[
            *(("train", number) for number in train_rows(tables)),
            *(("pool", number) for number in rows.tolist()),
        ],
        validation=[places[number] for number in own.tolist()],
    )


def _when_picked(
    problem: Problem,
    start: Snapshot,
    record: Record,
    after: RoundEntry,
    pool: IntArray,
    row: int,
) -> Snapshot:
    """The surrogate fitted with the batches before the one in which a row was picked.

    The ledger does not say where a batch ends, as those that are not full do before ten
    labels. So it is the fit under which the label has the influence that was noted; if
    none has it, the one before which all batches are full.
    """
    done, labels = len(record.labels_by(after)[0]), record.labels
    given = np.searchsorted(pool, labels.rows[done:])
    places = np.flatnonzero(labels.rows[done:] == row)
    if not len(places):
        return start
    place, label = int(places[0]), labels.classes[done:][places]
    noted = labels.of_label(labels.influence)[done + place]
    scale = np.abs(labels.influence[done + place]).max()
    full = place // SURROGATE_BATCH * SURROGATE_BATCH
    for n_fitted in [full, *range(place, max(-1, place - SURROGATE_BATCH), -1), full]:
        before = given[:n_fitted], labels.classes[done : done + n_fitted]
        snapshot = extend(problem, start, *before)
        X = problem.pool.take(given[[place]])
        found = LabelEffects.of(problem, snapshot, X, given[[place]]).of_label(label)
        if np.isclose(found[0], noted, rtol=1e-3, atol=1e-5 * scale):
            break
    return snapshot


def _width(problem: Problem) -> int:
    """Number of features of a problem."""
    return int(problem.labeled.X.shape[1])


def train_rows(tables: Tables) -> list[int]:
    """Numbers of the training rows in their file."""
    if tables.train_rows is None:
        return list(range(len(tables.train_labels)))
    return [int(row) for row in tables.train_rows]


def _validation_places(tables: Tables) -> list[Place]:
    n_val = len(tables.validation_labels)
    if tables.train_rows is None:
        return [("validation", number) for number in range(n_val)]
    held: IntArray = np.setdiff1d(
        np.arange(len(tables.train_rows) + n_val), tables.train_rows
    )
    return [("train", int(number)) for number in held]


def _columns(prepared: TableProblem) -> list[Hashable]:
    """The table's column that each feature comes from; of a vector, not its entries."""
    encoded = prepared.encoded
    tables, steps = encoded.tables, encoded.encoder
    names: Sequence[Any] = list(tables.features["train"].columns)
    found = original_columns(steps, names, _width(prepared.problem))
    whole: dict[Hashable, Hashable] = {
        entry: name
        for name, kind in tables.kinds.items()
        if kind.startswith(VECTOR)
        for entry in entry_names(name, kind)
    }
    return [whole.get(name, name) for name in found]
