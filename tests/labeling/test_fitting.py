"""Fits by Newton's method against scikit-learn's, and where they give way to it."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from salutary.labeling import fitting
from salutary.labeling.fitting import fit_converged
from salutary.labeling.rows import LabeledRows


def rows(n_classes: int, is_sparse: bool = False) -> LabeledRows:
    rng = np.random.default_rng(n_classes)
    labels = rng.integers(0, n_classes, 90)
    X = rng.normal(size=(90, 5)) + np.eye(n_classes, 5)[labels]
    X = sparse.csr_array(np.where(X > 0, X, 0.0)) if is_sparse else X
    return LabeledRows(X, labels.astype(np.intp), rng.uniform(0, 2, 90))


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"C": 100.0},
        {"fit_intercept": False},
        {"class_weight": "balanced"},
        {"class_weight": {0: 3.0, 1: 0.5}},
    ],
    ids=str,
)
def test_a_fit_is_scikit_learns(
    n_classes: int, is_sparse: bool, parameters: dict[str, Any]
) -> None:
    given, names = rows(n_classes, is_sparse), np.array(["a", "b", "c", "d"])
    if isinstance(parameters.get("class_weight"), dict):
        weights = {names[code]: w for code, w in parameters["class_weight"].items()}
        parameters = {**parameters, "class_weight": weights}
    estimator = LogisticRegression(**parameters)
    model = fit_converged(estimator, given, names[:n_classes])
    reference = LogisticRegression(**parameters, tol=1e-12, max_iter=10_000)
    reference.fit(given.X, names[given.labels], sample_weight=given.weight)
    assert_array_equal(model.classes_, reference.classes_)
    assert model.n_features_in_ == 5
    assert model.get_params()["solver"] == "lbfgs"
    # Within the tolerance of scikit-learn's fit, of which a weak penalty makes more.
    assert_allclose(
        model.predict_proba(given.X), reference.predict_proba(given.X), atol=1e-6
    )
    assert model.n_iter_[0] < reference.n_iter_[0]
    warm = fit_converged(estimator, given, names[:n_classes], model)
    assert_allclose(warm.coef_, model.coef_, atol=1e-9)
    assert warm.n_iter_[0] <= 2


def test_a_class_without_rows_is_left_out() -> None:
    given = rows(3)
    given = given.take(np.flatnonzero(given.labels != 1))
    model = fit_converged(LogisticRegression(), given, np.array(["a", "b", "c"]))
    assert model.classes_.tolist() == ["a", "c"]
    assert model.coef_.shape == (1, 5)
    reference = LogisticRegression(tol=1e-12, max_iter=10_000)
    reference.fit(given.X, given.labels, sample_weight=given.weight)
    assert_allclose(model.coef_, reference.coef_, atol=1e-6)


def test_what_newton_cannot_fit_scikit_learn_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given, names = rows(3), np.array(["a", "b", "c"])
    newton = fit_converged(LogisticRegression(), given, names)
    monkeypatch.setattr(fitting, "_fit_by_newton", lambda *arguments: None)
    other = fit_converged(LogisticRegression(), given, names)
    assert other.n_iter_[0] > newton.n_iter_[0]
    assert_allclose(
        other.predict_proba(given.X), newton.predict_proba(given.X), atol=1e-6
    )
    warm = fit_converged(LogisticRegression(), given, names, newton)
    assert not warm.warm_start
    assert warm.n_iter_[0] < other.n_iter_[0]


@pytest.mark.filterwarnings("ignore:lbfgs failed")
def test_separable_rows_end() -> None:
    """With hardly a penalty, the model grows until it is certain of every row."""
    X = np.array([[-1.0], [-2.0], [1.0], [2.0]])
    given = LabeledRows(X, np.array([0, 0, 1, 1]), np.ones(4))
    model = fit_converged(LogisticRegression(C=1e9), given, np.array([0, 1]))
    assert_array_equal(model.predict(X), given.labels)
    assert np.isfinite(model.coef_).all()
