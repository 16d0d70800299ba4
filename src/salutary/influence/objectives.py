"""What "better" means: validation objectives as functions of the logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp, softmax

from salutary.arrays import FloatArray, IntArray
from salutary.names import ObjectiveName

LARGEST_COST = 1e30
"""Squares of larger costs, times those of logits, leave too little room for sums."""


@dataclass(frozen=True)
class Truth:
    """What an objective knows of the rows it judges.

    Parameters
    ----------
    labels : ndarray of shape (n_rows,), dtype intp
        Position of each row's class.
    weight : ndarray of shape (n_rows,)
        Not all zero.
    groups : ndarray of shape (n_rows,), dtype intp, optional
        Number of each row's group, for objectives that look at groups.
    """

    labels: IntArray
    weight: FloatArray
    groups: IntArray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: IntArray) -> Truth:
        """Some of the rows."""
        groups = None if self.groups is None else self.groups[rows]
        return Truth(self.labels[rows], self.weight[rows], groups)


Objective = Callable[[FloatArray, Truth], tuple[float, FloatArray]]
"""(logits, truth) -> (value, gradient): what is to fall, of any set of rows.

``logits`` and the gradient with respect to them have shape (n_rows, n_classes). Each
row of the gradient must sum to zero, that is, the objective must depend on the logits
through the probabilities only (checked where the gradient is used). It is called with
parts of the validation rows too, so it should be a mean of some kind, not a sum.
"""

BoundObjective = Callable[[FloatArray], tuple[float, FloatArray]]
"""The same of certain rows: logits -> (value, gradient)."""


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


def log_losses(probability: FloatArray, labels: IntArray) -> FloatArray:
    """Log loss of each row, as scikit-learn's: what cannot be counts 36, not infinity.

    Parameters
    ----------
    probability : ndarray of shape (n_rows, n_classes)
        Probability of each class.
    labels : ndarray of shape (n_rows,), dtype intp

    Returns
    -------
    ndarray of shape (n_rows,)

    Examples
    --------
    >>> import numpy as np
    >>> log_losses(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 1])).round(2)
    array([ 0.69, 36.04])
    """
    own = probability[np.arange(len(labels)), labels]
    losses: FloatArray = -np.log(np.clip(own, np.finfo(float).eps, 1.0))
    return losses


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


def log_loss(logits: FloatArray, truth: Truth) -> tuple[float, FloatArray]:
    """Weighted mean log loss, an `Objective`, in nats: the paper's.

    Examples
    --------
    >>> import numpy as np
    >>> truth = Truth(np.array([0, 0, 1]), np.ones(3))
    >>> value, _ = log_loss(np.array([[2.0, 0], [2, 0], [2, 0]]), truth)
    >>> round(value, 4)
    0.7936
    """
    return LogLoss(truth.labels, truth.weight)(logits)


def balanced_log_loss(logits: FloatArray, truth: Truth) -> tuple[float, FloatArray]:
    """Mean over the classes of each class's mean log loss, an `Objective`, in nats.

    A class counts the same however few of the rows have it; one that none has does not
    count.

    Examples
    --------
    >>> import numpy as np
    >>> truth = Truth(np.array([0, 0, 1]), np.ones(3))
    >>> value, _ = balanced_log_loss(np.array([[2.0, 0], [2, 0], [2, 0]]), truth)
    >>> round(value, 4)
    1.1269
    """
    return LogLoss(truth.labels, _share_of(truth.labels, truth.weight))(logits)


@dataclass(frozen=True, eq=False)
class ExpectedCost:
    """Mean cost of a class drawn by the model's probabilities, an `Objective`.

    A smooth stand-in for the cost of the likeliest class. It is bounded, so rows that
    the model is surely wrong about pull at it little.

    Parameters
    ----------
    costs : array-like of shape (n_classes, n_classes)
        Cost of predicting the column's class for a row of the row's class, classes in
        the order of the model's; in any unit, which is then the objective's. A
        negative cost is a gain. None is beyond 1e30 either way.

    Examples
    --------
    >>> import numpy as np
    >>> truth = Truth(np.array([0, 1]), np.ones(2))
    >>> value, _ = ExpectedCost([[0, 1], [10, 0]])(np.zeros((2, 2)), truth)
    >>> value
    2.75
    """

    costs: FloatArray

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExpectedCost) and np.array_equal(
            self.costs, other.costs
        )

    def __call__(self, logits: FloatArray, truth: Truth) -> tuple[float, FloatArray]:
        costs = _checked_costs(self.costs, logits.shape[1])
        share = truth.weight / truth.weight.sum()
        probability = softmax(logits, axis=1)
        cost = costs[truth.labels]
        expected = np.einsum("ik,ik->i", probability, cost)
        gradient = share[:, None] * probability * (cost - expected[:, None])
        return float(share @ expected), gradient


def _checked_costs(costs: Any, n_classes: int) -> NDArray[np.float64]:
    """Costs as an array; refused with what is wrong with them."""
    fault = None
    try:
        table = np.asarray(costs, dtype=np.float64)
    except (TypeError, ValueError):
        fault = "are no table of numbers"
    else:
        if table.shape != (n_classes, n_classes):
            fault = f"are of shape {table.shape}"
        elif not (np.abs(table) <= LARGEST_COST).all():  # NaN is not either
            row, column = np.argwhere(~(np.abs(table) <= LARGEST_COST))[0]
            fault = f"have {table[row, column]:g} in row {row}, column {column}"
            if np.isfinite(table[row, column]):
                fault += f", beyond {LARGEST_COST:g}; give all in a larger unit"
    if fault is not None:
        raise ValueError(
            f"costs must be finite and of shape {(n_classes, n_classes)}, a row for "
            f"each true class and a column for each predicted one, but {fault}"
        )
    return table


@dataclass(frozen=True)
class WorstGroup:
    r"""Smooth maximum of the groups' mean log losses, an `Objective`, in nats.

    Parameters
    ----------
    temperature : float, default=0.1
        In nats. The smaller, the more the worst group alone counts; groups whose losses
        are within it count nearly alike.

    Notes
    -----
    With the mean log losses :math:`L_g` of the G groups that the rows have, the value
    is :math:`T \log(\frac{1}{G} \sum_g e^{L_g / T})`, which is between their mean and
    their maximum.

    Examples
    --------
    >>> import numpy as np
    >>> truth = Truth(np.array([0, 1]), np.ones(2), groups=np.array([0, 1]))
    >>> value, _ = WorstGroup(0.01)(np.array([[2.0, 0], [2, 0]]), truth)
    >>> round(value, 4)
    2.12
    """

    temperature: float = 0.1

    def __call__(self, logits: FloatArray, truth: Truth) -> tuple[float, FloatArray]:
        if truth.groups is None:
            raise ValueError(
                "the worst-group objective needs a group for each validation row; pass "
                "groups_val"
            )
        if not self.temperature > 0:
            raise ValueError(f"temperature must be positive: {self.temperature}")
        share = _share_of(truth.groups, truth.weight)
        present, group = np.unique(truth.groups[share > 0], return_inverse=True)
        loss = row_log_loss(logits, truth.labels)
        losses = np.bincount(group, (share * loss)[share > 0])
        scaled = losses / self.temperature
        value = self.temperature * (logsumexp(scaled) - np.log(len(present)))
        weight = np.zeros(len(share))
        weight[share > 0] = share[share > 0] * softmax(scaled)[group]
        return float(value), LogLoss(truth.labels, weight)(logits)[1]


def _share_of(kinds: IntArray, weight: FloatArray) -> FloatArray:
    """Each row's share in the weight of its kind; zero for kinds without any."""
    total = np.bincount(kinds, weight)[kinds]
    share: FloatArray = np.divide(
        weight, total, out=np.zeros(len(kinds)), where=total > 0
    )
    return share


