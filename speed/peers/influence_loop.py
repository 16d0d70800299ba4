"""Influences in plain NumPy: by a loop over the classes, and by one product.

The loop is the formula as one first writes it down: for each class, the gradient of
every pool row with that label, times the inverse Hessian's product with the gradient of
the validation loss. The product is salutary's own algebra without its checks.
"""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from speed.peers.problem import Labels, Problem, Rows
from speed.peers.serving import Work, serve


def gradients(coef: Rows, X: Rows, labels: Labels) -> Rows:
    """The gradient of each row's log loss, shape (n_rows, n_classes * n_features)."""
    slopes = softmax(X @ coef.T, axis=1)
    slopes[np.arange(len(X)), labels] -= 1
    return (slopes[:, :, np.newaxis] * X[:, np.newaxis]).reshape(len(X), -1)


def hessian(coef: Rows, X: Rows, l2: float) -> Rows:
    """Second derivatives of the training objective, a block for each two classes."""
    n_classes, n_features = coef.shape
    p = softmax(X @ coef.T, axis=1)
    found = np.empty((n_classes, n_features, n_classes, n_features))
    for a in range(n_classes):
        for b in range(n_classes):
            curvature = p[:, a] * ((a == b) - p[:, b])
            found[a, :, b] = X.T @ (curvature[:, np.newaxis] * X)
    return found.reshape(coef.size, coef.size) + l2 * np.eye(coef.size)


def solved(problem: Problem) -> Rows:
    """The inverse Hessian times the gradient of the validation loss."""
    slope = gradients(problem.coef, problem.X_val, problem.y_val).mean(axis=0)
    curvature = hessian(problem.coef, problem.X_train, problem.l2)
    return np.linalg.solve(curvature, slope)


def by_loop(problem: Problem) -> Work:
    X_pool = problem.X_pool

    def work() -> np.ndarray:
        direction = solved(problem)
        found = np.empty((len(X_pool), problem.n_classes))
        for label in range(problem.n_classes):
            labels = np.full(len(X_pool), label)
            found[:, label] = gradients(problem.coef, X_pool, labels) @ direction
        return found

    return work


def by_product(problem: Problem) -> Work:
    coef, X_pool = problem.coef, problem.X_pool

    def work() -> np.ndarray:
        moved = X_pool @ solved(problem).reshape(coef.shape).T
        probability = softmax(X_pool @ coef.T, axis=1)
        return (probability * moved).sum(axis=1, keepdims=True) - moved

    return work


WAYS = {"a loop": by_loop, "one product": by_product}

if __name__ == "__main__":
    serve(WAYS, "numpy", "scipy")
