"""Strategies that buy true labels: active learning, mostly by scikit-activeml."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import resample

from salutary.influence.label_influence import label_influence
from salutary_benchmark.data.splits import Part
from salutary_benchmark.strategies.task import Step, Strategy, Task, fit, joined

IMPORTED_WHEN_CALLED = ("skactiveml.classifier", "skactiveml.pool")
"""Modules that strategies import when they run; import them before timing one.

The strategies' names are thus known where scikit-activeml is not installed.
"""

COMMITTEE = 10
"""Bootstrap models whose disagreement BatchBALD measures."""
COMMITTEE_TOLERANCE = 1e-3
"""Tolerance of the committee's fits, far below the differences between its models."""
BALD_CANDIDATES = 1_000
"""Pool rows drawn for BatchBALD in each round, as its cost grows fast with them."""
DEPTH = 6
"""Depth of the tree that predicts influences."""


@dataclass(frozen=True)
class Market:
    """What a query sees in a round.

    Parameters
    ----------
    task : Task
    known : (matrix, classes)
        Labeled rows, including the bought ones.
    X_pool : ndarray of shape (n_available, n_features)
        Pool rows that have no label yet.
    model : LogisticRegression
        Model fitted on ``known``.
    seed : int
        Seed of this round.
    """

    task: Task
    known: Part
    X_pool: NDArray[np.float64]
    model: LogisticRegression
    seed: int


Query = Callable[[Market, int], NDArray[np.intp]]
"""(market, size) -> positions of the pool rows whose true labels to buy."""


def buying(query: Query) -> Strategy:
    """The strategy that buys the labels a query asks for, round by round."""
    return partial(_buy, query)


def _buy(query: Query, task: Task) -> Iterator[Step]:
    setting = task.setting
    known = task.labeled_with(len(task.split.validation[1]) - setting.budget)
    X_pool, y_pool = task.split.pool
    available = np.arange(len(y_pool))
    rng = np.random.RandomState(task.seed)
    model = fit(task, known)
    yield Step(model, len(known[1]))
    left = min(setting.budget, len(available))
    while left:
        market = Market(task, known, X_pool[available], model, rng.randint(2**31))
        chosen = query(market, min(setting.batch_size, left))
        bought = available[chosen]
        available = np.delete(available, chosen)
        left -= len(bought)
        known = joined(known, (X_pool[bought], y_pool[bought]))
        model = fit(task, known, model)
        yield Step(model, len(known[1]), 1.0)


def _active(
    make: Callable[[int], Any], market: Market, size: int, **parameters: Any
) -> NDArray[np.intp]:
    """Ask a query strategy of scikit-activeml, which gets all rows."""
    X, y = market.known
    try:
        rows = make(market.seed).query(
            X=np.concatenate([X, market.X_pool]),
            y=np.concatenate([y, np.full(len(market.X_pool), np.nan)]),
            batch_size=size,
            **parameters,
        )
    except UnboundLocalError:
        # TypiClust, where each cluster has a labeled row. It means to draw then.
        draw = np.random.RandomState(market.seed)
        return draw.permutation(len(market.X_pool))[:size].astype(np.intp)
    # TypiClust names a row twice where it has fewer clusters than rows to name.
    chosen = [*dict.fromkeys((np.asarray(rows) - len(y)).tolist())]
    others = np.setdiff1d(np.arange(len(market.X_pool)), chosen)
    return np.concatenate([chosen, others]).astype(np.intp)[:size]


def _by_rows(make: Callable[[int], Any]) -> Query:
    """A query that looks at features only."""
    return partial(_active, make)


def _by_model(make: Callable[[int], Any]) -> Query:
    """A query that looks at the fitted model too."""

    def query(market: Market, size: int) -> NDArray[np.intp]:
        # The wrapper fits a model of its own, which takes one step from the optimum.
        model = copy(market.model).set_params(warm_start=True)
        fitted = _wrapped(market.task, model, market.known)
        return _active(make, market, size, clf=fitted, fit_clf=False)

    return query


def _wrapped(task: Task, model: LogisticRegression, rows: Part) -> Any:
    """A logistic regression as scikit-activeml wants it, fitted on some rows."""
    from skactiveml.classifier import SklearnClassifier

    return SklearnClassifier(model, classes=task.classes).fit(*rows)


