"""What ``salutary demo`` compares: salutary labels and other uses of the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from salutary.arrays import FloatArray, IntArray
from salutary.estimators.classifier import SalutaryClassifier
from salutary.names import TRAIN_AND_VALIDATION, TRAIN_ONLY

Part = tuple[Any, NDArray[Any]]
"""Features and classes of some rows."""


@dataclass(frozen=True)
class Split:
    """Labeled, validation, pool and test rows, each (X, y)."""

    labeled: Part
    validation: Part
    pool: Part
    test: Part


def split(X: Any, y: NDArray[Any], *, n_labeled: int, seed: int) -> Split:
    """Draw test, validation and labeled rows; the rest is the pool.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    n_labeled : int
    seed : int

    Returns
    -------
    Split
        A fifth of the rows to test and a fifth to validate. Every draw is stratified by
        class.
    """
    fifth, rows, parts = round(0.2 * len(y)), np.arange(len(y)), []
    for size in (fifth, fifth, n_labeled):
        rows, drawn = train_test_split(
            rows, test_size=size, stratify=y[rows], random_state=seed
        )
        parts.append((X[drawn], y[drawn]))
    test, validation, labeled = parts
    return Split(labeled, validation, (X[rows], y[rows]), test)


@dataclass(frozen=True)
class Plan:
    """What every contender fits, and how many labels it may have.

    Parameters
    ----------
    estimator : LogisticRegression
    budget, batch_size : int
        Labels in all and per round.
    """

    estimator: LogisticRegression
    budget: int = 100
    batch_size: int = 10


@dataclass(frozen=True)
class Task:
    """What every contender is given."""

    data: Split
    plan: Plan
    seed: int

    @cached_property
    def salutary(self) -> SalutaryClassifier:
        """The classifier with its default rule, which two contenders share."""
        return fit_salutary(self.data, self.plan, self.seed)


def fit_salutary(
    data: Split, plan: Plan, seed: int, **parameters: Any
) -> SalutaryClassifier:
    """Fit a `SalutaryClassifier` on a split, the pool's labels hidden.

    Parameters
    ----------
    data : Split
        Of integer classes.
    plan : Plan
    seed : int
    **parameters
        Further parameters of the classifier.

    Returns
    -------
    SalutaryClassifier
    """
    model = SalutaryClassifier(
        plan.estimator,
        budget=plan.budget,
        batch_size=plan.batch_size,
        random_state=seed,
        **parameters,
    )
    return model.fit(
        np.vstack([data.labeled[0], data.pool[0]]),
        np.concatenate([data.labeled[1], np.full(len(data.pool[1]), -1)]),
        *data.validation,
    )


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
    labeled: Part,
    pool: Part,
    query: Query,
    *,
    budget: int,
    batch_size: int,
    seed: int,
) -> LogisticRegression:
    """Buy true labels in rounds, of the rows that the query wants most.

    Parameters
    ----------
    estimator : LogisticRegression
    labeled, pool : (matrix of shape (n, n_features), labels of shape (n,))
    query : callable
    budget, batch_size : int
        Labels in all and per round.
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


def _train_only(task: Task) -> Any:
    return clone(task.plan.estimator).fit(*task.data.labeled)


def _train_and_validation(task: Task) -> Any:
    return _fit_with_validation(task, *task.data.labeled)


def _salutary(task: Task) -> Any:
    return task.salutary


def _salutary_and_validation(task: Task) -> Any:
    known = task.salutary.labeled_iter_ >= 0
    X = np.vstack([task.data.labeled[0], task.data.pool[0]])
    return _fit_with_validation(task, X[known], task.salutary.transduction_[known])


def _published(task: Task) -> Any:
    return fit_salutary(task.data, task.plan, task.seed, rule="paper", guard=False)


def _true_labels(task: Task, query: Query) -> Any:
    return active_learning(
        task.plan.estimator,
        task.data.labeled,
        task.data.pool,
        query,
        budget=task.plan.budget,
        batch_size=task.plan.batch_size,
        seed=task.seed,
    )


def _fit_with_validation(task: Task, X: NDArray[Any], y: NDArray[Any]) -> Any:
    X_val, y_val = task.data.validation
    return clone(task.plan.estimator).fit(
        np.vstack([X, X_val]), np.concatenate([y, y_val])
    )


CONTENDERS: dict[str, Callable[[Task], Any]] = {
    TRAIN_ONLY: _train_only,
    "salutary": _salutary,
    "salutary + validation": _salutary_and_validation,
    "salutary, paper's rule": _published,
    **{
        f"true labels, {name}": partial(_true_labels, query=query)
        for name, query in QUERIES.items()
    },
    TRAIN_AND_VALIDATION: _train_and_validation,
}
"""How each contender fits a model; the names are those of ``salutary advise``."""


@dataclass(frozen=True)
class Result:
    """How a contender does on the test rows."""

    contender: str
    seed: int
    accuracy: float
    log_loss: float


def compare(data: Split, plan: Plan, seed: int) -> Iterator[Result]:
    """Fit every contender on one split, in the order of `CONTENDERS`.

    Parameters
    ----------
    data : Split
    plan : Plan
    seed : int

    Yields
    ------
    Result
    """
    task = Task(data, plan, seed)
    X_test, y_test = data.test
    for name, fit in CONTENDERS.items():
        model = fit(task)
        yield Result(
            name,
            seed,
            float(model.score(X_test, y_test)),
            float(log_loss(y_test, model.predict_proba(X_test), labels=model.classes_)),
        )
