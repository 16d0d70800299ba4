"""Labels as callers write them, and their positions among the sorted classes.

A label is text, a number or a boolean. Inside the library a row's class is a position,
of dtype intp, among the sorted classes. First come labels that all rows must have, then
labels that some rows lack, then positions among classes that are known already.
"""

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
from salutary.influence.label_values import (
    as_given,
    as_typed,
    blank_rows,
    check_kinds,
    is_missing,
    missing_rows,
    one_line,
    plain_if_alike,
    shown,
    shown_all,
)


def check_labels(y: Any, name: str, X: Matrix) -> NDArray[Any]:
    """Labels as an array, none of them missing and all of one kind.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        A list, an array or a pandas column. The integers and booleans of lists and of
        nullable columns stay what they are.
    name : str
        Name of ``y`` in messages.
    X : matrix of shape (n_rows, n_features)
        The rows the labels belong to.

    Returns
    -------
    ndarray of shape (n_rows,)
        Of dtype object only for texts that came in an array or column of objects.

    Raises
    ------
    ValueError
        For a wrong shape, and for a label that is missing or empty, that is neither
        text nor a number, or that is text among numbers. The message names its row,
        from zero.
    """
    labels = _all_labeled(_column(y, name, X), name)
    blank = blank_rows(labels)
    if len(blank):
        raise ValueError(
            f"{name} has an empty text as label in row {blank[0]}; give it one, or "
            "drop the row"
        )
    if labels.dtype != object or not len(labels):
        return labels
    if isinstance(labels[0], str) and hasattr(y, "dtype"):
        return labels
    return as_typed(labels, np.arange(len(labels)), name)


def encode_training_labels(y: Any, X: Matrix) -> tuple[NDArray[Any], IntArray]:
    """Sorted classes of rows that all have a label, and each row's position among them.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Every value is a class, -1 too.
    X : sequence of rows

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    codes : ndarray of shape (n_rows,), dtype intp

    Raises
    ------
    ValueError
        As `check_labels` and `encode_classes`.

    Examples
    --------
    >>> classes, codes = encode_training_labels(["b", "a", "b"], [[1], [2], [3]])
    >>> classes.tolist(), codes.tolist()
    (['a', 'b'], [1, 0, 1])
    """
    labels = check_labels(y, "y", X)
    return encode_classes(labels, np.zeros(len(labels), dtype=bool))


