"""Labels of the rows that a deep model is trained and stopped by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length, column_or_1d

from salutary.influence.inputs import missing_rows
from salutary.objective import IntArray


def encode(X: Any, y: Any) -> tuple[NDArray[Any], IntArray]:
    """Classes and the position of each row's among them.

    Parameters
    ----------
    X : sequence of rows
    y : array-like of shape (n_rows,)

    Raises
    ------
    ValueError
        For one class only, a missing label (names its row), or another number of labels
        than rows.

    Examples
    --------
    >>> encode([[1], [2], [3]], ["b", "a", "b"])
    (array(['a', 'b'], dtype='<U1'), array([1, 0, 1]))
    """
    labels = _labels(X, y, "y")
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError("y has one class only; pass rows of another")
    return classes, codes.astype(np.intp)


def encode_held(X_val: Any, y_val: Any, classes: NDArray[Any]) -> IntArray:
    """Positions of held rows' labels among the classes.

    Raises
    ------
    ValueError
        As `encode`; for no rows, and for a class that is not among them.
    """
    labels = _labels(X_val, y_val, "y_val")
    if not len(labels):
        raise ValueError("X_val has no rows; pass some, or None")
    strange = np.setdiff1d(labels, classes).tolist()
    if strange:
        raise ValueError(f"y_val has {strange[0]!r}, which y lacks; add rows")
    return np.searchsorted(classes, labels).astype(np.intp)


def _labels(X: Any, y: Any, name: str) -> NDArray[Any]:
    labels = column_or_1d(y)
    check_consistent_length(X, labels)
    missing = missing_rows(labels)
    if len(missing):
        raise ValueError(
            f"{name} has no label in row {missing[0]}; give it one, or drop the row"
        )
    # Texts among objects sort, and are saved, as texts.
    return labels if labels.dtype != object else np.array(labels.tolist())
