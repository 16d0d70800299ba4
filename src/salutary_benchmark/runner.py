"""Run a suite cell by cell into a directory, and continue an interrupted run.

Each cell that ends adds a line to ``cells.jsonl``, the only file a run resumes from.
``results.parquet`` and ``run.json`` are made from it when the run ends.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from joblib import Parallel, delayed

from salutary.errors import InputError
from salutary.files import LOCK, claim, write_json, write_text, write_whole
from salutary_benchmark.cells import Outcome, cells_of, run_cell
from salutary_benchmark.data.catalog import DATA_SETS
from salutary_benchmark.data.loading import load
from salutary_benchmark.experiments.experiment import CELL_COLUMNS, Cell
from salutary_benchmark.suites import Suite
from salutary_benchmark.versions import versions_of

JOURNAL = "cells.jsonl"
RESULTS = "results.parquet"
RUN = "run.json"


@dataclass(frozen=True)
class Request:
    """What is to be run, and where.

    Parameters
    ----------
    suite : Suite
    n_seeds : int
        Number of splits of each data set; their seeds are 0, 1, ...
    folder : Path or None
        Folder of the data sets; None downloads them.
    out : Path
        Directory for the results.
    jobs : int
        Number of processes; -1 starts one for each core.
    time_limit : float
        Seconds after which a cell is given up, checked after each of its rounds.
    retry : bool
        Whether to run cells again that failed or hit the time limit.
    only : Cell or None
        The one cell to run; None for all.
    """

    suite: Suite
    n_seeds: int
    folder: Path | None
    out: Path
    jobs: int = -1
    time_limit: float = 600.0
    retry: bool = False
    only: Cell | None = None


Outcomes = Callable[[Request, list[Cell]], Iterable[Outcome]]
"""Runs cells by `run_cell` and gives the outcome of each, in any order, as it ends."""


def run(
    request: Request,
    on_start: Callable[[int, int], None] = lambda done, total: None,
    on_cell: Callable[[Outcome], None] = lambda outcome: None,
    outcomes: Outcomes | None = None,
) -> dict[str, Any]:
    """Run the cells of a suite that are not recorded yet.

    Parameters
    ----------
    request : Request
    on_start : callable
        Called once, with the number of cells already recorded and of all cells.
    on_cell : callable
        Called with each outcome once it is recorded.
    outcomes : callable, optional
        Runs cells elsewhere than in processes of this machine, see `Outcomes`.

    Returns
    -------
    dict
        The content of run.json.

    Raises
    ------
    InputError
        If the directory holds something else, or a run of another suite, with other
        versions or on other data; or if a data set cannot be read.

    Notes
    -----
    The cells are run by joblib. ``examples/benchmark_on_ray.py`` runs them on a Ray
    cluster.
    """
    _check_directory(request)
    began = time.perf_counter()
    made_with = _described(request)
    _check_continues(request.out, made_with)
    made_with["data"] = _data_fingerprints(request)
    with claim(request.out):
        earlier = _check_continues(request.out, made_with)
        if not (request.out / RUN).is_file():
            write_json(request.out / RUN, {**made_with, "wall_seconds": 0.0})
        recorded = _recorded(request.out / JOURNAL)
        if request.retry:
            recorded = {
                cell: outcome
                for cell, outcome in recorded.items()
                if outcome.status == "done"
            }
            _rewrite(request.out / JOURNAL, recorded.values())
        cells = cells_of(request.suite, request.n_seeds)
        wanted = cells if request.only is None else [request.only]
        missing = [cell for cell in wanted if cell not in recorded]
        on_start(len(wanted) - len(missing), len(wanted))
        try:
            for outcome in (outcomes or _outcomes)(request, missing):
                _record(request.out / JOURNAL, outcome)
                recorded[outcome.cell] = outcome
                on_cell(outcome)
        finally:
            report = {
                **made_with,
                "seeds": max((cell.seed + 1 for cell in recorded), default=0),
                "cells": len(recorded),
                "missing": sum(cell not in recorded for cell in cells),
                "jobs": request.jobs,
                "cores": os.cpu_count(),
                "wall_seconds": earlier + time.perf_counter() - began,
                "cell_seconds": sum(outcome.seconds for outcome in recorded.values()),
                "not_done": {
                    str(cell): f"{outcome.status}: {outcome.error}"
                    for cell, outcome in sorted(recorded.items())
                    if outcome.status != "done"
                },
            }
            write_results(request.out / RESULTS, request.suite, recorded.values())
            write_json(request.out / RUN, report)
    return report


def _check_directory(request: Request) -> None:
    out = request.out
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out}: is a file; pass a directory as --out")
    if (out / RUN).is_file():
        return
    others = sorted(path.name for path in out.iterdir() if path.name != LOCK)
    if others:
        raise InputError(
            f"{out}: is not a benchmark run and holds {others[0]!r}; pass another --out"
        )


def _described(request: Request) -> dict[str, Any]:
    """The suite, and the versions that run it."""
    suite = request.suite
    described: dict[str, Any] = json.loads(
        json.dumps(
            {
                "suite": {
                    "name": suite.name,
                    "settings": {
                        name: asdict(setting)
                        for name, setting in suite.settings.items()
                    },
                    "data_sets": suite.data_sets,
                    "strategies": suite.strategies,
                },
                "python": platform.python_version(),
                "versions": versions_of("scikit-activeml"),
            }
        )
    )
    return described


def _data_fingerprints(request: Request) -> dict[str, str]:
    """Hash of each data set's content; all are read before the first cell is run.

    A data set that is not in the catalog is made by its experiment, out of nothing but
    the packages whose versions are recorded.
    """
    return {
        name: load(DATA_SETS[name], request.folder).fingerprint
        for name in request.suite.data_sets
        if name in DATA_SETS
    }


def _check_continues(out: Path, made_with: dict[str, Any]) -> float:
    """Seconds that the run in a directory took; refuse one made with anything else."""
    path = out / RUN
    if not path.is_file():
        return 0.0
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        earlier = float(before["wall_seconds"])
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{path}: is damaged; restore it, or pass another --out"
        ) from None
    for name, value in made_with.items():
        if before.get(name) != value:
            raise InputError(
                f"{out}: was started with another {_difference(before, name, value)}; "
                "use the same, or pass another --out"
            )
    return earlier


def _difference(before: dict[str, Any], name: str, value: Any) -> str:
    """What differs between a recorded value and the present one, in words."""
    old = before.get(name)
    if not (isinstance(old, dict) and isinstance(value, dict)):
        return f"{name}: {old!r}, not {value!r}"
    key = next(key for key in {**value, **old} if old.get(key) != value.get(key))
    return _difference(old, key, value.get(key))


def _outcomes(request: Request, cells: list[Cell]) -> Iterable[Outcome]:
    work = Parallel(n_jobs=request.jobs, return_as="generator_unordered")
    outcomes: Iterable[Outcome] = work(
        delayed(run_cell)(cell, request.suite, request.folder, request.time_limit)
        for cell in cells
    )
    return outcomes


def _record(path: Path, outcome: Outcome) -> None:
    """Append a line, and return only once it is on the disk."""
    with path.open("a", encoding="utf-8") as journal:
        journal.write(json.dumps(asdict(outcome)) + "\n")
        journal.flush()
        os.fsync(journal.fileno())


def _recorded(path: Path) -> dict[Cell, Outcome]:
    """The journal's cells; a last line that was cut short is removed from the file."""
    if not path.is_file():
        return {}
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        with path.open("r+b") as journal:
            journal.truncate(len(whole) + 1 if whole else 0)
    recorded = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            entry = json.loads(line)
            outcome = Outcome(**{**entry, "cell": Cell(**entry["cell"])})
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{path}: line {number} is damaged; delete it to run its cell again"
            ) from None
        recorded[outcome.cell] = outcome
    return recorded


