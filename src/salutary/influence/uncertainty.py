"""How far an influence may be off because the validation rows are a sample."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.utils import gen_batches

from salutary.influence.softmax import (
    Float64Array,
    Hessian,
    Matrix,
    SoftmaxModel,
    as_rows,
)
from salutary.influence.solvers import Solver
from salutary.objective import FloatArray, IntArray, LogLoss

BATCH_ROWS = 64
"""Candidates whose effects on all validation rows are held at once."""


def standard_error(values: FloatArray, weight: FloatArray) -> Float64Array:
    r"""Standard errors of weighted means of independent rows.

    Parameters
    ----------
    values : ndarray of shape (..., n_rows)
        One mean is taken along the last axis.
    weight : ndarray of shape (n_rows,)
        Not negative. Only their ratios matter.

    Returns
    -------
    ndarray of shape (...), float64
        In the unit of ``values``; NaN if fewer than two rows have a weight, as one row
        does not show how far rows are apart.

    Notes
    -----
    The mean :math:`m = \sum_j v_j a_j / \sum_j v_j` is a ratio of two sums. Linearized,
    its variance is

    .. math:: \frac{n}{n - 1} \sum_j \left(\frac{v_j}{\sum_k v_k} (a_j - m)\right)^2

    over the n rows with a weight. For equal weights that is the square of
    :math:`std(a) / \sqrt n` with n - 1 degrees of freedom. Weights are taken as given,
    not as counts of rows.

    References
    ----------
    Cochran, Sampling Techniques, third edition, 1977, chapter 6. It is statsmodels'
    ``WLS`` on a constant with ``cov_type="HC1"``.

    Examples
    --------
    >>> import numpy as np
    >>> standard_error(np.array([[1.0, 2.0, 3.0], [5, 5, 5]]), np.ones(3)).round(4)
    array([0.5774, 0.    ])
    """
    n_rows = np.count_nonzero(weight)
    if n_rows < 2:
        return np.full(values.shape[:-1], np.nan)
    share = weight / weight.sum()
    deviation = share * (values - (values @ share)[..., None])
    squares = np.einsum("...j,...j->...", deviation, deviation)
    return np.asarray(np.sqrt(n_rows / (n_rows - 1) * squares))


def influence_errors(
    model: SoftmaxModel,
    hessian: Hessian,
    solver: Solver,
    X: Matrix,
    labels: IntArray,
    X_val: Matrix,
    objective: LogLoss,
    class_weight: FloatArray | None = None,
) -> Float64Array:
    r"""Standard errors of the influences of rows under one label each.

    The influence of (x, c) is the weighted mean over validation rows of
    :math:`a_j = \nabla \ell_j^T H^{-1} \nabla \ell(x, c)`, what the label does for the
    row j; its standard error comes from their spread, see `standard_error`.

    Parameters
    ----------
    model : SoftmaxModel
    hessian : Hessian
    solver : Solver
        ``hessian`` factored.
    X : matrix of shape (n_rows, n_features)
    labels : ndarray of shape (n_rows,), dtype intp
        Position of the class each row is added under.
    X_val : matrix of shape (n_val, n_features)
    objective : LogLoss
        Labels and weights of the validation rows.
    class_weight : ndarray of shape (n_classes,), optional
        Factor that the training objective applies to a row of each class.

    Returns
    -------
    ndarray of shape (n_rows,), float64
        In nats of mean validation loss per unit of sample weight, as the influences;
        NaN with fewer than two validation rows that have a weight.

    Notes
    -----
    Says how the influence would differ with other validation rows, the model and its
    training rows being the same; not how true first order is. It holds for rows named
    beforehand: rows chosen because their influence came out large are expected to be
    worth less than it says (``docs/studies/uncertainty``).

    Costs ``solver.apply`` to one matrix a row, O((K d)^2) when factored and a solve of
    its own with conjugate gradients, and O(n_val d K) to look at the validation rows;
    extra memory, by batches of `BATCH_ROWS`, O(n_val K) and what those take.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from salutary.influence.label_influence import train_hessian
    >>> from salutary.influence.softmax import softmax_model
    >>> from salutary.influence.solvers import factor
    >>> X, y = load_iris(return_X_y=True)
    >>> viewed = softmax_model(LogisticRegression(tol=1e-8).fit(X[::5], y[::5]))
    >>> hessian = train_hessian(viewed, X[::5], np.ones(30))
    >>> errors = influence_errors(
    ...     viewed, hessian, factor(hessian), X[2:4], np.array([0, 1]),
    ...     X[1::5], LogLoss(y[1::5], np.ones(30)),
    ... )
    >>> errors.shape, bool((errors > 0).all())
    ((2,), True)
    """
    if len(labels) == 0:
        return np.zeros(0)
    rows, X_val = as_rows(X), as_rows(X_val)
    if sparse.issparse(rows):
        rows = rows.toarray()
    if model.fit_intercept:
        rows = np.column_stack([rows, np.ones(len(rows))])
    slope = _logit_gradient(model, X, labels) @ hessian.basis.T
    val_slope = _logit_gradient(model, X_val, objective.labels) @ hessian.basis.T
    errors = np.empty(len(labels))
    for batch in gen_batches(len(labels), BATCH_ROWS):
        solved = solver.apply(slope[batch, :, None] * rows[batch, None, :])
        effect = np.zeros((len(solved), X_val.shape[0]))
        for place in range(hessian.shape[0]):
            logits = (X_val @ solved[:, place, : model.n_features].T).T
            if model.fit_intercept:
                logits += solved[:, place, -1:]
            effect += val_slope[:, place] * logits
        errors[batch] = standard_error(effect, objective.weight)
    if class_weight is not None:
        errors *= class_weight[labels]
    return errors


def _logit_gradient(model: SoftmaxModel, X: Matrix, labels: IntArray) -> Float64Array:
    """Gradient of each row's log loss at its logits, p - e_label, (n_rows, n_classes).

    As what the other classes have, not p - 1, so that a row the model is sure of keeps
    its digits.
    """
    gradient = model.probability(as_rows(X))
    own = np.arange(len(labels)), labels
    gradient[own] = 0.0
    gradient[own] = -gradient.sum(axis=1)
    return gradient
