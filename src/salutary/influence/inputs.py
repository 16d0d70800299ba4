"""Checks of what users pass: each refusal names the place and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.utils import assert_all_finite, check_array, gen_batches
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    column_or_1d,
)

from salutary.influence.softmax import BLOCK_ROWS, Float64Array, Matrix
from salutary.objective import FloatArray, IntArray

LARGEST_VALUE = 1e100
"""Squares of what is larger leave too little room for sums."""

SMALLEST_WEIGHT = 1e-100
"""The same for what is smaller, where no row weighs more."""


def check_matrix(X: Any, name: str, model: LogisticRegression) -> Matrix:
    """Turn rows into a dense or CSR matrix of finite floats, see `as_matrix`.

    Raises
    ------
    ValueError
        Also for NaN and infinity, with the first row and column.
    """
    checked = as_matrix(X, name, model)
    check_finite(checked, name, getattr(X, "columns", None))
    return checked


def as_matrix(X: Any, name: str, model: LogisticRegression) -> Matrix:
    """Turn rows into a dense or CSR matrix of floats, finite or not.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_rows, n_features)
    name : str
        What the messages call it.
    model : LogisticRegression
        Fitted.

    Returns
    -------
    ndarray or CSR of float32 or float64; other dtypes become float64

    Raises
    ------
    ValueError
        For a wrong shape, or for other column names than the model was fitted with.
    """
    known = getattr(model, "feature_names_in_", None)
    found = getattr(X, "columns", None)
    if known is not None and found is not None and list(found) != list(known):
        raise ValueError(
            f"{name} has other columns than the model was fitted with, or in another "
            f"order; pass {list(known)}"
        )
    X = check_array(
        X,
        accept_sparse="csr",
        dtype=[np.float64, np.float32],
        ensure_all_finite=False,
        input_name=name,
    )
    n_features = model.coef_.shape[1]
    if X.shape[1] != n_features:
        raise ValueError(
            f"{name} has {X.shape[1]} features, but the model was fitted with "
            f"{n_features}"
        )
    return X


def check_finite(X: Matrix, name: str, feature_names: Any = None) -> None:
    """Refuse NaN and infinity with scikit-learn's words and the first place.

    Parameters
    ----------
    X : ndarray or CSR
    name : str
    feature_names : sequence of str, optional

    Raises
    ------
    ValueError
        Beginning as scikit-learn's, then the first row and column, from zero.
    """
    try:
        assert_all_finite(X, input_name=name)
    except ValueError as error:
        cause = str(error).splitlines()[0].rstrip(".")
        place = _first_place(X, lambda values: ~np.isfinite(values), feature_names)
        raise ValueError(f"{cause}. First at {place}.") from None


def check_size(X: Matrix, name: str, feature_names: Any = None) -> None:
    """Refuse finite values whose squares and sums would not be; parameters as above.

    Raises
    ------
    ValueError
        Names the first row and column, from zero.
    """
    values = X.data if sparse.issparse(X) else X
    if values.size and max(float(values.max()), -float(values.min())) > LARGEST_VALUE:
        place = _first_place(
            X, lambda values: np.abs(values) > LARGEST_VALUE, feature_names
        )
        raise ValueError(
            f"Input {name} contains a value beyond {LARGEST_VALUE:g}, too large to "
            f"compute with; correct it or scale the features. First at {place}."
        )


def _first_place(
    X: Matrix,
    test: Callable[[NDArray[Any]], NDArray[np.bool_]],
    feature_names: Any,
) -> str:
    """In words, the first row and column whose value passes a test."""
    row, column = _first(X, test)
    place = f"row {row}, column {column}"
    if feature_names is not None:
        place += f" ({feature_names[column]!r})"
    return place


def _first(
    X: Matrix, test: Callable[[NDArray[Any]], NDArray[np.bool_]]
) -> tuple[int, int]:
    if sparse.issparse(X):
        rows, columns = X.nonzero()
        place = int(np.flatnonzero(test(X.data[X.data != 0]))[0])
        return int(rows[place]), int(columns[place])
    for batch in gen_batches(len(X), BLOCK_ROWS):
        places = np.argwhere(test(X[batch]))
        if len(places):
            return batch.start + int(places[0, 0]), int(places[0, 1])
    raise AssertionError("no such value")


def check_held(X_val: Any, y_val: Any) -> None:
    """Refuse held rows without labels, and the reverse.

    Raises
    ------
    ValueError
    """
    if (X_val is None) != (y_val is None):
        raise ValueError("X_val and y_val go together; pass both or neither")


def encode_labels(
    y: Any, classes: NDArray[Any], name: str, X: Matrix | None = None
) -> IntArray:
    """Positions of labels among the classes.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
    classes : ndarray of shape (n_classes,), sorted
    name : str
    X : matrix of shape (n_rows, n_features), optional
        The rows the labels belong to.

    Returns
    -------
    ndarray of shape (n_rows,), dtype intp

    Raises
    ------
    ValueError
        If a label is none of the classes; names the first row that has one. If there
        are not as many labels as rows.
    """
    y = column_or_1d(y)
    if X is not None:
        check_consistent_length(X, y)
    position = {label: code for code, label in enumerate(classes.tolist())}
    codes = np.empty(len(y), dtype=np.intp)
    for row, label in enumerate(y.tolist()):
        code = position.get(label)
        if code is None:
            raise ValueError(
                f"{name} has the class {label!r} (row {row}), which no labeled row "
                f"has; label one, or drop it (known classes: {classes.tolist()})"
            )
        codes[row] = code
    return codes


def as_given(values: Any) -> Any:
    """Values as they are, of a list or a column of pandas that is no NumPy array.

    NumPy would make texts of all if one is a text, and numbers with a fraction of
    nullable integers and booleans.
    """
    if isinstance(getattr(values, "dtype", None), np.dtype):
        return values
    return np.asarray(values, dtype=object)


def missing_rows(values: NDArray[Any]) -> IntArray:
    """Numbers of the rows that hold None, NaN, or pandas' NA or NaT.

    Without pandas, which the core does without.
    """
    if values.dtype != object:
        return np.flatnonzero(values != values)
    return np.flatnonzero([is_missing(value) for value in values])


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, or pandas' NA or NaT."""
    # A comparison with pandas' NA has no truth.
    if value is None or type(value).__name__ == "NAType":
        return True
    return bool(np.ndim(value) == 0 and value != value)


