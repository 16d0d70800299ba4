"""Standard errors of influences, given that the validation rows are only a sample."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse
from sklearn.utils import gen_batches

from salutary.arrays import Float64Array, FloatArray, IntArray, Matrix, as_float64
from salutary.influence.factored import FactoredModel
from salutary.influence.objectives import Objective, Truth, bind, log_loss
from salutary.influence.softmax import log_loss_gradient, parameter_gradient

BATCH_ROWS = 64
"""Candidates whose effects on all validation rows are held in memory at once."""

PARTS = 20
"""Parts of the validation rows; the jackknife leaves out one after another."""


def standard_error(values: FloatArray, weight: FloatArray) -> Float64Array:
    r"""Standard errors of weighted means of independent rows.

    Parameters
    ----------
    values : ndarray of shape (..., n_rows)
        Means are taken along the last axis.
    weight : ndarray of shape (n_rows,)
        Not negative. Only the ratios of weights matter.

    Returns
    -------
    ndarray of shape (...), float64
        In the unit of ``values``. NaN if fewer than two rows have a positive weight.

    Notes
    -----
    The mean :math:`m = \sum_j v_j a_j / \sum_j v_j` is a ratio of two sums. Linearized,
    its variance is

    .. math:: \frac{n}{n - 1} \sum_j \left(\frac{v_j}{\sum_k v_k} (a_j - m)\right)^2

    over the n rows with a positive weight. For equal weights this is the square of
    :math:`std(a) / \sqrt n` with n - 1 degrees of freedom. Weights are not read as
    counts of rows.

    References
    ----------
    Cochran, Sampling Techniques, third edition, 1977, chapter 6. Equal to statsmodels'
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


def leave_one_part_out(weight: FloatArray) -> Iterator[IntArray]:
    """Yield the rows that remain when one part of them is left out, for each part.

    Only rows with a positive weight count. The part k of them is every `PARTS`-th row
    from the row k on; a single row if there are at most `PARTS`. Yields nothing for
    fewer than two rows.
    """
    rows = np.flatnonzero(weight)
    if len(rows) < 2:
        return
    part = np.arange(len(rows)) % PARTS
    for number in range(min(PARTS, len(rows))):
        yield rows[part != number]


