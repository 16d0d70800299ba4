"""Ten rows by small-text, of vectors in place of texts."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from small_text import BreakingTies, GreedyCoreset, SklearnClassifier, SklearnDataset

from speed.peers.problem import Problem
from speed.peers.query_sklearn import N_ROWS
from speed.peers.serving import Way, Work, serve


def _by(make: Any, **of_vectors: bool) -> Way:
    def query(problem: Problem) -> Work:
        # The pool before the labeled rows: GreedyCoreset takes its picks' numbers
        # within the pool for numbers within all rows.
        X = np.vstack([problem.X_pool, problem.X_train])
        n_pool, targets = len(problem.X_pool), np.arange(problem.n_classes)
        # A dataset has labels for all rows; a query reads those of labeled rows only.
        labels = np.concatenate([np.zeros(n_pool, dtype=np.int64), problem.y_train])
        rows = SklearnDataset(X, labels, target_labels=targets)
        model = SklearnClassifier(LogisticRegression(max_iter=1000), problem.n_classes)
        model.fit(SklearnDataset(problem.X_train, problem.y_train, targets))
        pool, labeled = np.arange(n_pool), np.arange(n_pool, len(X))
        more = {"embeddings": X} if of_vectors else {}
        return lambda: make().query(
            model, rows, pool, labeled, problem.y_train, n=N_ROWS, **more
        )

    return query


WAYS = {
    "BreakingTies": _by(BreakingTies),
    "GreedyCoreset": _by(GreedyCoreset, vectors=True),
}

if __name__ == "__main__":
    serve(WAYS, "small-text", "numpy", "scikit-learn")
