"""A fitted model, its Hessian and the solver for it: all that influences come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from salutary.arrays import Float64Array, FloatArray, Matrix, as_float64
from salutary.influence.softmax import Hessian, SoftmaxModel
from salutary.influence.solvers import Solver, factor
from salutary.names import HessianRows

PoolBlocks = tuple[Callable[[], Iterable[Matrix]], int]
"""Yields the pool's rows in blocks, anew at each call; and the number of its rows."""


@dataclass(frozen=True)
class FactoredModel:
    """A fitted model with its Hessian, factored once for many solves.

    Parameters
    ----------
    model : SoftmaxModel
    hessian : Hessian
        Of the training objective at ``model``.
    solver : Solver
        ``hessian`` factored.
    class_weight : ndarray of shape (n_classes,) or None
        Factor that the training objective applies to a row of each class.
    """

    model: SoftmaxModel
    hessian: Hessian
    solver: Solver
    class_weight: FloatArray | None = None

    def solved(self, gradient: Float64Array) -> Float64Array:
        """H^-1 times a gradient, both of shape (n_classes, n_columns), unchecked.

        The gradient's rows must sum to zero over the classes, as all do that come from
        a function of the probabilities.
        """
        basis = self.hessian.basis
        solved: Float64Array = basis.T @ self.solver.apply((basis @ gradient)[None])[0]
        return solved


def factor_model(
    model: SoftmaxModel,
    X_train: Matrix,
    train_weight: FloatArray,
    class_weight: FloatArray | None = None,
) -> FactoredModel:
    """A model with the Hessian of the objective that it was fitted with.

    Parameters
    ----------
    model : SoftmaxModel
    X_train : matrix of shape (n_train, n_features)
    train_weight : ndarray of shape (n_train,)
        Class weights included.
    class_weight : ndarray of shape (n_classes,), optional
        See `FactoredModel`.

    Returns
    -------
    FactoredModel
        The training rows' probabilities are kept. Costs what `factor` says.
    """
    X_train = as_float64(X_train)
    block = (X_train, model.probability(X_train), train_weight)
    hessian = Hessian(model, lambda: [block], X_train.shape[0])
    return FactoredModel(model, hessian, factor(hessian), class_weight)


def factor_with_pool(
    model: SoftmaxModel,
    X_train: Matrix,
    train_weight: FloatArray,
    class_weight: FloatArray | None,
    rows: HessianRows,
    pool: PoolBlocks,
) -> FactoredModel:
    """A model with the curvature of its training rows, of a pool, or of both.

    Parameters
    ----------
    model, X_train, train_weight, class_weight
        As for `factor_model`.
    rows : {"train", "pool", "both"}
    pool : (callable, int)
        See `PoolBlocks`.

    Returns
    -------
    FactoredModel
        For "pool" and "both" its Hessian has the weighted mean curvature (pool rows
        weigh one) times the total training weight. The pool's probabilities are
        computed block by block, anew in each pass, so that memory does not grow with
        it.
    """
    if rows == "train":
        return factor_model(model, X_train, train_weight, class_weight)
    n_train, (pool_blocks, n_pool) = X_train.shape[0], pool
    total = float(train_weight.sum())
    weight_of_rows = n_pool + (total if rows == "both" else 0.0)
    scale = total / weight_of_rows

    def blocks() -> Iterator[tuple[Matrix, Float64Array, FloatArray]]:
        if rows == "both":
            yield X_train, model.probability(X_train), train_weight * scale
        for block in pool_blocks():
            yield block, model.probability(block), np.full(block.shape[0], scale)

    hessian = Hessian(model, blocks, n_pool + (n_train if rows == "both" else 0))
    return FactoredModel(model, hessian, factor(hessian), class_weight)
