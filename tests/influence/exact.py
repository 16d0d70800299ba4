"""Influences and their parts with 130 digits: arrays of Decimal, no salutary."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

DIGITS = 130

COSTS = np.array([[0.0, 1, 4], [9, 0, 1], [2, 0.5, 0]])
"""Costs of up to three classes."""

GAINS = COSTS - 3 * np.eye(3)
"""The same, with a gain from each right prediction."""

TEMPERATURE = Decimal(repr(0.1))


def exact(values: Any) -> Any:
    """The numbers of a float array, as an array of Decimal."""
    values = np.asarray(values, dtype=float)
    flat = [Decimal(value) for value in values.ravel().tolist()]
    return np.array(flat, dtype=object).reshape(values.shape)


def floats(values: Any) -> np.ndarray:
    return np.asarray(values).astype(float)


def probability(logits: Any) -> Any:
    odds = np.exp(logits - logits.max(axis=1)[:, None])
    return odds / odds.sum(axis=1)[:, None]


def losses(logits: Any, labels: np.ndarray) -> Any:
    own = probability(logits)[np.arange(len(labels)), labels]
    return np.array([-value.ln() for value in own], dtype=object)


def minus_label(chances: Any, labels: np.ndarray) -> Any:
    """p - e_label; with so many digits nothing is lost."""
    return chances - exact(np.eye(chances.shape[1])[labels])


def objective(
    name: str, logits: Any, labels: np.ndarray, groups: np.ndarray
) -> tuple[Any, Any]:
    """Value and gradient at the logits, for rows of equal weight."""
    chances, loss = probability(logits), losses(logits, labels)
    n = len(labels)
    if name in ("cost", "gain"):
        table = COSTS if name == "cost" else GAINS
        cost = exact(table[:, : chances.shape[1]][labels])
        expected = (chances * cost).sum(axis=1)
        return expected.sum() / n, chances * (cost - expected[:, None]) / n
    if name == "log_loss":
        kinds, scale = np.zeros(n, dtype=int), Decimal(1)
    elif name == "balanced":
        kinds, scale = np.unique(labels, return_inverse=True)[1], Decimal(1)
    else:
        kinds, scale = groups, TEMPERATURE
    n_kinds = kinds.max() + 1
    means = [loss[kinds == k].sum() / int((kinds == k).sum()) for k in range(n_kinds)]
    counts = np.bincount(kinds)
    if name == "worst_group":
        powers = [(mean / scale).exp() for mean in means]
        value = scale * (sum(powers) / n_kinds).ln()
        share = [power / sum(powers) for power in powers]
    else:
        value = sum(means) / n_kinds
        share = [Decimal(1) / n_kinds] * n_kinds
    weight = np.array([share[k] / int(counts[k]) for k in kinds], dtype=object)
    return value, minus_label(chances, labels) * weight[:, None]


def solve(matrix: Any, rhs: Any) -> Any:
    """Gauss's elimination; the matrix is positive definite."""
    matrix, rhs = matrix.copy(), rhs.copy()
    for k in range(len(rhs)):
        for row in range(k + 1, len(rhs)):
            factor = matrix[row, k] / matrix[k, k]
            matrix[row, k:] -= factor * matrix[k, k:]
            rhs[row] -= factor * rhs[k]
    for k in reversed(range(len(rhs))):
        rhs[k] = (rhs[k] - matrix[k, k + 1 :] @ rhs[k + 1 :]) / matrix[k, k]
    return rhs


@dataclass
class Exact:
    """A softmax regression on rows of weight one, in the coordinates of `basis`."""

    X: Any
    labels: np.ndarray
    parameters: Any  # (n_classes, n_columns)
    l2: Any
    fit_intercept: bool

    @classmethod
    def of(cls, model: LogisticRegression, X: np.ndarray, y: np.ndarray) -> "Exact":
        """The numbers of a fitted model."""
        coef, intercept = exact(model.coef_), exact(model.intercept_)
        l2 = 1 / Decimal(model.C)
        if len(model.classes_) == 2:
            half = Decimal("0.5")
            coef = np.vstack([-coef, coef]) * half
            intercept = np.concatenate([-intercept, intercept]) * half
            l2 = 2 * l2
        icpt = bool(model.fit_intercept)
        parameters = np.column_stack([coef, intercept]) if icpt else coef
        return cls(cls.rows(X, icpt), y, parameters, l2, icpt)

    @staticmethod
    def rows(X: np.ndarray, fit_intercept: bool) -> Any:
        return exact(np.column_stack([X, np.ones(len(X))]) if fit_intercept else X)

    @property
    def basis(self) -> Any:
        """Rows e_k - e_K, which span what sums to zero over the classes."""
        n = len(self.parameters) - 1
        return exact(np.column_stack([np.eye(n), -np.ones(n)]))

    @property
    def penalty(self) -> Any:
        column = np.array([self.l2] * self.X.shape[1], dtype=object)
        if self.fit_intercept:
            column[-1] = Decimal(0)
        return column

    def hessian(self) -> Any:
        chances = probability(self.X @ self.parameters.T)
        n_columns, basis = self.X.shape[1], self.basis
        order = len(basis) * n_columns
        total = np.kron(basis @ basis.T, np.diag(self.penalty))
        for x, p in zip(self.X, chances, strict=True):
            curvature = basis @ (np.diag(p) - np.outer(p, p)) @ basis.T
            total = total + np.kron(curvature, np.outer(x, x))
        return total.reshape(order, order)

    def solved(self, gradient: Any) -> Any:
        """H^-1 times a gradient of shape (n_classes, n_columns)."""
        reduced = self.basis @ gradient
        value = solve(self.hessian(), reduced.ravel())
        return self.basis.T @ value.reshape(reduced.shape)

    def refitted(self, row: Any, label: int) -> "Exact":
        """The optimum with one more row, by Newton's method from here."""
        X, labels = np.vstack([self.X, row[None]]), np.append(self.labels, label)
        after = Exact(X, labels, self.parameters, self.l2, self.fit_intercept)
        for _ in range(30):
            residual = minus_label(probability(X @ after.parameters.T), labels)
            gradient = residual.T @ X + self.penalty * after.parameters
            step = after.solved(gradient)
            after.parameters = after.parameters - step
            if (step * gradient).sum() < Decimal("1e-60"):
                return after
        raise AssertionError("Newton's method did not converge")
