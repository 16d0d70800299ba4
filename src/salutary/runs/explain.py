"""``salutary explain``: why a run gave a row its label, or would give it one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from salutary.errors import InputError
from salutary.labeling.explanation import Explanation, explain, plain
from salutary.labeling.fitting import Snapshot
from salutary.labeling.guard import decrease_in
from salutary.ledgers.record import Record, RoundEntry
from salutary.ledgers.run_ledger import Ledger
from salutary.ledgers.schema import LEDGER
from salutary.ledgers.sealed import UNREADABLE, damaged, not_as_written, open_ledger
from salutary.progress import Stage
from salutary.runs.finetune import TextProblem
from salutary.runs.ids import row_of_id
from salutary.runs.kind import Request
from salutary.runs.moments import (
    Moment,
    Place,
    moment_of_tables,
    moment_of_texts,
    train_rows,
)
from salutary.runs.origins import checked_sha256
from salutary.runs.repeating import started_with
from salutary.runs.requests import check_gives_labels, request_of
from salutary.runs.table_problem import TableProblem
from salutary.tables.reading import Tables

Prepared = TableProblem | TextProblem


@dataclass(frozen=True, eq=False)
class ExplainedRow:
    """A row of a run, its explanation, and what came of its round.

    Parameters
    ----------
    run : Path
        Directory of the run.
    command : {"label", "relabel", "finetune"}
    objective : str
        Name of what labels were to lower.
    table : {"pool", "train"}
        The table of the row.
    row : int
        Number of the row in its file.
    id : value or None
        Its id, if the run has an id column.
    round : dict or None
        The round that gave the label: number, pick (its place in the round) and picks,
        validation_loss and canary_loss (before and after), canary_fall with canary_se,
        verdict, undone, and the influence and influence_se that the ledger has. None if
        the row got no label.
    model_round : int
        The round after which the explaining model was fitted.
    unusual : dict of str to str
        Features whose value no training row has, or that lies beyond all of theirs, and
        which: "new", "below" or "above".
    explanation : Explanation
        Its rows have the columns table, row and id in place of row.
    """

    run: Path
    command: str
    objective: str
    table: str
    row: int
    id: Any
    round: dict[str, Any] | None
    model_round: int
    unusual: dict[str, str]
    explanation: Explanation

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values that JSON can hold."""
        of_round = None
        if self.round is not None:
            of_round = {
                name: value if isinstance(value, list) else plain(value)
                for name, value in self.round.items()
            }
        return {
            "run": str(self.run),
            "command": self.command,
            "objective": self.objective,
            "table": self.table,
            "row": self.row,
            "id": plain(self.id),
            "model_round": self.model_round,
            "unusual": self.unusual,
            "round": of_round,
            **self.explanation.to_dict(),
        }


def explain_row(
    run_dir: Path, id_: str | None, row: int | None, stage: Stage
) -> ExplainedRow:
    """Explain a row under the model that gave it its label, or the run's last.

    Parameters
    ----------
    run_dir : Path
        Directory of a run, finished or not.
    id_ : str or None
        The row's id as text; without an id column its number.
    row : int or None
        Number of the row in its file, where ``id_`` is None.
    stage : callable
        Displays which step is running.

    Raises
    ------
    InputError
        If there is no such run or row, or a table is not as it was.
    """
    command, _ = started_with(run_dir)
    check_gives_labels(run_dir, command)
    path = run_dir / LEDGER
    with threadpool_limits(limits=1, user_api="blas"):
        with open_ledger(Ledger, path) as ledger:
            if not ledger.is_sound():
                raise not_as_written(path)
            try:
                record = ledger.read()
                kind, request = request_of(run_dir, record.facts)
            except InputError:
                raise
            except UNREADABLE as error:
                raise damaged(path, error) from None
        _check_tables(request, record.facts)
        prepared: Any = kind.prepare(request, stage)
        if prepared.embedder != record.facts["embedder"]:
            raise InputError(
                f"{run_dir}: was started with another language model than is there "
                "now; restore that model"
            )
        with stage("explaining the row"):
            number = _number_of(prepared, request, id_, row)
            try:
                return _explained(prepared, request, record, kind.name, number)
            except InputError:
                raise
            except (ValueError, IndexError) as error:
                raise damaged(path, error) from None


