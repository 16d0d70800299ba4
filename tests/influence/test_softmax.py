"""The softmax twin and its Hessian against scikit-learn and finite differences."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.linalg import helmert
from scipy.optimize import approx_fprime, check_grad
from scipy.special import log_softmax, softmax
from sklearn.datasets import make_blobs
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    RidgeClassifier,
)

from salutary.influence.softmax import (
    Hessian,
    SoftmaxModel,
    curvature_roots,
    parameter_gradient,
    softmax_model,
)
from salutary.influence.solvers import assemble


def fit(
    n_classes: int, fit_intercept: bool
) -> tuple[LogisticRegression, np.ndarray, np.ndarray]:
    X, y = make_blobs(50, 3, centers=n_classes, center_box=(-2, 2), random_state=0)
    model = LogisticRegression(
        C=0.3, fit_intercept=fit_intercept, solver="newton-cholesky", tol=1e-10
    )
    return model.fit(X, y), X, y


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_probabilities_are_scikit_learns(n_classes: int, fit_intercept: bool) -> None:
    model, X, _ = fit(n_classes, fit_intercept)
    twin = softmax_model(model)
    assert twin.coef.shape == (n_classes, 3)
    assert_allclose(twin.probability(X), model.predict_proba(X), rtol=1e-12)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_a_fitted_model_is_stationary_for_its_twins_objective(
    n_classes: int, fit_intercept: bool
) -> None:
    model, X, y = fit(n_classes, fit_intercept)
    twin = softmax_model(model)

    def objective(flat: np.ndarray) -> float:
        parameters = flat.reshape(twin.parameters.shape)
        coef = parameters[:, :3]
        logits = X @ coef.T + (parameters[:, 3] if fit_intercept else 0)
        loss = -log_softmax(logits, axis=1)[np.arange(len(y)), y].sum()
        return loss + twin.l2 / 2 * (coef**2).sum()

    slope = approx_fprime(twin.parameters.ravel(), objective)
    assert np.abs(slope).max() < 1e-4
    assert np.abs(approx_fprime(1.1 * twin.parameters.ravel(), objective)).max() > 0.01


def with_penalty(penalty: str | None) -> LogisticRegression:
    """As older versions of scikit-learn say it."""
    model = LogisticRegression()
    model.penalty = penalty
    return model


@pytest.mark.parametrize(
    ("model", "error", "match"),
    [
        (RidgeClassifier(), TypeError, "fit a LogisticRegression"),
        (LogisticRegressionCV(), TypeError, r"LogisticRegression\(C=\.\.\.\)"),
        (LogisticRegression(solver="liblinear"), ValueError, "fit_intercept=False"),
        (LogisticRegression(C=np.inf), ValueError, "use a finite C"),
        (LogisticRegression(C=1e-308), ValueError, "^C=1e-308 .* use C=1e-100 or more"),
        (LogisticRegression(C=5e-324), ValueError, "^C=5e-324 "),
        (LogisticRegression(l1_ratio=0.5, solver="saga"), ValueError, "l1_ratio=0"),
        (with_penalty("l1"), ValueError, "l1_ratio=0"),
        (with_penalty("elasticnet"), ValueError, "l1_ratio=0"),
        (with_penalty(None), ValueError, "l1_ratio=0 and a finite C"),
    ],
    ids=str,
)
def test_other_objectives_are_refused_with_the_remedy(
    model: Any, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        softmax_model(model)


def draw(
    n_classes: int, fit_intercept: bool, sparse_rows: bool = False
) -> tuple[SoftmaxModel, Any, np.ndarray]:
    """A model at random coefficients, rows, and their weights."""
    rng = np.random.default_rng(n_classes)
    coef, intercept = rng.normal(size=(n_classes, 3)), rng.normal(size=n_classes)
    intercept *= fit_intercept
    X = np.where(rng.random((12, 3)) < 0.7, rng.normal(size=(12, 3)), 0.0)
    weight = rng.uniform(0, 2, size=12)
    model = SoftmaxModel(coef, intercept, 0.4, fit_intercept)
    return model, sparse.csr_array(X) if sparse_rows else X, weight


def with_ones(X: Any, fit_intercept: bool) -> np.ndarray:
    X = X.toarray() if sparse.issparse(X) else X
    return np.column_stack([X, np.ones(len(X))]) if fit_intercept else X


@pytest.mark.parametrize("sparse_rows", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_parameter_gradient_passes_check_grad(
    n_classes: int, fit_intercept: bool, sparse_rows: bool
) -> None:
    model, X, weight = draw(n_classes, fit_intercept, sparse_rows)
    rows, target = with_ones(X, fit_intercept), np.arange(12) % n_classes

    def logits(flat: np.ndarray) -> np.ndarray:
        return rows @ flat.reshape(n_classes, -1).T

    def loss(flat: np.ndarray) -> float:
        log_probability = log_softmax(logits(flat), axis=1)
        return -weight @ log_probability[np.arange(12), target]

    def slope(flat: np.ndarray) -> np.ndarray:
        residual = softmax(logits(flat), axis=1) - np.eye(n_classes)[target]
        return parameter_gradient(X, residual * weight[:, None], fit_intercept).ravel()

    assert check_grad(loss, slope, model.parameters.ravel()) < 1e-5


def hessian_of(model: SoftmaxModel, X: Any, weight: np.ndarray) -> Hessian:
    """With the rows in two blocks."""
    cuts = slice(0, 5), slice(5, 12)
    return Hessian(
        model,
        lambda: [(X[cut], model.probability(X[cut]), weight[cut]) for cut in cuts],
        12,
    )


@pytest.mark.parametrize("sparse_rows", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_product_assembled_matrix_and_finite_differences_agree(
    n_classes: int, fit_intercept: bool, sparse_rows: bool
) -> None:
    model, X, weight = draw(n_classes, fit_intercept, sparse_rows)
    hessian, rows = hessian_of(model, X, weight), with_ones(X, fit_intercept)
    target = np.eye(n_classes)[np.arange(12) % n_classes]
    basis = helmert(n_classes)

    def slope(parameters: np.ndarray) -> np.ndarray:
        residual = softmax(rows @ parameters.T, axis=1) - target
        value = (residual * weight[:, None]).T @ rows
        value[:, :3] += model.l2 * parameters[:, :3]
        return value

    matrix = assemble(hessian)
    for unit in np.eye(matrix.shape[0]):
        along = basis.T @ unit.reshape(n_classes - 1, -1)
        ahead = slope(model.parameters + 1e-5 * along)
        change = (ahead - slope(model.parameters - 1e-5 * along)) / 2e-5
        reference = (basis @ change).ravel()
        assert_allclose(matrix @ unit, reference, rtol=1e-6, atol=1e-8)
        product = hessian.matvec(unit.reshape(hessian.shape)).ravel()
        assert_allclose(product, reference, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("gap", [5.0, 20.0, 40.0])
def test_the_product_keeps_its_digits_however_sure_the_model(gap: float) -> None:
    model = SoftmaxModel(gap * np.eye(3), np.zeros(3), 1e-100, False)
    X = np.eye(3)
    hessian = Hessian(model, lambda: [(X, model.probability(X), np.ones(3))], 3)
    direction = np.arange(1.0, 7.0).reshape(2, 3) ** 2
    slopes = X @ (helmert(3).T @ direction).T
    residual = np.zeros((3, 3))
    # (diag(p) - p p') z as a sum over pairs, in which nothing cancels.
    for row, p in enumerate(model.probability(X)):
        for i in range(3):
            for j in range(3):
                residual[row, i] += p[i] * p[j] * (slopes[row, i] - slopes[row, j])
    reference = helmert(3) @ residual.T @ X
    assert_allclose(hessian.matvec(direction), reference, rtol=1e-12)


LOGITS = arrays(float, (4, 3), elements=st.floats(-800, 800, width=32))


@given(LOGITS, st.floats(0, 1e3))
def test_roots_squared_are_the_curvature(logits: np.ndarray, weight: float) -> None:
    probability = softmax(logits, axis=1)
    basis = helmert(3)
    roots = curvature_roots(basis, probability, np.full(4, weight))
    for p, root in zip(probability, roots, strict=True):
        # diag(p) - p p' as a sum of positive terms, free of cancellation.
        curvature = np.zeros((2, 2))
        for i, j in ((0, 1), (0, 2), (1, 2)):
            apart = basis[:, i] - basis[:, j]
            curvature += weight * p[i] * p[j] * np.outer(apart, apart)
        scale = np.abs(curvature).max()
        assert_allclose(root @ root.T, curvature, rtol=0, atol=1e-10 * scale + 1e-300)


@pytest.mark.parametrize("certain", range(3))
def test_a_certain_row_has_no_curvature(certain: int) -> None:
    roots = curvature_roots(helmert(3), np.eye(3)[[certain]], np.ones(1))
    assert_allclose(roots, 0, atol=0)