def _make(name: str, seed: int, **parameters: Any) -> Any:
    """A query strategy of scikit-activeml, by the name of its class."""
    from skactiveml import pool

    return getattr(pool, name)(random_state=seed, **parameters)


def _by_uncertainty(method: str) -> Strategy:
    return buying(_by_model(partial(_make, "UncertaintySampling", method=method)))


def _typical(seed: int) -> Any:
    # Its authors, too, cluster in mini-batches above fifty clusters. The batches are
    # small because drawing the first centers, from three of them, takes longest.
    return _make(
        "TypiClust",
        seed,
        cluster_algo=MiniBatchKMeans,
        cluster_algo_dict={
            "n_init": 1,
            "max_iter": 2,
            "batch_size": 256,
            "random_state": seed,
        },
    )


def batch_bald(market: Market, size: int) -> NDArray[np.intp]:
    """BatchBALD over a committee of bootstrap models, on a sample of the pool."""
    X, y = market.known
    rng = np.random.RandomState(market.seed)
    # Each bootstrap sample has all classes, and its optimum is close to the model's.
    model = copy(market.model).set_params(warm_start=True, tol=COMMITTEE_TOLERANCE)
    committee = [
        _wrapped(market.task, model, resample(X, y, stratify=y, random_state=rng))
        for _ in range(COMMITTEE)
    ]
    n_candidates = min(BALD_CANDIDATES, len(market.X_pool))
    drawn = rng.choice(len(market.X_pool), n_candidates, replace=False)
    return _active(
        partial(_make, "BatchBALD"),
        market,
        size,
        ensemble=committee,
        fit_ensemble=False,
        candidates=len(y) + np.sort(drawn),
    )


def isal(market: Market, size: int) -> NDArray[np.intp]:
    """ISAL: rows whose predicted label would lower the validation loss most.

    Liu et al., Influence Selection for Active Learning, ICCV 2021.
    """
    influence = _influence(market)[len(market.known[1]) :]
    predicted = market.model.predict_proba(market.X_pool).argmax(axis=1)
    return _largest(influence[np.arange(len(predicted)), predicted], size)


def predicted_influence(market: Market, size: int) -> NDArray[np.intp]:
    """Rows with the largest influence, as a regression tree predicts it.

    The tree is fitted on the known rows, to predict the influence of each under its
    label (Chhabra et al., What Data Benefits My Classifier?, ICLR 2024).
    """
    X, y = market.known
    labels = np.searchsorted(market.model.classes_, y)
    own = _influence(market)[np.arange(len(y)), labels]
    tree = DecisionTreeRegressor(max_depth=DEPTH, random_state=market.seed)
    return _largest(tree.fit(X, own).predict(market.X_pool), size)


def _influence(market: Market) -> NDArray[np.floating]:
    """Influence of the known rows, then of the pool rows, under every class."""
    X_val, y_val = market.task.split.validation
    seen = np.isin(y_val, market.model.classes_)
    X_known = market.known[0]
    return label_influence(
        market.model,
        np.concatenate([X_known, market.X_pool]),
        X_train=X_known,
        X_val=X_val[seen],
        y_val=y_val[seen],
        hessian=market.task.setting.hessian,
    )


def _largest(score: NDArray[np.floating], size: int) -> NDArray[np.intp]:
    return np.argsort(-score, kind="stable")[:size]


TRUE_LABELS: dict[str, Strategy] = {
    "Random": buying(_by_rows(partial(_make, "RandomSampling"))),
    "Entropy": _by_uncertainty("entropy"),
    "Margin": _by_uncertainty("margin_sampling"),
    "LeastConfident": _by_uncertainty("least_confident"),
    "CoreSet": buying(_by_rows(partial(_make, "CoreSet"))),
    "BADGE": buying(_by_model(partial(_make, "Badge"))),
    "BatchBALD": buying(batch_bald),
    "TypiClust": buying(_by_rows(_typical)),
    "ISAL": buying(isal),
    "PredictedInfluence": buying(predicted_influence),
}
"""Strategies that buy true labels, by name."""
