"""Ten rows by scikit-learn alone, and the fit that all queries need before them."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from speed.peers.problem import Problem
from speed.peers.serving import Work, serve

N_ROWS = 10


def fitted(problem: Problem) -> LogisticRegression:
    return LogisticRegression(max_iter=1000).fit(problem.X_train, problem.y_train)


def margin(problem: Problem) -> Work:
    """The rows whose two likeliest classes are the nearest."""
    model = fitted(problem)

    def work() -> np.ndarray:
        likeliest = np.partition(model.predict_proba(problem.X_pool), -2, axis=1)
        margins = likeliest[:, -1] - likeliest[:, -2]
        return np.argpartition(margins, N_ROWS)[:N_ROWS]

    return work


def fit(problem: Problem) -> Work:
    def work() -> np.ndarray:
        fitted(problem)
        return np.zeros(0, dtype=np.intp)

    return work


WAYS = {"margin": margin, "fit": fit}

if __name__ == "__main__":
    serve(WAYS, "numpy", "scikit-learn")