def jackknife_error(values: FloatArray) -> Float64Array:
    r"""Standard errors of figures by the jackknife.

    Parameters
    ----------
    values : ndarray of shape (n_parts, ...)
        The figures, computed without each part in turn, see `leave_one_part_out`.

    Returns
    -------
    ndarray of shape (...), float64
        :math:`\sqrt{\frac{G - 1}{G} \sum_g (v_g - \bar v)^2}` for G parts. NaN for
        fewer than two parts.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([1.0, 2.0, 3.0])
    >>> means = np.array([rows[kept].mean() for kept in leave_one_part_out(np.ones(3))])
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

    For the mean log loss, an influence is the weighted mean over validation rows j of
    :math:`a_j = \nabla \ell_j^T H^{-1} \nabla \ell(x, c)`, the effect of the label on
    the row j. Its standard error comes from the spread of these effects, see
    `standard_error`. For any other objective, it comes from the influences without each
    of `PARTS` parts of the validation rows, see `jackknife_error`.

    Parameters
    ----------
    factored : FactoredModel
    X : matrix of shape (n_rows, n_features)
    gradient : ndarray of shape (n_rows, n_classes)
        Gradient, with respect to each row's logits, of what one unit of weight adds to
        the training objective. It is p - e_c for a row added under the label c.
    X_val : matrix of shape (n_val, n_features)
    objective : callable
    truth : Truth
        Labels, weights and groups of the validation rows.

    Returns
    -------
    ndarray of shape (n_rows,), float64
        In the unit of the influences: nats of mean validation loss (or the objective's
        unit) per unit of sample weight. NaN if fewer than two validation rows have a
        positive weight.

    Notes
    -----
    The error says how an influence would vary with other validation rows, for the same
    model and training rows. It does not say how accurate first order is. It holds for
    rows that were chosen beforehand: rows that were chosen for their large influence
    are expected to help less than it says (``docs/studies/uncertainty``).

    For the log loss, each row costs ``solver.apply`` to one matrix, which is O((K d)^2)
    for a factored Hessian and a whole solve for conjugate gradients, and O(n_val d K)
    on the validation rows. Memory is O(n_val K) for each of the `BATCH_ROWS` rows of a
    batch. Any other objective costs a solve and a pass over the validation rows for
    each part.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from salutary.influence.factored import factor_model
    >>> from salutary.influence.softmax import log_loss_gradient, softmax_model
    >>> from salutary.influence.objectives import log_loss
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(tol=1e-8, max_iter=1000).fit(X[::5], y[::5])
    >>> viewed = softmax_model(model)
    >>> errors = influence_errors(
    ...     factor_model(viewed, X[::5], np.ones(30)), X[2:4],
    ...     log_loss_gradient(viewed.probability(X[2:4]), np.array([0, 1])),
    ...     X[1::5], log_loss, Truth(y[1::5], np.ones(30)),
    ... )
    >>> errors.shape, bool((errors > 0).all())
    ((2,), True)
    """
    if len(gradient) == 0:
        return np.zeros(0)
    model, basis = factored.model, factored.hessian.basis
    X_val = as_float64(X_val)
    if objective is log_loss:
        slope = log_loss_gradient(model.probability(X_val), truth.labels)
        errors = np.empty(len(gradient))
        for batch in gen_batches(len(gradient), BATCH_ROWS):
            effect = row_effects(factored, X[batch], gradient[batch], X_val, slope)
            errors[batch] = standard_error(effect, truth.weight)
        return errors
    rows, logits = _with_ones(factored, X), model.logits(X_val)
    parts = []
    for kept in leave_one_part_out(truth.weight):
        _, slope = bind(objective, truth.take(kept))(logits[kept])
        change = parameter_gradient(X_val[kept], slope, model.fit_intercept)
        direction = basis.T @ factored.solver.solve(basis @ change).value
        parts.append(np.einsum("ik,ik->i", gradient, rows @ direction.T))
    return jackknife_error(np.array(parts).reshape(-1, len(gradient)))


def row_effects(
    factored: FactoredModel,
    X: Matrix,
    gradient: FloatArray,
    X_val: Matrix,
    slope: FloatArray,
) -> Float64Array:
    """What each label does to each validation row, to first order.

    Parameters
    ----------
    factored : FactoredModel
    X, gradient, X_val
        As for `influence_errors`.
    slope : ndarray of shape (n_val, n_classes)
        Gradient, with respect to each validation row's logits, of what is to fall. Its
        rows sum to zero.

    Returns
    -------
    ndarray of shape (n_rows, n_val), float64
        If ``slope`` is the gradient of an objective, the effects of a label sum to its
        influence.
    """
    model, hessian = factored.model, factored.hessian
    rows, X_val = _with_ones(factored, X), as_float64(X_val)
    pull, slope = gradient @ hessian.basis.T, slope @ hessian.basis.T
    solved = factored.solver.apply(pull[:, :, None] * rows[:, None, :])
    effect = np.zeros((len(solved), X_val.shape[0]))
    for place in range(hessian.shape[0]):
        logits = (X_val @ solved[:, place, : model.n_features].T).T
        if model.fit_intercept:
            logits += solved[:, place, -1:]
        effect += slope[:, place] * logits
    return effect


def _with_ones(factored: FactoredModel, X: Matrix) -> Float64Array:
    """Rows as a dense matrix, with a one for the intercept if there is one."""
    X = as_float64(X)
    if sparse.issparse(X):
        X = X.toarray()
    if factored.model.fit_intercept:
        X = np.column_stack([X, np.ones(len(X))])
    rows: Float64Array = X
    return rows
