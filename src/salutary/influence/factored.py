"""A fitted model together with its factored Hessian, as every influence needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from salutary.arrays import Float64Array, FloatArray, Matrix, as_float64
from salutary.influence.softmax import Hessian, SoftmaxModel
from salutary.influence.solvers import Solver, factor
from salutary.names import HessianRows

PoolBlocks = tuple[Callable[[], Iterable[Matrix]], int]
"""A callable that yields the rows of the pool in blocks, and the number of rows.

Each call starts again from the first block.
"""


@dataclass(frozen=True)
class FactoredModel:
    """A fitted model with its Hessian, factored once for many solves.

    Parameters
    ----------
    model : SoftmaxModel
    hessian : Hessian
        Hessian of the training objective at ``model``.
    solver : Solver
        Solves with ``hessian``.
    class_weight : ndarray of shape (n_classes,) or None
        Factor that the training objective applies to the rows of each class.
    """

    model: SoftmaxModel
    hessian: Hessian
    solver: Solver
    class_weight: FloatArray | None = None

    def solved(self, gradient: Float64Array) -> Float64Array:
        """H^-1 times a gradient, both of shape (n_classes, n_columns).

        The gradient must sum to zero over the classes, which holds for every function
        of the probabilities. Neither this nor the solution is checked.
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
    """Factor the Hessian of the objective that a model was fitted with.

    Parameters
    ----------
    model : SoftmaxModel
    X_train : matrix of shape (n_train, n_features)
    train_weight : ndarray of shape (n_train,)
        Weight of each row, times its class weight.
    class_weight : ndarray of shape (n_classes,), optional
        See `FactoredModel`.

    Returns
    -------
    FactoredModel
        Holds the probabilities of the training rows in memory.
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
    """Factor a Hessian with the curvature of the training rows, a pool, or both.

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
        For "pool" and "both", the Hessian is the weighted mean curvature of the rows,
        pool rows having weight 1, times the total training weight. The probabilities of
        the pool are computed again in each pass, block by block, so that memory does
        not grow with the pool.
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
