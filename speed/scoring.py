"""Scoring a pool for every class, compared with predicting it."""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from salutary import label_influence
from salutary.arrays import as_float64
from salutary.influence.factored import factor_model
from salutary.influence.softmax import parameter_gradient, softmax_model
from salutary.labeling.batch import choose_batches, taken
from salutary.labeling.fitting import Snapshot, begin
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import find_rule
from salutary.labeling.scoring import View, score_pool
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


N_ROWS = 1_000_000


def kernel() -> Iterator[Ratio]:
    """The pass over the pool alone, without the solve before it.

    On one thread, as BLAS has within a run, and with the extra "fast". The direction is
    the gradient itself: which one it is shows in no time.
    """
    for n_features in (64, 384, 768):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((N_ROWS, n_features), dtype=np.float32)
        for n_classes in (2, 10, 100):
            centers = rng.normal(size=(n_classes, n_features))
            labels = (X[:3_000] @ centers.T).argmax(axis=1)
            yield from _kernel(X, labels, n_classes)


def _kernel(X: Any, labels: Any, n_classes: int) -> Iterator[Ratio]:
    n_rows, n_features = X.shape
    train, val = slice(2_000), slice(2_000, 3_000)
    regression = LogisticRegression(max_iter=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit(X[train], labels[train])
    data = Problem(
        estimator=LogisticRegression(),
        classes=np.arange(n_classes),
        labeled=LabeledRows(X[train], labels[train], np.ones(2_000)),
        validation=LabeledRows(X[val], labels[val], np.ones(1_000)),
        folds=(),
        pool=ArrayPool.of(X),
        rule=find_rule("plausible"),
        hessian="train",
        batch_size=10,
    )
    nothing = np.zeros(0, dtype=np.intp)
    snapshot = Snapshot(regression, nothing, nothing)
    factored = factor_model(softmax_model(regression), X[:1], np.ones(1))
    rows = as_float64(X[val])
    _, slope = data.objective_of(data.validation)(factored.model.logits(rows))
    direction = parameter_gradient(rows, slope, fit_intercept=True)
    weights = np.vstack([factored.model.coef, direction[:, :-1]]).astype(np.float32)
    none = taken(data, snapshot)

    def best_ten() -> None:
        score_pool(
            [
                View(
                    data,
                    data.validation,
                    snapshot,
                    factored,
                    direction,
                    none,
                    10,
                    surveyed=True,
                )
            ]
        )

    shape = f"{n_rows:,} x {n_features} float32, {n_classes} classes"
    references = {
        "predict_proba": lambda: regression.predict_proba(X),
        "the bare product with [W; u]": lambda: X @ weights.T,
    }
    for name, reference in references.items():
        bound = 1.0 if name == "predict_proba" else 1.25 if n_classes <= 10 else None
        with threadpool_limits(limits=1, user_api="blas"):
            yield ratio(
                "one pass for the best 10",
                best_ten,
                f"{name} of {shape}",
                reference,
                bound=bound,
            )


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
