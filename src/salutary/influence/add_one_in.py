"""Effect of adding one row on the validation loss: first order, Newton, or a refit."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from salutary.arrays import Float64Array, Matrix, as_float64
from salutary.influence.convergence import warn_unless_converged
from salutary.influence.direction import influence_direction
from salutary.influence.factored import factor_model
from salutary.influence.inputs import check_matrix, check_weight, class_weights
from salutary.influence.labels import encode_groups, encode_labels
from salutary.influence.newton import newton_decreases
from salutary.influence.objectives import (
    BoundObjective,
    Objective,
    Truth,
    bind,
    find_objective,
)
from salutary.influence.scores import InfluenceScorer
from salutary.influence.softmax import softmax_model
from salutary.influence.training import TrainingRows
from salutary.names import EstimateName, ObjectiveName


def add_one_in(
    model: LogisticRegression,
    X: Any,
    *,
    X_train: Any,
    y_train: Any,
    X_val: Any,
    y_val: Any,
    sample_weight: Any = None,
    estimate: EstimateName = "first_order",
    objective: ObjectiveName | Objective = "log_loss",
    groups_val: Any = None,
) -> Float64Array:
    """Compute how much adding a row under each class lowers the validation loss.

    Each row is added alone, with weight 1 (times the class weight, if the model has
    one). Use this to check influences, or where their first order is too coarse.

    Parameters
    ----------
    model : LogisticRegression
        Fitted on ``X_train`` to convergence, as for `salutary.label_influence`.
    X : array-like or CSR matrix of shape (n_rows, n_features)
        Candidate rows.
    X_train : array-like or CSR matrix of shape (n_train, n_features)
        The rows that ``model`` was fitted on.
    y_train : array-like of shape (n_train,)
        Their labels.
    X_val : array-like or CSR matrix of shape (n_val, n_features)
        Validation rows.
    y_val : array-like of shape (n_val,)
        Their labels, all among ``model.classes_``.
    sample_weight : array-like of shape (n_train,), optional
        Weights that ``model`` was fitted with.
    estimate : {"first_order", "newton", "refit"}, default="first_order"
        - "first_order": the influence, a derivative;
        - "newton": Newton's method for the model with the row; the loss is evaluated
          at that model;
        - "refit": fit the model again with the row. This is exact.
    objective : {"log_loss", "balanced", "worst_group"} or callable, default="log_loss"
        The validation loss, as for `salutary.label_influence`.
    groups_val : array-like of shape (n_val,), optional
        Group of each validation row, for an objective that uses groups.

    Returns
    -------
    decrease : ndarray of shape (n_rows, n_classes), float64
        Nats of mean validation loss, or the objective's unit. Positive values mean that
        the label helps. Columns are in the order of ``model.classes_``.

    Raises
    ------
    TypeError, ValueError
        As `salutary.label_influence`.

    Warns
    -----
    InfluenceWarning
        If the model is not the optimum of the training rows: it has not converged, or
        was fitted on others. Also if Newton's method has not converged for some rows
        and classes; the message says how many. Their values may be far off.

    Notes
    -----
    "first_order" costs one product for all classes of a row. "newton" costs a few
    passes over the training rows for each row and class, "refit" some dozens. The first
    Newton step uses the factored Hessian, and the curvature of the row in closed form.
    Later steps use conjugate gradients, preconditioned with that factor. A row and
    class that have not converged in ten steps go on alone, with a Hessian factored for
    each step, which costs about as much as a refit by Newton's method.

    For a ``model`` fitted to convergence, "newton" without a warning is within 0.5% of
    the mean effect in every problem of ``tests/influence/test_newton.py``, which are
    small, weakly regularized and often separable.

    References
    ----------
    Xiao and Liu, Salutary Labeling with Zero Human Annotation, arXiv 2405.17627.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from salutary import add_one_in
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(tol=1e-10, max_iter=5000).fit(X[::5], y[::5])
    >>> rows = dict(X_train=X[::5], y_train=y[::5], X_val=X[1::5], y_val=y[1::5])

    A row of the first class, added under the last: it seems to help to first order, but
    a refit shows that it harms.

    >>> add_one_in(model, X[[2]], **rows).round(3)
    array([[ 0.002, -0.041,  0.002]])
    >>> refit = add_one_in(model, X[[2]], **rows, estimate="refit")
    >>> refit.round(3)
    array([[ 0.002, -0.044, -0.084]])

    Newton's method comes close to the refit:

    >>> newton = add_one_in(model, X[[2]], **rows, estimate="newton")
    >>> bool(abs(newton - refit).max() < 1e-3 * abs(refit).max())
    True
    """
    if estimate not in get_args(EstimateName):
        raise ValueError(
            f"estimate must be one of {get_args(EstimateName)}: {estimate!r}"
        )
    viewed = softmax_model(model)
    X = as_float64(check_matrix(X, "X", model))
    X_train = as_float64(check_matrix(X_train, "X_train", model))
    X_val = as_float64(check_matrix(X_val, "X_val", model))
    weight = check_weight(sample_weight, X_train, "sample_weight")
    factors = class_weights(model, y_train, weight)
    labels = encode_labels(y_train, model.classes_, "y_train", X_train)
    added = np.ones((X.shape[0], viewed.n_classes))
    if factors is not None:
        weight, added = weight * factors[labels], added * factors
    bound = bind(
        find_objective(objective),
        Truth(
            encode_labels(y_val, model.classes_, "y_val", X_val),
            np.ones(X_val.shape[0]),
            encode_groups(groups_val, X_val),
        ),
    )
    training = TrainingRows(X_train, labels, weight)
    warn_unless_converged(factor_model(viewed, X_train, weight), training)
    return estimate_decreases(model, training, X, added, X_val, bound, estimate)


def estimate_decreases(
    model: LogisticRegression,
    training: TrainingRows,
    X: Matrix,
    added: Float64Array,
    X_val: Matrix,
    objective: BoundObjective,
    estimate: EstimateName,
) -> Float64Array:
    """Decrease of the objective when each row is added under each class.

    Parameters
    ----------
    model : LogisticRegression
        Fitted on ``training``.
    training : TrainingRows
    X : matrix of shape (n_rows, n_features), float64
        Rows to add, each alone.
    added : ndarray of shape (n_rows, n_classes)
        Weight that each row is added with under each class.
    X_val : matrix of shape (n_val, n_features), float64
    objective : callable
        J as a function of the logits of the validation rows.
    estimate : {"first_order", "newton", "refit"}

    Returns
    -------
    ndarray of shape (n_rows, n_classes), float64
    """
    if estimate == "refit":
        return refit_decreases(model, training, X, added, X_val, objective)
    factored = factor_model(softmax_model(model), training.X, training.weight)
    if estimate == "newton":
        # The products are too small for several threads, which would only wait.
        with threadpool_limits(limits=1, user_api="blas"):
            return newton_decreases(factored, training, X, added, X_val, objective)
    direction = influence_direction(factored, X_val, objective)
    scorer = InfluenceScorer(factored, direction, np.dtype(np.float64))
    return np.asarray(scorer(X)[0] * added)


def refit_decreases(
    model: LogisticRegression,
    training: TrainingRows,
    X: Matrix,
    added: Float64Array,
    X_val: Matrix,
    objective: BoundObjective,
) -> Float64Array:
    """Refit with each row under each class, starting from the model's coefficients."""
    before, _ = objective(softmax_model(model).logits(X_val))
    stack = sparse.vstack if sparse.issparse(training.X) else np.vstack
    refit = clone(model).set_params(
        warm_start=True,
        tol=min(model.tol, 1e-9),
        max_iter=max(model.max_iter, 10_000),
        class_weight=None,
    )
    decreases = np.empty((X.shape[0], len(model.classes_)))
    for row, code in np.ndindex(*decreases.shape):
        refit.coef_ = model.coef_.copy()
        refit.intercept_ = np.array(model.intercept_, ndmin=1)
        refit.fit(
            stack([training.X, X[row : row + 1]]),
            model.classes_[np.append(training.labels, code)],
            sample_weight=np.append(training.weight, added[row, code]),
        )
        decreases[row, code] = before - objective(softmax_model(refit).logits(X_val))[0]
    return decreases
