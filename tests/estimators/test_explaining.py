"""`SalutaryClassifier.explain` against `label_influence` and the fitted model."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from salutary import SalutaryClassifier, label_influence


def draw(n_pool: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """X, y with the last rows marked -1, X_val, y_val."""
    X, y = make_blobs(
        80 + n_pool, 4, centers=3, center_box=(-2, 2), cluster_std=1.5, random_state=1
    )
    n = 40 + n_pool
    return X[:n], np.where(np.arange(n) < 40, y[:n], -1), X[n:], y[n:]


def salutary(estimator: Any = None, **settings: Any) -> SalutaryClassifier:
    defaults = {"budget": 8, "batch_size": 4, "random_state": 0, "rule": "plausible"}
    return SalutaryClassifier(estimator, **(defaults | settings))


def plausible(influence: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """A rule of a user's own."""
    return influence * probability


def assert_explains(
    model: SalutaryClassifier,
    fitted: LogisticRegression,
    rows: np.ndarray,
    **of_run: Any,
) -> None:
    """That the explanations of rows are of a model fitted on certain rows."""
    influence = label_influence(fitted, rows, **of_run)
    for found, row, expected in zip(model.explain(rows), rows, influence, strict=True):
        assert_allclose(found.classes["influence"], expected, rtol=1e-6, atol=1e-10)
        logits = found.contributions.sum() + found.intercept
        assert_allclose(logits, fitted.decision_function(row[None])[0], atol=1e-9)
        assert_array_equal(found.classes["label"], model.classes_)
        assert found.values == tuple(row)
        assert found.validation["effect"].sum() == pytest.approx(found.influence)


@pytest.mark.parametrize("guard", [False, True])
def test_rows_are_explained_by_the_fitted_model(guard: bool) -> None:
    X, y, X_val, y_val = draw()
    model = salutary(guard=guard).fit(X, y, X_val, y_val)
    trained = model.labeled_iter_ >= 0
    assert_explains(
        model,
        model.estimator_,
        np.concatenate([X[38:42], X_val[:2]]),
        X_train=X[trained],
        y_train=model.transduction_[trained],
        X_val=X_val,
        y_val=y_val,
    )
    (found,) = model.explain(X_val[:1])
    assert len(found.folds) == (3 if guard else 0)
    assert_array_equal(found.validation["row"], np.arange(40))
    assert_array_equal(found.validation["label"], y_val)
    near = NearestNeighbors(n_neighbors=5).fit(X[:40]).kneighbors(X_val[:1])
    assert_array_equal(found.nearest["row"], near[1][0])
    assert_allclose(found.nearest["distance"], near[0][0])


@pytest.mark.parametrize("refit", ["auto", False, True])
def test_rows_split_off_are_named_and_not_trained_on(refit: Any) -> None:
    X, y, *_ = draw()
    model = salutary(guard=False, refit_on_validation=refit).fit(X, y)
    plainly = salutary(guard=False, refit_on_validation=False).fit(X, y)
    (found,) = model.explain(X[:1])
    held = found.validation["row"].to_numpy()
    assert len(held) == 8
    assert_array_equal(found.validation["label"], y[held])
    assert not {*held} & {*found.nearest["row"]}
    trained = np.setdiff1d(np.flatnonzero(model.labeled_iter_ >= 0), held)
    assert_explains(
        model,
        plainly.estimator_,
        X[:3],
        X_train=X[trained],
        y_train=model.transduction_[trained],
        X_val=X[held],
        y_val=y[held],
    )


@pytest.mark.parametrize("hessian", ["pool", "both"])
def test_the_hessian_is_that_of_the_run(hessian: Any) -> None:
    X, y, X_val, y_val = draw()
    model = salutary(guard=False, hessian=hessian).fit(X, y, X_val, y_val)
    trained = model.labeled_iter_ >= 0
    pool = X[~trained]
    influence = label_influence(
        model.estimator_,
        pool,
        X_train=X[trained],
        X_val=X_val,
        y_val=y_val,
        hessian=hessian,
    )
    (found,) = model.explain(pool[:1])
    assert_allclose(found.classes["influence"], influence[0], rtol=1e-6)


