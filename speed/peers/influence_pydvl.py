"""Influences by pyDVL, of the same model in torch.

The validation rows are passed as one sample of many rows, so that pyDVL too solves once
and not for each of them. pyDVL takes the mean loss, so its regularization is ``l2``
divided by the training rows, and its influences are as many times as large.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pydvl.influence.torch import CgInfluence, DirectInfluence
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from speed.peers.problem import Problem
from speed.peers.serving import Way, Work, serve


def linear(problem: Problem) -> torch.nn.Linear:
    n_classes, n_features = problem.coef.shape
    model = torch.nn.Linear(n_features, n_classes, bias=False, dtype=torch.float64)
    with torch.no_grad():
        model.weight.copy_(torch.from_numpy(problem.coef))
    return model


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    return cross_entropy(logits.flatten(0, -2), labels.flatten())


def _by(kind: Any, **settings: float) -> Way:
    def influences(problem: Problem) -> Work:
        X, y = torch.from_numpy(problem.X_train), torch.from_numpy(problem.y_train)
        X_val, y_val = torch.from_numpy(problem.X_val), torch.from_numpy(problem.y_val)
        X_pool = torch.from_numpy(problem.X_pool)
        rows = DataLoader(TensorDataset(X, y), batch_size=len(X))

        def work() -> np.ndarray:
            method = kind(
                linear(problem), _loss, regularization=problem.l2 / len(X), **settings
            ).fit(rows)
            solved = method.influence_factors(X_val[None], y_val[None])
            found = []
            for label in range(problem.n_classes):
                labels = torch.full((len(X_pool),), label)
                found.append(method.influences_from_factors(solved, X_pool, labels)[0])
            return torch.stack(found, dim=1).detach().numpy() / len(X)

        return work

    return influences


WAYS = {"DirectInfluence": _by(DirectInfluence), "CgInfluence": _by(CgInfluence)}

if __name__ == "__main__":
    serve(WAYS, "pyDVL", "torch", "numpy")
