"""``SemiSupervisedClassifier.label_influence``, against refits with the row."""

from copy import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from salutary import InfluenceWarning, SemiSupervisedClassifier, label_influence
from salutary.labeling.rows import LabeledRows
from salutary.pools.arrays import ArrayPool
from salutary.semisupervised.information import fit_information
from salutary.semisupervised.task import SemiSupervisedTask

Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def draw(n_classes: int = 3) -> Rows:
    """X, y with most rows marked -1, and validation rows."""
    X, y = make_blobs(700, 6, centers=n_classes, cluster_std=4, random_state=2)
    marked = np.where(np.arange(300) % 10 == 0, y[:300], -1)
    return X[:300] / 6, marked, X[300:] / 6, y[300:]


def semi(**settings: Any) -> Any:
    return SemiSupervisedClassifier(**({"random_state": 0} | settings))


def influence(model: Any, X: Any, rows: Rows, **settings: Any) -> np.ndarray:
    X_train, marked, X_val, y_val = rows
    told = {"X_train": X_train, "y_train": marked, "X_val": X_val, "y_val": y_val}
    found: np.ndarray = model.label_influence(X, **(told | settings))
    return found


def loss_with(
    model: Any, rows: Rows, weight: Any, x: Any, label: int, added: float
) -> float:
    """Validation loss of a refit with one more row, under the settings of a model."""
    X, marked, X_val, y_val = rows
    known = marked >= 0
    labeled = LabeledRows(
        np.vstack([X[known], x]),
        np.append(marked[known], label),
        np.append(weight[known], added),
    )
    pool = ArrayPool.of(X[~known], weight[~known])
    task = SemiSupervisedTask(model.classes_, labeled, pool, tolerance=1e-12)
    start = copy(model.estimator_)
    start.coef_ = start.coef_ * model.temperature_
    start.intercept_ = start.intercept_ * model.temperature_
    refit = fit_information(task, model.parameters_["strength"], start)
    refit.coef_, refit.intercept_ = (
        values / model.temperature_ for values in (refit.coef_, refit.intercept_)
    )
    return float(log_loss(y_val, refit.predict_proba(X_val)))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_is_the_slope_of_refits_with_the_settings_held(n_classes: int) -> None:
    rows = draw(n_classes)
    weight = np.random.default_rng(1).uniform(0.8, 1.5, 300)
    model = semi().fit(rows[0], rows[1], weight)
    assert model.parameters_["strength"] > 0
    X = np.vstack([rows[0][1:3], rows[2][:1]])
    found = influence(model, X, rows, sample_weight=weight)
    for row, label in np.ndindex(*found.shape):
        more, less = (
            loss_with(model, rows, weight, X[row], label, e) for e in (0.003, -0.003)
        )
        slope = (less - more) / 0.006
        assert slope == pytest.approx(found[row, label], abs=2e-3 * abs(found).max())


def test_a_temperature_has_its_part() -> None:
    rows = draw()
    model = semi().fit(*rows[:2])
    # As if its logits had been divided by 2, which here they were not.
    hot, cooled = copy(model), copy(model.estimator_)
    cooled.coef_, cooled.intercept_ = cooled.coef_ / 2, cooled.intercept_ / 2
    hot._classifier = hot.estimator_ = cooled
    hot.temperature_ = 2 * model.temperature_
    x = rows[0][1]
    found = influence(hot, x[None], rows)[0]
    for label in range(3):
        more, less = (
            loss_with(hot, rows, np.ones(300), x, label, e) for e in (0.003, -0.003)
        )
        assert (less - more) / 0.006 == pytest.approx(
            found[label], abs=2e-3 * abs(found).max()
        )


@pytest.mark.filterwarnings("ignore:of class 2 there are fewer than 5")
def test_a_pool_left_alone_gives_the_influence_of_the_regression() -> None:
    X, marked, X_val, y_val = rows = draw()
    # Four rows of a class are too few to judge the pool by.
    marked[np.flatnonzero(marked == 2)[4:]] = -1
    model = semi().fit(X, marked)
    assert model.parameters_ == {}
    # A plain model of the same coefficients, which the temperature has not divided.
    plain = LogisticRegression(C=model.C_, tol=1e-8, max_iter=10_000)
    plain.fit(X[marked >= 0], marked[marked >= 0])
    assert model.temperature_ == 1
    reference = label_influence(
        plain,
        X[:20],
        X_train=X[marked >= 0],
        y_train=marked[marked >= 0],
        X_val=X_val,
        y_val=y_val,
    )
    found = influence(model, X[:20], rows)
    assert_allclose(found, reference, rtol=1e-5, atol=1e-8)


