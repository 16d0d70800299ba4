"""The cells of a suite: what they are called, and how one of them is run."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any, Literal

from sklearn import config_context
from threadpoolctl import threadpool_limits

from salutary.errors import InputError
from salutary_benchmark.experiments.experiment import UNCHECKED, Cell
from salutary_benchmark.strategies.true_labels import IMPORTED_WHEN_CALLED
from salutary_benchmark.suites import Suite

# Now, so that the seconds of no cell hold the import.
for _name in IMPORTED_WHEN_CALLED:
    import_module(_name)

Status = Literal["done", "failed", "time limit"]


@dataclass(frozen=True)
class Outcome:
    """How running a cell ended.

    Parameters
    ----------
    cell : Cell
    status : {"done", "failed", "time limit"}
    error : str
        Why the cell is not done; empty if it is.
    seconds : float
        Time for the whole cell, including preparing the data and judging the models.
    rows : list of dict
        The cell's rows for results.parquet; empty unless it is done.
    """

    cell: Cell
    status: Status
    error: str
    seconds: float
    rows: list[dict[str, Any]]


def cells_of(suite: Suite, n_seeds: int) -> list[Cell]:
    """All cells of a suite; the cells of one split are next to each other."""
    return [
        Cell(data, strategy, seed, setting)
        for data, seed in product(suite.data_sets, range(n_seeds))
        for setting, strategy in product(suite.settings_of(data), suite.strategies)
    ]


def parse_cell(text: str, suite: Suite) -> Cell:
    """The cell that a text names.

    The text is ``DATASET/STRATEGY/SETTING/SEED``, or ``DATASET/STRATEGY/SEED`` where
    the suite has only one setting.

    Raises
    ------
    InputError
        If the suite has no such cell.
    """
    first = cells_of(suite, 1)[0]
    form = "DATASET/STRATEGY/SETTING/SEED" if first.setting else "DATASET/STRATEGY/SEED"
    names, _, seed = text.rpartition("/")
    parts = names.split("/")
    seeded = seed.isdecimal() and len(seed) < 10
    if not seeded or len(parts) != form.count("/"):
        raise InputError(f"{text!r} is not {form}; an example is {first}")
    dataset, strategy, setting = (*parts, "")[:3]
    for name, kind, known in (
        (dataset, "data set", suite.data_sets),
        (strategy, "strategy", suite.strategies),
        (setting, "setting", tuple(suite.settings)),
    ):
        if name not in known:
            raise InputError(
                f"suite {suite.name!r} has no {kind} {name!r}; it has "
                f"{', '.join(known)}"
            )
    if setting not in suite.settings_of(dataset):
        raise InputError(
            f"suite {suite.name!r} has no setting {setting!r} of {dataset}; it has "
            f"{', '.join(suite.settings_of(dataset))}"
        )
    return Cell(dataset, strategy, int(seed), setting)


def run_cell(
    cell: Cell, suite: Suite, folder: Path | None, time_limit: float
) -> Outcome:
    """Run a cell; an error in it becomes its outcome and is not raised.

    Parameters
    ----------
    cell : Cell
    suite : Suite
    folder : Path or None
        Folder of the data sets; None downloads them.
    time_limit : float
        Limit in seconds, checked after each row.

    Returns
    -------
    Outcome
    """
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    status: Status = "done"
    error = ""
    setting = suite.settings[cell.setting]
    try:
        # With more BLAS threads sums would depend on their number, and on matrices this
        # small threads mostly wait. Encoded rows are finite, and checking that again
        # takes longer than a small fit.
        with threadpool_limits(limits=1), config_context(**UNCHECKED):
            for measured in suite.experiment.measure(cell, setting, folder):
                rows.append(measured)
                if measured.get("seconds", 0.0) > time_limit:
                    status, error = "time limit", f"over {time_limit:g} s"
                    break
    except InputError as mistake:
        status, error = "failed", str(mistake)
    except Exception as mistake:
        where = traceback.extract_tb(mistake.__traceback__)[-1]
        status = "failed"
        error = f"{type(mistake).__name__}: {mistake} ({where.name}:{where.lineno})"
    if status != "done":
        rows = []
    error = " ".join(error.split())
    return Outcome(cell, status, error, time.perf_counter() - began, rows)