def encode_groups(groups: Any, X: Matrix) -> IntArray | None:
    """Numbers of the validation rows' groups, or None if there are none.

    Raises
    ------
    ValueError
        If there are not as many as rows, or one is missing; names its row.
    """
    if groups is None:
        return None
    try:
        checked = column_or_1d(as_given(groups))
        check_consistent_length(X, checked)
    except ValueError as error:
        raise ValueError(f"groups_val: {error}") from None
    missing = missing_rows(checked)
    if len(missing):
        raise ValueError(f"groups_val has no group for row {missing[0]}; give it one")
    values = checked.tolist()
    number: dict[Any, int] = {}
    for value in values:
        number.setdefault(value, len(number))
    return np.array([number[value] for value in values], dtype=np.intp)


def check_weight(weight: Any, X: Matrix, name: str) -> Float64Array:
    """Row weights as float64, ones when there are none.

    Raises
    ------
    ValueError
        For a wrong length, NaN, a negative weight, or nothing but zeros and weights
        too small to compute with.
    """
    try:
        checked: Float64Array = _check_sample_weight(
            weight, X, dtype=np.float64, ensure_non_negative=True
        )
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if not checked.any():
        raise ValueError(f"{name} is zero for every row; give one row a weight")
    if checked.max() < SMALLEST_WEIGHT:
        raise ValueError(
            f"{name} is below {SMALLEST_WEIGHT:g} for every row; scale the weights up"
        )
    return checked


def class_weights(
    model: LogisticRegression, y_train: Any, sample_weight: FloatArray
) -> Float64Array | None:
    """Factor the model applies to the rows of each class, or None if it applies none.

    Parameters
    ----------
    model : LogisticRegression, fitted
    y_train : array-like or None
    sample_weight : ndarray of shape (n_train,)

    Returns
    -------
    ndarray of shape (n_classes,) or None

    Raises
    ------
    ValueError
        If the model has a class weight and ``y_train`` is None.
    """
    if model.class_weight is None:
        return None
    if y_train is None:
        raise ValueError(
            f"the model has class_weight={model.class_weight!r}, so its Hessian "
            "depends on the training labels; pass y_train as well"
        )
    weights: Float64Array = compute_class_weight(
        model.class_weight,
        classes=model.classes_,
        y=column_or_1d(y_train),
        sample_weight=sample_weight,
    )
    return weights
