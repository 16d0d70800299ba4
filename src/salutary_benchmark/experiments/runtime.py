"""Seconds and memory of every strategy by the size of its task.

Each cell runs in a process of its own, which is killed at the time limit: on a large
pool many strategies spend hours within one call, which nothing else would end. The
process also makes the memory measured that of the strategy alone.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from sklearn import config_context
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from salutary_benchmark.data.splits import Split
from salutary_benchmark.experiments.experiment import UNCHECKED, Cell
from salutary_benchmark.experiments.memory import (
    MEBIBYTE,
    memory,
    peak_memory,
    release_memory,
    reset_peak_memory,
)
from salutary_benchmark.strategies.registry import STRATEGIES
from salutary_benchmark.strategies.task import Setting, Task
from salutary_benchmark.strategies.true_labels import IMPORTED_WHEN_CALLED

DATA = "synthetic"
"""Name of the data set, which is made by scikit-learn's make_classification."""

SETTING = Setting(n_labeled=300, validation=300, budget=20, batch_size=10, C=0.1)
"""Setting of every cell: two rounds of ten labels."""

N_INFORMATIVE = 10
"""Largest number of features that tell the classes apart."""

Ending = Literal["done", "time limit", "memory limit", "killed"]


@dataclass(frozen=True)
class Size:
    """How large a task is, and what a strategy may spend on it.

    Parameters
    ----------
    n_pool, n_features, n_classes : int
    seconds : float
        Time after which the strategy is killed.
    gibibytes : float
        Limit of the process's address space.
    """

    n_pool: int = 10_000
    n_features: int = 20
    n_classes: int = 4
    seconds: float = 10.0
    gibibytes: float = 8.0


def measure(cell: Cell, size: Size, folder: Path | None) -> Iterator[dict[str, Any]]:
    """Time the cell's strategy in a process of its own; yields one row.

    ``run_seconds`` does not include making the data, and ``peak_mb`` is the memory that
    the strategy needs beyond the data. A strategy that was killed at the time limit has
    the limit as its seconds.
    """
    # Forked from a server without threads that has imported everything beforehand.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *IMPORTED_WHEN_CALLED])
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(cell, size, sender))
    child.start()
    sender.close()
    try:
        found = _received(receiver, size.seconds)
    finally:
        child.kill()
        child.join()
        receiver.close()
    yield {
        **asdict(cell),
        "n_pool": size.n_pool,
        "n_features": size.n_features,
        "n_classes": size.n_classes,
        **found,
    }


def _received(receiver: Connection, limit: float) -> dict[str, Any]:
    """What the child reports within the limit, which starts once its data is made."""
    nothing = {"run_seconds": limit, "peak_mb": float("nan"), "n_rounds": 0}
    receiver.recv()
    if not receiver.poll(limit):
        return {"ending": "time limit", **nothing}
    try:
        found: dict[str, Any] = receiver.recv()
    except EOFError:
        # As a system does when it runs out of memory.
        return {"ending": "killed", **nothing}
    if "error" in found:
        raise RuntimeError(found["error"])
    return {**nothing, **found}


def _run(cell: Cell, size: Size, sender: Connection) -> None:
    """In the child: make the data, say so, run the strategy, and report."""
    with threadpool_limits(limits=1), config_context(**UNCHECKED):
        task = Task(synthetic(size, cell.seed), SETTING, cell.seed)
        _limit_memory(size.gibibytes)
        release_memory()
        reset_peak_memory()
        before = memory()
        with suppress(BrokenPipeError):
            sender.send("ready")
            sender.send(_timed(cell, task, before))


def _timed(cell: Cell, task: Task, before: float) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        n_rounds = sum(1 for _ in STRATEGIES[cell.strategy](task)) - 1
    except MemoryError:
        return {"ending": "memory limit", "run_seconds": time.perf_counter() - began}
    except Exception as mistake:
        return {"error": f"{type(mistake).__name__}: {mistake}"}
    return {
        "ending": "done",
        "run_seconds": time.perf_counter() - began,
        "peak_mb": peak_memory() - before,
        "n_rounds": n_rounds,
    }


def _limit_memory(gibibytes: float) -> None:
    import resource  # not every system has it

    size = int(gibibytes * 1024 * MEBIBYTE)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size, hard))


def synthetic(size: Size, seed: int) -> Split:
    """Random rows, where each class is one cluster.

    The test rows are the validation rows, as no model is judged.
    """
    n_human = SETTING.n_labeled + int(SETTING.validation)
    X, y = make_classification(
        size.n_pool + n_human,
        size.n_features,
        n_informative=min(N_INFORMATIVE, size.n_features),
        n_redundant=0,
        n_classes=size.n_classes,
        n_clusters_per_class=1,
        random_state=seed,
    )
    X_pool, X_human, y_pool, y_human = train_test_split(
        X, y, test_size=n_human, stratify=y, random_state=seed
    )
    X_labeled, X_val, y_labeled, y_val = train_test_split(
        X_human,
        y_human,
        train_size=SETTING.n_labeled,
        stratify=y_human,
        random_state=seed,
    )
    validation = (X_val, y_val)
    return Split((X_labeled, y_labeled), validation, (X_pool, y_pool), validation)
