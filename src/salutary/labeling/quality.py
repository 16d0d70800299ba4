"""How good a model is on rows whose labels are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salutary.arrays import Float64Array, FloatArray, IntArray
from salutary.influence.objectives import Objective, Truth, bind, row_log_loss


@dataclass(frozen=True)
class Quality:
    """Figures of a model on some rows; all are NaN if there are no rows.

    Rows count by their weights.

    Parameters
    ----------
    loss : float
        The objective of the run.
    accuracy : float
        Share of the rows whose most probable class is their own.
    balanced_accuracy : float
        Mean of that share over the classes that the rows have.
    class_losses : ndarray of shape (n_classes,)
        Mean log loss of the rows of each class, whatever the objective is. NaN for a
        class that the rows lack.
    """

    loss: float
    accuracy: float
    balanced_accuracy: float
    class_losses: Float64Array


def quality_of(objective: Objective, truth: Truth, logits: FloatArray) -> Quality:
    """How good logits are.

    Parameters
    ----------
    objective : callable
    truth : Truth
    logits : ndarray of shape (n_rows, n_classes)

    Returns
    -------
    Quality

    Examples
    --------
    >>> import numpy as np
    >>> from salutary.influence.objectives import log_loss
    >>> truth = Truth(np.array([0, 0, 0, 1]), np.ones(4))
    >>> found = quality_of(log_loss, truth, np.array([[1.0, 0.0]] * 4))
    >>> found.accuracy, found.balanced_accuracy, found.class_losses.round(2).tolist()
    (0.75, 0.5, [0.31, 1.31])
    """
    labels, n_classes = truth.labels, logits.shape[1]
    if not len(truth):
        nothing = float("nan")
        return Quality(nothing, nothing, nothing, np.full(n_classes, np.nan))
    weight = np.asarray(truth.weight, dtype=np.float64)
    hits = weight * (logits.argmax(axis=1) == labels)
    share, losses = (
        _by_class(values, weight, labels, n_classes)
        for values in (hits, weight * row_log_loss(logits, labels))
    )
    return Quality(
        loss=float(bind(objective, truth)(logits)[0]),
        accuracy=float(hits.sum() / weight.sum()),
        balanced_accuracy=float(np.nanmean(share)),
        class_losses=losses,
    )


def _by_class(
    values: FloatArray, weight: FloatArray, labels: IntArray, n_classes: int
) -> Float64Array:
    """Sum of each class's values by that of its weights; NaN without weight."""
    total = np.bincount(labels, weights=weight, minlength=n_classes)
    found = np.bincount(labels, weights=values, minlength=n_classes)
    share = np.full(n_classes, np.nan)
    np.divide(found, total, out=share, where=total > 0)
    return share
