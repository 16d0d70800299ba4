"""One direction serves any objective that is a function of the probabilities."""

import warnings
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression

from salutary.influence.direction import (
    InfluenceWarning,
    influence_direction,
    warn_unless_trusted,
)
from salutary.influence.factored import factor_model
from salutary.influence.scores import InfluenceScorer
from salutary.influence.softmax import softmax_model
from salutary.influence.solvers import Status


def brier(labels: np.ndarray) -> Any:
    """Mean squared error of the probabilities, and its gradient at the logits."""

    def objective(logits: np.ndarray) -> tuple[float, np.ndarray]:
        probability = softmax(logits, axis=1)
        error = probability - np.eye(logits.shape[1])[labels]
        slope = 2 * error / len(labels)
        inner = (probability * slope).sum(axis=1, keepdims=True)
        return (error**2).sum(axis=1).mean(), probability * (slope - inner)

    return objective


def direction_of(
    model: LogisticRegression, X: np.ndarray, X_val: np.ndarray, objective: Any
) -> np.ndarray:
    twin = softmax_model(model)
    return influence_direction(factor_model(twin, X, np.ones(len(X))), X_val, objective)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_influence_on_the_brier_score_is_the_derivative_refits_show(
    n_classes: int,
) -> None:
    rows, labels = make_blobs(
        60, 3, centers=n_classes, center_box=(-2, 2), cluster_std=2, random_state=0
    )
    X, y, X_val, y_val = rows[:40], labels[:40], rows[40:59], labels[40:59]
    model = LogisticRegression(solver="newton-cholesky", tol=1e-10).fit(X, y)
    direction = direction_of(model, X, X_val, brier(y_val))
    factored = factor_model(softmax_model(model), X, np.ones(len(X)))
    influence, _ = InfluenceScorer(factored, direction, X.dtype)(rows[59:])

    def score(label: int, weight: float) -> float:
        refitted = LogisticRegression(solver="newton-cholesky", tol=1e-10)
        refitted.fit(rows[np.r_[:40, 59]], np.append(y, label), [1] * 40 + [weight])
        error = refitted.predict_proba(X_val) - np.eye(n_classes)[y_val]
        return float((error**2).sum(axis=1).mean())

    for label in range(n_classes):
        change = (score(label, -1e-4) - score(label, 1e-4)) / 2e-4
        assert influence[0, label] == pytest.approx(change, rel=1e-3)


def test_an_objective_of_the_bare_logits_is_refused_with_its_first_row() -> None:
    X, y = make_blobs(30, 3, random_state=0)
    model = LogisticRegression().fit(X, y)

    def objective(logits: np.ndarray) -> tuple[float, np.ndarray]:
        gradient = np.zeros_like(logits)
        gradient[:, 0], gradient[:, 1] = 1, -1
        gradient[6, 0] = 1.5
        return 0.0, gradient

    with pytest.raises(ValueError, match=r"sums to 0\.5 at validation row 6; write"):
        direction_of(model, X, X, objective)


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.SUCCESS])
def test_a_solve_that_failed_is_warned_of_with_its_remedy(status: Status) -> None:
    with pytest.warns(InfluenceWarning, match="; (use a smaller C, )?standardize"):
        warn_unless_trusted(status)


def test_a_solve_that_worked_is_not_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unless_trusted(Status.SUCCESS)


def test_the_warning_is_a_user_warning() -> None:
    assert issubclass(InfluenceWarning, UserWarning)
