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
    column_or_1d,
)

from salutary.arrays import BLOCK_ROWS, Float64Array, FloatArray, Matrix

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
