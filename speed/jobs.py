"""Guarded runs with two threads, and with two processes, against one thread."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel
from sklearn.datasets import load_digits
from sklearn.preprocessing import scale

from salutary import SalutaryClassifier
from salutary.labeling.problem import Problem
from speed.measure import Ratio, ratio

VALIDATION = slice(0, 300)
LABELED = slice(300, 500)
N_LARGE = 100_000


def speed(folder: Path) -> Iterator[Ratio]:
    for name, (X, y) in _data(folder).items():
        one, threads = (partial(_fit, X, y, n_jobs=n_jobs) for n_jobs in (1, 2))
        yield ratio(f"{name}, 2 threads", threads, "1 thread", one, bound=None, pairs=5)
        with Parallel(2) as processes:
            work = partial(_fit_in_processes, processes, X, y)
            yield ratio(
                f"{name}, 2 processes", work, "1 thread", one, bound=None, pairs=5
            )


def _data(folder: Path) -> dict[str, tuple[Any, Any]]:
    table = pd.read_parquet(folder / "waveform_40.parquet")
    target = table.columns[-1]
    digits = load_digits(return_X_y=True)
    rng = np.random.RandomState(0)
    X = rng.normal(size=(N_LARGE, 40))
    logits = X @ rng.normal(size=(40, 3)) / 2
    y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    return {
        "waveform": (scale(table.drop(columns=target)), pd.factorize(table[target])[0]),
        "digits": (digits[0] / 16, digits[1]),
        f"{N_LARGE:,} rows": (X, y),
    }


def _fit(X: Any, y: Any, n_jobs: int) -> SalutaryClassifier:
    marked = y.copy()
    marked[LABELED.stop :] = -1
    rows = slice(LABELED.start, None)
    model = SalutaryClassifier(budget=50, n_jobs=n_jobs, random_state=0)
    return model.fit(X[rows], marked[rows], X[VALIDATION], y[VALIDATION])


def _fit_in_processes(processes: Parallel, X: Any, y: Any) -> SalutaryClassifier:
    """Like `_fit`, but the work goes to processes."""
    ours = Problem._at_once
    Problem._at_once = lambda self, calls: list(processes(calls))  # type: ignore[method-assign]
    try:
        return _fit(X, y, n_jobs=1)
    finally:
        Problem._at_once = ours  # type: ignore[method-assign]
