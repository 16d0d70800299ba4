"""What "better" means: validation objectives as functions of the logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.intp]

Objective = Callable[[FloatArray], tuple[float, FloatArray]]
"""Maps logits (n_rows, n_classes) to the objective and its gradient, same shape.

Each row of the gradient must sum to zero, that is, the objective must depend on the
logits through the probabilities only (checked where the gradient is used).
"""


def row_log_loss(logits: FloatArray, labels: IntArray) -> FloatArray:
    """Log loss of each row.

    Parameters
    ----------
    logits : ndarray of shape (n_rows, n_classes)
    labels : ndarray of shape (n_rows,), dtype intp
        Position of each row's class.

    Returns
    -------
    ndarray of shape (n_rows,), in nats

    Examples
    --------
    >>> import numpy as np
    >>> row_log_loss(np.zeros((2, 4)), np.array([0, 3])).round(4)
    array([1.3863, 1.3863])
    """
    loss: FloatArray = -log_softmax(logits, axis=1)[np.arange(len(labels)), labels]
    return loss


@dataclass(frozen=True)
class LogLoss:
    """Weighted mean log loss of labeled rows: J of the design, in nats.

    Parameters
    ----------
    labels : ndarray of shape (n_rows,), dtype intp
        Position of each row's class.
    weight : ndarray of shape (n_rows,)
        Weight of each row in the mean; not all zero.

    Examples
    --------
    >>> import numpy as np
    >>> value, gradient = LogLoss(np.array([0, 1]), np.ones(2))(np.zeros((2, 2)))
    >>> round(value, 4)
    0.6931
    >>> gradient
    array([[-0.25,  0.25],
           [ 0.25, -0.25]])
    """

    labels: IntArray
    weight: FloatArray

    def __call__(self, logits: FloatArray) -> tuple[float, FloatArray]:
        share = self.weight / self.weight.sum()
        log_probability = log_softmax(logits, axis=1)
        rows = np.arange(len(self.labels))
        value = -float(share @ log_probability[rows, self.labels])
        gradient = np.exp(log_probability)
        gradient[rows, self.labels] -= 1.0
        return value, gradient * share[:, None]
