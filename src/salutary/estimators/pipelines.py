"""A user's estimator: the earlier steps, and the model influence is taken of."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.utils import check_array

from salutary.arrays import Matrix
from salutary.influence.inputs import check_finite, check_size
from salutary.influence.softmax import check_objective


def split_estimator(estimator: Any) -> tuple[Any, LogisticRegression]:
    """The earlier steps, cloned, or None; and the logistic regression, unfitted.

    Raises
    ------
    ValueError
        If the last step is anything else, or has no L2 penalty.
    """
    steps = getattr(estimator, "steps", None)
    transformer = None
    classifier = LogisticRegression() if estimator is None else estimator
    if steps is not None:
        classifier = steps[-1][1]
        if len(steps) > 1:
            transformer = clone(estimator[:-1])
    if not isinstance(classifier, LogisticRegression):
        raise ValueError(
            "estimator must be a LogisticRegression(CV) or a Pipeline ending in one, "
            f"got {type(classifier).__name__}; influence is exact for that model only"
        )
    if not isinstance(classifier, LogisticRegressionCV):
        check_objective(classifier)
    return transformer, classifier


def with_chosen_penalty(
    classifier: LogisticRegression, X: Matrix, y: Any, sample_weight: Any
) -> LogisticRegression:
    """A logistic regression under the C that its cross-validated twin chooses.

    Parameters
    ----------
    classifier : LogisticRegression or LogisticRegressionCV
        The first is returned as it is.
    X : matrix of shape (n_rows, n_features)
    y, sample_weight : array-like of shape (n_rows,)

    Returns
    -------
    LogisticRegression, unfitted

    Raises
    ------
    ValueError
        If the search was over penalties with an L1 part and took one.
    """
    if not isinstance(classifier, LogisticRegressionCV):
        return classifier
    found = clone(classifier).fit(X, y, sample_weight=sample_weight)
    known = LogisticRegression().get_params()
    shared = {
        name: value for name, value in classifier.get_params().items() if name in known
    }
    chosen = LogisticRegression(
        **shared,
        # One for each class, all the same, or one.
        C=float(np.ravel(found.C_)[0]),
        l1_ratio=float(np.ravel(found.l1_ratio_)[0] or 0.0),
    )
    check_objective(chosen)
    return chosen


def joined_again(
    estimator: Any, transformer: Any, model: LogisticRegression, names: Any
) -> Any:
    """The fitted model behind the fitted earlier steps, as the estimator had it.

    Parameters
    ----------
    estimator : LogisticRegression, Pipeline or None
        As `split_estimator` was given it.
    transformer : Pipeline or None
        Fitted.
    model : LogisticRegression
        Fitted on bare arrays.
    names : sequence of str or None
        Of the columns that it will be shown.
    """
    if names is not None:
        model = copy(model)
        model.feature_names_in_ = np.asarray(names, dtype=object)
    if transformer is None:
        return model
    whole = clone(estimator)
    whole.steps = [*transformer.steps, (estimator.steps[-1][0], model)]
    return whole


def checked_matrix(X: Any, name: str) -> tuple[Matrix, Any]:
    """Rows as floats, and their columns' names, if any.

    Raises
    ------
    ValueError
        For NaN and infinity, and values too large to compute with; names the first
        row and column.
    """
    names = getattr(X, "columns", None)
    X = check_array(
        X,
        accept_sparse="csr",
        dtype=[np.float64, np.float32],
        ensure_all_finite=False,
        input_name=name,
    )
    check_finite(X, name, names)
    check_size(X, name, names)
    return X, names


def matrix_like(train: Matrix, columns: Any, X: Any, name: str) -> Matrix:
    """Further rows as floats, with the columns of the training rows.

    Parameters
    ----------
    train : matrix of shape (n_rows, n_features)
    columns : sequence of str or None
        Names of its columns.
    X : array-like or sparse matrix of shape (n_further, n_features)
    name : str

    Raises
    ------
    ValueError
        For other columns or another number of them, and as `checked_matrix`.
    """
    found = getattr(X, "columns", None)
    if columns is not None and found is not None and list(found) != list(columns):
        raise ValueError(
            f"{name} has other columns than X, or in another order; pass "
            f"{list(columns)}"
        )
    matrix, _ = checked_matrix(X, name)
    if matrix.shape[1] != train.shape[1]:
        raise ValueError(
            f"{name} has {matrix.shape[1]} features, but X has {train.shape[1]}; pass "
            "rows with the same columns"
        )
    return matrix
