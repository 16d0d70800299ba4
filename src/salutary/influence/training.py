"""The training objective: its rows, its gradient, and how to minimize it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.special import softmax

from salutary.arrays import Float64Array, FloatArray, IntArray, Matrix
from salutary.influence.factored import factor_model
from salutary.influence.objectives import row_log_loss
from salutary.influence.softmax import (
    SoftmaxModel,
    log_loss_gradient,
    parameter_gradient,
)

MOST_STEPS = 100
"""Limit of Newton steps; few candidates take more than twenty."""

MOST_HALVINGS = 60
"""Limit of halvings of one step."""

LAST_DECREMENT = 1e-14
"""Squared Newton decrement, relative to the objective, whose step is the last."""

SUFFICIENT_DECREASE = 1e-4
"""Share of the decrease that the gradient promises, at which a step is taken."""

ROUNDING = 1e-13
"""Relative differences of the objective that may be due to rounding."""


@dataclass(frozen=True)
class TrainingRows:
    """The rows that a model was fitted on.

    Parameters
    ----------
    X : matrix of shape (n_train, n_features), float64
    labels : ndarray of shape (n_train,), dtype intp
        Position of each row's class.
    weight : ndarray of shape (n_train,)
        Weight of each row, times its class weight.
    """

    X: Matrix
    labels: IntArray
    weight: FloatArray

    def with_row(self, row: FloatArray, label: int, weight: float) -> TrainingRows:
        """These rows, followed by one more of shape (n_features,)."""
        if sparse.issparse(self.X):
            X = sparse.vstack([self.X, sparse.csr_array(row[None])], format="csr")
        else:
            X = np.vstack([self.X, row])
        return TrainingRows(
            X, np.append(self.labels, label), np.append(self.weight, weight)
        )


def training_objective(
    model: SoftmaxModel, rows: TrainingRows
) -> tuple[float, Float64Array]:
    """The objective that a model is fitted with, and its gradient.

    Returns
    -------
    value : float
        In nats.
    gradient : ndarray of shape (n_classes, n_features + fit_intercept), float64
    """
    logits = model.logits(rows.X)
    loss = float(rows.weight @ row_log_loss(logits, rows.labels))
    slope = log_loss_gradient(softmax(logits, axis=1), rows.labels)
    slope *= rows.weight[:, None]
    gradient = parameter_gradient(rows.X, slope, model.fit_intercept)
    gradient[:, : model.n_features] += model.l2 * model.coef
    return loss + model.l2 / 2 * float(np.sum(model.coef**2)), gradient


def minimize(model: SoftmaxModel, rows: TrainingRows) -> tuple[SoftmaxModel, bool]:
    """The optimum on the given rows, by Newton's method with a line search.

    Parameters
    ----------
    model : SoftmaxModel
        Where to start.
    rows : TrainingRows

    Returns
    -------
    optimum : SoftmaxModel
    converged : bool
        False if steps ran out, or if the Hessian was too ill-conditioned to trust the
        last step.

    Notes
    -----
    Each step factors the Hessian anew, as `salutary.influence.solvers.factor` chooses.
    Unlike steps by the factor of another model, they come to the optimum from anywhere.
    """
    value, gradient = training_objective(model, rows)
    for _ in range(MOST_STEPS):
        factored = factor_model(model, rows.X, rows.weight)
        solution = factored.solver.solve(factored.hessian.basis @ gradient)
        step = -factored.hessian.basis.T @ solution.value
        decrement = -float(np.vdot(gradient, step))
        if decrement <= LAST_DECREMENT * value:
            return _moved(model, step), solution.trusted
        length = 1.0
        for _ in range(MOST_HALVINGS):
            after = _moved(model, length * step)
            value_after, gradient_after = training_objective(after, rows)
            promised = SUFFICIENT_DECREASE * length * decrement
            if value_after <= value * (1 + ROUNDING) - promised:
                break
            length /= 2
        else:
            return model, False
        model, value, gradient = after, value_after, gradient_after
    return model, False


def _moved(model: SoftmaxModel, step: Float64Array) -> SoftmaxModel:
    """The model with a step added to its parameters."""
    n_features = model.n_features
    intercept = model.intercept
    if model.fit_intercept:
        intercept = intercept + step[:, -1]
    return replace(model, coef=model.coef + step[:, :n_features], intercept=intercept)
