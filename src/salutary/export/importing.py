"""People's labels back into the ledger of a run, out of a file of any format."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from salutary.errors import InputError
from salutary.export import argilla, columns, hugging_face, label_studio
from salutary.export.cells import as_it_was, harmless_names, was_marked
from salutary.export.flat import read_csv, read_json_lines, read_parquet
from salutary.export.reviews import Review, RunLabels, decisions_in
from salutary.ledgers.decisions import (
    DecidedMeanwhileError,
    DecisionName,
    NewDecision,
    current_decisions,
    last_positions,
)
from salutary.ledgers.run_ledger import Ledger
from salutary.ledgers.schema import LEDGER
from salutary.ledgers.sealed import UNREADABLE, damaged
from salutary.names import ExportFormat
from salutary.runs.decided import reviewable
from salutary.tables.formats import format_of
from salutary.tables.paths import check_exists
from salutary.tables.text_files import open_bytes

SUFFIXES: dict[str, ExportFormat] = {
    **dict.fromkeys((".csv", ".tsv", ".csv.gz", ".tsv.gz"), "csv"),
    ".jsonl": "jsonl",
    ".parquet": "parquet",
}


@dataclass(frozen=True)
class Imported:
    """What a file has changed.

    Parameters
    ----------
    format : str
    accepted, changed, rejected : int
        New decisions.
    unchanged : int
        Labels that the file holds without deciding anything new about them.
    """

    format: ExportFormat
    accepted: int
    changed: int
    rejected: int
    unchanged: int

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON holds it."""
        return asdict(self)


def import_reviews(
    run_dir: Path, path: Path, source: ExportFormat | None = None
) -> Imported:
    """Store what a file decides about the labels of a run: all of it or nothing.

    Parameters
    ----------
    run_dir : Path
        Directory of the finished run of 'label' that the labels were exported from.
    path : Path
        A file or folder of one of the formats of `export_labels`.
    source : str, optional
        The format; it is told from the file by default.

    Raises
    ------
    InputError
        Names the file and the row.
    """
    check_exists(path)
    found = source or _guessed(path)
    with reviewable(run_dir) as ledger:
        try:
            run = RunLabels.of_run(run_dir)
            reviews = [*_reviews(path, found, run)]
            decided = decisions_in(reviews, run)
        except InputError:
            raise
        except (*UNREADABLE, AttributeError) as error:
            raise damaged(run_dir / LEDGER, error) from None
        new = _store(ledger, path, decided)
    counts = Counter(one.decision for one in new)
    return Imported(
        format=found,
        accepted=counts["accept"],
        changed=counts["change"],
        rejected=counts["reject"],
        unchanged=len({review.place for review in reviews}) - len(new),
    )


def _store(
    ledger: Ledger,
    path: Path,
    decided: Mapping[int, tuple[DecisionName, str | None]],
) -> list[NewDecision]:
    """Store the decisions that do not hold already."""
    made = ledger.decisions()
    holds, last = current_decisions(made), last_positions(made)
    known = {row: (one.decision, one.label) for row, one in holds.items()}
    new = [
        NewDecision(row, decision, label, last.get(row))
        for row, (decision, label) in decided.items()
        if known.get(row) != (decision, label)
    ]
    try:
        ledger.decide(new, path.absolute().name)
    except DecidedMeanwhileError as error:
        raise InputError(
            f"{path}: {error}; look at that, and import the file again"
        ) from None
    return new


def _guessed(path: Path) -> ExportFormat:
    """The format of a file or folder.

    Raises
    ------
    InputError
    """
    if path.is_dir():
        if (path / label_studio.TASKS).is_file():
            return "label-studio"
        return "argilla" if (path / argilla.RECORDS).is_file() else "huggingface"
    suffix = format_of(path)
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    if suffix == ".json":
        first: Any = next(iter(_json_list(path)), None)
        is_record = isinstance(first, dict) and "fields" in first
        return "argilla" if is_record else "label-studio"
    raise InputError(
        f"{path}: unknown kind of file; pass .csv, .jsonl, .parquet, .json, a folder, "
        "or say with --from what it is"
    )


def _reviews(path: Path, source: ExportFormat, run: RunLabels) -> Iterator[Review]:
    """What a file says about each of its rows."""
    if source in ("label-studio", "argilla"):
        tool = label_studio if source == "label-studio" else argilla
        name = label_studio.TASKS if source == "label-studio" else argilla.RECORDS
        file = path / name if path.is_dir() else path
        check_exists(file)
        yield from tool.read(file, _json_list(file), run)
        return
    if source == "huggingface":
        rows = hugging_face.read(path) if path.is_dir() else _of(path, read_parquet)
    elif path.is_dir():
        raise InputError(f"{path}: is a folder, not a .{source} file; pass the file")
    else:
        readers = {"csv": read_csv, "jsonl": read_json_lines, "parquet": read_parquet}
        rows = _of(path, readers[source])
    yield from _flat_reviews(rows, run, as_cells=source == "csv")


def _of(
    path: Path, read: Callable[[Path], Iterator[dict[str, Any]]]
) -> Iterator[tuple[Path, dict[str, Any]]]:
    return ((path, row) for row in read(path))


def _flat_reviews(
    rows: Iterable[tuple[Path, dict[str, Any]]], run: RunLabels, *, as_cells: bool
) -> Iterator[Review]:
    """Reviews of rows of a table; ``as_cells`` if apostrophes keep formulas away."""
    id_column, numbers = run.id_column, Counter[Path]()
    if as_cells and id_column is not None:
        id_column = harmless_names([id_column])[0]
    for path, row in rows:
        place = f"{path}: row {numbers[path]}"
        numbers[path] += 1
        if not ({*columns.REVIEW} & {*row}):
            raise InputError(
                f"{path}: has neither a column {columns.REVIEWED!r} nor "
                f"{columns.REVIEWED_LABEL!r}; pass a file in which people have decided"
            )
        id_ = None if id_column is None else row.get(id_column)
        label = row.get(columns.LABEL)
        reviewed_label = row.get(columns.REVIEWED_LABEL)
        if as_cells:
            id_ = _cell(id_, run.of_id)
            label, reviewed_label = (
                _cell(value, run.classes) for value in (label, reviewed_label)
            )
        yield Review(
            place,
            row=row.get(columns.ROW),
            id=id_,
            label=label,
            run=row.get(columns.RUN),
            reviewed=row.get(columns.REVIEWED),
            reviewed_label=reviewed_label,
        )


def _cell(value: Any, names: Any) -> Any:
    """The name that a cell stands for, with or without the apostrophe before it."""
    if isinstance(value, str) and was_marked(value) and as_it_was(value) in names:
        return as_it_was(value)
    return value


def _json_list(path: Path) -> list[Any]:
    """The list that a JSON file holds.

    Raises
    ------
    InputError
    """
    try:
        with open_bytes(path) as file:
            content = json.loads(file.read())
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, list):
        raise InputError(
            f"{path}: is no list in JSON; pass the tasks of Label Studio or the "
            "records of Argilla"
        )
    return content
