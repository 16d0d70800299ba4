"""The cells of a suite: their names, and one of them run."""

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
    """What came of a cell.

    Parameters
    ----------
    cell : Cell
    status : {"done", "failed", "time limit"}
    error : str
        Why it is not done.
    seconds : float
        All of it, with preparing the data and judging the models.
    rows : list of dict
        Of results.parquet; empty unless done.
    """

    cell: Cell
    status: Status
    error: str
    seconds: float
    rows: list[dict[str, Any]]


def cells_of(suite: Suite, n_seeds: int) -> list[Cell]:
    """All cells of a suite, those of one split next to each other."""
    return [
        Cell(data, strategy, seed, setting)
        for data, seed in product(suite.data_sets, range(n_seeds))
        for setting, strategy in product(suite.settings_of(data), suite.strategies)
    ]


def parse_cell(text: str, suite: Suite) -> Cell:
    """The cell that a text names, or an `InputError`.

    It is ``DATASET/STRATEGY/SETTING/SEED``, without the setting where the suite has
    but one.
    """
    first = cells_of(suite, 1)[0]
    form = "DATASET/STRATEGY/SETTING/SEED" if first.setting else "DATASET/STRATEGY/SEED"
    names, _, seed = text.rpartition("/")
    parts = names.split("/")
    seeded = seed.isdecimal() and len(seed) < 10
    if not seeded or len(parts) != form.count("/"):
        raise InputError(f"{text!r} is not {form}; for instance {first}")
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
    """Run a cell; whatever goes wrong in it is its outcome.

    Parameters
    ----------
    cell : Cell
    suite : Suite
    folder : Path or None
        Of the data sets.
    time_limit : float
        Seconds, looked at after each row; a cell over them is not done.

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
        # Threads of BLAS would only wait for each other, and the sums depend on them.
        # Encoded rows are finite; to check it again takes longer than a small fit.
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
