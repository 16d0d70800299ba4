"""Influence of every row, under every class, on a fitted model's validation loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.utils import gen_batches
from threadpoolctl import threadpool_limits

from salutary.arrays import (
    BLOCK_ROWS,
    FloatArray,
    Matrix,
    as_float64,
)
from salutary.influence.convergence import warn_unless_converged
from salutary.influence.direction import influence_direction
from salutary.influence.factored import factor_with_pool
from salutary.influence.inputs import (
    as_matrix,
    check_finite,
    check_matrix,
    check_size,
    check_weight,
    class_weights,
    column_names,
)
from salutary.influence.labels import encode_groups, encode_labels
from salutary.influence.objectives import Objective, Truth, bind, find_objective
from salutary.influence.scores import InfluenceScorer
from salutary.influence.softmax import softmax_model
from salutary.influence.training import TrainingRows
from salutary.names import HessianRows, ObjectiveName


def label_influence(
    model: LogisticRegression,
    X_pool: Any,
    *,
    X_train: Any,
    X_val: Any,
    y_val: Any,
    sample_weight: Any = None,
    val_weight: Any = None,
    hessian: HessianRows = "train",
    y_train: Any = None,
    objective: ObjectiveName | Objective = "log_loss",
    groups_val: Any = None,
) -> FloatArray:
    r"""Estimate how adding each pool row under each class lowers the validation loss.

    The influence of a row under a class is the rate at which the validation loss falls
    as the row, labeled with the class, gains weight in the training set. A positive
    influence means that the label helps, to first order.

    Parameters
    ----------
    model : LogisticRegression
        Fitted on ``X_train`` with an L2 penalty, binary or multinomial, with or without
        an intercept. Influences are exact at the optimum, so fit it with a small
        ``tol``, for instance 1e-8.
    X_pool : array-like or CSR matrix of shape (n_pool, n_features)
        Candidate rows, float32 or float64.
    X_train : array-like or CSR matrix of shape (n_train, n_features)
        The rows that ``model`` was fitted on.
    X_val : array-like or CSR matrix of shape (n_val, n_features)
        Validation rows.
    y_val : array-like of shape (n_val,)
        Their labels, all among ``model.classes_``. Not every class needs to occur.
    sample_weight : array-like of shape (n_train,), optional
        Weights that ``model`` was fitted with.
    val_weight : array-like of shape (n_val,), optional
        Weights of the validation rows in the mean loss.
    hessian : {"train", "pool", "both"}, default="train"
        Rows whose curvature enters the Hessian: the training rows, the pool, or both.
        With "train", influences are the derivatives that refitting shows. The other
        two take the mean curvature of their rows, times the total training weight;
        this needs no labels, as the curvature does not depend on them.
    y_train : array-like of shape (n_train,), optional
        Labels of the training rows. Required if ``model`` has a class weight. If
        passed, a model that has not converged on these rows is warned of.
    objective : {"log_loss", "balanced", "worst_group"} or callable, default="log_loss"
        The validation loss:

        - "log_loss": the mean log loss;
        - "balanced": the mean over the classes of each class's mean log loss;
        - "worst_group": a smooth maximum of the groups' mean log losses, see
          `salutary.WorstGroup`;
        - a callable (logits, truth) -> (value, gradient with respect to the logits),
          such as `salutary.ExpectedCost`. It must depend on the logits through the
          softmax probabilities only. ``truth`` has the attributes ``labels`` (positions
          in ``model.classes_``), ``weight`` and ``groups``.
    groups_val : array-like of shape (n_val,), optional
        Group of each validation row, for an objective that uses groups.

    Returns
    -------
    influence : ndarray of shape (n_pool, n_classes)
        Nats of mean validation loss (or the objective's unit) per unit of
        ``sample_weight``. Columns are in the order of ``model.classes_``. float32 for a
        float32 pool, else float64.

    Raises
    ------
    TypeError
        If ``model`` is not a ``LogisticRegression``.
    ValueError
        If ``model`` was not fitted with the L2-penalized log loss; if the gradient of
        ``objective`` does not sum to zero over the classes; if rows do not have the
        model's features; or if a value is NaN or infinite (the message names the first
        row and column).

    Warns
    -----
    InfluenceWarning
        If the Hessian is ill-conditioned. If ``y_train`` is passed, also if the model
        is not the optimum of the training rows: it was fitted on other rows or weights,
        or has not converged.

    See Also
    --------
    salutary.add_one_in : The effect of a whole added row, also exactly, by refitting.

    Notes
    -----
    Let p(x) be the probabilities of a row, :math:`\tilde x` the row with a one for the
    intercept, J the validation loss and H the Hessian of the training objective. After
    one solve :math:`u = H^{-1} \nabla J`, and with :math:`s(x) = u \tilde x`, the
    influence is :math:`I(x, c) = p(x) \cdot s(x) - s_c(x)`. One product thus gives all
    classes of a row: O(n_pool n_features n_classes), about the cost of predicting the
    pool. Memory besides the result does not grow with the pool.

    The influences of a row, weighted by its probabilities, sum to zero. So every row
    has a class that seems to help, and a positive influence alone proves nothing.

    References
    ----------
    Xiao and Liu, Salutary Labeling with Zero Human Annotation, arXiv 2405.17627.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from salutary import label_influence
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(tol=1e-8, max_iter=1000).fit(X[::5], y[::5])
    >>> influence = label_influence(
    ...     model, X[2::5], X_train=X[::5], X_val=X[1::5], y_val=y[1::5]
    ... )
    >>> influence.shape
    (30, 3)

    Labeling row 28 of the pool with the last class helps: the validation loss falls by
    about 0.09 nats per unit of the row's weight.

    >>> influence[28].round(2)
    array([-0.08, -0.05,  0.09])

    Weighted by the probabilities, the influences of each row sum to zero:

    >>> bool(abs((model.predict_proba(X[2::5]) * influence).sum(axis=1)).max() < 1e-12)
    True
    """
    if hessian not in get_args(HessianRows):
        raise ValueError(f"hessian must be one of {get_args(HessianRows)}: {hessian!r}")
    viewed = softmax_model(model)
    feature_names = column_names(X_pool)
    X_pool = as_matrix(X_pool, "X_pool", model)
    if hessian != "train":
        check_finite(X_pool, "X_pool", feature_names)
        check_size(X_pool, "X_pool", feature_names)
    X_train = check_matrix(X_train, "X_train", model)
    X_val = check_matrix(X_val, "X_val", model)
    weight = check_weight(sample_weight, X_train, "sample_weight")
    factors = class_weights(model, y_train, weight)
    bound = bind(
        find_objective(objective),
        Truth(
            encode_labels(y_val, model.classes_, "y_val", X_val),
            check_weight(val_weight, X_val, "val_weight"),
            encode_groups(groups_val, X_val),
        ),
    )
    codes = None
    if y_train is not None:
        codes = encode_labels(y_train, model.classes_, "y_train", X_train)
        if factors is not None:
            weight = weight * factors[codes]

    def pool_blocks() -> Iterator[Matrix]:
        return (X_pool[batch] for batch in gen_batches(X_pool.shape[0], BLOCK_ROWS))

    # Blocks are too small for several threads, which would only wait for each other.
    # With one thread, sums are also the same on a machine with any number of cores.
    with threadpool_limits(limits=1, user_api="blas"):
        pool = (pool_blocks, X_pool.shape[0])
        factored = factor_with_pool(viewed, X_train, weight, factors, hessian, pool)
        if codes is not None:
            rows = TrainingRows(as_float64(X_train), codes, weight)
            warn_unless_converged(factored, rows)
        direction = influence_direction(factored, X_val, bound)
        scorer = InfluenceScorer(factored, direction, X_pool.dtype)
        return influences(scorer, X_pool, feature_names)


def influences(
    scorer: InfluenceScorer, X_pool: Matrix, feature_names: Any
) -> FloatArray:
    """Influences of all rows, block by block; refuse values that are not finite."""
    influence = np.empty((X_pool.shape[0], scorer.n_classes), dtype=X_pool.dtype)
    with np.errstate(all="ignore"):
        for batch in gen_batches(X_pool.shape[0], BLOCK_ROWS):
            influence[batch], _ = scorer(X_pool[batch])
            # A value that is not finite makes the influences of its row not finite.
            # Looking only at the influences saves a pass over the pool.
            if not np.isfinite(influence[batch].sum()):
                check_finite(X_pool, "X_pool", feature_names)
    return influence