def test_kinds_of_rows_and_labels_do_not_matter() -> None:
    X, marked, X_val, y_val = rows = draw()
    X, X_val = (np.where(part > 0, part, 0) for part in (X, X_val))
    rows = X, marked, X_val, y_val
    reference = influence(semi().fit(X, marked), X[:50], rows)
    named = np.array(["a", "b", "c", None], dtype=object)
    columns = list("uvwxyz")
    variants = [
        (sparse.csr_array(X), marked, sparse.csr_array(X_val), y_val),
        (X, named[marked], X_val, named[y_val]),
        (pd.DataFrame(X, columns=columns), marked, pd.DataFrame(X_val), y_val),
    ]
    variants[2][2].columns = columns
    for other in variants:
        model = semi().fit(other[0], other[1])
        found = influence(model, other[0][:50], other)
        assert_allclose(found, reference, rtol=1e-4, atol=1e-6)


def test_float32_rows_give_float32() -> None:
    X, marked, X_val, y_val = draw()
    rows = X.astype(np.float32), marked, X_val.astype(np.float32), y_val
    model = semi().fit(rows[0], marked)
    found = influence(model, rows[0][:20], rows)
    reference = influence(model, X[:20], (X, marked, X_val, y_val))
    assert found.dtype == np.float32
    assert_allclose(found, reference, atol=1e-4 * np.abs(reference).max())


def test_rows_pass_through_the_earlier_steps() -> None:
    X, marked, X_val, y_val = draw()
    wide = X * 7 + 3, marked, X_val * 7 + 3, y_val
    scaler = StandardScaler().fit(X)
    estimator = make_pipeline(StandardScaler(), LogisticRegression())
    found = influence(semi(estimator=estimator).fit(*wide[:2]), wide[0][:20], wide)
    narrow = scaler.transform(X), marked, scaler.transform(X_val), y_val
    reference = influence(semi().fit(*narrow[:2]), narrow[0][:20], narrow)
    assert_allclose(found, reference, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("objective", ["balanced", "worst_group"])
def test_other_objectives_are_those_of_label_influence(objective: Any) -> None:
    rows = draw()
    model = semi().fit(*rows[:2])
    groups = np.arange(len(rows[3])) % 2
    told = {"objective": objective, "groups_val": groups}
    found = influence(model, rows[0][:20], rows, **told)
    assert np.abs(found - influence(model, rows[0][:20], rows)).max() > 1e-3
    # The balanced loss is a loss of weighted rows.
    if objective == "balanced":
        weight = (1 / np.bincount(rows[3]))[rows[3]]
        reference = influence(model, rows[0][:20], rows, val_weight=weight)
        assert_allclose(found, reference, rtol=1e-9, atol=1e-12)


# Refusals


def test_other_rows_than_were_fitted_are_warned_of() -> None:
    X, marked, X_val, y_val = draw()
    model = semi().fit(X, marked)
    with pytest.warns(InfluenceWarning, match="Pass the rows, labels and weights"):
        influence(model, X[:5], (X[:200], marked[:200], X_val, y_val))


@pytest.mark.parametrize("method", ["self_training", "label_spreading"])
def test_methods_that_label_the_pool_are_refused(method: Any) -> None:
    rows = draw()
    model = semi(method=method).fit(*rows[:2])
    model.parameters_ = {"weight": 1.0}  # whether or not the pool helped here
    with pytest.raises(ValueError, match="method='information_maximization'"):
        influence(model, rows[0][:5], rows)


def test_labels_that_were_not_fitted_are_refused() -> None:
    X, marked, X_val, y_val = draw()
    model = semi().fit(X, marked)
    strange = np.where(np.arange(300) == 1, 7, marked)
    with pytest.raises(ValueError, match=r"does not know: \[7\]; pass the labels"):
        influence(model, X[:5], (X, strange, X_val, y_val))
    with pytest.raises(ValueError, match="y_train has no unlabeled row, but"):
        influence(model, X[:5], (X[marked >= 0], marked[marked >= 0], X_val, y_val))
    with pytest.raises(ValueError, match=r"y_val has the class 9 \(row 0\)"):
        influence(model, X[:5], (X, marked, X_val, np.r_[9, y_val[1:]]))


@pytest.mark.parametrize("name", ["X", "X_train", "X_val"])
def test_rows_that_are_not_finite_are_refused_by_name(name: str) -> None:
    X, marked, X_val, y_val = draw()
    model = semi().fit(X, marked)
    told = {"X": X, "X_train": X, "X_val": X_val}
    bad = told[name].copy()
    bad[2, 1] = np.nan
    told[name] = bad
    with pytest.raises(ValueError, match=f"(?s){name} contains NaN.*row 2, column 1"):
        model.label_influence(y_train=marked, y_val=y_val, **told)


def test_rows_without_a_weight_have_no_part() -> None:
    X, marked, X_val, y_val = rows = draw()
    weight = np.where(np.arange(300) % 7 == 3, 0.0, 1.0)
    model = semi().fit(X, marked, weight)
    found = influence(model, X[:9], rows, sample_weight=weight)
    inside = weight > 0
    model = semi().fit(X[inside], marked[inside])
    reference = influence(model, X[:9], (X[inside], marked[inside], X_val, y_val))
    assert_allclose(found, reference, rtol=1e-4, atol=1e-7)
