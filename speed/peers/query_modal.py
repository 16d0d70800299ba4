"""Ten rows by modAL."""

from __future__ import annotations

from modAL import ActiveLearner
from modAL.uncertainty import margin_sampling
from sklearn.linear_model import LogisticRegression

from speed.peers.problem import Problem
from speed.peers.query_sklearn import N_ROWS
from speed.peers.serving import Work, serve


def margin(problem: Problem) -> Work:
    learner = ActiveLearner(
        LogisticRegression(max_iter=1000),
        margin_sampling,
        problem.X_train,
        problem.y_train,
    )
    return lambda: learner.query(problem.X_pool, n_instances=N_ROWS)[0]


WAYS = {"margin": margin}

if __name__ == "__main__":
    serve(WAYS, "modAL-python", "numpy", "scikit-learn")
