"""The paper's rule against active learning with true labels, as the paper sets it up.

300 labeled rows, 20% validation, 20% test, C = 0.02, ten rounds of ten, no guard; mean
test accuracy over seeds. Features are one-hot encoded and standardized.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

from salutary.benchmark.comparison import Plan, Split, fit_salutary, split
from salutary.benchmark.true_labels import QUERIES, active_learning

SETS = ("grid_stability", "celeba_attributes", "waveform_40", "wine_quality")
N_SEEDS = 5
LARGEST = 12_000


def load(folder: Path, name: str) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    frame = pd.read_parquet(folder / f"{name}.parquet")
    if len(frame) > LARGEST:
        frame = frame.sample(LARGEST, random_state=0)
    labels = frame.pop("label")
    # A class with fewer rows than splits cannot be stratified (wine has 5 of one).
    common = labels.map(labels.value_counts()) >= 10
    y = np.unique(labels[common], return_inverse=True)[1]
    X = scale(
        pd.get_dummies(frame[common].drop(columns="color", errors="ignore")).to_numpy(
            np.float64
        )
    )
    return X, y


def accuracies(data: Split, plan: Plan, seed: int) -> dict[str, float]:
    start = plan.estimator.fit(*data.labeled)
    found = {"start": start.score(*data.test)}
    for rule in ("paper", "plausible"):
        model = fit_salutary(data, plan, seed, rule=rule, guard=False)
        found[rule] = model.score(*data.test)
    for name, query in QUERIES.items():
        model = active_learning(
            plan.estimator,
            data.labeled,
            data.pool,
            query,
            budget=plan.budget,
            batch_size=plan.batch_size,
            seed=seed,
        )
        found[f"true, {name}"] = model.score(*data.test)
    both = plan.estimator.fit(
        np.vstack([data.labeled[0], data.validation[0]]),
        np.concatenate([data.labeled[1], data.validation[1]]),
    )
    found["labeled + validation"] = both.score(*data.test)
    return found


def compare(folder: Path) -> Iterator[str]:
    plan = Plan(LogisticRegression(C=0.02, max_iter=1000))
    for name in SETS:
        X, y = load(folder, name)
        rows = []
        with threadpool_limits(limits=1, user_api="blas"):
            for seed in range(N_SEEDS):
                data = split(X, y, n_labeled=300, seed=seed)
                rows.append(accuracies(data, plan, seed))
        means = pd.DataFrame(rows).mean()
        holds = means["paper"] > max(means["true, random"], means["true, margin"])
        figures = ", ".join(f"{key} {value:.4f}" for key, value in means.items())
        verdict = "holds" if holds else "MISSED"
        yield f"{name}: {figures}: paper above random and margin {verdict}"