def _rewrite(path: Path, outcomes: Iterable[Outcome]) -> None:
    lines = "".join(json.dumps(asdict(outcome)) + "\n" for outcome in outcomes)
    write_text(path, lines)


def write_results(path: Path, suite: Suite, outcomes: Iterable[Outcome]) -> None:
    """Write results.parquet, sorted, in whatever order the cells ended."""
    rows = [row for outcome in outcomes for row in outcome.rows]
    columns = columns_of(suite)
    table = pd.DataFrame(rows, columns=list(columns)).astype(columns)
    keys = [*CELL_COLUMNS, *suite.experiment.keys]
    table = table.sort_values(keys, ignore_index=True)
    # Measurements hardly repeat, but their leading bytes do.
    floats = [name for name in columns if columns[name].startswith("float")]
    writing = partial(
        table.to_parquet,
        compression="zstd",
        index=False,
        use_dictionary=[name for name in columns if name not in floats],
        use_byte_stream_split=floats,
    )
    write_whole(path, writing)


def columns_of(suite: Suite) -> dict[str, str]:
    """Columns of a suite's results.parquet and their types."""
    return {**CELL_COLUMNS, **suite.experiment.columns}


def read_results(directory: Path, suite: Suite) -> pd.DataFrame:
    """Read the results of a run.

    Parameters
    ----------
    directory : Path
        Directory of the run.
    suite : Suite
        The suite that was run.

    Returns
    -------
    DataFrame
        With the columns of `columns_of`; settings are categories in the suite's order.

    Raises
    ------
    InputError
        If results.parquet is missing or damaged, or lacks a column.
    """
    path = directory / RESULTS
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; pass the --out of 'salutary benchmark run'"
        )
    try:
        results = pd.read_parquet(path)
    except (OSError, ValueError, pa.ArrowException):
        raise InputError(
            f"{path}: is damaged; repeat the 'salutary benchmark run', which writes it "
            "again"
        ) from None
    if "setting" not in results and list(suite.settings) == [""]:
        # Results made when no suite had more than one setting.
        results["setting"] = ""
    for column in columns_of(suite):
        if column not in results:
            raise InputError(
                f"{path}: has no column {column!r}; suite {suite.name!r} has it"
            )
    unknown = sorted(set(results["setting"]) - set(suite.settings))
    if unknown:
        raise InputError(
            f"{path}: suite {suite.name!r} has no setting {unknown[0]!r}; it was made "
            "by another version of salutary"
        )
    order = pd.CategoricalDtype(list(suite.settings), ordered=True)
    return results.astype({"setting": order})
