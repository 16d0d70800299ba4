"""Mistakes in what is passed that would otherwise go unnoticed.

Here once for the classifier, the fine-tuner, relabeling and the advice.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import gen_batches
from sklearn.utils.validation import _num_samples

from salutary.arrays import BLOCK_ROWS
from salutary.influence.inputs import column_names
from salutary.influence.label_values import shown_all
from salutary.tables.recurring import row_hashes

MANY_COPIES = 0.05
"""Share of the validation rows from which on copies among them are warned of."""

Keys = NDArray[Any]
"""A number for each row. Equal rows have equal numbers, and others hardly ever."""


def check_columns(columns: Any, X: Any, name: str) -> None:
    """Refuse rows that lack a column that the rows of the fit have.

    Parameters
    ----------
    columns : sequence of str or None
        Names of the columns of the fit, if they have any.
    X : rows
    name : str
        Name of ``X`` in messages.

    Raises
    ------
    ValueError
        scikit-learn would not say of which rows, nor of more than one in a line.
    """
    given = column_names(X)
    if columns is None or given is None:
        return
    known = {*given}
    missing = [column for column in columns if column not in known]
    if missing:
        having = "the rows of the fit have" if name == "X" else "X has"
        raise ValueError(
            f"{name} lacks the columns {shown_all(missing)}, which {having}; add them"
        )


def row_keys(X: Any) -> Keys:
    """Number rows so that equal ones can be found, in one pass over them.

    Parameters
    ----------
    X : array, sparse matrix, DataFrame, Series or sequence

    Returns
    -------
    ndarray of shape (n_rows,)
        NaN, which equals nothing, for rows of a kind that cannot be compared.

    Examples
    --------
    >>> first, second, third = row_keys([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])
    >>> bool(first == third), bool(first == second)
    (True, False)
    """
    if _num_samples(X) == 0:
        return np.zeros(0, dtype=np.int64)
    if sparse.issparse(X):
        return _keys_of_sparse(X)
    if isinstance(X, np.ndarray) and X.dtype.kind in "biuf":
        return _keys_of_numbers(X)
    try:
        if not isinstance(X, pd.DataFrame | pd.Series):
            cells = np.asarray(X, dtype=object)
            X = pd.DataFrame(cells.reshape(len(cells), -1))
        return np.asarray(row_hashes(pd.DataFrame(X)))
    except (TypeError, ValueError):  # rows of different lengths, cells that are lists
        return np.full(_num_samples(X), np.nan)


def _keys_of_numbers(rows: NDArray[Any]) -> Keys:
    keys = []
    for batch in gen_batches(len(rows), BLOCK_ROWS):
        block = np.ascontiguousarray(rows[batch], dtype=np.float64)
        block = block + 0.0  # so that -0.0 is 0.0
        keys += [hash(row.tobytes()) for row in block]
    return np.array(keys, dtype=np.int64)


def _keys_of_sparse(X: Any) -> Keys:
    rows = sparse.csr_array(X, dtype=np.float64, copy=True)
    rows.sum_duplicates()  # which also sorts each row's columns
    rows.eliminate_zeros()
    places = rows.indices.astype(np.int64)
    spans = zip(rows.indptr[:-1], rows.indptr[1:], strict=True)
    return np.array(
        [hash((places[a:b].tobytes(), rows.data[a:b].tobytes())) for a, b in spans],
        dtype=np.int64,
    )


def check_rows(
    labeled: Keys, validation: Keys, pool: Keys, pool_name: str = "unlabeled rows"
) -> None:
    """Refuse or warn of rows that stand where others are meant to be.

    Where rows have few different values, some are equal by chance. A labeled row then
    equals another labeled row as often as a new row does, so only what is far more
    often is a mistake.

    Parameters
    ----------
    labeled, validation, pool : ndarrays
        From `row_keys`. Empty where there are no such rows, and for validation rows
        that were split off the labeled ones.
    pool_name : str
        What the caller calls rows of the pool.

    Raises
    ------
    ValueError
        If all validation rows are labeled rows as well.

    Warns
    -----
    UserWarning
        If some are; if validation rows are copies of one another; or if rows of the
        pool are labeled rows or validation rows.
    """
    n_known = _n_recurring(validation, labeled, labeled)
    if n_known and n_known == len(validation):
        raise ValueError(
            f"all {n_known} rows of X_val are labeled rows of X too, so nothing would "
            "show whether a label helps on new rows; pass rows that X does not have"
        )
    if n_known:
        _warn(
            f"{n_known} of the {len(validation)} rows of X_val are labeled rows of X "
            "too, so losses look too low and labels are chosen for rows that the model "
            "knows already; drop these rows from X or from X_val"
        )
    n_copies = _n_copies(validation, labeled)
    if n_copies:
        _warn(
            f"{n_copies} of the {len(validation)} rows of X_val are copies of one "
            "another, so the guard and the advice judge rows by models that saw their "
            "copies, and losses may flatter; keep one of each"
        )
    n_judges = _n_recurring(validation, pool, labeled)
    if n_judges:
        _warn(
            f"{n_judges} of the {len(validation)} rows of X_val are {pool_name} too; "
            "once these have labels, losses look too low; drop them from the "
            f"{pool_name}"
        )
    n_repeated = _n_recurring(pool, labeled, labeled)
    if n_repeated:
        _warn(
            f"{n_repeated} of the {len(pool)} {pool_name} are labeled rows of X too; a "
            "label for such a row repeats or contradicts the one it has, and teaches "
            f"nothing new; drop these rows from the {pool_name}"
        )


def _n_recurring(rows: Keys, others: Keys, labeled: Keys) -> int:
    """Number of rows that are among others, or 0 if that may be by chance."""
    if not len(rows) or not len(others) or not len(labeled):
        return 0
    by_chance = len(rows) * float(_are_copies(labeled).mean())
    by_chance *= max(1.0, len(others) / len(labeled))
    found = int(np.isin(rows, others).sum())
    return found if found > 2 * (by_chance + 1) else 0


def _n_copies(rows: Keys, labeled: Keys) -> int:
    """Number of rows that equal another of them, or 0 if few or perhaps by chance."""
    if not len(rows) or not len(labeled):
        return 0
    by_chance = len(rows) * float(_are_copies(labeled).mean())
    by_chance *= max(1.0, len(rows) / len(labeled))
    found = int(_are_copies(rows).sum())
    if found < MANY_COPIES * len(rows) or found <= 2 * (by_chance + 1):
        return 0
    return found


def _are_copies(rows: Keys) -> NDArray[np.bool_]:
    """Which rows equal another of them."""
    _, place, count = np.unique(
        rows, return_inverse=True, return_counts=True, equal_nan=False
    )
    copied: NDArray[np.bool_] = count[place] > 1
    return copied


def warn_without_pool() -> None:
    """Warn that no row is unlabeled."""
    _warn(
        "y has no unlabeled row, so there is nothing to label and this is a plain fit; "
        "mark rows without a label by -1, or by None in a list of texts"
    )


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=4)
