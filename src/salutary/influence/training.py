"""The training objective: its rows, its gradient, and how to minimize it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from salutary.arrays import Float64Array, FloatArray, IntArray, Matrix
from salutary.influence.factored import FactoredModel
from salutary.influence.objectives import row_log_loss
from salutary.influence.softmax import (
    Hessian,
    SoftmaxModel,
    class_probability,
    log_loss_gradient,
    parameter_gradient,
)
from salutary.influence.solvers import factor

MOST_STEPS = 100
"""Limit of Newton steps; few candidates take more than twenty."""

MOST_HALVINGS = 60
"""Limit of halvings of one step."""

LAST_DECREMENT = 1e-14
"""Squared Newton decrement, relative to the objective, below which nothing is left."""

SUFFICIENT_DECREASE = 1e-4
"""Share of the decrease that the gradient promises, at which a step is taken."""

ROUNDING = 1e-13
"""Relative differences of the objective that may be due to rounding."""


MOST_APPROACHES = 10
"""Limit of steps by the Hessian of other rows."""


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


@dataclass(frozen=True)
class Optimum:
    """Where Newton's method ended.

    Parameters
    ----------
    model : SoftmaxModel
    n_steps : int
    converged : bool
        False if steps ran out, or if the Hessian was too ill-conditioned to trust the
        last step.
    """

    model: SoftmaxModel
    n_steps: int
    converged: bool


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
    value, gradient, _ = _evaluated(model, rows)
    return value, gradient


def _evaluated(
    model: SoftmaxModel, rows: TrainingRows
) -> tuple[float, Float64Array, Float64Array]:
    """The training objective, its gradient, and the probabilities behind both."""
    logits = model.logits(rows.X)
    probability = np.asarray(class_probability(logits), dtype=np.float64)
    loss = float(rows.weight @ row_log_loss(logits, rows.labels))
    slope = log_loss_gradient(probability, rows.labels)
    slope *= rows.weight[:, None]
    gradient = parameter_gradient(rows.X, slope, model.fit_intercept)
    gradient[:, : model.n_features] += model.l2 * model.coef
    value = loss + model.l2 / 2 * float(np.sum(model.coef**2))
    return value, gradient, probability


def minimize(
    model: SoftmaxModel, rows: TrainingRows, tolerance: float = LAST_DECREMENT
) -> Optimum:
    """The optimum on the given rows, by Newton's method with a line search.

    Parameters
    ----------
    model : SoftmaxModel
        Where to start.
    rows : TrainingRows
    tolerance : float, default=1e-14
        Squared Newton decrement, relative to the objective, whose step is the last.
        What is left after that step is about its square.

    Returns
    -------
    Optimum

    Notes
    -----
    Each step factors the Hessian anew, as `salutary.influence.solvers.factor` chooses.
    Unlike steps by the factor of another model, they come to the optimum from anywhere.
    """
    value, gradient, probability = _evaluated(model, rows)
    for n_steps in range(1, MOST_STEPS + 1):
        step, trusted = _newton_step(model, rows, gradient, probability)
        decrement = -float(np.vdot(gradient, step))
        if decrement <= LAST_DECREMENT * value:
            return Optimum(_moved(model, step), n_steps, trusted)
        length = 1.0
        for _ in range(MOST_HALVINGS):
            after = _moved(model, length * step)
            value_after, gradient_after, probability = _evaluated(after, rows)
            promised = SUFFICIENT_DECREASE * length * decrement
            if value_after <= value * (1 + ROUNDING) - promised:
                break
            length /= 2
        else:
            return Optimum(model, n_steps, False)
        if decrement <= tolerance * value and length == 1:
            return Optimum(after, n_steps, trusted)
        model, value, gradient = after, value_after, gradient_after
    return Optimum(model, n_steps, False)


def approach(
    factored: FactoredModel, rows: TrainingRows, tolerance: float
) -> SoftmaxModel | None:
    """Come near the optimum on slightly other rows, with the Hessian that is factored.

    Parameters
    ----------
    factored : FactoredModel
        Where to start, with the Hessian of the rows that its model was fitted on.
    rows : TrainingRows
    tolerance : float
        Squared decrement, relative to the objective, whose step is the last.

    Returns
    -------
    SoftmaxModel or None
        None if `MOST_APPROACHES` steps do not suffice, or one does not lower the
        objective: then the optimum is too far away.

    Notes
    -----
    With ten rows more among hundreds, a step leaves a small share of the distance, and
    costs a pass over the rows and a solve; `minimize` factors anew for each.
    """
    model, basis = factored.model, factored.hessian.basis
    value, gradient, _ = _evaluated(model, rows)
    for _ in range(MOST_APPROACHES):
        step = -basis.T @ factored.solver.apply((basis @ gradient)[None])[0]
        decrement = -float(np.vdot(gradient, step))
        after = _moved(model, step)
        value_after, gradient, _ = _evaluated(after, rows)
        promised = SUFFICIENT_DECREASE * decrement
        if not value_after <= value * (1 + ROUNDING) - promised:
            return None
        if decrement <= tolerance * value:
            return after
        model, value = after, value_after
    return None


def _newton_step(
    model: SoftmaxModel,
    rows: TrainingRows,
    gradient: Float64Array,
    probability: Float64Array,
) -> tuple[Float64Array, bool]:
    """The step to the minimum of the quadratic model, and whether to trust it."""
    block = (rows.X, probability, rows.weight)
    hessian = Hessian(model, lambda: [block], len(rows.labels))
    solution = factor(hessian).solve(hessian.basis @ gradient)
    return -hessian.basis.T @ solution.value, solution.trusted


def _moved(model: SoftmaxModel, step: Float64Array) -> SoftmaxModel:
    """The model with a step added to its parameters."""
    n_features = model.n_features
    intercept = model.intercept
    if model.fit_intercept:
        intercept = intercept + step[:, -1]
    return replace(model, coef=model.coef + step[:, :n_features], intercept=intercept)
