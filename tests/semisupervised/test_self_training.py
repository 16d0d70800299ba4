"""Self-training, against passes made by hand with scikit-learn."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression

from salutary.labeling.rows import LabeledRows
from salutary.pools.arrays import ArrayPool
from salutary.semisupervised.self_training import (
    SHARES,
    WEIGHTS,
    SelfTraining,
    balanced_share,
    models,
    paths,
)
from salutary.semisupervised.task import SemiSupervisedTask


def draw(container: Any = np.asarray) -> SemiSupervisedTask:
    X, y = make_blobs(200, 4, centers=3, cluster_std=4, random_state=1)
    rng = np.random.default_rng(0)
    rows = LabeledRows(container(X[:30]), y[:30], rng.uniform(0.5, 2, 30))
    pool = ArrayPool.of(container(X[30:]), rng.uniform(0.5, 2, 170))
    return SemiSupervisedTask(np.array(["a", "b", "c"]), rows, pool)


def by_hand(task: SemiSupervisedTask, setting: SelfTraining) -> LogisticRegression:
    """Three passes, each class's rows taken one by one from the most confident on."""
    rows, X, weight = task.rows, task.pool.X, task.pool.weight
    model = LogisticRegression(C=setting.C, solver="newton-cholesky", tol=1e-10)
    model.fit(rows.X, task.classes[rows.labels], rows.weight)
    for _ in range(3):
        chance = model.predict_proba(X)
        labels = model.predict(X)
        taken: list[int] = []
        for label in np.unique(labels):
            own = [row for row in range(len(X)) if labels[row] == label]
            own.sort(key=lambda row: -chance[row].max())
            taken += own[: int(np.ceil(setting.share * len(own)))]
        share = weight[taken] / weight[taken].sum()
        model.fit(
            np.vstack([rows.X, X[taken]]),
            np.r_[task.classes[rows.labels], labels[taken]],
            np.r_[rows.weight, share * setting.weight * rows.weight.sum()],
        )
    return model


@pytest.mark.parametrize("share", SHARES)
def test_models_are_those_of_three_passes_by_hand(share: float) -> None:
    task = draw()
    path = [SelfTraining(0.3, share, weight) for weight in WEIGHTS]
    for setting, model in zip(path, models(task, path), strict=True):
        reference = by_hand(task, setting)
        assert_allclose(model.coef_, reference.coef_, rtol=1e-4, atol=1e-6)
        assert_allclose(model.intercept_, reference.intercept_, rtol=1e-4, atol=1e-5)


def test_paths_have_every_share_and_weight_once() -> None:
    found = {
        (setting.share, setting.weight)
        for path in paths(1.0)
        for setting in path
        if isinstance(setting, SelfTraining)
    }
    assert found == {(share, weight) for share in SHARES for weight in WEIGHTS}


def test_csr_rows_give_what_dense_ones_do() -> None:
    (dense,) = models(draw(), [SelfTraining(0.3, 0.5, 1.0)])
    (csr,) = models(draw(sparse.csr_array), [SelfTraining(0.3, 0.5, 1.0)])
    assert_allclose(csr.coef_, dense.coef_, rtol=1e-5, atol=1e-8)


def test_a_pool_too_large_is_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salutary.semisupervised.self_training.LARGEST_POOL", 40)
    task = draw()
    (found,) = models(task, [SelfTraining(0.3, 1.0, 1.0)])
    (again,) = models(draw(), [SelfTraining(0.3, 1.0, 1.0)])
    assert_array_equal(found.coef_, again.coef_)
    rows = np.sort(np.random.RandomState(0).choice(170, 40, replace=False))
    part = ArrayPool.of(task.pool.X[rows], task.pool.weight[rows])
    smaller = SemiSupervisedTask(task.classes, task.rows, part)
    (expected,) = models(smaller, [SelfTraining(0.3, 1.0, 1.0)])
    assert_array_equal(found.coef_, expected.coef_)


def test_all_of_a_large_pool_is_used_if_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    (expected,) = models(draw(), [SelfTraining(0.3, 1.0, 1.0)])
    monkeypatch.setattr("salutary.semisupervised.self_training.LARGEST_POOL", 40)
    (found,) = models(replace(draw(), use_all=True), [SelfTraining(0.3, 1.0, 1.0)])
    assert_array_equal(found.coef_, expected.coef_)


def test_a_class_that_gets_no_row_is_left_out() -> None:
    probability = np.array([[0.6, 0.4, 0.0], [0.2, 0.8, 0.0], [0.1, 0.9, 0.0]])
    labels, rows = balanced_share(probability, 0.2)
    assert labels.tolist() == [0, 1, 1]
    assert rows.tolist() == [0, 2]


def test_a_pool_of_few_rows_has_little_weight() -> None:
    task = draw()
    one = LabeledRows(task.pool.X[:1], np.array([2]), np.ones(1))
    found = task.fit_with_pool(0.3, one, weight=3.0)
    heavy = 3 * task.rows.weight.mean()
    rows = task.classes[np.append(task.rows.labels, 2)]
    reference = LogisticRegression(C=0.3, solver="newton-cholesky", tol=1e-10).fit(
        np.vstack([task.rows.X, one.X]), rows, np.append(task.rows.weight, heavy)
    )
    assert_allclose(found.coef_, reference.coef_, rtol=1e-4, atol=1e-6)