def mixed_table() -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame, np.ndarray]:
    X, y, X_val, y_val = draw()
    frames = []
    for part in (X, X_val):
        frame = pd.DataFrame(part[:, :3], columns=["a", "b", "size"])
        frame.insert(1, "kind", np.where(part[:, 3] > 0, "up", "down"))
        frames.append(frame)
    return frames[0], y, frames[1], y_val


def test_contributions_of_a_pipeline_are_summed_for_each_column() -> None:
    X, y, X_val, y_val = mixed_table()
    steps = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(sparse_output=False), ["kind"]), remainder="passthrough"
        ),
        StandardScaler(),
        LogisticRegression(),
    )
    model = salutary(steps, guard=False).fit(X, y, X_val, y_val)
    for rows in (X_val.iloc[3:5], pl.from_pandas(X_val.iloc[3:5])):
        for place, found in enumerate(model.explain(rows)):
            assert found.contributions.index.tolist() == ["kind", "a", "b", "size"]
            row = X_val.iloc[[3 + place]]
            values = dict(zip(found.contributions.index, found.values, strict=True))
            assert values == row.iloc[0].to_dict()
            logits = found.contributions.sum() + found.intercept
            assert_allclose(logits, model.decision_function(row)[0])
            coef = model.estimator_[-1].coef_
            encoded = model.estimator_[:-1].transform(row)[0]
            added = coef[:, :2] @ encoded[:2]
            assert_allclose(found.contributions.loc["kind"], added, atol=1e-12)


def test_sparse_rows_are_explained_as_dense_ones() -> None:
    X, y, X_val, y_val = draw()
    dense = salutary(guard=False).fit(X, y, X_val, y_val)
    of = sparse.csr_array
    thin = salutary(guard=False).fit(of(X), y, of(X_val), y_val)
    for one, other in zip(dense.explain(X[:3]), thin.explain(of(X[:3])), strict=True):
        assert_allclose(one.classes["influence"], other.classes["influence"], rtol=1e-4)
        assert_allclose(one.contributions, other.contributions, rtol=1e-4, atol=1e-6)
        assert one.values == other.values


@pytest.mark.parametrize(
    "of", [sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix, sparse.coo_array]
)
def test_rows_may_be_of_another_kind_than_those_of_the_fit(of: Any) -> None:
    X, y, X_val, y_val = draw()
    dense = salutary(guard=False).fit(X, y, X_val, y_val)
    (one,), (other,) = dense.explain(X[:1]), dense.explain(of(X[:1]))
    assert_allclose(other.influence, one.influence, rtol=1e-12)
    assert other.values == one.values


@pytest.mark.parametrize("rule", ["tempered", plausible])
def test_a_pickled_model_explains_as_before_and_a_clone_not_at_all(rule: Any) -> None:
    X, y, X_val, y_val = draw()
    model = salutary(rule=rule).fit(X, y, X_val, y_val)
    (before,), (after,) = (
        each.explain(X[:1]) for each in (model, pickle.loads(pickle.dumps(model)))
    )
    assert before.to_dict() == after.to_dict()
    with pytest.raises(AttributeError, match="not fitted"):
        clone(model).explain(X[:1])


def test_the_pool_is_not_kept() -> None:
    sizes = []
    for n_pool in (100, 1000):
        X, y, *_ = draw(n_pool)
        model = salutary(make_pipeline(StandardScaler(), LogisticRegression()))
        model.fit(X, y)
        del model.transduction_, model.labeled_iter_
        del model.influence_, model.influence_se_
        sizes.append(len(pickle.dumps(model)))
    assert sizes[1] < 1.1 * sizes[0]


def test_without_a_run_there_is_nothing_to_explain() -> None:
    X, y, X_val, y_val = draw()
    with pytest.warns(UserWarning, match="no unlabeled row"):
        model = salutary().fit(X[:40], y[:40], X_val, y_val)
    with pytest.raises(ValueError, match="no unlabeled row, so there was no run"):
        model.explain(X[:1])


def test_rows_that_predict_refuses_are_refused() -> None:
    X, y, X_val, y_val = draw()
    model = salutary(guard=False).fit(X, y, X_val, y_val)
    with pytest.raises(ValueError, match="NaN"):
        model.explain([[np.nan, 0, 0, 0]])
    with pytest.raises(ValueError, match="features"):
        model.explain(X[:1, :3])
