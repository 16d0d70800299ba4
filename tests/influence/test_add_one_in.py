"""add_one_in against refits from scratch by another of scikit-learn's solvers."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import spearmanr
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import scale

from salutary import add_one_in


def fit(X: Any, y: Any, weight: Any = None, **parameters: Any) -> LogisticRegression:
    model = LogisticRegression(tol=1e-10, max_iter=50_000, **parameters)
    return model.fit(X, y, sample_weight=weight)


def cold_falls(
    X: Any, rows: dict[str, Any], weight: NDArray[np.float64], **parameters: Any
) -> NDArray[np.float64]:
    """Fall of the loss, each time fitted from scratch by Newton-Cholesky."""
    parameters = {**parameters, "solver": "newton-cholesky"}
    X_train, y_train = rows["X_train"], rows["y_train"]
    start = fit(X_train, y_train, weight, **parameters)
    classes = start.classes_

    def loss(model: LogisticRegression) -> float:
        proba = model.predict_proba(rows["X_val"])
        return float(log_loss(rows["y_val"], proba, labels=classes))

    falls = np.empty((len(X), len(classes)))
    for row, code in np.ndindex(*falls.shape):
        model = fit(
            np.vstack([X_train, X[row]]),
            np.append(y_train, classes[code]),
            np.append(weight, 1.0),
            **parameters,
        )
        falls[row, code] = loss(start) - loss(model)
    return falls


def agrees(
    estimate: str, falls: NDArray[np.float64], truth: NDArray[np.float64]
) -> None:
    """A refit to 1e-6 nats, Newton to a thousandth of the largest effect."""
    tolerance = 1e-6 if estimate == "refit" else 1e-3 * np.abs(truth).max()
    np.testing.assert_allclose(falls, truth, rtol=0, atol=tolerance)


def problem(
    n_classes: int, *, n: int = 40, d: int = 5, seed: int = 0
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(n_classes, d))

    def draw(size: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        labels = np.r_[np.arange(n_classes), rng.integers(n_classes, size=size)]
        return centers[labels] + rng.normal(size=(len(labels), d)), labels

    (X_train, y_train), (X_val, y_val) = draw(n), draw(50)
    rows = {"X_train": X_train, "y_train": y_train, "X_val": X_val, "y_val": y_val}
    return draw(4)[0][:5], rows


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [0.02, 1.0])
@pytest.mark.parametrize("estimate", ["newton", "refit"])
def test_equals_a_cold_refit(
    n_classes: int, fit_intercept: bool, C: float, estimate: Any
) -> None:
    X, rows = problem(n_classes)
    parameters = {"C": C, "fit_intercept": fit_intercept}
    weight = np.random.default_rng(1).uniform(0.5, 2, size=len(rows["y_train"]))
    model = fit(rows["X_train"], rows["y_train"], weight, **parameters)
    falls = add_one_in(model, X, **rows, sample_weight=weight, estimate=estimate)
    truth = cold_falls(X, rows, weight, **parameters)
    agrees(estimate, falls, truth)


@pytest.mark.parametrize("class_weight", [{0: 0.5, 1: 3.0}, "balanced"])
def test_class_weights_scale_the_added_row_as_a_fixed_weight(class_weight: Any) -> None:
    X, rows = problem(2)
    y_train = rows["y_train"]
    model = fit(rows["X_train"], y_train, class_weight=class_weight)
    fixed = class_weight
    if class_weight == "balanced":
        counts = np.bincount(y_train)
        fixed = dict(enumerate(len(y_train) / (2 * counts)))
    truth = cold_falls(X, rows, np.ones(len(y_train)), class_weight=fixed)
    for estimate in ("newton", "refit"):
        agrees(estimate, add_one_in(model, X, **rows, estimate=estimate), truth)


def test_newton_with_fewer_rows_than_columns() -> None:
    X, rows = problem(3, n=12, d=30)
    model = fit(rows["X_train"], rows["y_train"])
    truth = cold_falls(X, rows, np.ones(len(rows["y_train"])))
    falls = add_one_in(model, X, **rows, estimate="newton")
    agrees("newton", falls, truth)


def test_first_order_tends_to_the_refit_under_a_strong_penalty() -> None:
    X, rows = problem(3, n=500)
    model = fit(rows["X_train"], rows["y_train"], C=1e-3)
    first = add_one_in(model, X, **rows)
    truth = add_one_in(model, X, **rows, estimate="refit")
    atol = 0.02 * np.abs(truth).max()
    np.testing.assert_allclose(first, truth, rtol=0, atol=atol)


@pytest.mark.slow
@pytest.mark.parametrize("C", [1.0, 10.0])
def test_newton_is_true_where_first_order_is_not(C: float) -> None:
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    train, val, pool = order[:100], order[100:300], order[300:306]
    X = scale(X)
    rows = {
        "X_train": X[train],
        "y_train": y[train],
        "X_val": X[val],
        "y_val": y[val],
    }
    model = fit(X[train], y[train], C=C)
    truth = add_one_in(model, X[pool], **rows, estimate="refit")
    newton = add_one_in(model, X[pool], **rows, estimate="newton")
    first = add_one_in(model, X[pool], **rows)

    def error(estimate: NDArray[np.float64]) -> float:
        return float(np.abs(estimate - truth).mean() / np.abs(truth).mean())

    assert error(first) > 1
    assert error(newton) < 0.1
    assert spearmanr(newton.ravel(), truth.ravel()).statistic > 0.95


@pytest.mark.parametrize("estimate", ["first_order", "newton", "refit"])
def test_csr_equals_dense(estimate: Any) -> None:
    X, rows = problem(3)
    model = fit(rows["X_train"], rows["y_train"])
    dense = add_one_in(model, X, **rows, estimate=estimate)
    for name in ("X_train", "X_val"):
        rows[name] = sparse.csr_matrix(rows[name])
    found = add_one_in(model, sparse.csr_matrix(X), **rows, estimate=estimate)
    np.testing.assert_allclose(found, dense, atol=1e-9)


def test_batches_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    X, rows = problem(3)
    model = fit(rows["X_train"], rows["y_train"])
    whole = add_one_in(model, X, **rows, estimate="newton")
    monkeypatch.setattr("salutary.influence.newton.BATCH_CELLS", 1)
    singly = add_one_in(model, X, **rows, estimate="newton")
    np.testing.assert_allclose(singly, whole, atol=1e-10)


def test_unknown_estimate_is_refused() -> None:
    X, rows = problem(2)
    model = fit(rows["X_train"], rows["y_train"])
    with pytest.raises(ValueError, match="first_order"):
        add_one_in(model, X, **rows, estimate="second_order")  # type: ignore[arg-type]
