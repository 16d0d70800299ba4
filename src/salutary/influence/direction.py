"""The direction u = H^-1 grad J, from which all influences are computed."""

from __future__ import annotations

import warnings

import numpy as np

from salutary.arrays import Float64Array, Matrix, as_float64
from salutary.influence.factored import FactoredModel
from salutary.influence.objectives import BoundObjective
from salutary.influence.softmax import parameter_gradient
from salutary.influence.solvers import Status

GAUGE_TOLERANCE = 1e-8
"""How far from zero a gradient may sum over the classes, relative to its size."""


class InfluenceWarning(UserWarning):
    """Influences may be inaccurate; the message says why and what to do.

    Either the Hessian is ill-conditioned or has negative curvature, or the model has
    not converged on the training rows, perhaps because it was fitted on others.
    """


def influence_direction(
    factored: FactoredModel, X_val: Matrix, objective: BoundObjective
) -> Float64Array:
    r"""Solve :math:`H u = \nabla J`, once for all rows and classes.

    Parameters
    ----------
    factored : FactoredModel
    X_val : matrix of shape (n_val, n_features)
    objective : callable
        J as a function of the logits of the validation rows.

    Returns
    -------
    ndarray of shape (n_classes, n_features + fit_intercept), float64

    Raises
    ------
    ValueError
        If J changes when a constant is added to all logits of a row. Its influences
        would depend on the arbitrary size of the intercepts.

    Warns
    -----
    InfluenceWarning
        If the solve cannot be trusted.
    """
    model, hessian = factored.model, factored.hessian
    X_val = as_float64(X_val)
    _, logit_gradient = objective(model.logits(X_val))
    drift = np.abs(logit_gradient.sum(axis=1))
    if np.any(drift > GAUGE_TOLERANCE * (1 + np.abs(logit_gradient).sum(axis=1))):
        row = int(np.argmax(drift))
        raise ValueError(
            "the objective's gradient must sum to zero over the classes of each row, "
            f"but sums to {drift[row]:.3g} at validation row {row}; write the "
            "objective as a function of the probabilities"
        )
    gradient = parameter_gradient(X_val, logit_gradient, model.fit_intercept)
    solution = factored.solver.solve(hessian.basis @ gradient)
    warn_unless_trusted(solution.status)
    return hessian.basis.T @ solution.value


def warn_unless_trusted(status: Status) -> None:
    """Issue an `InfluenceWarning` with cause and remedy, unless the solve succeeded."""
    if status is not Status.SUCCESS:
        warnings.warn(status.value, InfluenceWarning, stacklevel=2)
