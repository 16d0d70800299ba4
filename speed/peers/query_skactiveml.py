"""Ten rows by scikit-activeml."""

from __future__ import annotations

import numpy as np
from skactiveml.classifier import SklearnClassifier
from skactiveml.pool import Badge, CoreSet, UncertaintySampling
from sklearn.linear_model import LogisticRegression

from speed.peers.problem import Problem
from speed.peers.query_sklearn import N_ROWS
from speed.peers.serving import Work, serve


def _rows(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """The pool before the labeled rows, so that a row's number is that in the pool."""
    X = np.vstack([problem.X_pool, problem.X_train])
    unlabeled = np.full(len(problem.X_pool), np.nan)
    return X, np.concatenate([unlabeled, problem.y_train])


def _fitted(problem: Problem) -> SklearnClassifier:
    model = SklearnClassifier(
        LogisticRegression(max_iter=1000), classes=range(problem.n_classes)
    )
    return model.fit(problem.X_train, problem.y_train)


def margin(problem: Problem) -> Work:
    (X, y), model = _rows(problem), _fitted(problem)
    strategy = UncertaintySampling(method="margin_sampling", random_state=0)
    return lambda: strategy.query(X, y, model, fit_clf=False, batch_size=N_ROWS)


def badge(problem: Problem) -> Work:
    (X, y), model = _rows(problem), _fitted(problem)
    strategy = Badge(random_state=0)
    return lambda: strategy.query(X, y, model, fit_clf=False, batch_size=N_ROWS)


def core_set(problem: Problem) -> Work:
    X, y = _rows(problem)
    strategy = CoreSet(random_state=0)
    return lambda: strategy.query(X, y, batch_size=N_ROWS)


WAYS = {"margin": margin, "BADGE": badge, "CoreSet": core_set}

if __name__ == "__main__":
    serve(WAYS, "scikit-activeml", "numpy", "scikit-learn")