OBJECTIVES: dict[ObjectiveName, Objective] = {
    "log_loss": log_loss,
    "balanced": balanced_log_loss,
    "worst_group": WorstGroup(),
}
"""Those that need nothing but a name, the default first."""

BY_TABLE = "cost"
"""What the command line calls `ExpectedCost`, which needs a table."""


def find_objective(objective: ObjectiveName | Objective) -> Objective:
    """The objective of a name, or a caller's own.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if callable(objective):
        return objective
    if objective not in OBJECTIVES:
        hint = "; pass salutary.ExpectedCost(costs)" if objective == BY_TABLE else ""
        raise ValueError(
            f"objective must be one of {sorted(OBJECTIVES)} or a callable: "
            f"{objective!r}{hint}"
        )
    return OBJECTIVES[objective]


def bind(objective: Objective, truth: Truth) -> BoundObjective:
    """An objective of certain rows, its results checked.

    Raises
    ------
    ValueError
        When it is called, for anything but a value and a gradient, for a gradient of
        another shape than the logits, and for NaN or infinity.
    """
    if objective is log_loss:
        return LogLoss(truth.labels, truth.weight)

    def bound(logits: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = _value_and_gradient(objective(logits, truth))
        if gradient.shape != logits.shape:
            raise ValueError(
                f"the objective returned a gradient of shape {gradient.shape} for "
                f"logits of shape {logits.shape}; return (value, gradient with respect "
                "to the logits)"
            )
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise ValueError(
                "the objective returned a value or gradient that is not finite; write "
                "it with scipy.special.log_softmax, which is exact for any logits"
            )
        return value, gradient

    return bound


def _value_and_gradient(result: Any) -> tuple[float, FloatArray]:
    """What a caller's objective returned, as a number and an array."""
    try:
        value, gradient = result
        if not isinstance(result, tuple | list) or np.ndim(value):
            raise TypeError
        return float(value), np.asarray(gradient, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            "the objective must return (value, gradient), a number and an array of the "
            f"logits' shape, but returned {type(result).__name__}; see "
            "salutary.label_influence"
        ) from None
