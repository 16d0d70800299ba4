"""Scale features by training and pool rows, but not by what is far from training rows.

One sentinel such as -999999 in a pool would else press all other values of its column
together, and with them those of the training rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.pipeline import Pipeline


def far_outside(train: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Which values are farther outside those of the training rows than these are wide.

    Parameters
    ----------
    train : ndarray of shape (n_train, n_columns) or (n_train,)
        May have gaps, which are NaN.
    other : ndarray of shape (n_other, n_columns) or (n_other,)

    Returns
    -------
    ndarray of bool, of the shape of ``other``
        None of a column where the training rows have a single value, or no value.

    Examples
    --------
    >>> import numpy as np
    >>> far_outside(np.array([1.0, 3.0]), np.array([-0.5, 5.0, 5.5, np.nan]))
    array([False, False,  True, False])
    """
    low, high = np.fmin.reduce(train, axis=0), np.fmax.reduce(train, axis=0)
    width = high - low
    far = (other < low - width) | (other > high + width)
    return np.asarray(far & (width > 0))


def far_from_others(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of the training rows' values set the scale of a column by themselves.

    Parameters
    ----------
    values : ndarray of shape (n_train,)
        May have gaps, which are NaN.

    Returns
    -------
    ndarray of bool, of the shape of ``values``
        Values that are farther outside the range of the others than ten times its
        width. The others are all but one in fifty at either end. None where these have
        a single value, and none of fewer than 20 values.

    Examples
    --------
    >>> values = np.append(np.arange(50.0), 9999.0)
    >>> np.flatnonzero(far_from_others(values)).tolist()
    [50]
    """
    known = np.sort(values[~np.isnan(values)])
    if len(known) < 20:
        return np.zeros(values.shape, dtype=bool)
    n_ends = -(-len(known) // 50)
    low, high = known[n_ends], known[-1 - n_ends]
    far = (values < low - 10 * (high - low)) | (values > high + 10 * (high - low))
    return np.asarray(far & (high > low))


def fit_transform(steps: Pipeline, rows: Any, n_train: int) -> Any:
    """Fit steps that end in a StandardScaler, and transform the same rows.

    Parameters
    ----------
    steps : Pipeline
        Its last step is fitted without the pool's values that are `far_outside`. Zeros
        of sparse rows always count.
    rows : table or matrix
        The training rows, and then the pool's.
    n_train : int

    Returns
    -------
    matrix or DataFrame of shape (n_rows, n_features)
        All values, also those that are far outside. A DataFrame where scikit-learn is
        set to make them.
    """
    *before, (_, scaler) = steps.steps
    matrix = Pipeline(before).fit_transform(rows) if before else rows
    values = matrix if sparse.issparse(matrix) else np.asarray(matrix)
    known = _without_far(values, n_train)
    if isinstance(matrix, pd.DataFrame):
        known = pd.DataFrame(known, columns=matrix.columns)
    elif hasattr(matrix, "columns"):  # of polars
        known = type(matrix)(known, schema=matrix.columns)
    scaler.fit(known)
    return scaler.transform(matrix)


def _without_far(matrix: Any, n_train: int) -> Any:
    """The rows with NaN, which a StandardScaler ignores, for what is far outside."""
    train, pool = matrix[:n_train], matrix[n_train:]
    if not pool.shape[0]:
        return matrix
    if not sparse.issparse(matrix):
        far = far_outside(train, pool)
        return np.concatenate([train, np.where(far, np.nan, pool)])
    limits = [getattr(train, name)(axis=0).toarray().ravel() for name in ("min", "max")]
    pool = sparse.csr_array(pool, dtype=np.float64, copy=True)
    own = np.stack(limits)[:, pool.indices]
    pool.data[far_outside(own, pool.data)] = np.nan
    return sparse.vstack([train, pool], format="csr")