def find_unlabeled(y: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Labels as an array, and which rows have none.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        -1 marks a row without a label. None, NaN and pandas.NA do so too, also in a
        list of texts or of whole numbers, which stay what they are.

    Returns
    -------
    labels : ndarray of shape (n_rows,)
        Rows without a label keep their mark.
    unlabeled : ndarray of shape (n_rows,), dtype bool

    Raises
    ------
    ValueError
        Without ``y``, for another shape, and for the text "-1" and empty texts, which
        would be classes. The message names the first row with one, from zero.
    """
    if y is None:
        raise ValueError("fit requires y to be passed, but the target y is None")
    given, y = y, _one_dimension(y, warn=True)
    _refuse_texts_for_no_label(y)
    if y.dtype == object and not hasattr(given, "dtype"):
        y = plain_if_alike(y)
    if y.dtype == object:
        return y, np.array([_is_mark(label) for label in y], dtype=bool)
    if y.dtype.kind == "f":
        return y, np.isnan(y) | (y == -1)
    if y.dtype.kind in "iu":
        return y, y == -1
    return y, np.zeros(len(y), dtype=bool)


def _refuse_texts_for_no_label(y: NDArray[Any]) -> None:
    """Refuse texts that look like the mark of a row without a label, but are none."""
    if y.dtype.kind not in "OUT":
        return
    rows = np.union1d(
        blank_rows(y),
        np.flatnonzero([isinstance(label, str) and label == "-1" for label in y]),
    )
    if len(rows):
        raise ValueError(
            f"y has the text {str(y[rows[0]])!r} in row {rows[0]}, which would be a "
            "class; mark rows without a label by None in a list or an array of dtype "
            "object, or rename the class"
        )


def _is_mark(label: Any) -> bool:
    """Whether a value marks a row without a label: nothing, or the number -1."""
    if isinstance(label, bool | np.bool_ | str | bytes):
        return False
    return is_missing(label) or (np.ndim(label) == 0 and bool(label == -1))


def encode_classes(
    y: NDArray[Any], unlabeled: NDArray[np.bool_]
) -> tuple[NDArray[Any], IntArray]:
    """Sorted classes, and each row's position among them, -1 for unlabeled rows.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
    unlabeled : ndarray of shape (n_rows,), dtype bool

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    codes : ndarray of shape (n_rows,), dtype intp

    Raises
    ------
    ValueError
        If the labeled rows have fewer than two classes, labels of several kinds or of
        an unknown type, or numbers with a fraction.
    """
    labels = y[~unlabeled]
    if len(labels) == 0:
        raise ValueError("y has no labeled row; label a few rows of each class")
    if labels.dtype == object:
        rows = np.flatnonzero(~unlabeled)
        check_kinds(labels, rows, "y")
        if not isinstance(labels[0], str):
            labels = as_typed(labels, rows, "y")
    if labels.dtype.kind == "f":
        assert_all_finite(labels, input_name="y")
    check_classification_targets(labels)
    classes, positions = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            "the labeled rows must have at least 2 classes, but y contains only one "
            f"class: {shown(classes.tolist()[0])}; label a row of another class"
        )
    codes = np.full(len(y), -1, dtype=np.intp)
    codes[~unlabeled] = positions
    return classes, codes


def encode_labels(
    y: Any, classes: NDArray[Any], name: str, X: Matrix | None = None
) -> IntArray:
    """Positions of labels among classes that are known.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
    classes : ndarray of shape (n_classes,), sorted
    name : str
        Name of ``y`` in messages.
    X : matrix of shape (n_rows, n_features), optional
        The rows the labels belong to.

    Returns
    -------
    ndarray of shape (n_rows,), dtype intp

    Raises
    ------
    ValueError
        If there are not as many labels as rows, a label is missing, of another type
        than labels have, or of another kind than the others, or it is not among the
        classes. The message names the first row with such a label, from zero.
    """
    y = _all_labeled(_column(y, name, X), name)
    position = {label: code for code, label in enumerate(classes.tolist())}
    codes = np.empty(len(y), dtype=np.intp)
    for row, label in enumerate(y.tolist()):
        code = position.get(label)
        if code is None:
            raise ValueError(
                f"{name} has the class {shown(label)} (row {row}), which no training "
                f"row has; {_instead_of(label, classes.tolist())}"
            )
        codes[row] = code
    return codes


def _instead_of(label: Any, classes: list[Any]) -> str:
    """What to do about a label that is none of the classes."""
    alike = [known for known in classes if _plainly(known) == _plainly(label)]
    if alike:
        return f"write it as {shown(alike[0])}"
    return (
        "drop it, or add training rows of that class (known classes: "
        f"{shown_all(classes)})"
    )


def _plainly(label: Any) -> str | float:
    """A label without what spellings of one class differ in: case, blanks, ".0"."""
    text = str(label).strip().casefold()
    try:
        return float({"true": "1", "false": "0"}.get(text, text))
    except ValueError:
        return text


def encode_validation_labels(
    y_val: Any, classes: NDArray[Any], X_val: Matrix
) -> IntArray:
    """Position of each validation row's label among the training rows' classes.

    Parameters
    ----------
    y_val : array-like of shape (n_val,)
    classes : ndarray of shape (n_classes,), sorted
    X_val : sequence of rows

    Returns
    -------
    ndarray of shape (n_val,), dtype intp

    Raises
    ------
    ValueError
        As `check_labels` and `encode_labels`, and if there are no rows.
    """
    if _num_samples(X_val) == 0:
        raise ValueError("X_val has no rows; pass at least one, or None")
    return encode_labels(check_labels(y_val, "y_val", X_val), classes, "y_val")


def absent_classes(classes: NDArray[Any], codes: IntArray) -> list[str]:
    """Names of the classes that no row has.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,), sorted
    codes : ndarray of shape (n_rows,), dtype intp
        Position of each row's class.
    """
    absent = np.setdiff1d(np.arange(len(classes)), codes)
    return [str(label) for label in classes[absent].tolist()]


def encode_groups(groups: Any, X: Matrix) -> IntArray | None:
    """Number of each validation row's group, in the order in which groups first occur.

    Parameters
    ----------
    groups : array-like of shape (n_rows,) or None
        Any values that can be told apart.
    X : matrix of shape (n_rows, n_features)

    Returns
    -------
    ndarray of shape (n_rows,), dtype intp, or None
        None if there are no groups.

    Raises
    ------
    ValueError
        If there are not as many groups as rows, or a row has none. The message names
        that row, from zero.
    """
    if groups is None:
        return None
    checked = _column(groups, "groups_val", X)
    missing = missing_rows(checked)
    if len(missing):
        raise ValueError(f"groups_val has no group for row {missing[0]}; give it one")
    values = checked.tolist()
    number: dict[Any, int] = {}
    for value in values:
        number.setdefault(value, len(number))
    return np.array([number[value] for value in values], dtype=np.intp)


def _all_labeled(labels: NDArray[Any], name: str) -> NDArray[Any]:
    """The labels, if none is missing and all are of one kind.

    Raises
    ------
    ValueError
        The message names the first row, from zero.
    """
    missing = missing_rows(labels)
    if len(missing):
        raise ValueError(
            f"{name} has no label in row {missing[0]}; give it one, or drop the row"
        )
    if labels.dtype == object and len(labels):
        check_kinds(labels, np.arange(len(labels)), name)
    return labels


def _one_dimension(values: Any, warn: bool = False) -> NDArray[Any]:
    """Values as an array of one dimension; what they cannot be is said in one line."""
    try:
        column: NDArray[Any] = column_or_1d(as_given(values), warn=warn)
    except ValueError as error:
        raise ValueError(one_line(error)) from None
    return column


def _column(values: Any, name: str, X: Matrix | None) -> NDArray[Any]:
    """One value for each row, as an array of one dimension."""
    try:
        column = _one_dimension(values)
        if X is not None:
            check_consistent_length(X, column)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return column
