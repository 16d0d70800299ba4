"""Scoring a pool for every class, compared with predicting it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from salutary import label_influence
from salutary.labeling.batch import choose_batches
from salutary.labeling.fitting import begin
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import find_rule
from salutary.pools.arrays import ArrayPool
from speed.measure import Ratio, ratio

N_FEATURES, N_CLASSES, N_TRAIN, N_VAL = 64, 10, 2_000, 1_000


def problem(n_pool: int, n_features: int = N_FEATURES) -> Problem:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(N_CLASSES, n_features))

    def rows(n: int) -> LabeledRows:
        labels = rng.integers(N_CLASSES, size=n)
        X = centers[labels] + 4 * rng.normal(size=(n, n_features))
        return LabeledRows(X.astype(np.float32), labels, np.ones(n))

    pool = rows(n_pool)
    return Problem(
        estimator=LogisticRegression(),
        classes=np.arange(N_CLASSES),
        labeled=rows(N_TRAIN),
        validation=rows(N_VAL),
        folds=(),
        pool=ArrayPool.of(pool.X),
        rule=find_rule("plausible"),
        hessian="train",
        batch_size=10,
    )


def speed(n_pool: int = 1_000_000) -> Iterator[Ratio]:
    data = problem(n_pool)
    snapshot = begin(data)
    # Fitted in the pool's own dtype, as a user of float32 would do.
    model = LogisticRegression(max_iter=1000)
    model.fit(data.labeled.X, data.labeled.labels)
    reference = (
        f"predict_proba of {n_pool:,} x {N_FEATURES} float32, {N_CLASSES} classes"
    )

    def best_ten() -> None:
        with threadpool_limits(limits=1, user_api="blas"):
            choose_batches(data, data.validation, snapshot, 10)

    def influence() -> None:
        label_influence(
            model,
            data.pool.X,
            X_train=data.labeled.X,
            X_val=data.validation.X,
            y_val=data.validation.labels,
        )

    def predict() -> None:
        model.predict_proba(data.pool.X)

    yield ratio("score and pick the best 10", best_ten, reference, predict, bound=1.5)
    yield ratio("label_influence", influence, reference, predict, bound=1.5)


def memory() -> Iterator[str]:
    for n_pool in (100_000, 1_000_000):
        data = problem(n_pool)
        snapshot = begin(data)
        tracemalloc.start()
        choose_batches(data, data.validation, snapshot, 10)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        extra, held = peak / 2**20, data.pool.X.nbytes / 2**20
        yield (
            f"extra memory to score {n_pool:,} rows and pick 10: {extra:.1f} MiB "
            f"(the pool itself has {held:.0f} MiB)"
        )
