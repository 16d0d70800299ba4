"""The solvers against NumPy's dense linear algebra, and on singular problems."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.linalg import helmert
from scipy.special import softmax

from salutary.influence import solvers
from salutary.influence.softmax import Hessian, SoftmaxModel
from salutary.influence.solvers import (
    Cholesky,
    ConjugateGradient,
    Solution,
    Status,
    Woodbury,
    factor,
)

SOLVERS = [Cholesky, Woodbury, ConjugateGradient]


def problem(
    X: Any,
    probability: np.ndarray,
    *,
    l2: float = 1.0,
    fit_intercept: bool = True,
    weight: np.ndarray | None = None,
) -> Hessian:
    """A Hessian of these rows, in two blocks."""
    n_rows, n_classes = probability.shape
    coef = np.zeros((n_classes, X.shape[1]))
    model = SoftmaxModel(coef, np.zeros(n_classes), l2, fit_intercept)
    weight = np.ones(n_rows) if weight is None else weight
    half = n_rows // 2
    cuts = [slice(0, half), slice(half, n_rows)]
    return Hessian(
        model, lambda: [(X[cut], probability[cut], weight[cut]) for cut in cuts], n_rows
    )


def dense_hessian(
    X: np.ndarray, probability: np.ndarray, weight: np.ndarray, l2: float, ones: bool
) -> np.ndarray:
    """The textbook Hessian of all K x (d + 1) parameters, row by row."""
    rows = np.column_stack([X, np.ones(len(X))]) if ones else X
    penalty = np.full(rows.shape[1], l2)
    if ones:
        penalty[-1] = 0
    matrix = np.kron(np.eye(probability.shape[1]), np.diag(penalty))
    for x, p, w in zip(rows, probability, weight, strict=True):
        matrix += w * np.kron(np.diag(p) - np.outer(p, p), np.outer(x, x))
    return matrix


@pytest.mark.parametrize("solver", SOLVERS)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 5),
    st.integers(4, 15),
    st.integers(1, 8),
    st.sampled_from([0.1, 1.0, 10.0]),
    st.booleans(),
    st.booleans(),
)
def test_every_solver_agrees_with_a_dense_solve(
    solver: Any,
    seed: int,
    n_classes: int,
    n_rows: int,
    n_features: int,
    l2: float,
    fit_intercept: bool,
    sparse_rows: bool,
) -> None:
    rng = np.random.default_rng(seed)
    X = np.where(
        rng.random((n_rows, n_features)) < 0.6, rng.normal(size=(n_rows, n_features)), 0
    )
    probability = softmax(rng.uniform(-2, 2, size=(n_rows, n_classes)), axis=1)
    weight = rng.uniform(0.1, 3, size=n_rows)
    hessian = problem(
        sparse.csr_array(X) if sparse_rows else X,
        probability,
        l2=l2,
        fit_intercept=fit_intercept,
        weight=weight,
    )
    basis = helmert(n_classes)
    rhs = rng.normal(size=hessian.shape)
    dense = dense_hessian(X, probability, weight, l2, fit_intercept)
    # Least squares, as the intercepts' common constant makes the matrix singular.
    reference = np.linalg.lstsq(dense, (basis.T @ rhs).ravel(), rcond=1e-10)[0]
    solution = solver(hessian).solve(rhs)
    assert solution.status is Status.SUCCESS
    assert solution.trusted
    value = (basis.T @ solution.value).ravel()
    assert_allclose(value, reference, rtol=0, atol=1e-6 * np.abs(reference).max())


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_factor_serves_many_right_hand_sides(solver: Any) -> None:
    rng = np.random.default_rng(0)
    hessian = problem(rng.normal(size=(9, 4)), softmax(rng.normal(size=(9, 3)), axis=1))
    prepared = solver(hessian)
    for _ in range(3):
        value = rng.normal(size=hessian.shape)
        assert_allclose(prepared.solve(hessian.matvec(value)).value, value, rtol=1e-6)
    nothing = prepared.solve(np.zeros(hessian.shape))
    assert not nothing.value.any()
    assert nothing.residual == 0


@pytest.mark.parametrize(
    ("n_rows", "n_features", "fit_intercept", "solver"),
    [
        (10, 9, True, Cholesky),
        (10, 10, True, Woodbury),
        (10, 10, False, Cholesky),
        (10, 11, False, Woodbury),
        (11, 10, True, ConjugateGradient),
        (11, 30, True, ConjugateGradient),
        (30, 10, False, Cholesky),
        (30, 11, False, ConjugateGradient),
    ],
)
def test_size_decides_the_solver(
    n_rows: int,
    n_features: int,
    fit_intercept: bool,
    solver: type,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(solvers, "DIRECT_LIMIT", 20)
    probability = np.full((n_rows, 3), 1 / 3)
    hessian = problem(
        np.eye(n_rows, n_features), probability, fit_intercept=fit_intercept
    )
    assert type(factor(hessian)) is solver


def test_more_than_5000_unknowns_are_left_to_conjugate_gradients() -> None:
    X, probability = sparse.eye_array(501, format="csr"), np.full((501, 11), 1 / 11)
    assert isinstance(factor(problem(X, probability)), ConjugateGradient)


def certain(n_rows: int, n_classes: int) -> np.ndarray:
    return np.eye(n_classes)[np.arange(n_rows) % n_classes]


def likely(n_rows: int, n_classes: int) -> np.ndarray:
    return softmax(np.random.default_rng(1).normal(size=(n_rows, n_classes)), axis=1)


ROWS = np.random.default_rng(0).normal(size=(12, 4))
NEVER_THE_FIRST = np.column_stack([np.zeros(12), likely(12, 2)])
ILL_POSED = {
    "a class that no row may have": (ROWS, NEVER_THE_FIRST, 1.0),
    "saturated": (ROWS, certain(12, 3), 1.0),
    "saturated, two classes": (ROWS, certain(12, 2), 1.0),
    "saturated, wide": (ROWS.T, certain(4, 3), 1.0),
    "duplicated columns": (np.hstack([ROWS, ROWS]), likely(12, 3), 1e-13),
    "constant column": (np.column_stack([ROWS, np.ones(12)]), likely(12, 3), 1e-13),
    "fewer rows than columns": (ROWS.T, likely(4, 3), 1e-13),
}


def solve_ill_posed(solver: Any, name: str, rhs: str) -> Solution:
    X, probability, l2 = ILL_POSED[name]
    hessian = problem(X, probability, l2=l2)
    right = np.random.default_rng(2).normal(size=hessian.shape)
    if rhs == "intercept only":
        right[:, :-1] = 0
    return solver(hessian).solve(right)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", ILL_POSED)
def test_ill_posed_problems_give_finite_values_and_a_remedy(
    name: str, solver: Any
) -> None:
    solution = solve_ill_posed(solver, name, "any")
    assert np.isfinite(solution.value).all()
    assert solution.status is not Status.SUCCESS
    assert not solution.trusted
    assert "use a smaller C, standardize" in solution.status.value


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", [name for name in ILL_POSED if "saturated" in name])
def test_a_gradient_at_saturated_intercepts_gives_finite_values(
    name: str, solver: Any
) -> None:
    solution = solve_ill_posed(solver, name, "intercept only")
    assert np.isfinite(solution.value).all()
    assert solution.status is not Status.SUCCESS


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("gap", [10.0, 20.0, 30.0, 40.0])
@pytest.mark.parametrize("n_features", [3, 20])
def test_a_trusted_solution_is_right_however_sure_the_model(
    n_features: int, gap: float, solver: Any
) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(9, n_features))
    probability = softmax(gap * certain(9, 3) + rng.normal(size=(9, 3)), axis=1)
    hessian = problem(X, probability)
    # diag(p) - p p' as a sum of positive terms, in which nothing cancels.
    order = 2 * (n_features + 1)
    matrix = np.diag(([1.0] * n_features + [0.0]) * 2)
    basis = helmert(3)
    for x, p in zip(np.column_stack([X, np.ones(9)]), probability, strict=True):
        for i, j in ((0, 1), (0, 2), (1, 2)):
            along = np.kron(basis[:, i] - basis[:, j], x)
            matrix += p[i] * p[j] * np.outer(along, along)
    rhs = rng.normal(size=order)
    unit = 1 / np.sqrt(np.diag(matrix))
    reference = unit * np.linalg.solve(unit * matrix * unit[:, None], unit * rhs)
    solution = solver(hessian).solve(rhs.reshape(hessian.shape))
    assert np.isfinite(solution.value).all()
    error = np.abs(solution.value.ravel() - reference).max()
    assert not solution.trusted or error <= 1e-6 * np.abs(reference).max()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_units_of_features_do_not_make_a_problem_ill(
    scale: float, solver: Any
) -> None:
    rng = np.random.default_rng(0)
    X, probability = rng.normal(size=(30, 4)), likely(30, 3)
    rhs = rng.normal(size=(2, 5))
    plain = solver(problem(X, probability)).solve(rhs)
    unit = np.array([scale] * 4 + [1.0])
    scaled = solver(problem(X * scale, probability, l2=scale**2)).solve(rhs * unit)
    assert scaled.status is Status.SUCCESS
    assert_allclose(scaled.value * unit, plain.value, rtol=1e-6)
