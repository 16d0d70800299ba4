"""Which rows have no label, and the classes of those that do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from salutary.influence.inputs import as_given, is_missing, missing_rows
from salutary.influence.softmax import Matrix
from salutary.objective import IntArray

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
