"""Influence on information maximization, against refits with the row."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.optimize import root
from scipy.special import log_softmax
from scipy.stats import spearmanr
from sklearn.datasets import load_wine, make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale

from salutary import InfluenceWarning, label_influence
from salutary.influence.objectives import LogLoss
from salutary.influence.softmax import as_fitted, softmax_model
from salutary.labeling.rows import LabeledRows
from salutary.pools.arrays import ArrayPool
from salutary.semisupervised.information import fit_information, information_objective
from salutary.semisupervised.information_influence import (
    at_temperature,
    information_influence,
)
from salutary.semisupervised.task import SemiSupervisedTask, task_of
from tests.semisupervised.test_information_hessian import at

Problem = tuple[SemiSupervisedTask, np.ndarray, LabeledRows]
"""A task, the rows of its pool, and validation rows."""


def drawn_problem(
    n_classes: int = 3,
    estimator: LogisticRegression | None = None,
    seed: int = 0,
    n_pool: int = 60,
    pool_classes: int | None = None,
) -> Problem:
    """Rows in clusters; those of the pool may be of the first classes alone."""
    X, y = make_blobs(400, 3, centers=n_classes, cluster_std=3, random_state=seed)
    X = scale(X)
    y[:n_classes] = np.arange(n_classes)
    rng = np.random.default_rng(seed)
    rows = LabeledRows(X[:20], y[:20], rng.uniform(0.5, 2, 20))
    held = LabeledRows(X[20:60], y[20:60], rng.uniform(0.5, 2, 40))
    ours = np.flatnonzero(y[60:] < (pool_classes or n_classes))[:n_pool]
    pool = X[60:][ours]
    task = SemiSupervisedTask(
        np.arange(n_classes),
        rows,
        ArrayPool.of(pool, rng.uniform(0.5, 2, len(pool))),
        estimator or LogisticRegression(),
        tolerance=1e-10,
    )
    return task, pool, held


def with_row(task: SemiSupervisedTask, x: Any, label: int, weight: float) -> Any:
    """The task with one more labeled row; its pool stays."""
    rows = task.rows
    return replace(
        task,
        rows=LabeledRows(
            np.vstack([rows.X, x]),
            np.append(rows.labels, label),
            np.append(rows.weight, weight),
        ),
    )


def optimum(task: Any, strength: float, start: LogisticRegression) -> Any:
    """The stationary point next to a model, by SciPy's solver of equations."""
    viewed, goal = softmax_model(start), information_objective(task, strength, start)
    n_classes = viewed.n_classes
    basis = np.linalg.svd(np.ones((1, n_classes)))[2][1:]

    def reduced(flat: np.ndarray) -> Any:
        return (basis @ goal(at(viewed, flat, basis))[1]).ravel()

    order = (n_classes - 1) * viewed.parameters.shape[1]
    found = root(reduced, np.zeros(order), tol=1e-14)
    assert np.abs(found.fun).max() < 1e-9
    fresh = LogisticRegression(**start.get_params())
    return as_fitted(fresh, at(viewed, found.x, basis), start.classes_, 1)


def fitted(task: Any, strength: float, C: float = 0.5) -> LogisticRegression:
    """The exact local minimum that the fit comes to."""
    model = fit_information(task, strength, task.plain(C))
    return optimum(task, strength, model)


def loss(model: LogisticRegression, held: LabeledRows) -> float:
    log = log_softmax(softmax_model(model).logits(held.X), axis=1)
    own = log[np.arange(len(held)), held.labels]
    return -float(np.average(own, weights=held.weight))


def by_refits(
    task: Any, strength: float, model: Any, X: Any, held: Any, epsilon: float = 1e-4
) -> np.ndarray:
    """Central differences of the validation loss of refits, row by row and class."""
    slopes = np.empty((len(X), len(task.classes)))
    for row, label in np.ndindex(*slopes.shape):
        more, less = (
            loss(optimum(with_row(task, X[row], label, e), strength, model), held)
            for e in (epsilon, -epsilon)
        )
        slopes[row, label] = (less - more) / (2 * epsilon)
    return slopes


def influence_of(
    task: Any, strength: float, model: Any, X: Any, held: LabeledRows
) -> np.ndarray:
    objective = LogLoss(held.labels, held.weight)
    return information_influence(task, strength, model, X, held.X, objective)


