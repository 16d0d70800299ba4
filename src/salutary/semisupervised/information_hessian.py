r"""The Hessian of information maximization.

With :math:`q = \log p - \log(m / \pi)` and :math:`c = q - \sum_k p_k q_k`, the pool's
term has in the logits of a row of share w the curvature

.. math:: w B, \qquad B_{kl} = p_k p_l (1 + c_k + c_l) - \delta_{kl}\, p_k (1 + c_k),

as far as the mean prediction m stays. As it moves, there is besides in the parameters
:math:`\sum_k \nabla m_k \nabla m_k^T / m_k`, of rank K - 1. B may have negative
eigenvalues. At a strict minimum, all sum up to a positive definite matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from salutary.arrays import Float64Array, FloatArray, Matrix, as_float64
from salutary.influence.factored import FactoredModel, factor_model
from salutary.influence.softmax import (
    Hessian,
    SoftmaxModel,
    centered,
    parameter_gradient,
)
from salutary.influence.solvers import DIRECT_LIMIT, Cholesky, ConjugateGradient
from salutary.pools.protocol import Pool
from salutary.semisupervised.information import InformationObjective, log_probability
from salutary.semisupervised.task import pool_rows


@dataclass(frozen=True)
class InformationHessian(Hessian):
    """Hessian of `InformationObjective`, in the reduced coordinates of `Hessian`.

    Parameters
    ----------
    model, blocks, n_rows
        As for `Hessian`, of the labeled rows.
    pool : Pool
    factor : float
        What the objective multiplies the pool's term by.
    ratio : ndarray of shape (n_classes,), float64
        Logarithm of the mean prediction over the class frequencies.
    mean_slope : ndarray of shape (n_classes, n_classes, n_features + fit_intercept)
        Gradient of the mean prediction of each class.
    mean : ndarray of shape (n_classes,), float64
        The mean prediction; positive.

    Notes
    -----
    The predictions of the pool are computed again in each pass, block by block, so that
    memory does not grow with it.
    """

    pool: Pool
    factor: float
    ratio: Float64Array
    mean_slope: Float64Array
    mean: Float64Array

    @property
    def outer(self) -> Float64Array:
        """Square roots of the part that comes of the moving mean, (K, *shape)."""
        scale = np.sqrt(self.factor) / np.sqrt(self.mean)
        outer: Float64Array = scale[:, None, None] * (self.basis @ self.mean_slope)
        return outer

    def curvatures(self) -> Iterator[tuple[Matrix, Float64Array]]:
        """Yield all rows, block by block, with their curvatures."""
        yield from super().curvatures()
        for X, share, log, probability in predictions(self.model, self.pool):
            slope = centered(log - self.ratio, probability)
            joint = probability[:, :, None] * probability[:, None, :]
            joint *= 1 + slope[:, :, None] + slope[:, None, :]
            joint *= self.factor * share[:, None, None]
            yield X, self.basis @ with_rows_of_zero_sum(joint) @ self.basis.T

    def matvec(self, parameters: Float64Array) -> Float64Array:
        """Product with a parameter matrix of shape `shape`; O(rows x K x d)."""
        fit_intercept = self.model.fit_intercept
        coef = self.basis.T @ parameters
        product = np.zeros_like(coef)
        for X, share, log, probability in predictions(self.model, self.pool):
            slope = centered(log - self.ratio, probability)
            logits = X @ coef[:, : self.model.n_features].T
            if fit_intercept:
                logits += coef[:, -1]
            logits = centered(logits, probability)
            both = np.einsum("ik,ik,ik->i", probability, slope, logits)
            residual = probability * (both[:, None] - (1 + slope) * logits)
            residual *= self.factor * share[:, None]
            product += parameter_gradient(X, residual, fit_intercept)
        outer = self.outer
        moving = np.einsum("kac,ac->k", outer, parameters)
        total = super().matvec(parameters) + self.basis @ product
        total += np.einsum("k,kac->ac", moving, outer)
        return total


def predictions(
    model: SoftmaxModel, pool: Pool
) -> Iterator[tuple[Matrix, FloatArray, Float64Array, Float64Array]]:
    """Yield rows of a pool in float64, their shares, and what the model says of them.

    The share is that of the weight of the pool. Of the class probabilities, the
    logarithms come first.
    """
    total = float(pool.weight[pool_rows(pool)].sum())
    for rows, X in pool.blocks(pool.unlabeled):
        X = as_float64(X)
        yield X, pool.weight[rows] / total, *log_probability(model, X)


def with_rows_of_zero_sum(joint: Float64Array) -> Float64Array:
    """Matrices with diagonals such that each row sums to zero; changes ``joint``.

    So nothing cancels in the diagonal, however certain a prediction is.
    """
    own = np.arange(joint.shape[1])
    joint[:, own, own] = 0.0
    joint[:, own, own] = -joint.sum(axis=2)
    return joint


def factor_information(
    model: SoftmaxModel,
    objective: InformationObjective,
    class_weight: FloatArray | None = None,
) -> FactoredModel:
    """Factor the Hessian of information maximization at a model.

    Parameters
    ----------
    model : SoftmaxModel
    objective : InformationObjective
    class_weight : ndarray of shape (n_classes,), optional
        See `FactoredModel`.

    Returns
    -------
    FactoredModel
        Its Hessian is an `InformationHessian` unless the strength is zero.

    Notes
    -----
    With m labeled and pool rows, K classes and d columns, the matrix takes
    O(m d^2 K^2 / 2) and a pass over the pool, and its factor O((K d)^3 / 3). Beyond an
    order of `DIRECT_LIMIT`, conjugate gradients take O(m d K) in a step.
    """
    rows = objective.rows
    if objective.strength == 0:
        return factor_model(model, rows.X, rows.weight, class_weight)
    block = (as_float64(rows.X), model.probability(rows.X), rows.weight)
    mean, mean_slope = mean_prediction(model, objective.pool)
    hessian = InformationHessian(
        model,
        lambda: [block],
        len(rows.labels),
        objective.pool,
        objective.factor,
        np.log(mean / objective.frequencies),
        mean_slope,
        mean,
    )
    direct = int(np.prod(hessian.shape)) <= DIRECT_LIMIT
    solver = Cholesky(hessian) if direct else ConjugateGradient(hessian)
    return FactoredModel(model, hessian, solver, class_weight)


def mean_prediction(
    model: SoftmaxModel, pool: Pool
) -> tuple[Float64Array, Float64Array]:
    """Mean prediction of a pool, and the gradient of that of each class.

    Returns
    -------
    mean : ndarray of shape (n_classes,)
        Positive, also of a class that no row is given any chance of.
    slope : ndarray of shape (n_classes, n_classes, n_features + fit_intercept)
    """
    n_classes = model.n_classes
    mean = np.zeros(n_classes)
    slope = np.zeros((n_classes, *model.parameters.shape))
    for X, share, _, probability in predictions(model, pool):
        mean += share @ probability
        joint = -probability[:, :, None] * probability[:, None, :]
        joint *= share[:, None, None]
        flat = with_rows_of_zero_sum(joint).reshape(-1, n_classes**2)
        found = parameter_gradient(X, flat, model.fit_intercept)
        slope += found.reshape(slope.shape)
    return np.maximum(mean, np.finfo(np.float64).tiny), slope
