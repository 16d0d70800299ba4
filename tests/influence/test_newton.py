"""Newton's estimate where ten steps are not enough, against SciPy's optima."""

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.linalg import helmert
from scipy.special import log_softmax, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from salutary import add_one_in
from salutary.influence import training
from salutary.influence.direction import InfluenceWarning
from salutary.influence.softmax import SoftmaxModel, softmax_model
from salutary.influence.training import TrainingRows, minimize, training_objective


def optimum(
    X: np.ndarray, y: np.ndarray, C: float, start: np.ndarray | None = None
) -> np.ndarray:
    """Parameters of all classes, intercepts last, by SciPy's trust-region method.

    Under weak penalties scikit-learn's own Newton solver may give up.
    """
    n_classes = y.max() + 1
    basis, rows = helmert(n_classes), np.column_stack([X, np.ones(len(X))])
    penalty = np.full(rows.shape[1], (2 if n_classes == 2 else 1) / C)
    penalty[-1] = 0
    shape, own = (n_classes - 1, len(penalty)), (np.arange(len(y)), y)

    def logits(flat: np.ndarray) -> np.ndarray:
        return rows @ flat.reshape(shape).T @ basis

    def value(flat: np.ndarray) -> float:
        losses = -log_softmax(logits(flat), axis=1)[own]
        return losses.sum() + (penalty * flat.reshape(shape) ** 2).sum() / 2

    def gradient(flat: np.ndarray) -> np.ndarray:
        slope = softmax(logits(flat), axis=1) - np.eye(n_classes)[y]
        return (basis @ slope.T @ rows + penalty * flat.reshape(shape)).ravel()

    def hessian(flat: np.ndarray) -> np.ndarray:
        total = np.diag(np.tile(penalty, n_classes - 1))
        for row, p in zip(rows, softmax(logits(flat), axis=1), strict=True):
            curvature = basis @ (np.diag(p) - np.outer(p, p)) @ basis.T
            total += np.kron(curvature, np.outer(row, row))
        return total

    begin = np.zeros(shape) if start is None else basis @ start
    found = scipy.optimize.minimize(
        value,
        begin.ravel(),
        method="trust-exact",
        jac=gradient,
        hess=hessian,
        options={"gtol": 1e-8, "max_trust_radius": 1e6},
    )
    assert np.abs(gradient(found.x)).max() < 1e-6
    return basis.T @ found.x.reshape(shape)


def fit(X: np.ndarray, y: np.ndarray, C: float) -> LogisticRegression:
    """A LogisticRegression with exactly these parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=C, max_iter=1).fit(X, y)
    found = optimum(X, y, C)
    if len(found) == 2:
        found = found[1:] - found[:1]
    model.coef_, model.intercept_ = found[:, :-1], found[:, -1]
    return model


def problem(
    n_classes: int, n: int, d: int, *, spread: float, seed: int = 0
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Rows to add, training rows and validation rows; separable if far apart."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(n_classes, d)) * spread

    def draw(size: int) -> tuple[np.ndarray, np.ndarray]:
        y = np.r_[np.arange(n_classes), rng.integers(n_classes, size=size - n_classes)]
        return centers[y] + rng.normal(size=(size, d)), y

    (X_train, y_train), (X_val, y_val) = draw(n), draw(40)
    rows = {"X_train": X_train, "y_train": y_train, "X_val": X_val, "y_val": y_val}
    return draw(n_classes + 2)[0][-2:], rows


def refitted(X: np.ndarray, rows: dict[str, np.ndarray], C: float) -> np.ndarray:
    """Decrease of the loss by the optimum with each row."""
    X_train, y_train, y_val = rows["X_train"], rows["y_train"], rows["y_val"]

    def loss(parameters: np.ndarray) -> float:
        logits = rows["X_val"] @ parameters[:, :-1].T + parameters[:, -1]
        return -float(log_softmax(logits, axis=1)[np.arange(len(y_val)), y_val].mean())

    before = optimum(X_train, y_train, C)
    decreases = np.empty((len(X), len(before)))
    for row, label in np.ndindex(*decreases.shape):
        more = np.vstack([X_train, X[row]]), np.append(y_train, label)
        decreases[row, label] = loss(before) - loss(optimum(*more, C, before))
    return decreases


@pytest.mark.slow
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize(
    ("n_classes", "n", "d", "spread", "C"),
    [
        (3, 60, 20, 0.3, 1e3),
        (3, 60, 20, 0.3, 1e4),
        (3, 60, 20, 1.0, 1e4),
        (2, 70, 20, 0.3, 1e4),
        (4, 30, 12, 0.3, 1e5),
        (2, 20, 30, 1.0, 1e3),
    ],
)
def test_weak_penalties(
    n_classes: int, n: int, d: int, spread: float, C: float, container: Any
) -> None:
    X, rows = problem(n_classes, n, d, spread=spread)
    truth = refitted(X, rows, C)
    model = fit(rows["X_train"], rows["y_train"], C)
    given = {name: container(rows[name]) for name in ("X_train", "X_val")}
    found = add_one_in(model, container(X), **{**rows, **given}, estimate="newton")
    assert_allclose(found, truth, rtol=0, atol=5e-3 * np.abs(truth).mean())


@pytest.mark.slow
@pytest.mark.parametrize("C", [1e7, 1e8, 1e9])
@pytest.mark.parametrize("seed", range(5))
def test_hardly_any_penalty_is_no_crash(seed: int, C: float) -> None:
    X, rows = problem(3, 40, 12, spread=1.0, seed=seed)
    for name in ("X_train", "X_val"):
        rows[name] = rows[name] * 500
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=C, tol=1e-10, max_iter=500)
        model.fit(rows["X_train"], rows["y_train"])
        found = add_one_in(model, X * 5_000, **rows, estimate="newton")
    assert np.isfinite(found).all()


def test_candidates_that_do_not_converge_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, rows = problem(3, 60, 20, spread=0.3)
    model = fit(rows["X_train"], rows["y_train"], 1e4)
    monkeypatch.setattr(training, "MOST_STEPS", 1)
    with pytest.warns(InfluenceWarning, match=r"for [1-6] of 6 candidates.*smaller C"):
        add_one_in(model, X, **rows, estimate="newton")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_optimum_is_found_from_afar(n_classes: int) -> None:
    _, rows = problem(n_classes, 60, 20, spread=0.3)
    model = softmax_model(fit(rows["X_train"], rows["y_train"], 1e3))
    training_rows = TrainingRows(rows["X_train"], rows["y_train"], np.ones(60))
    rng = np.random.default_rng(0)
    start = rng.normal(size=model.coef.shape) * 30
    start -= start.mean(axis=0)
    afar = SoftmaxModel(start, model.intercept * 0, model.l2, True)
    optimum = minimize(afar, training_rows)
    assert optimum.converged
    found = optimum.model
    assert_allclose(found.coef, model.coef, atol=1e-6 * np.abs(model.coef).max())
    assert np.abs(training_objective(found, training_rows)[1]).max() < 1e-8