def _check_tables(request: Request, facts: dict[str, Any]) -> None:
    """Refuse tables that are gone or not as they were."""
    for name, path in request.sources.paths().items():
        if checked_sha256(path) != facts["data"].get(name):
            raise InputError(
                f"{path}: has changed since the run began, so the run cannot be "
                "explained by it; restore it"
            )


def _tables(prepared: Prepared) -> Tables:
    if isinstance(prepared, TextProblem):
        return prepared.tables
    return prepared.encoded.tables


def _number_of(
    prepared: Prepared, request: Request, id_: str | None, row: int | None
) -> int:
    """Number, among the rows that can get labels, of the row that is asked for."""
    sources, ids = request.sources, prepared.ids
    path = sources.train if sources.pool is None else sources.pool
    rows = _file_rows(prepared, request)
    if row is not None:
        if row in rows:
            return rows.index(row)
        held = " or validates" if sources.held_out and sources.pool is None else ""
        raise InputError(
            f"--row {row}: {path} has no such row{held}; its rows go from {min(rows)} "
            f"to {max(rows)}"
        )
    return row_of_id(str(id_), ids, path, sources.id_column)


def _file_rows(prepared: Prepared, request: Request) -> list[int]:
    """Numbers in their file of the rows that can get labels."""
    if request.sources.pool is None:
        return train_rows(_tables(prepared))
    return list(range(len(prepared.ids)))


def _explained(
    prepared: Prepared, request: Request, record: Record, command: str, number: int
) -> ExplainedRow:
    labels, n_rows = record.labels, len(prepared.ids)
    if len(labels.rows) and not 0 <= labels.rows.min() <= labels.rows.max() < n_rows:
        raise ValueError(f"a label of row {labels.rows.max()}")
    places = np.flatnonzero(labels.rows == number)
    place = int(places[0]) if len(places) else None
    after, label = record.best, None
    if place is not None:
        after = record.entries[int(labels.rounds[place]) - 1]
        label = labels.classes[[place]]
    moment = _moment(prepared, record, after, number)
    (found,) = explain(
        moment.problem,
        moment.snapshot,
        moment.folds,
        moment.problem.pool.take(np.array([moment.row])),
        rows=np.array([moment.row]),
        labels=label,
        columns=moment.columns,
        variant=after.variant,
        ranked=True,
    )
    sources = request.sources
    return ExplainedRow(
        run=request.out,
        command=command,
        objective=getattr(request.settings, "objective", "log_loss"),
        table="train" if sources.pool is None else "pool",
        row=_file_rows(prepared, request)[number],
        id=None if sources.id_column is None else prepared.ids[number].as_py(),
        round=None if place is None else _round(record, place, moment, prepared),
        model_round=after.round,
        unusual=_unusual(_tables(prepared), number),
        explanation=_with_values(
            _with_places(found, moment, prepared, request), prepared, request, number
        ),
    )


def _moment(
    prepared: Prepared, record: Record, after: RoundEntry, number: int
) -> Moment:
    if isinstance(prepared, TextProblem):
        return moment_of_texts(prepared, record, after, number)
    return moment_of_tables(prepared, record, after, number)


def _with_places(
    found: Explanation, moment: Moment, prepared: Prepared, request: Request
) -> Explanation:
    """The explanation with labeled and validation rows by table, number and id."""
    of_ids = "train" if request.sources.pool is None else "pool"
    ids = {}
    if request.sources.id_column is not None:
        ids = dict(
            zip(_file_rows(prepared, request), prepared.ids.to_pylist(), strict=True)
        )

    def placed(table: pd.DataFrame, places: list[Place]) -> pd.DataFrame:
        own = [places[row] for row in table["row"].tolist()]
        columns = {
            "table": [name for name, _ in own],
            "row": [row for _, row in own],
            "id": pd.Series(
                [ids.get(row) if name == of_ids else None for name, row in own],
                dtype=object,
            ),
        }
        return pd.concat([pd.DataFrame(columns), table.drop(columns="row")], axis=1)

    return replace(
        found,
        nearest=placed(found.nearest, moment.labeled),
        validation=placed(found.validation, moment.validation),
    )


