"""The Hessian of information maximization, against differences of its gradient."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.special import expit, softmax

from salutary.influence.softmax import SoftmaxModel
from salutary.influence.solvers import Cholesky, ConjugateGradient, Status, assemble
from salutary.influence.training import TrainingRows
from salutary.pools.arrays import ArrayPool
from salutary.semisupervised.information import InformationObjective, pool_term
from salutary.semisupervised.information_hessian import (
    InformationHessian,
    factor_information,
)


def drawn_problem(
    n_classes: int,
    fit_intercept: bool = True,
    container: Any = np.asarray,
    seed: int = 0,
    l2: float = 0.7,
) -> tuple[SoftmaxModel, InformationObjective]:
    """A model away from any optimum, and an objective of weighted rows."""
    rng = np.random.default_rng(seed)
    X, pool = rng.normal(size=(12, 3)), rng.normal(size=(40, 3))
    coef = rng.normal(size=(n_classes, 3))
    intercept = rng.normal(size=n_classes) * fit_intercept
    weight, pool_weight = rng.uniform(0.5, 2, 12), rng.uniform(0, 2, 40)
    pool_weight[:3] = 0
    labels = rng.integers(n_classes, size=12)
    frequencies = rng.dirichlet(np.full(n_classes, 3.0)) + 1e-3
    return SoftmaxModel(coef, intercept, l2, fit_intercept), InformationObjective(
        TrainingRows(container(X), labels, weight),
        ArrayPool(container(pool), rng.uniform(size=40) < 0.8, pool_weight, 7),
        frequencies / frequencies.sum(),
        0.8,
    )


def hessian_of(
    model: SoftmaxModel, objective: InformationObjective
) -> InformationHessian:
    hessian = factor_information(model, objective).hessian
    assert isinstance(hessian, InformationHessian)
    return hessian


def at(model: SoftmaxModel, flat: np.ndarray, basis: np.ndarray) -> SoftmaxModel:
    """The model moved by reduced parameters."""
    step = basis.T @ flat.reshape(len(basis), -1)
    d = model.n_features
    intercept = model.intercept + (step[:, -1] if model.fit_intercept else 0.0)
    return replace(model, coef=model.coef + step[:, :d], intercept=intercept)


def by_differences(model: SoftmaxModel, gradient: Any, basis: np.ndarray) -> Any:
    """Jacobian of a gradient in reduced coordinates, by SciPy's extrapolation."""

    def reduced(flat: np.ndarray) -> np.ndarray:
        columns = flat.reshape(flat.shape[0], -1).T
        found = [basis @ gradient(at(model, one, basis)) for one in columns]
        return np.stack([one.ravel() for one in found], -1).reshape(flat.shape)

    order = len(basis) * model.parameters.shape[1]
    differentiate = pytest.importorskip("scipy.differentiate", reason="SciPy 1.15")
    return differentiate.jacobian(reduced, np.zeros(order), initial_step=0.05).df


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_it_is_the_derivative_of_the_gradient(
    n_classes: int, container: Any, fit_intercept: bool
) -> None:
    model, objective = drawn_problem(n_classes, fit_intercept, container)
    hessian = hessian_of(model, objective)
    reference = by_differences(model, lambda m: objective(m)[1], hessian.basis)
    found = assemble(hessian)
    assert_allclose(found, reference, atol=1e-8 * np.abs(reference).max())
    assert_allclose(found, found.T, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_the_part_of_the_pool_is_that_of_its_term(n_classes: int) -> None:
    model, objective = drawn_problem(n_classes, seed=1)
    hessian = hessian_of(model, objective)
    pool, frequencies = objective.pool, objective.frequencies
    reference = by_differences(
        model, lambda m: pool_term(m, pool, frequencies)[1], hessian.basis
    )
    labeled = factor_information(model, replace(objective, strength=0.0)).hessian
    found = (assemble(hessian) - assemble(labeled)) / objective.factor
    assert_allclose(found, reference, atol=1e-8 * np.abs(reference).max())
    # The term alone is no convex function.
    assert np.linalg.eigvalsh(reference).min() < -0.01


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_products_and_diagonal_are_those_of_the_matrix(
    n_classes: int, container: Any, fit_intercept: bool
) -> None:
    model, objective = drawn_problem(n_classes, fit_intercept, container)
    hessian = hessian_of(model, objective)
    matrix = assemble(hessian)
    vectors = np.random.default_rng(3).normal(size=(4, *hessian.shape))
    for vector in vectors:
        product = hessian.matvec(vector).ravel()
        assert_allclose(product, matrix @ vector.ravel(), rtol=1e-9, atol=1e-11)
    scaling = ConjugateGradient(hessian)._preconditioner
    diagonal = np.diagonal(matrix)
    assert_allclose(scaling, 1 / np.where(diagonal > 0, diagonal, 1), rtol=1e-10)


@pytest.mark.parametrize("gap", [1.0, 20.0, 60.0])
def test_certain_predictions_keep_their_digits(gap: float) -> None:
    # One row is its own mean: its term is -p.log pi, which is constant for equal
    # frequencies. So both parts cancel, and each is 2 p (1 - p), however small.
    model = SoftmaxModel(np.array([[gap / 2], [-gap / 2]]), np.zeros(2), 1.0, False)
    one = np.ones((1, 1))
    rows = TrainingRows(one, np.array([0]), np.ones(1))
    frequencies = np.array([0.5, 0.5])
    objective = InformationObjective(rows, ArrayPool.of(one), frequencies, 1.0)
    hessian = hessian_of(model, objective)
    (_, _), (_, curvature) = hessian.curvatures()
    expected = 2 * expit(gap) * expit(-gap)
    assert curvature.item() == pytest.approx(-expected, rel=1e-12)
    assert np.sum(hessian.outer**2) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_class_without_a_chance_stays_finite(n_classes: int) -> None:
    model, objective = drawn_problem(n_classes)
    intercept = np.r_[1e5, np.zeros(n_classes - 2), -1e5]
    model = replace(model, intercept=intercept)
    assert np.isfinite(assemble(hessian_of(model, objective))).all()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_both_solvers_agree_where_it_is_positive_definite(n_classes: int) -> None:
    model, objective = drawn_problem(n_classes, l2=60.0)
    hessian = hessian_of(model, objective)
    assert np.linalg.eigvalsh(assemble(hessian)).min() > 0
    rhs = np.random.default_rng(2).normal(size=hessian.shape)
    direct, iterated = (
        solver(hessian).solve(rhs) for solver in (Cholesky, ConjugateGradient)
    )
    reference = np.linalg.solve(assemble(hessian), rhs.ravel()).reshape(rhs.shape)
    for found in (direct, iterated):
        assert found.trusted
        assert_allclose(found.value, reference, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("solver", [Cholesky, ConjugateGradient])
def test_negative_curvature_is_told(solver: Any) -> None:
    # At zero the entropy is the largest, so a pool far from zero bends downwards.
    model = SoftmaxModel(np.zeros((2, 2)), np.zeros(2), 1.0, True)
    X = np.random.default_rng(0).normal(size=(30, 2))
    objective = InformationObjective(
        TrainingRows(X[:4], np.array([0, 1, 0, 1]), np.ones(4)),
        ArrayPool.of(9 * X),
        np.array([0.5, 0.5]),
        1.0,
    )
    hessian = hessian_of(model, objective)
    assert np.linalg.eigvalsh(assemble(hessian)).min() < -1
    found = solver(hessian).solve(np.ones(hessian.shape))
    assert found.status is Status.NOT_MINIMUM


def test_a_large_order_is_solved_by_conjugate_gradients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, objective = drawn_problem(3)
    direct = factor_information(model, objective).solver
    assert isinstance(direct, Cholesky)
    name = "salutary.semisupervised.information_hessian.DIRECT_LIMIT"
    monkeypatch.setattr(name, 7)
    found = factor_information(model, objective).solver
    assert isinstance(found, ConjugateGradient)


def test_float32_rows_are_taken_in_float64() -> None:
    model, objective = drawn_problem(3)
    pool = objective.pool
    assert isinstance(pool, ArrayPool)
    single = pool.X.astype(np.float32)
    found, reference = (
        assemble(hessian_of(model, replace(objective, pool=replace(pool, X=X))))
        for X in (single, single.astype(np.float64))
    )
    assert_allclose(found, reference, rtol=0, atol=0)


def test_the_mean_is_that_of_the_predictions() -> None:
    model, objective = drawn_problem(3)
    pool = objective.pool
    assert isinstance(pool, ArrayPool)
    inside = np.where(pool.unlabeled, pool.weight, 0)
    p = softmax(pool.X @ model.coef.T + model.intercept, axis=1)
    mean = inside @ p / inside.sum()
    assert_allclose(hessian_of(model, objective).mean, mean, rtol=1e-12)