def assert_of_refits(problem: Problem, strength: float = 0.3, C: float = 0.5) -> None:
    task, pool, held = problem
    model = fitted(task, strength, C)
    # Rows of the pool, which stay there, and one from elsewhere.
    X = np.vstack([pool[:3], held.X[:1]])
    found = influence_of(task, strength, model, X, held)
    reference = by_refits(task, strength, model, X, held)
    assert_allclose(found, reference, atol=1e-6 * np.abs(reference).max())
    # The pool matters.
    plain = influence_of(task, 0.0, model, X, held) if strength else found
    assert strength == 0 or np.abs(plain - found).max() > 1e-2 * np.abs(found).max()


@pytest.mark.filterwarnings("ignore:the model is not the optimum")  # of no strength
@pytest.mark.parametrize("strength", [0.1, 1.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_it_is_the_slope_of_refits(
    n_classes: int, fit_intercept: bool, strength: float
) -> None:
    estimator = LogisticRegression(fit_intercept=fit_intercept)
    assert_of_refits(drawn_problem(n_classes, estimator), strength)


@pytest.mark.filterwarnings("ignore:the model is not the optimum")
@pytest.mark.parametrize("n_classes", [2, 3])
def test_class_weights_count_in_the_loss_and_not_in_the_frequencies(
    n_classes: int,
) -> None:
    factors = {label: 0.5 + label for label in range(n_classes)}
    estimator = LogisticRegression(class_weight=factors)
    assert_of_refits(drawn_problem(n_classes, estimator))


def test_balanced_class_weights_keep_their_values() -> None:
    task, pool, held = drawn_problem()
    counts = np.bincount(task.rows.labels, task.rows.weight)
    factors = dict(enumerate(counts.sum() / 3 / counts))
    found = []
    for class_weight in ("balanced", factors):
        own = replace(task, estimator=LogisticRegression(class_weight=class_weight))
        found.append(influence_of(own, 0.3, fitted(own, 0.3), pool, held))
    assert_allclose(found[0], found[1], rtol=1e-8, atol=1e-10)


@pytest.mark.filterwarnings("ignore:the model is not the optimum")
@pytest.mark.parametrize("n_classes", [2, 3])
def test_of_a_pool_that_lacks_a_class(n_classes: int) -> None:
    assert_of_refits(drawn_problem(n_classes, pool_classes=n_classes - 1))


@pytest.mark.filterwarnings("ignore:the model is not the optimum")
@pytest.mark.parametrize("n_classes", [2, 3])
def test_of_a_pool_of_one_row(n_classes: int) -> None:
    task, pool, held = drawn_problem(n_classes, n_pool=1)
    assert_of_refits((task, np.vstack([pool, held.X[1:3]]), held))


def test_it_is_what_the_fit_itself_shows() -> None:
    task, pool, held = drawn_problem(3)
    task = replace(task, tolerance=1e-12)
    model = fitted(task, 0.3)
    found = influence_of(task, 0.3, model, pool[:1], held)[0]
    for label in range(3):
        more, less = (
            loss(fit_information(with_row(task, pool[0], label, e), 0.3, model), held)
            for e in (0.01, -0.01)
        )
        slope = (less - more) / 0.02
        assert slope == pytest.approx(found[label], abs=2e-3 * np.abs(found).max())


def test_it_orders_whole_labels_as_refits_do() -> None:
    task, pool, held = drawn_problem(3, n_pool=30)
    model = fitted(task, 0.3, C=0.1)
    found = influence_of(task, 0.3, model, pool, held)
    plain = influence_of(task, 0.0, task.plain(0.1), pool, held)
    before, falls = loss(model, held), np.empty_like(found)
    for row, label in np.ndindex(*falls.shape):
        with_it = with_row(task, pool[row], label, 1.0)
        falls[row, label] = before - loss(optimum(with_it, 0.3, model), held)
    order = spearmanr(found.ravel(), falls.ravel()).statistic
    assert order > 0.9
    # The influence on the plain model orders them less well.
    assert order > spearmanr(plain.ravel(), falls.ravel()).statistic


@pytest.mark.parametrize("class_weight", [None, {0: 1.0, 1: 2.0, 2: 0.5}])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_without_strength_it_is_that_of_the_regression(
    container: Any, class_weight: Any
) -> None:
    estimator = LogisticRegression(class_weight=class_weight)
    task, pool, held = drawn_problem(3, estimator)
    model, rows = task.plain(0.5), task.rows
    reference = label_influence(
        model,
        container(pool),
        X_train=rows.X,
        y_train=rows.labels,
        sample_weight=rows.weight,
        X_val=held.X,
        y_val=held.labels,
        val_weight=held.weight,
    )
    found = influence_of(task, 0.0, model, container(pool), held)
    assert_allclose(found, reference, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_of_float32_and_sparse_rows(container: Any) -> None:
    task, pool, held = drawn_problem(3)
    single = pool.astype(np.float32)
    assert isinstance(task.pool, ArrayPool)
    weight = task.pool.weight
    results = []
    for X in (single.astype(np.float64), container(single)):
        own = replace(task, pool=ArrayPool.of(X, weight))
        model = fit_information(own, 0.3, own.plain(0.5))
        results.append(influence_of(own, 0.3, model, X, held))
    assert results[1].dtype == np.float32
    assert_allclose(results[1], results[0], atol=1e-4 * np.abs(results[0]).max())


def test_conjugate_gradients_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    task, pool, held = drawn_problem(3)
    model = fitted(task, 0.3)
    reference = influence_of(task, 0.3, model, pool, held)
    name = "salutary.semisupervised.information_hessian.DIRECT_LIMIT"
    monkeypatch.setattr(name, 1)
    found = influence_of(task, 0.3, model, pool, held)
    assert_allclose(found, reference, rtol=1e-7, atol=1e-10)


def test_a_temperature_is_that_of_the_loss() -> None:
    task, pool, held = drawn_problem(3)
    model = fitted(task, 0.3)
    objective = at_temperature(LogLoss(held.labels, held.weight), 2.5)
    found = information_influence(task, 0.3, model, pool[:1], held.X, objective)[0]
    for label in range(3):
        more, less = (
            objective(softmax_model(refit).logits(held.X))[0]
            for refit in (
                optimum(with_row(task, pool[0], label, e), 0.3, model)
                for e in (1e-4, -1e-4)
            )
        )
        slope = (less - more) / 2e-4
        assert slope == pytest.approx(found[label], abs=1e-6 * np.abs(found).max())


# Warnings


def saddle(spread: float) -> Problem:
    """A task at whose centre all gradients are zero, and which may bend down there."""
    X = np.array([[-1.0], [-1.0], [1.0], [1.0]])
    y = np.array([0, 1, 0, 1])
    pool = spread * np.array([[-2.0], [-1.0], [1.0], [2.0]])
    task = SemiSupervisedTask(
        np.arange(2), LabeledRows(X, y, np.ones(4)), ArrayPool.of(pool)
    )
    held = LabeledRows(np.array([[1.0], [-2.0]]), np.array([1, 1]), np.ones(2))
    return task, pool, held


@pytest.mark.parametrize("limit", [5000, 0])
def test_a_saddle_is_told(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "salutary.semisupervised.information_hessian.DIRECT_LIMIT"
    monkeypatch.setattr(name, limit)
    task, pool, held = saddle(3.0)
    model = task.plain(1.0)
    _, gradient = information_objective(task, 1.0, model)(softmax_model(model))
    assert_allclose(gradient, 0, atol=1e-9)
    with pytest.warns(InfluenceWarning, match="no minimum of its objective"):
        influence_of(task, 1.0, model, pool, held)
    # With a pool that is near the centre, it is a minimum.
    task, pool, held = saddle(0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        influence_of(task, 1.0, model, pool, held)


def test_a_singular_hessian_is_told() -> None:
    # With the one coefficient w, at w = 0, the labeled rows bend up by 1, which is the
    # sum of x^2 / 4, the penalty by 1, and the entropy down by W / 4 times the mean of
    # x^2, which is 1 times 2.
    task, pool, held = saddle(np.sqrt(2 / 2.5))
    task = replace(task, estimator=LogisticRegression(fit_intercept=False))
    model = task.plain(1.0)
    with pytest.warns(InfluenceWarning, match="ill-conditioned|negative curvature"):
        influence_of(task, 1.0, model, pool, held)


def test_a_model_of_other_rows_is_told() -> None:
    task, pool, held = drawn_problem(3)
    model = fitted(task, 0.3)
    with pytest.warns(InfluenceWarning, match="not the optimum of these rows"):
        influence_of(task, 0.2, model, pool, held)


def test_a_task_of_marked_rows_parts_them() -> None:
    X, y = load_wine(return_X_y=True)
    weight = np.where(np.arange(len(y)) % 5 == 4, 0.0, 1.5)
    unlabeled = np.arange(len(y)) % 3 != 0
    task = task_of(X, y, unlabeled, weight)
    assert_allclose(task.rows.X, X[~unlabeled & (weight > 0)])
    assert_allclose(
        task.pool.take(np.flatnonzero(task.pool.unlabeled)), X[unlabeled & (weight > 0)]
    )
    assert task.classes.tolist() == [0, 1, 2]
