"""One cell of a suite: a strategy on one split of a data set, run and judged."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from threadpoolctl import threadpool_limits

from salutary.benchmark.datasets import find_data_set
from salutary.benchmark.loading import Rows, load
from salutary.benchmark.splits import Part, Split, make_encoder, split
from salutary.benchmark.suites import LARGEST_POOL, STRATEGIES, Suite
from salutary.benchmark.task import Setting, Step, Task
from salutary.errors import InputError

Status = Literal["done", "failed", "time limit"]

MEBIBYTE = 1024**2

UNCHECKED = {"assume_finite": True, "skip_parameter_validation": True}


@dataclass(frozen=True, order=True)
class Cell:
    """A strategy on one split of a data set."""

    dataset: str
    strategy: str
    seed: int

    def __str__(self) -> str:
        return f"{self.dataset}/{self.strategy}/{self.seed}"


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
    rounds : list of dict
        The columns of results.parquet, from before the first round on; empty unless
        done.
    """

    cell: Cell
    status: Status
    error: str
    seconds: float
    rounds: list[dict[str, Any]]


def cells_of(suite: Suite, n_seeds: int) -> list[Cell]:
    """All cells of a suite, those of one split next to each other."""
    return [
        Cell(data, strategy, seed)
        for data, seed, strategy in product(
            suite.data_sets, range(n_seeds), suite.strategies
        )
    ]


def parse_cell(text: str, suite: Suite) -> Cell:
    """The cell of ``DATASET/STRATEGY/SEED``, or an `InputError`."""
    parts = text.split("/")
    seeded = len(parts) == 3 and parts[2].isdecimal() and len(parts[2]) < 10
    if not seeded:
        raise InputError(
            f"{text!r} is not DATASET/STRATEGY/SEED; for instance "
            f"{suite.data_sets[0]}/{suite.strategies[0]}/0"
        )
    for name, kind, known in (
        (parts[0], "data set", suite.data_sets),
        (parts[1], "strategy", suite.strategies),
    ):
        if name not in known:
            raise InputError(
                f"suite {suite.name!r} has no {kind} {name!r}; it has "
                f"{', '.join(known)}"
            )
    return Cell(parts[0], parts[1], int(parts[2]))


def run_cell(
    cell: Cell, setting: Setting, folder: Path | None, time_limit: float
) -> Outcome:
    """Run a cell; whatever goes wrong in it is its outcome.

    Parameters
    ----------
    cell : Cell
    setting : Setting
    folder : Path or None
        Of the data sets.
    time_limit : float
        Seconds, looked at after each round; a cell over them is not done.

    Returns
    -------
    Outcome
    """
    began = time.perf_counter()
    rounds: list[dict[str, Any]] = []
    status: Status = "done"
    error = ""
    try:
        # Threads of BLAS would only wait for each other, and the sums depend on them.
        # Encoded rows are finite; to check it again takes longer than a small fit.
        with threadpool_limits(limits=1), config_context(**UNCHECKED):
            for measured in _measured(cell, setting, folder):
                rounds.append(measured)
                if measured["seconds"] > time_limit:
                    status, error = "time limit", f"over {time_limit:g} s"
                    break
    except InputError as mistake:
        status, error = "failed", str(mistake)
    except Exception as mistake:
        where = traceback.extract_tb(mistake.__traceback__)[-1]
        status = "failed"
        error = f"{type(mistake).__name__}: {mistake} ({where.name}:{where.lineno})"
    if status != "done":
        rounds = []
    error = " ".join(error.split())
    return Outcome(cell, status, error, time.perf_counter() - began, rounds)


def _measured(
    cell: Cell, setting: Setting, folder: Path | None
) -> Iterator[dict[str, Any]]:
    """The rows of results.parquet."""
    task = Task(prepared(cell.dataset, folder, setting, cell.seed), setting, cell.seed)
    _reset_peak_memory()
    steps = STRATEGIES[cell.strategy](task)
    seconds, number = 0.0, 0
    while True:
        began = time.perf_counter()
        step = next(steps, None)
        seconds += time.perf_counter() - began
        if step is None:
            return
        yield {
            **asdict(cell),
            "round": number,
            "n_labeled": step.n_labeled,
            **judged(step, task),
            "agreement": step.agreement,
            "seconds": seconds,
            "peak_mb": _peak_memory(),
        }
        number += 1


def judged(step: Step, task: Task) -> dict[str, float]:
    """How a model does on the test rows, and its validation loss."""
    y = task.split.test[1]
    chance = _probability(step, task, task.split.test)
    right = chance.argmax(axis=1) == y
    rows, right_rows = np.bincount(y), np.bincount(y, weights=right)
    validation = _probability(step, task, task.split.validation)
    return {
        "accuracy": float(np.mean(right)),
        "log_loss": _log_loss(y, chance),
        "balanced_accuracy": float(np.mean(right_rows[rows > 0] / rows[rows > 0])),
        "validation_loss": _log_loss(task.split.validation[1], validation),
    }


def _log_loss(y: NDArray[np.intp], chance: NDArray[np.float64]) -> float:
    """As scikit-learn's, whose checks of every row take longer than its sums."""
    own = chance[np.arange(len(y)), y]
    return -float(np.mean(np.log(np.maximum(own, np.finfo(float).eps))))


def _probability(step: Step, task: Task, part: Part) -> NDArray[np.float64]:
    """Of every class of the data set; zero for those the model never saw."""
    chance = np.zeros((len(part[1]), len(task.classes)))
    chance[:, step.model.classes_] = step.model.predict_proba(part[0])
    return chance


@lru_cache(maxsize=1)
def _loaded(name: str, folder: Path | None) -> Rows:
    return load(find_data_set(name), folder)


@lru_cache(maxsize=1)
def prepared(name: str, folder: Path | None, setting: Setting, seed: int) -> Split:
    """The split of a seed, encoded; the last one is kept for the next strategy."""
    rows = _loaded(name, folder)
    drawn = split(
        rows.X,
        rows.y,
        n_labeled=setting.n_labeled,
        validation=setting.validation,
        largest_pool=LARGEST_POOL,
        seed=seed,
    )
    return drawn.encoded(make_encoder(find_data_set(name).kind, seed))


_STATUS = Path("/proc/self/status")


def _reset_peak_memory() -> None:
    """Let the process's peak begin anew, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak_memory() -> float:
    """Peak resident memory of the process in MiB since the reset; NaN if unknown."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return float("nan")
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / MEBIBYTE
    return float("nan")
