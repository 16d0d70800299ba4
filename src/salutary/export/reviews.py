"""What a file says about labels, held against the run that gave them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salutary.displays.frames import RunFrames
from salutary.errors import InputError
from salutary.export import columns
from salutary.export.labeled_rows import kept_labels, name_of_run
from salutary.export.values import meant
from salutary.influence.label_values import shown
from salutary.ledgers.decisions import DecisionName
from salutary.tables.lookup import instead_of

ACCEPT: DecisionName = "accept"
CHANGE: DecisionName = "change"
REJECT: DecisionName = "reject"


@dataclass(frozen=True)
class Review:
    """What a file says about one row; a gap is None or an empty text.

    Parameters
    ----------
    place : str
        File and row, for messages.
    row, id, label, run : object
        Which row it is, the label that the run gave it, and the run.
    reviewed : object
        Accept, change or reject.
    reviewed_label : object
        The class that a person holds right.
    """

    place: str
    row: Any = None
    id: Any = None
    label: Any = None
    run: Any = None
    reviewed: Any = None
    reviewed_label: Any = None


@dataclass(frozen=True)
class RunLabels:
    """What a file is held against: the labels of a run that were not undone.

    Parameters
    ----------
    run : str
    classes : tuple of str
    id_column : str or None
    pool : str
        File of the rows.
    of_row : mapping of int to (str, str)
        Id and label of each row that has a label.
    of_id : mapping of str to int
        Row of each id; empty if the run has no id column.
    """

    run: str
    classes: tuple[str, ...]
    id_column: str | None
    pool: str
    of_row: Mapping[int, tuple[str, str]]
    of_id: Mapping[str, int]

    @classmethod
    def of_run(cls, run_dir: Path) -> RunLabels:
        """Read them from the ledger of a run.

        Raises
        ------
        InputError
            If there is none, or it is damaged.
        """
        frames = RunFrames.of_run(run_dir)
        facts = frames.facts
        labels, id_column = kept_labels(frames), facts["settings"]["id"]
        given = zip(labels["id"], labels["label"], strict=True)
        of_row = dict(zip(labels["row"].tolist(), given, strict=True))
        of_id = {id_: row for row, (id_, _) in of_row.items()}
        return cls(
            run=name_of_run(facts),
            classes=tuple(frames.classes),
            id_column=id_column,
            pool=str(facts["files"]["pool"]),
            of_row=of_row,
            of_id={} if id_column is None else of_id,
        )


def decisions_in(
    reviews: Iterable[Review], run: RunLabels
) -> dict[int, tuple[DecisionName, str | None]]:
    """The decision about each row that a file decides about.

    Parameters
    ----------
    reviews : iterable of Review
    run : RunLabels

    Returns
    -------
    dict of int to (str, str or None)
        Decision, and the class that is right if it is known.

    Raises
    ------
    InputError
        For a file of another run, a row without a label, an unknown class, and two
        different answers for one row. It names the file and the row.
    """
    found: dict[int, tuple[DecisionName, str | None]] = {}
    first: dict[int, str] = {}
    for review in reviews:
        _check_run(review, run)
        row = _row_of(review, run)
        assigned = run.of_row[row][1]
        if not _is_gap(review.label) and _class(review.label, review, run) != assigned:
            raise InputError(
                f"{review.place}: {columns.LABEL!r} is {shown(review.label)}, but the "
                f"run gave this row {shown(assigned)}; restore that, and write a "
                f"person's label into {columns.REVIEWED_LABEL!r}"
            )
        decision = _decision(review, run, assigned)
        if decision is None:
            continue
        if found.get(row, decision) != decision:
            raise InputError(
                f"{review.place}: decides otherwise about this row than "
                f"{first[row]}; keep one of the two"
            )
        found[row] = decision
        first.setdefault(row, review.place)
    return found


def _check_run(review: Review, run: RunLabels) -> None:
    if not _is_gap(review.run) and str(review.run) != run.run:
        raise InputError(
            f"{review.place}: is of another run ({shown(review.run)}, not {run.run}); "
            "pass the RUN_DIR that it was exported from"
        )


def _row_of(review: Review, run: RunLabels) -> int:
    """Number of the row, which has a label."""
    row = None
    if not _is_gap(review.row):
        row = _whole(review.row)
        if row is None:
            raise InputError(
                f"{review.place}: {columns.ROW!r} is {shown(review.row)}, which is no "
                "number of a row; correct it"
            )
    if run.id_column is not None and not _is_gap(review.id):
        if row is None:
            row = _row_of_id(review, run)
        elif row in run.of_row and meant(review.id, [run.of_row[row][0]]) is None:
            raise InputError(
                f"{review.place}: row {row} of {run.pool} has the id "
                f"{shown(run.of_row[row][0])}, not {shown(review.id)}; restore both"
            )
    if row is None:
        which = f"{columns.ROW!r} has no value"
        if run.id_column is not None:
            which = f"neither {columns.ROW!r} nor {run.id_column!r} has a value"
        raise InputError(f"{review.place}: names no row: {which}; restore it")
    if row not in run.of_row:
        raise InputError(
            f"{review.place}: the run gave row {row} of {run.pool} no label, or has "
            "undone it; leave the row out"
        )
    return row


def _row_of_id(review: Review, run: RunLabels) -> int:
    """Number of the row of an id, which must be spelled as in the pool.

    The pool may have a row "5" beside the labeled "005", so only a whole number may be
    written as 5.0.
    """
    value = review.id
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    row = run.of_id.get(str(value))
    if row is None:
        raise InputError(
            f"{review.place}: the run gave {shown(review.id)} no label, or has undone "
            "it; leave the row out"
        )
    return row


def _decision(
    review: Review, run: RunLabels, assigned: str
) -> tuple[DecisionName, str | None] | None:
    """What a person has decided; None if nothing."""
    word = "" if _is_gap(review.reviewed) else str(review.reviewed).strip().casefold()
    if word not in ("", ACCEPT, CHANGE, REJECT):
        raise InputError(
            f"{review.place}: {columns.REVIEWED!r} is {shown(review.reviewed)}; write "
            "accept, change or reject, or leave it empty"
        )
    if _is_gap(review.reviewed_label):
        if word == CHANGE:
            raise InputError(
                f"{review.place}: is to be changed, but {columns.REVIEWED_LABEL!r} is "
                "empty; write the right class there"
            )
        if word == ACCEPT:
            return ACCEPT, assigned
        return (REJECT, None) if word == REJECT else None
    label = _class(review.reviewed_label, review, run)
    if word == REJECT:
        raise InputError(
            f"{review.place}: is rejected, and yet has the label {shown(label)}; empty "
            "one of the two"
        )
    # Whether a label is accepted or changed is seen by itself; who writes another
    # label over one that was accepted means the label.
    return (ACCEPT if label == assigned else CHANGE), label


def _class(value: Any, review: Review, run: RunLabels) -> str:
    label = meant(value, run.classes)
    if label is None:
        raise InputError(
            f"{review.place}: {shown(value)} is no class of the run; "
            f"{_instead(str(value), run.classes)}"
        )
    return label


def _instead(name: str, classes: Sequence[str]) -> str:
    return instead_of(name, classes, "write one of them")


def _is_gap(value: Any) -> bool:
    return value is None or value == "" or value != value


def _whole(value: Any) -> int | None:
    """A number of a row, which programs also write as 7.0 or as text."""
    if isinstance(value, bool) or "_" in str(value):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() and number >= 0 else None
