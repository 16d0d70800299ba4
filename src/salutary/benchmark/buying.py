"""Active learning with true labels for the demo, with what scikit-learn has.

The strategies of the benchmark, which needs an extra, are in
`salutary.benchmark.true_labels`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from salutary.objective import FloatArray, IntArray

Query = Callable[[FloatArray, np.random.RandomState], FloatArray]
"""(probability of the pool rows, generator) -> how much a true label is wanted."""


def random_query(
    probability: FloatArray, rng: np.random.RandomState
) -> NDArray[np.float64]:
    """Any row."""
    return rng.uniform(size=len(probability))


def entropy_query(
    probability: FloatArray, rng: np.random.RandomState
) -> NDArray[np.float64]:
    """The row whose prediction has the largest entropy."""
    return np.asarray(entropy(probability, axis=1))


def margin_query(
    probability: FloatArray, rng: np.random.RandomState
) -> NDArray[np.float64]:
    """The row whose two likeliest classes are closest."""
    ordered = np.sort(probability, axis=1)
    return np.asarray(ordered[:, -2] - ordered[:, -1])


QUERIES: dict[str, Query] = {
    "random": random_query,
    "entropy": entropy_query,
    "margin": margin_query,
}


def active_learning(
    estimator: LogisticRegression,
    labeled: tuple[Any, NDArray[Any]],
    pool: tuple[Any, NDArray[Any]],
    query: Query,
    *,
    budget: int,
    batch_size: int,
    seed: int,
) -> LogisticRegression:
    """Buy true labels in rounds, those the query wants most.

    Parameters
    ----------
    estimator : LogisticRegression
    labeled, pool : (matrix of shape (n, n_features), labels of shape (n,))
    query : callable
    budget, batch_size : int
        Labels in all and in a round.
    seed : int

    Returns
    -------
    LogisticRegression
        Fitted on the labeled rows and the bought ones.
    """
    (X, y), (X_pool, y_pool) = labeled, pool
    rng = np.random.RandomState(seed)
    bought: IntArray = np.zeros(0, dtype=np.intp)
    model = clone(estimator).fit(X, y)
    budget = min(budget, len(y_pool))
    while len(bought) < budget:
        wanted = query(model.predict_proba(X_pool), rng)
        wanted[bought] = -np.inf
        size = min(batch_size, budget - len(bought))
        bought = np.concatenate([bought, np.argsort(-wanted, kind="stable")[:size]])
        model = clone(estimator).fit(
            np.vstack([X, X_pool[bought]]), np.concatenate([y, y_pool[bought]])
        )
    return model
