"""Run a strategy on one split of a data set, and judge its model after every round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salutary.influence.objectives import log_losses
from salutary.labeling.tuning import probabilities
from salutary_benchmark.data.catalog import find_data_set
from salutary_benchmark.data.loading import Rows, load
from salutary_benchmark.data.noise import human_labels, with_wrong_labels
from salutary_benchmark.data.splits import Split, make_encoder, split
from salutary_benchmark.experiments.experiment import Cell
from salutary_benchmark.experiments.memory import peak_memory, reset_peak_memory
from salutary_benchmark.strategies.registry import STRATEGIES
from salutary_benchmark.strategies.task import Setting, Task

COLUMNS = {
    "round": "int16",
    "n_labeled": "int32",
    "accuracy": "float32",
    "log_loss": "float32",
    "balanced_accuracy": "float32",
    "validation_loss": "float32",
    "agreement": "float32",
    "seconds": "float32",
    "peak_mb": "float32",
}
"""Columns of what `measure` yields, with their types."""

MEASURES = ("accuracy", "log_loss", "balanced_accuracy", "validation_loss")
"""Measures of a model on the test rows, and its validation loss."""


def judged(model: Any, task: Task) -> dict[str, float]:
    """Measures of a model on the test rows, and its validation loss."""
    y = task.split.test[1]
    chance = probabilities(model, task.split.test[0], task.classes)
    right = chance.argmax(axis=1) == y
    rows, right_rows = np.bincount(y), np.bincount(y, weights=right)
    X_val, y_val = task.split.validation
    validation = probabilities(model, X_val, task.classes)
    return {
        "accuracy": float(np.mean(right)),
        "log_loss": float(log_losses(chance, y).mean()),
        "balanced_accuracy": float(np.mean(right_rows[rows > 0] / rows[rows > 0])),
        "validation_loss": float(log_losses(validation, y_val).mean()),
    }


Judge = Callable[[Any, Task], dict[str, float]]
"""(model, task) -> columns that say how good the model is."""


def measure(
    cell: Cell, setting: Setting, folder: Path | None, *, judge: Judge = judged
) -> Iterator[dict[str, Any]]:
    """Run the cell's strategy; yield a row before the first round and after each."""
    task = task_of(cell, setting, folder)
    reset_peak_memory()
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
            **judge(step.model, task),
            "agreement": step.agreement,
            "seconds": seconds,
            "peak_mb": peak_memory(),
        }
        if number == task.setting.n_rounds:
            return
        number += 1


def task_of(cell: Cell, setting: Setting, folder: Path | None) -> Task:
    """The encoded split of a cell's seed, with wrong labels if the setting has any."""
    drawn = prepared(cell.dataset, folder, setting, cell.seed)
    return Task(drawn, setting.for_pool(len(drawn.pool[1])), cell.seed)


def prepared(name: str, folder: Path | None, setting: Setting, seed: int) -> Split:
    """The encoded split of a seed, with wrong labels if the setting has any."""
    # Everything that the split depends on, so that settings can share it.
    sizes = Setting(
        n_labeled=setting.n_labeled,
        validation=setting.validation,
        largest_pool=setting.largest_pool,
    )
    encoded = _encoded(name, folder, sizes, seed)
    if setting.noise == "none":
        return encoded
    (X, y), y_all = encoded.labeled, _loaded(name, folder).y
    if setting.noise in ("symmetric", "class-dependent"):
        noisy = with_wrong_labels(
            y, setting.noise, setting.noise_rate, int(y_all.max()) + 1, seed
        )
    else:
        # The same draw as that of the rows, of their numbers.
        numbers = _drawn(np.arange(len(y_all)), y_all, setting, seed).labeled[0]
        noisy = human_labels(folder, setting.noise, y_all)[numbers]
    return replace(encoded, labeled=(X, noisy))


def _drawn(X: Any, y: NDArray[np.intp], setting: Setting, seed: int) -> Split:
    return split(
        X,
        y,
        n_labeled=setting.n_labeled,
        validation=setting.validation,
        largest_pool=setting.largest_pool,
        seed=seed,
    )


@lru_cache(maxsize=1)
def _loaded(name: str, folder: Path | None) -> Rows:
    return load(find_data_set(name), folder)


@lru_cache(maxsize=1)
def _encoded(name: str, folder: Path | None, sizes: Setting, seed: int) -> Split:
    """An encoded split; the last one is kept for the next strategy or setting."""
    rows = _loaded(name, folder)
    drawn = _drawn(rows.X, rows.y, sizes, seed)
    return drawn.encoded(make_encoder(find_data_set(name).kind, seed))
