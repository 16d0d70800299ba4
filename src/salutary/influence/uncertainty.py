"""How much an influence depends on which rows happen to validate."""

from __future__ import annotations

import numpy as np

from salutary.influence.softmax import Float64Array, Hessian, Matrix, SoftmaxModel
from salutary.influence.solvers import Solver
from salutary.objective import IntArray, LogLoss


def influence_errors(
    model: SoftmaxModel,
    hessian: Hessian,
    solver: Solver,
    rows: Matrix,
    labels: IntArray,
    X_val: Matrix,
    objective: LogLoss,
) -> Float64Array:
    r"""Standard errors of influences over the validation rows.

    The influence of (x, c) is the weighted mean over validation rows j of
    :math:`\nabla\ell_j^T H^{-1} \nabla\ell(x, c)`; its standard error is that of a
    weighted mean. The model and the Hessian are held fixed.

    Parameters
    ----------
    model : SoftmaxModel
    hessian : Hessian
    solver : Solver
        ``hessian`` factored.
    rows : matrix of shape (n, n_features)
    labels : ndarray of shape (n,), dtype intp
        Class under which each row is added.
    X_val : matrix of shape (n_val, n_features)
    objective : LogLoss
        Of the validation rows.

    Returns
    -------
    ndarray of shape (n,), float64
        In nats of mean validation loss per unit weight, as the influence. For equal
        weights the standard deviation over validation rows divided by
        :math:`\sqrt{n_{val}}`. O(n n_val K + n (K d)^2); memory O(n n_val K).

    Notes
    -----
    Rows selected because their influence is large owe some of it to chance: for them
    the influence less two standard errors is no lower bound that holds 97.5% of the
    time.
    """
    slope = model.probability(rows)
    slope[np.arange(len(labels)), labels] -= 1.0
    gradients = np.einsum("ak,nk->na", hessian.basis, slope)
    features = _dense_rows(rows, model.fit_intercept)
    moved = solver.apply(gradients[:, :, None] * features[:, None, :])
    moved = np.einsum("ak,nad->nkd", hessian.basis, moved)
    n_features = model.n_features
    flat = moved.reshape(-1, moved.shape[2])
    change = np.asarray(X_val @ flat[:, :n_features].T)
    if model.fit_intercept:
        change += flat[:, -1]
    change = change.reshape(X_val.shape[0], *moved.shape[:2])
    residual = model.probability(X_val)
    residual[np.arange(len(objective.labels)), objective.labels] -= 1.0
    share = objective.weight / objective.weight.sum()
    parts = np.einsum("jk,jnk->jn", residual, change)
    spread = (parts - share @ parts) ** 2
    errors: Float64Array = np.sqrt(share**2 @ spread)
    return errors


def _dense_rows(rows: Matrix, fit_intercept: bool) -> Float64Array:
    dense = rows if isinstance(rows, np.ndarray) else rows.toarray()
    dense = np.asarray(dense, dtype=np.float64)
    return np.column_stack([dense, np.ones(len(dense))]) if fit_intercept else dense
