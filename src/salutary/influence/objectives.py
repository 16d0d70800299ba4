"""Validation objectives: what labels are to lower, as functions of the logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from salutary.arrays import FloatArray, IntArray
from salutary.influence.softmax import class_probability, log_loss_gradient
from salutary.names import ObjectiveName

LARGEST_COST = 1e30
"""Limit of costs: with larger ones, squares and their sums could overflow."""


@dataclass(frozen=True)
class Truth:
    """What an objective knows about the rows besides their logits.

    Parameters
    ----------
    labels : ndarray of shape (n_rows,), dtype intp
        Position of each row's class.
    weight : ndarray of shape (n_rows,)
        Weight of each row; not all zero.
    groups : ndarray of shape (n_rows,), dtype intp, optional
        Number of each row's group, for objectives that use groups.
    """

    labels: IntArray
    weight: FloatArray
    groups: IntArray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: IntArray) -> Truth:
        """The rows of the given numbers."""
        groups = None if self.groups is None else self.groups[rows]
        return Truth(self.labels[rows], self.weight[rows], groups)


Objective = Callable[[FloatArray, Truth], tuple[float, FloatArray]]
"""(logits, truth) -> (value, gradient): what labels are to lower, for any rows.

``logits`` and the gradient with respect to them have shape (n_rows, n_classes). The
objective must depend on the logits through the probabilities only, so each row of the
gradient must sum to zero; this is checked where the gradient is used. The objective is
also called with parts of the validation rows, so it should be a mean, not a sum.
"""

BoundObjective = Callable[[FloatArray], tuple[float, FloatArray]]
"""logits -> (value, gradient): an `Objective` for certain rows, see `bind`."""


def row_log_loss(logits: FloatArray, labels: IntArray) -> FloatArray:
    """Log loss of each row, from logits.

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
    rows = np.arange(len(labels))
    if logits.shape[1] == 2:  # the same, and faster
        ahead = logits[rows, 1 - labels] - logits[rows, labels]
        return np.logaddexp(ahead.dtype.type(0), ahead)
    top = logits.argmax(axis=1)
    below = logits - logits[rows, top][:, None]
    odds = np.exp(below)
    odds[rows, top] = 0.0
    # log1p without the likeliest class keeps the digits of losses near zero.
    loss: FloatArray = np.log1p(odds.sum(axis=1)) - below[rows, labels]
    return loss


def log_losses(probability: FloatArray, labels: IntArray) -> FloatArray:
    """Log loss of each row, from probabilities.

    As in scikit-learn, a probability of zero gives a loss of 36, not infinity.

    Parameters
    ----------
    probability : ndarray of shape (n_rows, n_classes)
    labels : ndarray of shape (n_rows,), dtype intp
        Position of each row's class.

    Returns
    -------
    ndarray of shape (n_rows,), in nats

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
    """Weighted mean log loss of labeled rows, in nats.

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
        value = float(share @ row_log_loss(logits, self.labels))
        gradient = log_loss_gradient(class_probability(logits), self.labels)
        return value, gradient * share[:, None]


def log_loss(logits: FloatArray, truth: Truth) -> tuple[float, FloatArray]:
    """Weighted mean log loss, in nats: the `Objective` of the paper.

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

    Every class counts the same, however few rows it has. A class without rows does not
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
    """Expected cost of predictions, an ``objective`` in place of the log loss.

    The expected cost of a row is its mean cost when the class is drawn with the
    probabilities of the model. This is a smooth substitute for the cost of the most
    likely class. As it is bounded, confident mistakes weigh less than in the log loss.

    Parameters
    ----------
    costs : array-like of shape (n_classes, n_classes)
        ``costs[i, j]`` is the cost of predicting class j for a row of class i, classes
        in the order of ``model.classes_``; a negative cost is a gain. Any unit, which
        is then the unit of the objective. When used, costs of another shape, not
        finite, or beyond 1e30 raise a ValueError.

    Notes
    -----
    The weighted mean of ``p @ costs[y]`` over rows with probabilities p and class y;
    O(n_rows n_classes).

    Examples
    --------
    Missing the disease costs ten times as much as a false alarm. Then another label of
    the pool row helps:

    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import scale
    >>> from salutary import ExpectedCost, label_influence
    >>> X, y = load_breast_cancer(return_X_y=True)  # 0: malignant, 1: benign
    >>> X = scale(X)
    >>> model = LogisticRegression(tol=1e-8).fit(X[:50], y[:50])
    >>> rows = dict(X_train=X[:50], X_val=X[50:100], y_val=y[50:100])
    >>> label_influence(model, X[[100]], **rows).round(3)
    array([[-0.002,  0.044]])
    >>> costs = ExpectedCost([[0, 10], [1, 0]])
    >>> label_influence(model, X[[100]], **rows, objective=costs).round(3)
    array([[ 0.004, -0.085]])
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
        likeliest = cost[np.arange(len(cost)), probability.argmax(axis=1)]
        # Relative to the likeliest class, nothing cancels when the model is certain.
        cost = cost - likeliest[:, None]
        excess = np.einsum("ik,ik->i", probability, cost)
        gradient = share[:, None] * probability * (cost - excess[:, None])
        return float(share @ (likeliest + excess)), gradient


