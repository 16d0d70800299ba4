"""Information maximization, against finite differences, formulas and scikit-learn."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import approx_fprime
from scipy.special import softmax
from scipy.stats import entropy
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from salutary.influence.softmax import SoftmaxModel, softmax_model
from salutary.influence.training import TrainingRows
from salutary.labeling.rows import LabeledRows
from salutary.labeling.tuning import TUNING_TOLERANCE
from salutary.pools.arrays import ArrayPool
from salutary.semisupervised.information import (
    Information,
    InformationObjective,
    class_frequencies,
    fit_information,
    minimize_information,
    models,
    paths,
    pool_term,
)
from salutary.semisupervised.task import SemiSupervisedTask


def draw(
    n_classes: int = 3, n_labeled: int = 20, n_pool: int = 150, seed: int = 0
) -> tuple[LabeledRows, np.ndarray]:
    """Labeled rows of all classes, and a pool."""
    X, y = make_blobs(
        n_labeled + n_pool, 4, centers=n_classes, cluster_std=4, random_state=seed
    )
    y[:n_classes] = np.arange(n_classes)
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.5, 2, n_labeled)
    return LabeledRows(X[:n_labeled], y[:n_labeled], weight), X[n_labeled:]


def task_of(rows: LabeledRows, X: Any, **settings: Any) -> SemiSupervisedTask:
    classes = np.unique(rows.labels)
    return SemiSupervisedTask(classes, rows, ArrayPool.of(X), **settings)


def a_model(n_classes: int, n_features: int, fit_intercept: bool = True) -> Any:
    """A model away from any optimum."""
    rng = np.random.default_rng(5)
    coef = rng.normal(size=(n_classes, n_features)) / 3
    intercept = rng.normal(size=n_classes) * fit_intercept
    return SoftmaxModel(coef, intercept, 0.7, fit_intercept)


def moved(model: SoftmaxModel, flat: np.ndarray) -> SoftmaxModel:
    """The model with other parameters."""
    parameters = flat.reshape(model.parameters.shape)
    if not model.fit_intercept:
        return replace(model, coef=parameters)
    return replace(model, coef=parameters[:, :-1], intercept=parameters[:, -1])


def objective(rows: LabeledRows, pool: ArrayPool, strength: float) -> Any:
    n_classes = int(rows.labels.max()) + 1
    frequencies = class_frequencies(rows.labels, rows.weight, n_classes)
    training = TrainingRows(rows.X, rows.labels, rows.weight)
    return InformationObjective(training, pool, frequencies, strength)


# The objective


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sparse.csr_array])
@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_the_gradient_is_that_of_finite_differences(
    n_classes: int, container: Any, fit_intercept: bool
) -> None:
    rows, X = draw(n_classes)
    weight = np.random.default_rng(1).uniform(0, 2, len(X))
    found = objective(rows, ArrayPool.of(container(X), weight), 0.4)
    model = a_model(n_classes, 4, fit_intercept)
    flat = model.parameters.ravel()
    slope = approx_fprime(flat, lambda at: found(moved(model, at))[0], 1e-7)
    value, gradient = found(model)
    assert_allclose(gradient.ravel(), slope, rtol=1e-4, atol=1e-6 * abs(value))


def test_the_mean_is_drawn_to_frequencies_that_a_class_hardly_has() -> None:
    _, X = draw()
    model = a_model(3, 4)
    frequencies = np.array([0.98, 0.0199, 0.0001])
    pool = ArrayPool.of(X)
    slope = approx_fprime(
        model.parameters.ravel(),
        lambda at: pool_term(moved(model, at), pool, frequencies)[0],
        1e-7,
    )
    gradient = pool_term(model, pool, frequencies)[1]
    assert_allclose(gradient.ravel(), slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_with_equal_frequencies_it_is_the_published_mutual_information(
    n_classes: int,
) -> None:
    _, X = draw(n_classes)
    model = a_model(n_classes, 4)
    p = softmax(X @ model.coef.T + model.intercept, axis=1)
    information = entropy(p.mean(axis=0)) - entropy(p, axis=1).mean()
    frequencies = np.full(n_classes, 1 / n_classes)
    value, _ = pool_term(model, ArrayPool.of(X), frequencies)
    assert value == pytest.approx(np.log(n_classes) - information, rel=1e-12)


def test_frequencies_are_those_of_the_labeled_weight() -> None:
    labels, weight = np.array([0, 1, 1, 2]), np.array([2.0, 1.0, 1.0, 4.0])
    found = class_frequencies(labels, weight, 3)
    assert_allclose(found, [0.25, 0.25, 0.5], atol=1e-3)
    assert found.sum() == pytest.approx(1)
    assert class_frequencies(labels, weight, 4)[3] > 0


@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sparse.csr_array])
@pytest.mark.parametrize("block_rows", [1, 7, 149, 10_000])
def test_neither_blocks_nor_storage_change_the_term(
    block_rows: int, container: Any
) -> None:
    _, X = draw()
    X = np.where(X > 0, X, 0)
    model, frequencies = a_model(3, 4), np.array([0.2, 0.3, 0.5])
    everywhere = np.ones(len(X), dtype=bool)
    pool = ArrayPool(container(X), everywhere, np.ones(len(X)), block_rows)
    value, gradient = pool_term(model, pool, frequencies)
    reference, slope = pool_term(model, ArrayPool.of(X), frequencies)
    assert value == pytest.approx(reference, rel=1e-12)
    assert_allclose(gradient, slope, rtol=1e-9, atol=1e-14)


def test_a_pool_too_large_to_keep_gives_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, X = draw()
    model, frequencies = a_model(3, 4), np.array([0.2, 0.3, 0.5])
    kept = pool_term(model, ArrayPool.of(X, None), frequencies)
    monkeypatch.setattr("salutary.semisupervised.information.KEPT", 0)
    again = pool_term(model, ArrayPool.of(X, None), frequencies)
    assert kept[0] == again[0]
    assert_array_equal(kept[1], again[1])


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_float32_rows_are_multiplied_as_they_are(container: Any) -> None:
    _, X = draw()
    model, frequencies = a_model(3, 4), np.array([0.2, 0.3, 0.5])
    single = container(X.astype(np.float32))
    value, gradient = pool_term(model, ArrayPool.of(single), frequencies)
    exact, slope = pool_term(model, ArrayPool.of(X), frequencies)
    # A logit is a sum of four products, each with a relative error of 2^-24.
    error = 8 * 2.0**-24 * np.abs(X).max() * np.abs(model.coef).max()
    assert value == pytest.approx(exact, abs=10 * error)
    assert_allclose(gradient, slope, atol=100 * error * np.abs(X).max())
    assert gradient.dtype == np.float64


def test_rows_outside_the_pool_and_without_weight_have_no_part() -> None:
    _, X = draw()
    weight = np.ones(len(X))
    weight[:40] = 0
    inside = np.arange(len(X)) >= 20
    pool = ArrayPool(np.where(inside[:, None], X, 1e3), inside, weight)
    model, frequencies = a_model(3, 4), np.array([0.2, 0.3, 0.5])
    value, gradient = pool_term(model, pool, frequencies)
    exact, slope = pool_term(model, ArrayPool.of(X[40:]), frequencies)
    assert value == pytest.approx(exact, rel=1e-12)
    assert_allclose(gradient, slope, rtol=1e-9, atol=1e-14)


def test_certain_predictions_and_a_class_without_a_chance_stay_finite() -> None:
    _, X = draw()
    model = replace(a_model(3, 4), intercept=np.array([1e5, 0.0, -1e5]))
    value, gradient = pool_term(model, ArrayPool.of(X), np.full(3, 1 / 3))
    assert value == pytest.approx(np.log(3))
    assert_allclose(gradient, 0, atol=1e-12)


@given(
    seed=st.integers(0, 2**31),
    n_classes=st.integers(2, 6),
    n_rows=st.integers(1, 40),
    scale=st.floats(1e-3, 1e3),
)
def test_the_term_is_bounded_and_shares_its_gradient_among_classes(
    seed: int, n_classes: int, n_rows: int, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    X, coef = rng.normal(size=(n_rows, 3)), scale * rng.normal(size=(n_classes, 3))
    model = SoftmaxModel(coef, rng.normal(size=n_classes), 1.0, True)
    frequencies = rng.dirichlet(np.ones(n_classes)) + 1e-3
    frequencies /= frequencies.sum()
    value, gradient = pool_term(model, ArrayPool.of(X), frequencies)
    # The entropy of the mean is no less than the mean entropy, and -mean log pi is
    # largest where all predictions are the rarest class.
    assert -1e-12 <= value <= -np.log(frequencies.min()) + 1e-9
    assert_allclose(gradient.sum(axis=0), 0, atol=1e-9)
    # A constant added to all logits of a row changes nothing.
    shifted = replace(model, intercept=model.intercept + 7.0)
    again, _ = pool_term(shifted, ArrayPool.of(X), frequencies)
    assert again == pytest.approx(value, rel=1e-9, abs=1e-12)


# The fit


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_without_strength_it_is_the_optimum_of_logistic_regression(
    n_classes: int, fit_intercept: bool
) -> None:
    rows, X = draw(n_classes)
    estimator = LogisticRegression(C=0.3, tol=1e-10, fit_intercept=fit_intercept)
    reference = estimator.set_params(solver="newton-cholesky").fit(
        rows.X, rows.labels, rows.weight
    )
    # From a start that is nowhere near it.
    start = LogisticRegression(C=0.3, fit_intercept=fit_intercept)
    start.fit(-rows.X, rows.labels)
    task = task_of(rows, X, tolerance=1e-10)
    found = fit_information(task, 0.0, start)
    assert_allclose(found.coef_, reference.coef_, rtol=1e-5, atol=1e-7)
    assert_allclose(found.intercept_, reference.intercept_, rtol=1e-5, atol=1e-6)
    assert found.coef_.shape == reference.coef_.shape
    assert found.intercept_.shape == reference.intercept_.shape
    assert found.get_params() == start.get_params()
    assert_array_equal(found.classes_, reference.classes_)
    assert found.n_iter_ > 0


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1.0, 1: 2.0, 2: 3.0}])
def test_class_weights_are_those_of_logistic_regression(class_weight: Any) -> None:
    rows, X = draw()
    estimator = LogisticRegression(C=0.3, class_weight=class_weight)
    task = task_of(rows, X, estimator=estimator, tolerance=1e-10)
    plain = task.plain(0.3)
    found = fit_information(task, 0.0, plain)
    assert_allclose(found.coef_, plain.coef_, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_the_result_is_stationary_and_better_than_its_start(n_classes: int) -> None:
    rows, X = draw(n_classes)
    task = task_of(rows, X)
    plain = task.plain(1.0)
    found = fit_information(task, 1.0, plain)
    goal = objective(rows, task.pool, 1.0)
    value, gradient = goal(softmax_model(found))
    assert value < goal(softmax_model(plain))[0] - 1e-3
    assert np.abs(gradient).max() < 1e-4 * np.abs(goal(softmax_model(plain))[1]).max()
    # Nor is there a lower value nearby.
    rng = np.random.default_rng(0)
    flat = softmax_model(found).parameters.ravel()
    for _ in range(20):
        step = 1e-3 * rng.normal(size=flat.shape)
        assert goal(moved(softmax_model(found), flat + step))[0] > value


def test_the_pool_counts_for_more_and_the_rows_for_less_along_a_path() -> None:
    rows, X = draw(3, n_labeled=30, n_pool=400)
    task = task_of(rows, X, tolerance=1e-9)
    fits = [task.plain(1.0), *models(task, paths(1.0)[1])]
    both = [softmax_model(fit) for fit in fits]
    labeled = [objective(rows, task.pool, 0.0)(model)[0] for model in both]
    frequencies = class_frequencies(rows.labels, rows.weight, 3)
    pool = [pool_term(model, task.pool, frequencies)[0] for model in both]
    # So it must be of any sum of two terms, as the weight of one grows.
    assert (np.diff(labeled) > 0).all()
    assert (np.diff(pool) < 0).all()


def test_a_fit_comes_by_way_of_all_smaller_strengths(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, X = draw()
    visited = []

    def fit(task: Any, strength: float, start: Any) -> Any:
        visited.append((strength, task.tolerance))
        return fit_information(task, strength, start)

    monkeypatch.setattr("salutary.semisupervised.information.fit_information", fit)
    task = task_of(rows, X)
    list(models(task, [Information(1.0, 0.5)]))
    loose = TUNING_TOLERANCE
    assert visited == [(0.1, loose), (0.3, loose), (0.5, loose), (0.5, task.tolerance)]
    visited.clear()
    list(models(replace(task, tolerance=loose), paths(1.0)[1]))
    assert visited == [(0.1, loose), (0.3, loose), (1.0, loose)]


def test_a_part_of_a_path_gives_what_the_path_gives() -> None:
    rows, X = draw()
    task = task_of(rows, X, tolerance=1e-9)
    path = paths(1.0)[1]
    *_, last = models(task, path)
    (alone,) = models(task, path[-1:])
    assert_allclose(alone.coef_, last.coef_, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_weight_of_two_is_the_row_twice(n_classes: int) -> None:
    rows, X = draw(n_classes)
    rows = replace(rows, weight=np.repeat([2.0, 1.0], len(rows) // 2))
    twice = rows.take(np.r_[np.arange(10), np.arange(20)])
    twice = replace(twice, weight=np.ones(30))
    weight = np.where(np.arange(len(X)) < 50, 2.0, 1.0)
    weighted = SemiSupervisedTask(
        np.arange(n_classes), rows, ArrayPool.of(X, weight), tolerance=1e-9
    )
    repeated = task_of(twice, np.vstack([X[:50], X]), tolerance=1e-9)
    found, reference = (
        fit_information(task, 0.3, task.plain(1.0)) for task in (weighted, repeated)
    )
    assert_allclose(found.coef_, reference.coef_, rtol=1e-4, atol=1e-6)
    assert_allclose(found.intercept_, reference.intercept_, rtol=1e-4, atol=1e-5)


def test_sparse_float32_and_dense_pools_give_one_model() -> None:
    rows, X = draw()
    X = np.where(X > 0, X, 0)
    reference = fit_information(task_of(rows, X), 0.3, task_of(rows, X).plain(1.0))
    for other in (sparse.csr_array(X), X.astype(np.float32), np.asfortranarray(X)):
        task = task_of(rows, other)
        found = fit_information(task, 0.3, task.plain(1.0))
        assert_allclose(found.coef_, reference.coef_, rtol=1e-3, atol=1e-4)


def test_a_class_that_the_rows_lack_is_unknown_to_the_model() -> None:
    rows, X = draw(3)
    known = rows.take(np.flatnonzero(rows.labels != 1))
    task = SemiSupervisedTask(np.arange(3), known, ArrayPool.of(X))
    found = fit_information(task, 0.3, task.plain(1.0))
    assert found.classes_.tolist() == [0, 2]
    two = SemiSupervisedTask(
        np.array([0, 2]), replace(known, labels=known.labels // 2), ArrayPool.of(X)
    )
    reference = fit_information(two, 0.3, two.plain(1.0))
    assert_array_equal(found.coef_, reference.coef_)


def test_a_fit_that_does_not_converge_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, X = draw()
    task = task_of(rows, X)
    plain = task.plain(1.0)
    monkeypatch.setattr("salutary.semisupervised.information.REFIT_STEPS", 3)
    plain.set_params(max_iter=3)
    with pytest.warns(ConvergenceWarning, match="3 iterations; scale the features"):
        fit_information(task, 1.0, plain)


def test_the_whole_pool_is_fitted_however_few_rows_the_way_there_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, X = draw(n_pool=300)
    monkeypatch.setattr("salutary.semisupervised.information.CLIMBED_ROWS", 100)
    task = task_of(rows, X)
    (found,) = models(task, paths(1.0)[1][-1:])
    _, gradient = objective(rows, task.pool, 1.0)(softmax_model(found))
    assert np.abs(gradient).max() < 1e-4 * rows.weight.sum()


def test_the_minimum_of_two_classes_keeps_its_rows_opposite() -> None:
    rows, X = draw(2)
    task = task_of(rows, X)
    start = softmax_model(task.plain(1.0))
    goal = objective(rows, task.pool, 1.0)
    found, _, converged = minimize_information(start, goal, 1e-9, 1000)
    assert converged
    assert_allclose(found.coef[0], -found.coef[1], rtol=1e-9, atol=1e-12)


def test_settings_have_no_weaker_penalty_than_does_best_without_a_pool() -> None:
    assert [[setting.C for setting in path] for path in paths(0.3)] == [
        [0.1, 0.1, 0.1],
        [0.3, 0.3, 0.3],
    ]
    assert [path[0].C for path in paths(0.001)] == [0.001]
