"""What adding one row does to the validation loss: first order, Newton, or a refit."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from salutary.arrays import Float64Array, Matrix, as_float64
from salutary.influence.direction import influence_direction
from salutary.influence.factored import factor_model
from salutary.influence.inputs import check_matrix, check_weight, class_weights
from salutary.influence.labels import encode_groups, encode_labels
from salutary.influence.newton import TrainingRows, newton_decreases
from salutary.influence.objectives import (
    BoundObjective,
    Objective,
    Truth,
    bind,
    find_objective,
)
from salutary.influence.scores import InfluenceScorer
from salutary.influence.softmax import softmax_model
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
    """Decrease of the validation loss when a row is added under each class.

    Parameters
    ----------
    model : LogisticRegression
        Fitted on ``X_train`` to convergence, see `label_influence`.
    X : array-like or CSR of shape (n_rows, n_features)
        Candidates, each added alone.
    X_train : array-like or CSR of shape (n_train, n_features)
    y_train : array-like of shape (n_train,)
    X_val : array-like or CSR of shape (n_val, n_features)
    y_val : array-like of shape (n_val,)
    sample_weight : array-like of shape (n_train,), optional
        Weights ``model`` was fitted with.
    estimate : {"first_order", "newton", "refit"}, default="first_order"
        "first_order" is the influence; "newton" takes damped Newton steps on the
        objective with the row until they no longer move, ten at most, and evaluates
        the loss there; "refit" fits the model anew and is the truth.
    objective : {"log_loss", "balanced", "worst_group"} or callable, default="log_loss"
        What is to fall, see `label_influence`.
    groups_val : array-like of shape (n_val,), optional
        Group of each validation row, for an objective that looks at groups.

    Returns
    -------
    ndarray of shape (n_rows, n_classes), float64
        In nats of mean validation loss, or what the objective is measured in; positive
        helps.

    Raises
    ------
    TypeError, ValueError
        As `label_influence`.

    Notes
    -----
    First order costs one product for all classes of a row; Newton a few passes over
    the training rows for each row and class, batched; a refit some dozens. The first
    Newton step uses the factored Hessian and the row's own curvature in closed form;
    later ones conjugate gradients with that factor as preconditioner.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(tol=1e-10, max_iter=5000).fit(X[::5], y[::5])
    >>> rows = dict(X_train=X[::5], y_train=y[::5], X_val=X[1::5], y_val=y[1::5])
    >>> newton = add_one_in(model, X[2:4], **rows, estimate="newton")
    >>> refit = add_one_in(model, X[2:4], **rows, estimate="refit")
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
        Fitted.
    training : TrainingRows
        What ``model`` was fitted on.
    X : matrix of shape (n_rows, n_features), float64
    added : ndarray of shape (n_rows, n_classes)
        Weight each row is added with under each class.
    X_val : matrix of shape (n_val, n_features), float64
    objective : callable
        J of the validation rows' logits.
    estimate : {"first_order", "newton", "refit"}

    Returns
    -------
    ndarray of shape (n_rows, n_classes), float64
    """
    if estimate == "refit":
        return refit_decreases(model, training, X, added, X_val, objective)
    factored = factor_model(softmax_model(model), training.X, training.weight)
    if estimate == "newton":
        # The products are small; threads would only wait for each other.
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
    """Refit with each row under each class, from the model's own coefficients."""
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