def _checked_costs(costs: Any, n_classes: int) -> NDArray[np.float64]:
    """Costs as an array; refuse costs that cannot be used."""
    fault = None
    try:
        table = np.asarray(costs, dtype=np.float64)
    except (TypeError, ValueError):
        fault = "are not a table of numbers"
    else:
        if table.shape != (n_classes, n_classes):
            fault = f"are of shape {table.shape}"
        elif not (np.abs(table) <= LARGEST_COST).all():  # also refuses NaN
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
    r"""Smooth maximum of the groups' mean log losses, an ``objective`` in nats.

    It needs the group of each validation row. The objective "worst_group" is this one
    with the default temperature.

    Parameters
    ----------
    temperature : float, default=0.1
        In nats; positive, or a ValueError is raised when it is used. The smaller it is,
        the more only the worst group counts. Groups whose losses differ by less than
        the temperature count nearly the same.

    Notes
    -----
    With the mean log losses :math:`L_g` of the G groups and the temperature T, the
    value is :math:`T \log(\frac{1}{G} \sum_g e^{L_g / T})`. It lies between their mean
    and their maximum. O(n_rows n_classes).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from salutary import WorstGroup, label_influence
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(tol=1e-8, max_iter=1000).fit(X[::5], y[::5])
    >>> influence = label_influence(
    ...     model, X[2::5], X_train=X[::5], X_val=X[1::5], y_val=y[1::5],
    ...     objective=WorstGroup(temperature=0.05),
    ...     groups_val=X[1::5, 1] > 3,  # narrow and wide sepals
    ... )
    >>> influence.shape
    (30, 3)
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
        group = np.unique(truth.groups[share > 0], return_inverse=True)[1]
        loss = row_log_loss(logits, truth.labels)
        losses = np.bincount(group, (share * loss)[share > 0])
        below = (losses - losses.max()) / self.temperature
        value = losses.max() + self.temperature * np.log1p(np.expm1(below).mean())
        weight = np.zeros(len(share))
        weight[share > 0] = share[share > 0] * softmax(below)[group]
        return float(value), LogLoss(truth.labels, weight)(logits)[1]


def _share_of(kinds: IntArray, weight: FloatArray) -> FloatArray:
    """Each row's share in the weight of its kind; zero for kinds without weight."""
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
"""Objectives by name, the default first."""

BY_TABLE = "cost"
"""Name of `ExpectedCost` on the command line, which also asks for a table of costs."""


def find_objective(objective: ObjectiveName | Objective) -> Objective:
    """Look an objective up by its name; a callable is returned as it is.

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


def objective_name(objective: ObjectiveName | Objective) -> str:
    """What users call an objective.

    Examples
    --------
    >>> objective_name("balanced"), objective_name(ExpectedCost([[0, 1], [5, 0]]))
    ('balanced', 'cost')
    """
    if isinstance(objective, str):
        return objective
    if isinstance(objective, ExpectedCost):
        return BY_TABLE
    return str(getattr(objective, "__name__", type(objective).__name__))


def bind(objective: Objective, truth: Truth) -> BoundObjective:
    """An objective for certain rows, with its results checked.

    Raises
    ------
    ValueError
        When it is called, if the objective does not return a value and a gradient, if
        the gradient does not have the shape of the logits, or for NaN or infinity.
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
    """The result of a caller's objective as a number and an array."""
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
