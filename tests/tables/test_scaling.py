"""Scales of features against scikit-learn, with and without numbers far outside."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import salutary
from salutary.tables.scaling import far_outside, fit_transform

SENTINEL = -999_999.0


def drawn(n: int, seed: int, dtype: type = np.float64) -> np.ndarray:
    return (
        np.random.default_rng(seed).normal([0, 5, -3], [1, 2, 9], (n, 3)).astype(dtype)
    )


def steps(with_mean: bool = True) -> Pipeline:
    return Pipeline([("scale", StandardScaler(with_mean=with_mean))])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_such_numbers_it_is_scikit_learns(dtype: type) -> None:
    rows = drawn(50, 0, dtype)
    rows[40:] = rows[:10]  # nothing of the pool is outside
    found = fit_transform(steps(), rows, 40)
    expected = StandardScaler().fit_transform(rows)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sentinel_of_the_pool_sets_no_scale(dtype: type) -> None:
    rows = drawn(50, 0, dtype)
    rows[40:] = rows[:10]
    rows[45, 1] = SENTINEL
    made = steps()
    found = fit_transform(made, rows, 40)
    kept = np.delete(rows[:, 1], 45)
    np.testing.assert_allclose(made["scale"].mean_[1], kept.mean(), rtol=1e-6)
    np.testing.assert_allclose(made["scale"].scale_[1], kept.std(), rtol=1e-6)
    others = StandardScaler().fit_transform(rows)
    np.testing.assert_allclose(found[:, [0, 2]], others[:, [0, 2]], atol=1e-6)
    # The row itself keeps its value.
    expected = (SENTINEL - kept.mean()) / kept.std()
    np.testing.assert_allclose(found[45, 1], expected, rtol=1e-5)


def test_a_sentinel_of_the_training_rows_counts() -> None:
    # The model is to know such values, and may need them.
    rows = drawn(50, 0)
    rows[5, 1] = SENTINEL
    found = fit_transform(steps(), rows, 40)
    np.testing.assert_allclose(found, StandardScaler().fit_transform(rows))


def test_sparse_rows_with_zeros_are_scaled_like_dense_ones() -> None:
    rows = np.where(np.random.default_rng(1).random((60, 3)) < 0.5, drawn(60, 1), 0.0)
    rows[40:] = rows[:20]
    rows[50, 0] = 500.0
    made = steps(with_mean=False)
    found = fit_transform(made, sparse.csr_matrix(rows), 40)
    kept = np.delete(rows[:, 0], 50)
    np.testing.assert_allclose(made["scale"].scale_[0], kept.std(), rtol=1e-6)
    np.testing.assert_allclose(found.toarray()[50, 0], 500.0 / kept.std())
    assert sparse.issparse(found)


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_frames_between_the_steps_keep_their_names(output: str) -> None:
    rows = pd.DataFrame(drawn(50, 0), columns=["a", "b", "c"])
    rows.loc[45, "b"] = SENTINEL
    made = Pipeline([("impute", SimpleImputer()), ("scale", StandardScaler())])
    expected = fit_transform(clone(made), rows, 40)
    with config_context(transform_output=output):
        found = fit_transform(made, rows, 40)
        np.testing.assert_allclose(np.asarray(found), expected)
        np.testing.assert_allclose(np.asarray(made.transform(rows)), expected)
    assert list(found.columns) == ["a", "b", "c"]
    assert list(made["scale"].feature_names_in_) == ["a", "b", "c"]


def test_whole_numbers_are_scaled_too() -> None:
    rows = np.arange(40).reshape(20, 2)
    rows[19, 0] = -999_999
    made = steps()
    fit_transform(made, rows, 15)
    np.testing.assert_allclose(made["scale"].mean_[0], rows[:19, 0].mean())


@settings(deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8),
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=8),
)
def test_far_is_farther_than_the_training_rows_are_wide(
    train: list[float], other: list[float]
) -> None:
    found = far_outside(np.array(train), np.array(other))
    width = max(train) - min(train)
    for value, far in zip(other, found, strict=True):
        away = max(min(train) - value, value - max(train))
        if abs(away - width) > 1e-6 * (1 + abs(value)):
            assert far == (width > 0 and away > width)


def test_a_column_with_gaps_or_of_one_value() -> None:
    train = np.array([[np.nan, 2.0, np.nan], [1.0, 2.0, np.nan], [3.0, 2.0, np.nan]])
    other = np.array([[9.0, 9.0, 9.0], [np.nan, np.nan, np.nan]])
    assert far_outside(train, other).tolist() == [[True, False, False], [False] * 3]


@pytest.fixture(scope="module")
def rows() -> dict[str, np.ndarray]:
    y = np.arange(130) % 2
    X = drawn(130, 3) + 2.0 * y[:, None]
    return {"X": X[:40], "y": y[:40], "X_val": X[40:80], "y_val": y[40:80]}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["array", "table", "sparse"])
def test_a_pool_from_elsewhere_changes_no_option_without_a_pool(
    form: str, rows: dict[str, np.ndarray]
) -> None:
    def made(X: np.ndarray) -> object:
        if form == "sparse":
            return sparse.csr_array(X)
        return pd.DataFrame(X, columns=["a", "b", "c"]) if form == "table" else X

    given = {
        name: made(found) if name.startswith("X") else found
        for name, found in rows.items()
    }
    far = made(1e5 + 1e3 * drawn(50, 4))
    options = {"splits": 2, "repeats": 1, "budget": 5, "random_state": 0}
    alone = salutary.advise(**given, **options).table.set_index("option")
    beside = salutary.advise(**given, X_pool=far, **options).table
    beside = beside.set_index("option")
    for name in ("train only", "train + validation", "validation only"):
        assert beside.loc[name, "loss"] == pytest.approx(alone.loc[name, "loss"])
        assert beside.loc[name, "C"] == alone.loc[name, "C"]
