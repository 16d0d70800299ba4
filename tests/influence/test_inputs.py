"""Checks of what users pass."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from salutary import label_influence, relabel
from salutary.arrays import BLOCK_ROWS
from salutary.influence.inputs import (
    check_finite,
    check_matrix,
    check_weight,
    class_weights,
)
from salutary.influence.labels import encode_groups, encode_labels


def fitted(n_features: int) -> LogisticRegression:
    """A model of so many features."""
    X = np.random.default_rng(0).normal(size=(4, n_features))
    return LogisticRegression().fit(X, [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        ([[1, 2], [3, 4]], np.float64),
        (np.ones((2, 2), dtype=np.float16), np.float64),
        (np.ones((2, 2), dtype=np.float32), np.float32),
        (pd.DataFrame({"a": [1.0, 2.0], "b": [True, False]}), np.float64),
        (sparse.csc_array(np.eye(2, dtype=np.float32)), np.float32),
        (sparse.coo_array(np.eye(2, dtype=int)), np.float64),
    ],
)
def test_rows_become_floats(given: Any, dtype: type) -> None:
    X = check_matrix(given, "X", fitted(2))
    assert X.dtype == dtype
    if sparse.issparse(given):
        assert X.format == "csr"
        assert_array_equal(X.toarray(), given.toarray())
    else:
        assert_array_equal(X, np.asarray(given, dtype=float))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_fit_are_not_copied(dtype: type) -> None:
    X = np.ones((5, 2), dtype=dtype)
    assert np.shares_memory(check_matrix(X, "X", fitted(2)), X)


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"X_val has 2 features, but .* with 3"):
        check_matrix(np.ones((4, 2)), "X_val", fitted(3))


@pytest.mark.parametrize("row", [0, BLOCK_ROWS - 1, BLOCK_ROWS, 2 * BLOCK_ROWS + 5])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_the_first_place_is_named_wherever_it_is(container: Any, row: int) -> None:
    X = np.eye(3)[np.zeros(2 * BLOCK_ROWS + 7, dtype=int)]
    X[row, 1], X[-1, 0] = np.nan, np.inf
    with pytest.raises(ValueError, match=rf"First at row {row}, column 1\.$"):
        check_finite(container(X), "X")


def test_a_column_with_a_name_is_named() -> None:
    frame = pd.DataFrame({"height": [1.0, 2.0], "width": [1.0, np.nan]})
    with pytest.raises(
        ValueError,
        match=r"^Input X_pool contains NaN\. First at row 1, column 1 \('width'\)\.$",
    ):
        check_matrix(frame, "X_pool", fitted(2))


def test_explicit_zeros_do_not_move_the_place() -> None:
    X = sparse.csr_array(([0.0, 1.0, np.nan], [0, 1, 0], [0, 1, 3]), shape=(2, 2))
    with pytest.raises(ValueError, match="First at row 1, column 0"):
        check_finite(X, "X")


@pytest.mark.parametrize(
    "classes", [[2, 5, 9], ["a", "b", "c"], [False, True], [0.5, 1.5]]
)
def test_labels_become_positions(classes: list) -> None:
    known = np.array(classes)
    order = np.array([1, 0, len(classes) - 1, 1])
    codes = encode_labels(known[order].tolist(), known, "y")
    assert codes.dtype == np.intp
    assert_array_equal(codes, order)


def test_an_unknown_label_is_named_with_its_first_row_and_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r"y_val has the class 'd' \(row 2\).*\['a', 'b'\]"
    ):
        encode_labels(["a", "b", "d", "d"], np.array(["a", "b"]), "y_val")


def test_no_weights_are_ones() -> None:
    weight = check_weight(None, np.zeros((3, 1)), "sample_weight")
    assert_array_equal(weight, np.ones(3))
    assert weight.dtype == np.float64


def test_class_weights_are_scikit_learns() -> None:
    X = np.random.default_rng(0).normal(size=(12, 2))
    y = np.repeat(["a", "b", "c"], [2, 4, 6])
    weight = np.linspace(1, 2, 12)
    model = LogisticRegression().fit(X, y)
    assert class_weights(model, None, weight) is None
    model.set_params(class_weight={"a": 3.0})
    assert_allclose(class_weights(model, y, weight), [3, 1, 1])
    model.set_params(class_weight="balanced")
    totals = np.array([weight[y == label].sum() for label in "abc"])
    assert_allclose(class_weights(model, y, weight), weight.sum() / (3 * totals))


def test_columns_in_another_order_are_refused() -> None:
    frame = pd.DataFrame({"a": [0.0, 1.0], "b": [1.0, 0.0]})
    model = LogisticRegression().fit(frame, [0, 1])
    assert check_matrix(frame, "X_pool", model).shape == (2, 2)
    with pytest.raises(ValueError, match=r"X_pool .* another order; pass .*'a', 'b'"):
        check_matrix(frame[["b", "a"]], "X_pool", model)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.ones(9), r"Expected 2D array, got 1D array instead: Reshape your data .*"),
        (np.ones((9, 2)) + 0j, "Complex data not supported"),
        (np.ones((1, 9, 2)), "Found array with dim 3.*"),
        ([["a"], ["b"]], "could not convert string to float: .*"),
    ],
)
def test_what_is_no_matrix_is_refused_in_one_line(rows: Any, words: str) -> None:
    for check in (lambda: check_matrix(rows, "X", fitted(2)), lambda: relabeled(rows)):
        with pytest.raises(ValueError, match=r"\w") as refused:
            check()
        assert re.fullmatch(words, str(refused.value))


def relabeled(rows: Any) -> Any:
    labels = [row % 2 for row in range(len(rows))]
    return relabel(rows, labels, rows, labels)


def test_columns_of_an_arrow_table_are_known_by_their_names() -> None:
    rows = pa.table({"a": [0.0, 1.0, 0.0, 2.0], "b": [1.0, 0.0, 3.0, 0.0]})
    model = LogisticRegression().fit(rows.to_pandas(), [0, 1, 0, 1])
    assert_array_equal(check_matrix(rows, "X", model)[:, 0], [0, 1, 0, 2])
    with pytest.raises(ValueError, match=r"another order; pass \['a', 'b'\]"):
        check_matrix(rows.select(["b", "a"]), "X", model)
    missing = pa.table({"a": [0.0, 1.0], "b": [1.0, None]})
    with pytest.raises(ValueError, match=r"First at row 1, column 1 \('b'\)"):
        check_matrix(missing, "X", model)
    labels, more = [0, 1, 0, 1], {"random_state": 0, "guard": False, "budget": 1}
    other = pa.table({"a": [0.5, 1.5, 0.5, 2.5], "b": [1.5, 0.5, 3.5, 0.5]})
    found = relabel(rows, labels, other, labels, **more)
    of_arrays = relabel(np.asarray(rows), labels, np.asarray(other), labels, **more)
    assert found.y.tolist() == of_arrays.y.tolist()


@pytest.mark.parametrize("name", ["X_pool", "X_train", "X_val"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_rows_too_large_to_compute_with_are_refused(kind: Any, name: str) -> None:
    model, rows = fitted(2), {"X_pool": np.eye(2), "X_train": np.eye(2)}
    rows["X_val"] = np.eye(2)
    rows[name] = np.array([[0.0, 1.0], [1e300, 0.0]])
    rows = {one: kind(X) for one, X in rows.items()}
    with pytest.raises(ValueError, match=rf"^Input {name} .* row 1, column 0"):
        label_influence(model, **rows, y_train=[0, 1], y_val=[0, 1], hessian="both")


def test_weights_too_large_to_compute_with_are_refused() -> None:
    with pytest.raises(ValueError, match=r"w is 1e\+308 in row 1, beyond 1e\+100; sc"):
        check_weight([1, 1e308], np.zeros((2, 1)), "w")


def test_weights_too_small_to_compute_with_are_refused() -> None:
    X = np.zeros((3, 1))
    with pytest.raises(
        ValueError, match=r"^sample_weight is below 1e-100 for every ro"
    ):
        check_weight(np.full(3, 1e-320), X, "sample_weight")
    some = np.array([1.0, 0.0, 1e-320])
    assert_array_equal(check_weight(some, X, "sample_weight"), some)


@pytest.mark.parametrize(
    "groups",
    [
        np.array(["a", "b", pd.NA], dtype=object),
        pd.Series(["a", "b", None], dtype="string"),
        pd.Series([1, 2, None], dtype="Int64"),
        pd.Series(["a", "b", None], dtype="category"),
        ["a", "b", float("nan")],
        [1, 2, None],
        np.array(["2024-01-01", "2024-01-02", "NaT"], dtype="M8[D]"),
    ],
    ids=lambda groups: str(getattr(groups, "dtype", "list")),
)
def test_a_missing_group_is_named_by_its_row(groups: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^groups_val has no group for row 2; give it"
    ):
        encode_groups(groups, np.zeros((3, 1)))


def test_another_number_of_groups_is_told_by_their_name() -> None:
    with pytest.raises(ValueError, match=r"^groups_val: .*inconsistent numbers of sam"):
        encode_groups(["a"], np.zeros((3, 1)))


@pytest.mark.parametrize(
    "rows", [{(1.0, 2.0)}, {0: (1.0, 2.0)}, {0: 1}.values(), iter([1])]
)
def test_what_has_no_rows_by_number_is_refused(rows: Any) -> None:
    words = (
        f"^X is of type {type(rows).__name__}, which is no list of rows; pass a list,"
    )
    with pytest.raises(ValueError, match=words):
        check_matrix(rows, "X", fitted(2))
