"""How far an influence may be off because the validation rows are a sample."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse
from sklearn.utils import gen_batches

from salutary.arrays import Float64Array, FloatArray, IntArray, Matrix, as_float64
from salutary.influence.factored import FactoredModel
from salutary.influence.objectives import Objective, Truth, bind, log_loss
from salutary.influence.softmax import SoftmaxModel, parameter_gradient

BATCH_ROWS = 64
"""Candidates whose effects on all validation rows are held at once."""

PARTS = 20
"""Of the validation rows, left out in turn for the error of any objective."""


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


def left_out(weight: FloatArray) -> Iterator[IntArray]:
    """Rows without one of `PARTS` parts of those that have a weight, for each part.

    A part is every so many of them; single rows if there are no more than `PARTS`.
    Nothing for one row.
    """
    rows = np.flatnonzero(weight)
    if len(rows) < 2:
        return
    part = np.arange(len(rows)) % PARTS
    for number in range(min(PARTS, len(rows))):
        yield rows[part != number]


def jackknife_error(values: FloatArray) -> Float64Array:
    r"""Standard errors of figures, from their values without each part of the rows.

    Parameters
    ----------
    values : ndarray of shape (n_parts, ...)
        Of `left_out`.

    Returns
    -------
    ndarray of shape (...), float64
        :math:`\sqrt{\frac{G - 1}{G} \sum_g (v_g - \bar v)^2}` for G parts; NaN for
        fewer than two.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([1.0, 2.0, 3.0])
    >>> means = np.array([rows[kept].mean() for kept in left_out(np.ones(3))])
    >>> errors = jackknife_error(means), standard_error(rows, np.ones(3))
    >>> [round(float(error), 4) for error in errors]
    [0.5774, 0.5774]
    """
    n_parts = len(values)
    if n_parts < 2:
        return np.full(values.shape[1:], np.nan)
    squares = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(np.sqrt((n_parts - 1) / n_parts * squares))


def influence_errors(
    factored: FactoredModel,
    X: Matrix,
    gradient: FloatArray,
    X_val: Matrix,
    objective: Objective,
    truth: Truth,
) -> Float64Array:
    r"""Standard errors of influences over the validation rows.

    Of the mean log loss, an influence is the weighted mean over validation rows of
    :math:`a_j = \nabla \ell_j^T H^{-1} \nabla \ell(x, c)`, what the label does for the
    row j; its standard error comes from their spread, see `standard_error`. Of any
    other objective, it comes from the influences on the objective without each of
    `PARTS` parts of the rows, see `jackknife_error`.

    Parameters
    ----------
    factored : FactoredModel
    X : matrix of shape (n_rows, n_features)
    gradient : ndarray of shape (n_rows, n_classes)
        At each row's logits, of what a unit weight adds to the training objective: of
        a row added under the label c, p - e_c.
    X_val : matrix of shape (n_val, n_features)
    objective : callable
    truth : Truth
        Of the validation rows.

    Returns
    -------
    ndarray of shape (n_rows,), float64
        In nats of mean validation loss per unit of sample weight, or what the objective
        is measured in, as the influences; NaN with fewer than two validation rows that
        have a weight.

    Notes
    -----
    Says how the influence would differ with other validation rows, the model and its
    training rows being the same; not how true first order is. It holds for rows named
    beforehand: rows chosen because their influence came out large are expected to be
    worth less than it says (``docs/studies/uncertainty``).

    For log loss it costs ``solver.apply`` to one matrix a row, O((K d)^2) when factored
    and a solve of its own with conjugate gradients, and O(n_val d K) to look at the
    validation rows; extra memory, by batches of `BATCH_ROWS`, O(n_val K) and what those
    take. For others, a solve and a look at the validation rows for each part.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from salutary.influence.factored import factor_model
    >>> from salutary.influence.softmax import softmax_model
    >>> from salutary.influence.objectives import log_loss
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(tol=1e-8, max_iter=1000).fit(X[::5], y[::5])
    >>> viewed = softmax_model(model)
    >>> errors = influence_errors(
    ...     factor_model(viewed, X[::5], np.ones(30)), X[2:4],
    ...     viewed.probability(X[2:4]) - np.eye(3)[[0, 1]],
    ...     X[1::5], log_loss, Truth(y[1::5], np.ones(30)),
    ... )
    >>> errors.shape, bool((errors > 0).all())
    ((2,), True)
    """
    if len(gradient) == 0:
        return np.zeros(0)
    model, basis = factored.model, factored.hessian.basis
    X, X_val = as_float64(X), as_float64(X_val)
    if sparse.issparse(X):
        X = X.toarray()
    if model.fit_intercept:
        X = np.column_stack([X, np.ones(len(X))])
    if objective is log_loss:
        return _of_log_loss(factored, X, gradient, X_val, truth)
    logits = model.logits(X_val)
    parts = []
    for kept in left_out(truth.weight):
        _, slope = bind(objective, truth.take(kept))(logits[kept])
        change = parameter_gradient(X_val[kept], slope, model.fit_intercept)
        direction = basis.T @ factored.solver.solve(basis @ change).value
        parts.append(np.einsum("ik,ik->i", gradient, X @ direction.T))
    return jackknife_error(np.array(parts).reshape(-1, len(gradient)))


def _of_log_loss(
    factored: FactoredModel,
    rows: Float64Array,
    gradient: FloatArray,
    X_val: Matrix,
    truth: Truth,
) -> Float64Array:
    model, hessian = factored.model, factored.hessian
    slope = gradient @ hessian.basis.T
    val_slope = _logit_gradient(model, X_val, truth.labels) @ hessian.basis.T
    errors = np.empty(len(gradient))
    for batch in gen_batches(len(gradient), BATCH_ROWS):
        solved = factored.solver.apply(slope[batch, :, None] * rows[batch, None, :])
        effect = np.zeros((len(solved), X_val.shape[0]))
        for place in range(hessian.shape[0]):
            logits = (X_val @ solved[:, place, : model.n_features].T).T
            if model.fit_intercept:
                logits += solved[:, place, -1:]
            effect += val_slope[:, place] * logits
        errors[batch] = standard_error(effect, truth.weight)
    return errors


def _logit_gradient(model: SoftmaxModel, X: Matrix, labels: IntArray) -> Float64Array:
    """Gradient of each row's log loss at its logits, p - e_label, (n_rows, n_classes).

    As what the other classes have, not p - 1, so that a row the model is sure of keeps
    its digits.
    """
    gradient = model.probability(as_float64(X))
    own = np.arange(len(labels)), labels
    gradient[own] = 0.0
    gradient[own] = -gradient.sum(axis=1)
    return gradient