def _with_values(
    found: Explanation, prepared: Prepared, request: Request, number: int
) -> Explanation:
    """The explanation with the row's value in each column that is a feature."""
    tables = _tables(prepared)
    kinds, is_training_row = tables.kinds, request.sources.pool is None
    train = tables.features["train"]
    row = train.iloc[number] if is_training_row else tables.pool_row(number)
    names = found.contributions.index.tolist()
    values = tuple(
        _as_written(row[name], kinds[name])
        if name in row.index
        else _joint(row, str(name))
        for name in names
    )
    return replace(found, values=values)


def _as_written(value: Any, kind: str) -> Any:
    """A value as a person writes it, where the model counts in seconds or by 0 and 1.

    Examples
    --------
    >>> _as_written(34563.0, "time"), _as_written(1.0, "boolean")
    ('09:36:03', True)
    """
    if pd.isna(value):
        return None
    if kind == "boolean":
        return bool(value)
    if kind in ("time", "duration"):
        span = pd.Timedelta(seconds=float(value))
        return str(span) if kind == "duration" else str((pd.Timestamp(0) + span).time())
    if kind.partition(":")[0] == "date":
        return str(value.date() if value == value.normalize() else value)
    return value


def _unusual(tables: Tables, number: int) -> dict[str, str]:
    """Values of a row of the pool that no row of the training table has."""
    if "pool" not in tables.features:
        return {}
    row, train = tables.pool_row(number), tables.features["train"]
    found = {}
    for name, kind in tables.kinds.items():
        if name not in train.columns or pd.isna(row[name]):
            continue
        known = train[name].dropna()
        if kind in ("category", "boolean"):
            if not known.isin([row[name]]).any():
                found[name] = "new"
        elif kind.partition(":")[0] in ("number", "date", "time", "duration"):
            if not (known <= row[name]).any():
                found[name] = "below"
            elif not (known >= row[name]).any():
                found[name] = "above"
    return found


def _joint(row: pd.Series[Any], name: str) -> str | None:
    """The texts that are one feature together; None for a vector, which has no one."""
    if name != " + ".join(map(str, row.index)):
        return None
    return " + ".join(map(str, row.tolist()))


def _round(
    record: Record, place: int, moment: Moment, prepared: Prepared
) -> dict[str, Any]:
    """What a round promised and brought, and what became of it."""
    labels, number = record.labels, int(record.labels.rounds[place])
    before, after = record.entries[number - 1], record.entries[number]
    in_round = np.flatnonzero(labels.rounds == number)
    fall, error = _canary_fall(record, moment, prepared, before, after)
    return {
        "number": number,
        "pick": int(np.flatnonzero(in_round == place)[0]) + 1,
        "picks": len(in_round),
        "influence": labels.of_label(labels.influence)[place],
        "influence_se": labels.influence_se[place],
        "validation_loss": [before.validation_loss, after.validation_loss],
        "canary_loss": [before.canary_loss, after.canary_loss],
        "canary_fall": fall,
        "canary_se": error,
        "variant": after.variant,
        "verdict": after.verdict,
        "undone": number > record.best.round,
        "finished": record.facts.get("report") is not None,
    }


def _canary_fall(
    record: Record,
    moment: Moment,
    prepared: Prepared,
    before: RoundEntry,
    after: RoundEntry,
) -> tuple[float | None, float | None]:
    """How far the round alone lowered the canary loss, and the error of that."""
    if before.canary_loss is None or after.canary_loss is None:
        return None, None
    if isinstance(prepared, TextProblem):  # would need the next deep model too
        return before.canary_loss - after.canary_loss, None
    problem = prepared.problem
    folds: tuple[Snapshot, ...] = tuple(
        problem.restored(after.round, *labels, coefficients, fold)
        for fold, (coefficients, labels) in enumerate(
            zip(after.folds, record.fold_labels_by(after), strict=True)
        )
    )
    return decrease_in(
        problem.objective,
        problem.canary,
        problem.canary_logits(moment.snapshot, moment.folds),
        problem.canary_logits(moment.snapshot, folds),
    )
