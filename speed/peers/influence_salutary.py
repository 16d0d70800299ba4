"""Influences by salutary."""

from __future__ import annotations

from salutary import label_influence
from speed.peers.problem import Problem
from speed.peers.serving import Work, serve


def influences(problem: Problem) -> Work:
    model = problem.fitted()
    return lambda: label_influence(
        model,
        problem.X_pool,
        X_train=problem.X_train,
        X_val=problem.X_val,
        y_val=problem.y_val,
    )


WAYS = {"label_influence": influences}

if __name__ == "__main__":
    serve(WAYS, "salutary", "numpy", "scipy", "scikit-learn")
