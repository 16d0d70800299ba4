"""Temperature scaling: make a model as uncertain as held-out rows say it should be.

References
----------
Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from salutary.arrays import Float64Array, FloatArray, IntArray
from salutary.influence.objectives import row_log_loss

HOTTEST = 20.0
"""Largest temperature. The smallest is 1: see `best_temperature`."""


@dataclass(frozen=True)
class HeldOut:
    """Rows that were held out, each from the fit that judges it.

    Parameters
    ----------
    row : ndarray of shape (n_held,), dtype intp
        Number of each row. With repeats, a row is held out more than once.
    labels : ndarray of shape (n_held,), dtype intp
        Position of each row's class.
    weight : ndarray of shape (n_held,)
    fold : ndarray of shape (n_held,), dtype intp
        Number of the fold that each row was held out from.
    """

    row: IntArray
    labels: IntArray
    weight: FloatArray
    fold: IntArray

    def by_row(self, values: FloatArray) -> Float64Array:
        """Means over the times that each row was held out, in the order of the rows.

        Examples
        --------
        >>> import numpy as np
        >>> row, none = np.array([4, 7, 7, 4]), np.zeros(4, dtype=np.intp)
        >>> held = HeldOut(row, none, np.ones(4), np.array([0, 1, 2, 3]))
        >>> held.by_row(np.array([1.0, 2.0, 3.0, 4.0]))
        array([2.5, 2.5])
        """
        _, place, times = np.unique(self.row, return_inverse=True, return_counts=True)
        mean: Float64Array = np.bincount(place, values) / times
        return mean


def best_temperature(
    logits: Float64Array, labels: IntArray, weight: FloatArray
) -> float:
    """The number of 1 or more by which logits are to be divided for the lowest loss.

    Below 1 a model would become more certain than it was fitted to be. A few held-out
    rows that all happen to be right would ask for certainty without limit.

    Parameters
    ----------
    logits : ndarray of shape (n_rows, n_classes)
    labels : ndarray of shape (n_rows,), dtype intp
    weight : ndarray of shape (n_rows,)

    Returns
    -------
    float in [1, 20]

    Examples
    --------
    Three rows in four are right, so the probability should be 3/4:

    >>> import numpy as np
    >>> logits = np.array([[0.0, 9.0]] * 4)
    >>> T = best_temperature(logits, np.array([1, 1, 1, 0]), np.ones(4))
    >>> round(T, 2), round(float(np.exp(9 / T)), 2)
    (8.19, 3.0)
    """

    def loss(log_temperature: float) -> float:
        return float(weight @ row_log_loss(logits / np.exp(log_temperature), labels))

    # The loss is convex in 1 / T, so it has one minimum along any monotone scale.
    found = minimize_scalar(loss, bounds=(0.0, np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0


def calibrate(logits: Float64Array, held: HeldOut) -> tuple[float, Float64Array]:
    """A temperature for models, and the losses of rows that had no part in choosing it.

    Parameters
    ----------
    logits : ndarray of shape (n_held, n_classes)
        Of held-out rows.
    held : HeldOut

    Returns
    -------
    temperature : float
        1 unless the temperatures that are found without each fold lower the loss on it.
    losses : ndarray of shape (n_held,)
        Log loss of each row, under the temperature found without the rows of its fold.
    """
    before = np.asarray(row_log_loss(logits, held.labels), dtype=np.float64)
    after = np.empty_like(before)
    for number in np.unique(held.fold):
        own = held.fold == number
        others = ~np.isin(held.row, held.row[own])
        others = others if others.any() else own
        temperature = best_temperature(
            logits[others], held.labels[others], held.weight[others]
        )
        after[own] = row_log_loss(logits[own] / temperature, held.labels[own])
    if held.weight @ after < held.weight @ before:
        return best_temperature(logits, held.labels, held.weight), after
    return 1.0, before


def tempered(model: LogisticRegression, temperature: float) -> LogisticRegression:
    """The model with its logits divided by a temperature."""
    cooled = copy(model)
    cooled.coef_ = model.coef_ / temperature
    cooled.intercept_ = model.intercept_ / temperature
    return cooled
