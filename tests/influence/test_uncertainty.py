"""Standard errors against SciPy, statsmodels, the jackknife and dense inverses."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy import sparse, stats
from sklearn._loss import HalfBinomialLoss, HalfMultinomialLoss
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model._linear_loss import LinearModelLoss

from salutary import label_influence
from salutary.influence import solvers, uncertainty
from salutary.influence.factored import factor_with_pool
from salutary.influence.inputs import class_weights
from salutary.influence.objectives import Truth, log_loss
from salutary.influence.softmax import softmax_model
from salutary.influence.uncertainty import influence_errors, standard_error


@dataclass(frozen=True)
class Case:
    """A fitted model, candidates with a label each, and validation rows."""

    model: LogisticRegression
    X_train: Any
    y_train: np.ndarray
    weight: np.ndarray
    X: Any
    labels: np.ndarray
    X_val: Any
    y_val: np.ndarray
    val_weight: np.ndarray
    hessian: Any = "train"
    objective: Any = log_loss

    def errors(self) -> np.ndarray:
        """What is tested."""
        model = softmax_model(self.model)
        factors = class_weights(self.model, self.y_train, self.weight)
        weight = self.weight if factors is None else self.weight * factors[self.y_train]
        pool = (lambda: [self.X], self.X.shape[0])
        return influence_errors(
            factor_with_pool(model, self.X_train, weight, factors, self.hessian, pool),
            self.X,
            self.gradient(factors),
            self.X_val,
            self.objective,
            Truth(self.y_val, self.val_weight),
        )

    def gradient(self, factors: np.ndarray | None) -> np.ndarray:
        """Of each candidate's loss at its logits, p - e."""
        gradient = softmax_model(self.model).probability(self.X)
        own = np.arange(len(self.labels)), self.labels
        gradient[own] = 0
        gradient[own] = -gradient.sum(axis=1)
        return gradient if factors is None else gradient * factors[self.labels, None]

    def influence(self, kept: Any) -> np.ndarray:
        """By the public function, over some of the validation rows."""
        influence = label_influence(
            self.model,
            self.X,
            X_train=self.X_train,
            y_train=self.y_train,
            sample_weight=self.weight,
            X_val=self.X_val[kept],
            y_val=self.y_val[kept],
            val_weight=self.val_weight[kept],
            hessian=self.hessian,
        )
        return influence[np.arange(len(self.labels)), self.labels]


def make_case(
    n_classes: int = 3,
    *,
    n_val: int = 25,
    n_features: int = 4,
    weighted: bool = False,
    hessian: Any = "train",
    **parameters: Any,
) -> Case:
    X, y = make_blobs(
        50 + n_val,
        n_features,
        centers=n_classes,
        center_box=(-2, 2),
        cluster_std=1.5,
        random_state=5,
    )
    train, rows, val = np.split(np.arange(len(X)), [40, 50])
    rng = np.random.default_rng(0)
    weight, val_weight = np.ones(40), np.ones(n_val)
    if weighted:
        weight, val_weight = rng.uniform(0.5, 3, 40), rng.uniform(0.2, 4, n_val)
    model = LogisticRegression(tol=1e-10, max_iter=10_000, **parameters)
    return Case(
        model.fit(X[train], y[train], weight),
        X[train],
        y[train],
        weight,
        X[rows],
        rng.integers(n_classes, size=10),
        X[val],
        y[val],
        val_weight,
        hessian,
    )


# The standard error of a mean


@given(
    arrays(float, st.integers(2, 30), elements=st.floats(-1e3, 1e3)),
    st.floats(0.1, 10),
)
def test_equal_weights_give_scipys_standard_error(
    values: np.ndarray, weight: float
) -> None:
    found = standard_error(values, np.full(len(values), weight))
    assert found == pytest.approx(stats.sem(values), rel=1e-9, abs=1e-9)


