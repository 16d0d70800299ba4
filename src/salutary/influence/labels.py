"""Which rows have no label, and the classes of those that do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _num_samples,
    check_consistent_length,
    column_or_1d,
)

from salutary.arrays import IntArray, Matrix

LABELS = (str, bool, int, float, np.bool_, np.integer, np.floating)
"""What a label may be."""


def check_labels(y: Any, name: str, X: Matrix) -> NDArray[Any]:
    """Labels as an array, none of them missing and all of one kind.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Lists and nullable columns of pandas keep their integers and booleans.
    name : str
        What the messages call it.
    X : matrix of shape (n_rows, n_features)
        The rows the labels belong to.

    Returns
    -------
    ndarray of shape (n_rows,)
        Of objects only for texts that came as such.

    Raises
    ------
    ValueError
        For a wrong shape; for a label that is missing, of another kind than the first,
        or neither text nor number: names its row.
    """
    try:
        labels: NDArray[Any] = column_or_1d(as_given(y))
        check_consistent_length(X, labels)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    missing = missing_rows(labels)
    if len(missing):
        raise ValueError(
            f"{name} has no label in row {missing[0]}; give it one, or drop the row"
        )
    if labels.dtype.kind in "biufUT":
        return labels
    _check_kinds(labels, name)
    if isinstance(labels[0], str) and hasattr(y, "dtype"):
        return labels
    return np.array(labels.tolist())


def _check_kinds(labels: NDArray[Any], name: str) -> None:
    """Refuse labels that are not all texts or all numbers."""
    is_text = isinstance(labels[0], str)
    for row, label in enumerate(labels):
        if not isinstance(label, LABELS):
            raise ValueError(
                f"{name} has the label {label!r} in row {row}, of type "
                f"{type(label).__name__}; make it text, a whole number or a boolean"
            )
        if isinstance(label, str) != is_text:
            raise ValueError(
                f"{name} has labels of several kinds, {labels[0]!r} in row 0 and "
                f"{label!r} in row {row}; make all text or all numbers"
            )


def absent_classes(classes: NDArray[Any], codes: IntArray) -> list[str]:
    """Names of the classes that no row has, whose positions are the codes."""
    absent = np.setdiff1d(np.arange(len(classes)), codes)
    return [str(label) for label in classes[absent].tolist()]


def find_unlabeled(y: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Labels as an array, and which rows have none."""
    if y is None:
        raise ValueError(
            "SalutaryClassifier requires y to be passed, but the target y is None"
        )
    if not isinstance(getattr(y, "dtype", np.dtype(object)), np.dtype):
        # A dtype of pandas: NumPy would make floats of nullable integers and booleans.
        y = np.asarray(y, dtype=object)
    y = column_or_1d(y, warn=True)
    if y.dtype == object:
        return y, np.array([_is_missing(label) for label in y], dtype=bool)
    if y.dtype.kind == "f":
        return y, np.isnan(y) | (y == -1)
    if y.dtype.kind in "iu":
        return y, y == -1
    if y.dtype.kind == "U" and np.any(y == "-1"):
        raise ValueError(
            "y has the string '-1', which would be a class; mark unlabeled rows by "
            "None in an array of dtype object"
        )
    return y, np.zeros(len(y), dtype=bool)


def _is_missing(label: Any) -> bool:
    """None, NaN, pandas.NA, or -1 among other numbers."""
    if isinstance(label, bool | np.bool_ | str | bytes):
        return False
    return is_missing(label) or bool(label == -1)


def encode_classes(
    y: NDArray[Any], unlabeled: NDArray[np.bool_]
) -> tuple[NDArray[Any], IntArray]:
    """Sorted classes, and each row's position among them, -1 for unlabeled rows."""
    labels = y[~unlabeled]
    if len(labels) == 0:
        raise ValueError("y has no labeled row; label a few rows of each class")
    if labels.dtype == object and not isinstance(labels[0], str):
        labels = np.array(labels.tolist())
    if labels.dtype.kind == "f":
        assert_all_finite(labels, input_name="y")
    check_classification_targets(labels)
    classes, positions = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            "the labeled rows must have at least 2 classes, but y contains only one "
            f"class: {classes.tolist()[0]!r}; label a row of another class"
        )
    codes = np.full(len(y), -1, dtype=np.intp)
    codes[~unlabeled] = positions
    return classes, codes


def encode_training_labels(y: Any, X: Matrix) -> tuple[NDArray[Any], IntArray]:
    """Sorted classes of rows that all have a label, and each row's position among them.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Every value is a class, -1 as well.
    X : sequence of rows

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    codes : ndarray of shape (n_rows,), dtype intp

    Raises
    ------
    ValueError
        As `check_labels`; and for fewer than two classes, or numbers that are no
        classes.

    Examples
    --------
    >>> classes, codes = encode_training_labels(["b", "a", "b"], [[1], [2], [3]])
    >>> classes.tolist(), codes.tolist()
    (['a', 'b'], [1, 0, 1])
    """
    labels = check_labels(y, "y", X)
    return encode_classes(labels, np.zeros(len(labels), dtype=bool))


def encode_validation_labels(
    y_val: Any, classes: NDArray[Any], X_val: Matrix
) -> IntArray:
    """Position of each validation row's label among the training rows' classes.

    Raises
    ------
    ValueError
        As `check_labels`; and for no rows, or a label that is none of the classes.
    """
    if _num_samples(X_val) == 0:
        raise ValueError("X_val has no rows; pass some, or None")
    return encode_labels(check_labels(y_val, "y_val", X_val), classes, "y_val")


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
