"""Salutary labels beside what else the same rows could have been used for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from salutary.benchmark.buying import QUERIES, active_learning
from salutary.benchmark.splits import Split
from salutary.classifier import SalutaryClassifier


@dataclass(frozen=True)
class Plan:
    """What every contender is given.

    Parameters
    ----------
    estimator : LogisticRegression
    budget, batch_size : int
        Labels in all and in a round.
    """

    estimator: LogisticRegression
    budget: int = 100
    batch_size: int = 10


CONTENDERS = (
    "labeled rows only",
    "salutary labels",
    "salutary + validation rows",
    "salutary, paper's rule",
    "true labels, random",
    "true labels, entropy",
    "true labels, margin",
    "labeled + validation rows",
)


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
    X_test, y_test = data.test
    salutary = fit_salutary(data, plan, seed)
    for contender in CONTENDERS:
        model = _fit(contender, data, plan, seed, salutary)
        yield Result(
            contender,
            seed,
            float(model.score(X_test, y_test)),
            float(log_loss(y_test, model.predict_proba(X_test), labels=model.classes_)),
        )


def _fit(
    contender: str, data: Split, plan: Plan, seed: int, salutary: SalutaryClassifier
) -> Any:
    if contender == "labeled rows only":
        return clone(plan.estimator).fit(*data.labeled)
    if contender == "labeled + validation rows":
        return _fit_with_validation(plan, data, *data.labeled)
    if contender == "salutary labels":
        return salutary
    if contender == "salutary + validation rows":
        known = salutary.labeled_iter_ >= 0
        X = np.vstack([data.labeled[0], data.pool[0]])
        labels = salutary.transduction_
        return _fit_with_validation(plan, data, X[known], labels[known])
    if contender.startswith("true labels, "):
        return active_learning(
            plan.estimator,
            data.labeled,
            data.pool,
            QUERIES[contender.removeprefix("true labels, ")],
            budget=plan.budget,
            batch_size=plan.batch_size,
            seed=seed,
        )
    return fit_salutary(data, plan, seed, rule="paper", guard=False)


def _fit_with_validation(
    plan: Plan, data: Split, X: NDArray[np.float64], y: NDArray[Any]
) -> Any:
    X_val, y_val = data.validation
    return clone(plan.estimator).fit(np.vstack([X, X_val]), np.concatenate([y, y_val]))


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
