"""Label spreading as teacher, against scikit-learn's and the closed form."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import kneighbors_graph
from sklearn.semi_supervised import LabelSpreading

from salutary.labeling.rows import LabeledRows
from salutary.pools.arrays import ArrayPool
from salutary.semisupervised.spreading import Spreading, models, paths, spread
from salutary.semisupervised.task import SemiSupervisedTask


def draw(container: Any = np.asarray) -> SemiSupervisedTask:
    X, y = make_blobs(200, 4, centers=3, cluster_std=3, random_state=1)
    rng = np.random.default_rng(0)
    rows = LabeledRows(container(X[:30]), y[:30], rng.uniform(0.5, 2, 30))
    pool = ArrayPool.of(container(X[30:]), rng.uniform(0.5, 2, 170))
    return SemiSupervisedTask(np.array(["a", "b", "c"]), rows, pool)


def shares_in_closed_form(task: SemiSupervisedTask, n_neighbors: int) -> np.ndarray:
    """Zhou et al.: (1 - alpha) (I - alpha S)^-1 Y, of each row in shares."""
    X = np.vstack([task.rows.X, task.pool.X])
    # scikit-learn counts a row as its own nearest neighbor, and normalizes by degrees
    # into a row, without the row itself.
    W = kneighbors_graph(X, n_neighbors, include_self=True).toarray()
    np.fill_diagonal(W, 0)
    root = np.sqrt(np.where(W.sum(axis=0) == 0, 1, W.sum(axis=0)))
    S = W / root[:, None] / root
    Y = np.zeros((len(X), 3))
    Y[np.arange(30), task.rows.labels] = 1
    F = np.linalg.solve(np.eye(len(X)) - 0.2 * S, 0.8 * Y)
    total = F.sum(axis=1, keepdims=True)
    return (F / np.where(total == 0, 1, total))[30:]


@pytest.mark.parametrize("n_neighbors", [7, 15])
def test_labels_and_confidences_are_those_of_the_closed_form(n_neighbors: int) -> None:
    task = draw()
    found = spread(task.rows, task.pool.X, n_neighbors)
    shares = shares_in_closed_form(task, n_neighbors)
    assert_allclose(found.weight, shares.max(axis=1), atol=1e-6)
    clear = shares.max(axis=1) - np.sort(shares, axis=1)[:, 1] > 1e-6
    assert clear.mean() > 0.9
    assert_array_equal(found.labels[clear], shares.argmax(axis=1)[clear])


def test_the_regression_learns_from_labels_by_their_confidence() -> None:
    task, setting = draw(), Spreading(0.3, 7, 3.0)
    (model,) = models(task, [setting])
    found = spread(task.rows, task.pool.X, 7)
    weight = found.weight * task.pool.weight
    reference = LogisticRegression(C=0.3, solver="newton-cholesky", tol=1e-10).fit(
        np.vstack([task.rows.X, task.pool.X]),
        task.classes[np.r_[task.rows.labels, found.labels]],
        np.r_[task.rows.weight, weight / weight.sum() * 3 * task.rows.weight.sum()],
    )
    assert_allclose(model.coef_, reference.coef_, rtol=1e-4, atol=1e-6)


def test_rows_that_no_label_reaches_have_no_weight() -> None:
    rng = np.random.default_rng(0)
    rows = LabeledRows(rng.normal(size=(20, 2)), np.arange(20) % 2, np.ones(20))
    far = rng.normal(size=(30, 2)) + 1e3
    assert_array_equal(spread(rows, far, 7).weight, 0)
    task = SemiSupervisedTask(np.arange(2), rows, ArrayPool.of(far))
    (model,) = models(task, [Spreading(1.0, 7, 3.0)])
    assert model is task.plain(1.0)


def test_with_few_rows_all_are_neighbors() -> None:
    rows = LabeledRows(np.array([[0.0], [1.0]]), np.array([0, 1]), np.ones(2))
    found = spread(rows, np.array([[0.1], [0.9]]), 15)
    assert found.labels.tolist() == [0, 1]


def test_csr_rows_give_what_dense_ones_do() -> None:
    path = paths(0.3)[0]
    for dense, csr in zip(
        models(draw(), path), models(draw(sparse.csr_array), path), strict=True
    ):
        assert_allclose(csr.coef_, dense.coef_, rtol=1e-4, atol=1e-7)


def test_a_pool_too_large_is_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salutary.semisupervised.spreading.LARGEST_POOL", 40)
    task = draw()
    (found,) = models(task, [Spreading(0.3, 7, 1.0)])
    rows = np.sort(np.random.RandomState(0).choice(170, 40, replace=False))
    part = ArrayPool.of(task.pool.X[rows], task.pool.weight[rows])
    (expected,) = models(
        SemiSupervisedTask(task.classes, task.rows, part), [Spreading(0.3, 7, 1.0)]
    )
    assert_array_equal(found.coef_, expected.coef_)


def test_all_of_a_large_pool_takes_labels_as_scikit_learn_predicts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("salutary.semisupervised.spreading.LARGEST_POOL", 40)
    monkeypatch.setattr("salutary.semisupervised.spreading.BLOCK", 50)
    task = replace(draw(), use_all=True)
    (found,) = models(task, [Spreading(0.3, 7, 1.0)])
    rows = np.sort(np.random.RandomState(0).choice(170, 40, replace=False))
    teacher = LabelSpreading(kernel="knn", n_neighbors=7, max_iter=1000, tol=1e-9)
    teacher.fit(
        np.vstack([task.rows.X, task.pool.X[rows]]),
        np.r_[task.rows.labels, np.full(40, -1)],
    )
    with np.errstate(invalid="ignore"):
        shares = np.nan_to_num(teacher.predict_proba(task.pool.X))
    shares[rows] = teacher.label_distributions_[len(task.rows) :]
    weight = shares.max(axis=1) * task.pool.weight
    expected = LogisticRegression(C=0.3, solver="newton-cholesky", tol=1e-10).fit(
        np.vstack([task.rows.X, task.pool.X]),
        task.classes[np.r_[task.rows.labels, shares.argmax(axis=1)]],
        np.r_[task.rows.weight, weight / weight.sum() * task.rows.weight.sum()],
    )
    assert_allclose(found.coef_, expected.coef_, rtol=1e-4, atol=1e-6)


def test_rows_far_from_all_that_have_a_label_take_none() -> None:
    rng = np.random.default_rng(0)
    rows = LabeledRows(rng.normal(size=(20, 2)), np.arange(20) % 2, np.ones(20))
    X = np.vstack([rng.normal(size=(30, 2)), rng.normal(size=(40, 2)) + 1e3])
    found = spread(rows, X, 7, np.r_[:10, 40:60])
    assert (found.weight[:30] > 0).all()
    assert_array_equal(found.weight[30:], 0)
