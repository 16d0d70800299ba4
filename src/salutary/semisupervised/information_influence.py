r"""Influence of labels on a model of information maximization.

A row x that is added with the label c and the weight :math:`\varepsilon` does three
things to the objective: it has a loss; it adds to the weight W of the labeled rows,
which the pool's term is multiplied by; and it moves the class frequencies that the mean
prediction is drawn to. All three move the optimum, so the influence has all three. The
last two depend on c alone.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression

from salutary.arrays import Float64Array, FloatArray, Matrix
from salutary.influence.convergence import LARGEST_EXCESS, relative_excess
from salutary.influence.direction import (
    InfluenceWarning,
    influence_direction,
    warn_unless_trusted,
)
from salutary.influence.factored import FactoredModel
from salutary.influence.inputs import class_weights
from salutary.influence.label_influence import influences
from salutary.influence.objectives import BoundObjective
from salutary.influence.scores import InfluenceScorer
from salutary.influence.softmax import Hessian, softmax_model
from salutary.influence.solvers import SMALLEST_RCOND, Status
from salutary.semisupervised.information import (
    SMOOTHING,
    InformationObjective,
    information_objective,
    pool_term,
)
from salutary.semisupervised.information_hessian import (
    InformationHessian,
    factor_information,
)
from salutary.semisupervised.task import SemiSupervisedTask


def information_influence(
    task: SemiSupervisedTask,
    strength: float,
    model: LogisticRegression,
    X: Matrix,
    X_val: Matrix,
    objective: BoundObjective,
) -> FloatArray:
    """Influences of rows under every class on a model of information maximization.

    Parameters
    ----------
    task : SemiSupervisedTask
        What ``model`` was fitted to, with this ``strength``, before its logits were
        divided by any temperature.
    strength : float
        Weight of the pool, in units of the weight of all labeled rows.
    model : LogisticRegression
    X : matrix of shape (n_rows, n_features)
        Rows to label. Those of the pool keep their part in it.
    X_val : matrix of shape (n_val, n_features)
    objective : callable
        J as a function of the logits of the validation rows.

    Returns
    -------
    ndarray of shape (n_rows, n_classes), of the type of ``X``

    Warns
    -----
    InfluenceWarning
        If the model is no strict minimum of the objective, or not near it.
    """
    viewed = softmax_model(model)
    goal = information_objective(task, strength, model)
    labels, weight = task.rows.labels, np.asarray(task.rows.weight, dtype=np.float64)
    factors = class_weights(model, task.classes[labels], weight)
    factored = factor_information(viewed, goal, factors)
    _warn_unless_converged(factored, goal)
    direction = influence_direction(factored, X_val, objective)
    if isinstance(factored.hessian, InformationHessian):
        _warn_if_flat(factored.hessian, direction)
    found = influences(InfluenceScorer(factored, direction, X.dtype), X, None)
    if strength > 0:
        found += _of_class(factored, goal, direction, float(weight.sum()))
    return found


def at_temperature(objective: BoundObjective, temperature: float) -> BoundObjective:
    """An objective of logits that are first divided by a temperature."""
    if temperature == 1:
        return objective

    def divided(logits: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = objective(logits / temperature)
        return value, gradient / temperature

    return divided


def _warn_unless_converged(
    factored: FactoredModel, objective: InformationObjective
) -> None:
    """Warn if the objective is noticeably above its minimum."""
    excess = relative_excess(factored, *objective(factored.model))
    if excess > LARGEST_EXCESS:
        warnings.warn(
            "the model is not the optimum of these rows: its objective is about "
            f"{excess:.1g} of its value above the minimum, so influences are off. Pass "
            "the rows, labels and weights that it was fitted on; if these are they, "
            "scale the features and fit again",
            InfluenceWarning,
            stacklevel=2,
        )


def _warn_if_flat(hessian: InformationHessian, direction: Float64Array) -> None:
    """Warn if the pool's curvature cancels that of all else along the direction.

    The solvers scale the Hessian by its diagonal, so they see this only where it does
    not lie along one parameter.
    """
    along = hessian.basis @ direction
    positive = np.vdot(along, Hessian.matvec(hessian, along))
    left = np.vdot(along, hessian.matvec(along))
    if abs(left) < SMALLEST_RCOND * positive:
        warn_unless_trusted(Status.ILL_CONDITIONED)


def _of_class(
    factored: FactoredModel,
    objective: InformationObjective,
    direction: Float64Array,
    total: float,
) -> Float64Array:
    r"""The part of an influence that depends on the class alone, shape (n_classes,).

    With the weight f that a row of class c has with its class weight, W grows by f, and
    the class frequencies move by :math:`(1 - s)(e_c - r) / N`. N is the ``total``
    weight without class weights, r are the shares of the classes in it, and s is
    `SMOOTHING`.
    """
    hessian, frequencies = factored.hessian, objective.frequencies
    assert isinstance(hessian, InformationHessian)
    _, slope = pool_term(factored.model, objective.pool, frequencies)
    factors = np.ones(len(frequencies))
    if factored.class_weight is not None:
        factors = np.asarray(factored.class_weight, dtype=np.float64)
    by_weight = objective.strength * factors * float(np.vdot(direction, slope))
    pull = np.einsum("klc,lc->k", hessian.mean_slope, direction) / frequencies
    # (1 - s) r is what the frequencies are without their even part.
    shares = frequencies - SMOOTHING / len(frequencies)
    moved = ((1 - SMOOTHING) * pull - shares @ pull) / total
    part: Float64Array = by_weight - objective.factor * moved
    return part