@given(st.integers(0, 1000), st.integers(3, 40))
def test_unequal_weights_give_statsmodels_robust_error(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    values, weight = rng.normal(3, 2, n), rng.uniform(0.1, 5, n)
    reference = sm.WLS(values, np.ones(n), weights=weight).fit(cov_type="HC1")
    assert standard_error(values, weight) == pytest.approx(reference.bse[0], rel=1e-9)
    # A row without a weight is no row, and the size of all weights does not matter.
    with_nothing = np.append(values, 1e6), np.append(7 * weight, 0.0)
    assert standard_error(*with_nothing) == pytest.approx(reference.bse[0], rel=1e-9)


@pytest.mark.parametrize("weight", [[2.0], [0.0, 3.0, 0.0]])
def test_one_row_has_no_standard_error(weight: list[float]) -> None:
    assert np.isnan(standard_error(np.ones(len(weight)), np.array(weight)))


# That of an influence


def dense_errors(case: Case) -> np.ndarray:
    """Row by row, from scikit-learn's gradients and Hessian and NumPy's inverse."""
    n_classes = len(case.model.classes_)
    binary = n_classes == 2
    loss = HalfBinomialLoss() if binary else HalfMultinomialLoss(n_classes=n_classes)
    linear = LinearModelLoss(loss, fit_intercept=case.model.fit_intercept)
    coef = np.atleast_2d(case.model.coef_)
    if case.model.fit_intercept:
        coef = np.column_stack([coef, case.model.intercept_])
    coef = coef[0] if binary else np.asfortranarray(coef)

    def gradient(x: np.ndarray, label: int) -> np.ndarray:
        found = linear.gradient(coef, x[None], np.array([float(label)]))
        return np.ravel(found, order="F")

    total = case.weight.sum()
    _, hessian, _ = linear.gradient_hessian(
        coef,
        case.X_train,
        case.y_train.astype(float),
        sample_weight=case.weight,
        l2_reg_strength=1 / (case.model.C * total),
    )
    # Orthogonal to the gauge, in which the Hessian is singular.
    inverse = np.linalg.pinv(total * hessian, rcond=1e-12, hermitian=True)
    errors = []
    for x, label in zip(case.X, case.labels, strict=True):
        step = inverse @ gradient(x, label)
        effect = [
            gradient(row, of_row) @ step
            for row, of_row in zip(case.X_val, case.y_val, strict=True)
        ]
        fit = sm.WLS(effect, np.ones(len(effect)), weights=case.val_weight)
        errors.append(fit.fit(cov_type="HC1").bse[0])
    return np.array(errors)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("C", [0.02, 1.0])
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_errors_are_those_of_explicit_gradients_and_a_dense_inverse(
    n_classes: int, C: float, weighted: bool, fit_intercept: bool
) -> None:
    case = make_case(n_classes, weighted=weighted, C=C, fit_intercept=fit_intercept)
    assert_allclose(case.errors(), dense_errors(case), rtol=1e-7)


@pytest.mark.parametrize("n_features", [4, 60])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("limit", [0, 5_000])
def test_every_solver_gives_them(
    limit: int, n_classes: int, n_features: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 40 training rows: Cholesky for 4 features, Woodbury for 60, neither beyond 0.
    monkeypatch.setattr(solvers, "DIRECT_LIMIT", limit)
    monkeypatch.setattr(uncertainty, "BATCH_ROWS", 3)
    case = make_case(n_classes, n_features=n_features)
    assert_allclose(case.errors(), dense_errors(case), rtol=1e-6)


@pytest.mark.parametrize("hessian", ["train", "pool", "both"])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 0.5, 1: 3.0, 2: 1.0}])
def test_they_are_the_jackknife_over_validation_rows(
    class_weight: Any, hessian: Any
) -> None:
    # With equal weights exactly: leaving a row out moves the mean by its part.
    case = make_case(hessian=hessian, class_weight=class_weight)
    n_val = len(case.y_val)
    left = np.array(
        [case.influence(np.delete(np.arange(n_val), row)) for row in range(n_val)]
    )
    expected = np.sqrt((n_val - 1) * left.var(axis=0))
    assert_allclose(case.errors(), expected, rtol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
def test_they_agree_with_a_bootstrap(weighted: bool) -> None:
    case = make_case(n_val=200, weighted=weighted)
    rng = np.random.default_rng(1)
    draws = [case.influence(rng.integers(200, size=200)) for _ in range(600)]
    assert_allclose(case.errors(), np.std(draws, axis=0), rtol=0.12)


@given(st.permutations(range(25)), st.integers(1, 4), st.booleans())
@settings(max_examples=25)
def test_order_does_not_matter_and_copies_count_as_rows(
    order: list[int], copies: int, weighted: bool
) -> None:
    case = make_case(weighted=weighted)
    order = np.tile(order, copies)
    changed = replace(
        case,
        X_val=case.X_val[order],
        y_val=case.y_val[order],
        val_weight=case.val_weight[order],
    )
    # Copies make the spread over n - 1 a little smaller, and the error by their root.
    ratio = np.sqrt((25 - 1) / (25 * copies - 1))
    assert_allclose(changed.errors(), case.errors() * ratio, rtol=1e-9)


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_sparse_rows_have_the_same(n_classes: int, container: Any) -> None:
    case = make_case(n_classes, weighted=True)
    changed = replace(
        case,
        X_train=container(case.X_train),
        X=container(case.X),
        X_val=container(case.X_val),
    )
    assert_allclose(changed.errors(), case.errors(), rtol=1e-9)


def test_float32_rows_have_the_same_to_their_precision() -> None:
    case = make_case()
    changed = replace(case, X=case.X.astype(np.float32))
    errors = changed.errors()
    assert errors.dtype == np.float64
    assert_allclose(errors, case.errors(), rtol=1e-5)


def test_a_row_the_model_is_sure_of_keeps_its_digits() -> None:
    case = make_case(2, C=10.0)
    sure = case.model.coef_ / np.linalg.norm(case.model.coef_) * 30
    case = replace(case, X=sure, labels=np.array([1]))
    assert case.model.predict_proba(sure)[0, 0] < 1e-9
    # The gradient is (1 - p) x under its own label and p x under the other.
    other = replace(case, labels=np.array([0]))
    ratio = np.exp(-case.model.decision_function(sure)[0])
    assert_allclose(case.errors(), other.errors() * ratio, rtol=1e-9)


def test_one_validation_row_shows_no_error() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(make_case(n_val=1).errors()).all()


def test_no_rows_have_no_errors() -> None:
    case = make_case()
    empty = replace(case, X=case.X[:0], labels=case.labels[:0])
    assert empty.errors().shape == (0,)
