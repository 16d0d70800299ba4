"""Checks of rows and weights that users pass: a refusal says where and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MappingView, Set
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
from salutary.influence.label_values import one_line, shown_all

LARGEST_VALUE = 1e100
"""Features may be as large: sums of their squares must stay finite."""

SMALLEST_WEIGHT = 1e-100
"""One row at least must weigh as much: products of smaller weights become zero."""

LARGEST_WEIGHT = 1e100
"""And none may weigh more: sums of their products must stay finite."""


def column_names(X: Any) -> Any:
    """Names of the columns of rows, None where they have none.

    Of a pyarrow table ``columns`` are the values.
    """
    return getattr(X, "column_names", getattr(X, "columns", None))


def check_matrix(X: Any, name: str, model: LogisticRegression) -> Matrix:
    """Turn rows into a dense or CSR matrix of finite floats.

    Parameters and result are those of `as_matrix`.

    Raises
    ------
    ValueError
        As `as_matrix`, `check_finite` and `check_size`.
    """
    checked = as_matrix(X, name, model)
    check_finite(checked, name, column_names(X))
    check_size(checked, name, column_names(X))
    return checked


def check_order(X: Any, name: str) -> None:
    """Refuse a collection whose rows have no order or no number, such as a set.

    Raises
    ------
    ValueError
    """
    # One of SciPy's sparse arrays is a dict of its entries.
    unordered = isinstance(X, Set | Mapping | MappingView | Iterator)
    if unordered and not sparse.issparse(X):
        raise ValueError(
            f"{name} is of type {type(X).__name__}, which is no list of rows; pass a "
            "list, an array or a table"
        )


def as_matrix(X: Any, name: str, model: LogisticRegression) -> Matrix:
    """Turn rows into a dense or CSR matrix of floats, finite or not.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_rows, n_features)
    name : str
        Name of ``X`` in messages.
    model : LogisticRegression
        Fitted. Tells the number of features and, if it has seen a DataFrame, their
        names.

    Returns
    -------
    ndarray or CSR of shape (n_rows, n_features)
        float32 stays float32; every other dtype becomes float64.

    Raises
    ------
    ValueError
        For a set or the like, for a wrong shape, and for column names other than those
        the model was fitted with.
    """
    known = getattr(model, "feature_names_in_", None)
    found = column_names(X)
    if known is not None and found is not None and list(found) != list(known):
        raise ValueError(
            f"{name} has other columns than the model was fitted with, or has them in "
            f"another order; pass {shown_all(known)}"
        )
    check_order(X, name)
    X = as_floats(X, name)
    n_features = model.coef_.shape[1]
    if X.shape[1] != n_features:
        raise ValueError(
            f"{name} has {X.shape[1]} features, but the model was fitted with "
            f"{n_features}; pass rows with the same"
        )
    return X


def as_floats(X: Any, name: str) -> Matrix:
    """Turn rows into a dense or CSR matrix of floats, by scikit-learn's `check_array`.

    Parameters and result are those of `as_matrix`.

    Raises
    ------
    ValueError
        For what is no matrix of numbers, in one line without the numbers.
    """
    try:
        return check_array(
            X,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,
            input_name=name,
        )
    except ValueError as error:
        raise ValueError(one_line(error)) from None


def check_finite(X: Matrix, name: str, feature_names: Any = None) -> None:
    """Refuse NaN and infinity.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_features)
    name : str
        Name of ``X`` in the message.
    feature_names : sequence of str, optional

    Raises
    ------
    ValueError
        The message starts as scikit-learn's does, and goes on with the first row and
        column, both from zero.
    """
    try:
        assert_all_finite(X, input_name=name)
    except ValueError as error:
        cause = str(error).splitlines()[0].rstrip(".")
        place = _first_place(X, lambda values: ~np.isfinite(values), feature_names)
        raise ValueError(f"{cause}. First at {place}.") from None


def check_size(X: Matrix, name: str, feature_names: Any = None) -> None:
    """Refuse finite values so large that sums of their squares may not be finite.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_features)
    name : str
        Name of ``X`` in the message.
    feature_names : sequence of str, optional

    Raises
    ------
    ValueError
        The message names the first row and column, both from zero.
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
    """First row and column whose value passes a test, in words."""
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
    """Refuse validation rows without labels, and labels without rows.

    Raises
    ------
    ValueError
    """
    if (X_val is None) != (y_val is None):
        raise ValueError("X_val and y_val go together; pass both or neither")


def check_weight(weight: Any, X: Matrix, name: str) -> Float64Array:
    """Row weights as float64; without any, every row weighs one.

    Parameters
    ----------
    weight : array-like of shape (n_rows,), float or None
    X : matrix of shape (n_rows, n_features)
    name : str
        Name of ``weight`` in messages.

    Returns
    -------
    ndarray of shape (n_rows,), dtype float64

    Raises
    ------
    ValueError
        For a wrong length, NaN, a negative weight or one too large to compute with, and
        if all weights are zero or too small.
    """
    try:
        checked: Float64Array = _check_sample_weight(
            weight, X, dtype=np.float64, ensure_non_negative=True
        )
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if not checked.any():
        raise ValueError(
            f"{name} is zero for every row; give at least one row a weight"
        )
    if checked.max() < SMALLEST_WEIGHT:
        raise ValueError(
            f"{name} is below {SMALLEST_WEIGHT:g} for every row; scale the weights up"
        )
    if checked.max() > LARGEST_WEIGHT:
        row = int(checked.argmax())
        raise ValueError(
            f"{name} is {checked[row]:g} in row {row}, beyond {LARGEST_WEIGHT:g}; "
            "scale the weights down"
        )
    return checked


def class_weights(
    model: LogisticRegression, y_train: Any, sample_weight: FloatArray
) -> Float64Array | None:
    """Factors by which a model's ``class_weight`` multiplies the weights of rows.

    Parameters
    ----------
    model : LogisticRegression
        Fitted.
    y_train : array-like of shape (n_train,) or None
    sample_weight : ndarray of shape (n_train,)

    Returns
    -------
    ndarray of shape (n_classes,) or None
        One factor for each class; None if the model has no ``class_weight``.

    Raises
    ------
    ValueError
        If the model has a ``class_weight`` and ``y_train`` is None.
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
