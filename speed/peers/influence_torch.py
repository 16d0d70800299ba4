"""Influences by torch.func alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.func import grad, hessian, jvp, vmap
from torch.nn.functional import cross_entropy, log_softmax

from speed.peers.influence_loop import hessian as closed_form
from speed.peers.problem import Problem
from speed.peers.serving import Work, serve


def _loss(coef: Tensor, x: Tensor, label: Tensor) -> Tensor:
    return cross_entropy(x @ coef.T, label)


def _curvature(problem: Problem, coef: Tensor) -> Tensor:
    """The Hessian of the training objective, by automatic differentiation."""
    X, y = torch.from_numpy(problem.X_train), torch.from_numpy(problem.y_train)

    def objective(coef: Tensor) -> Tensor:
        return len(X) * _loss(coef, X, y) + problem.l2 / 2 * coef.square().sum()

    return hessian(objective)(coef).reshape(coef.numel(), coef.numel())


def _solved(problem: Problem, coef: Tensor, curvature: Tensor) -> Tensor:
    """The inverse Hessian times the gradient of the validation loss."""
    X, y = torch.from_numpy(problem.X_val), torch.from_numpy(problem.y_val)
    slope = grad(_loss)(coef, X, y).flatten()
    return torch.linalg.solve(curvature, slope).reshape(coef.shape)


def by_gradients(problem: Problem) -> Work:
    """The gradient of every row with every label, made by ``vmap(grad)``."""
    of_rows = vmap(grad(_loss), in_dims=(None, 0, 0))
    coef, X = torch.from_numpy(problem.coef), torch.from_numpy(problem.X_pool)

    def work() -> np.ndarray:
        solved = _solved(problem, coef, _curvature(problem, coef)).flatten()
        found = [
            of_rows(coef, X, torch.full((len(X),), label)).flatten(1) @ solved
            for label in range(problem.n_classes)
        ]
        return torch.stack(found, dim=1).numpy()

    return work


def by_direction(problem: Problem) -> Work:
    """One derivative of all rows' losses along the solution: no gradient of a row.

    With the Hessian in closed form, so little but the pass over the pool is torch's.
    """
    coef, X = torch.from_numpy(problem.coef), torch.from_numpy(problem.X_pool)

    def losses(coef: Tensor) -> Tensor:
        return -log_softmax(X @ coef.T, dim=1)

    def work() -> np.ndarray:
        curvature = closed_form(problem.coef, problem.X_train, problem.l2)
        solved = _solved(problem, coef, torch.from_numpy(curvature))
        along: Tensor = jvp(losses, (coef,), (solved,))[1]
        return along.numpy()

    return work


WAYS = {"vmap(grad)": by_gradients, "jvp": by_direction}

if __name__ == "__main__":
    serve(WAYS, "torch", "numpy")
