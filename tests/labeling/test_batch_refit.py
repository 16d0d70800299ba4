"""Refined rounds against refits by hand."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import sem
from sklearn.linear_model import LogisticRegression

from salutary import SalutaryClassifier

pytestmark = pytest.mark.slow


def draw(
    n: int, seed: int, n_classes: int = 3
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    centers = np.random.default_rng(7).normal(size=(n_classes, 4))
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(n_classes), rng.integers(n_classes, size=n)]
    return centers[labels] + rng.normal(size=(len(labels), 4)), labels


def run(
    pool: NDArray[np.float64], weight: Any = None, **parameters: Any
) -> SalutaryClassifier:
    X, y = draw(20, 0)
    settings = {"budget": 4, "batch_size": 4, "guard": False, "random_state": 0}
    model = SalutaryClassifier(**(settings | parameters))
    marked = np.r_[y, np.full(len(pool), -1)]
    if weight is not None:
        weight = np.r_[np.ones(len(y)), weight]
    return model.fit(np.vstack([X, pool]), marked, *draw(40, 1), sample_weight=weight)


def in_order(model: SalutaryClassifier) -> NDArray[np.intp]:
    return np.flatnonzero(model.labeled_iter_ > 0)


@pytest.mark.parametrize("rule", ["paper", "plausible", "tempered"])
def test_copies_of_one_row_are_not_all_picked(rule: str) -> None:
    pool, _ = draw(30, 2)
    first = run(pool, budget=1, batch_size=1)
    best = pool[in_order(first)[0] - 23]
    copies = np.vstack([np.repeat(best[None], 4, axis=0), pool])
    assert set(in_order(run(copies, rule="plausible")) - 23) == {0, 1, 2, 3}
    refined = in_order(run(copies, estimate="newton", rule=rule)) - 23
    assert len(set(refined) & {0, 1, 2, 3}) < 4


@pytest.mark.parametrize("estimate", ["newton", "refit"])
@pytest.mark.parametrize("weighted", [False, True])
def test_picks_are_those_of_greedy_refits_from_scratch(
    estimate: str, weighted: bool
) -> None:
    pool, _ = draw(9, 3)
    weight = np.random.default_rng(0).uniform(0.5, 3, size=len(pool))
    weight = weight if weighted else np.ones(len(pool))
    # With a shortlist of five times the batch, all twelve rows are on it.
    model = run(pool, weight, estimate=estimate, rule="paper")

    X, y = draw(20, 0)
    X_val, y_val = draw(40, 1)
    row_weight = np.ones(len(y))

    def losses(X: Any, y: Any, weight: Any) -> NDArray[np.float64]:
        fitted = LogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=1000)
        fitted.fit(X, y, sample_weight=weight)
        return -fitted.predict_log_proba(X_val)[np.arange(len(y_val)), y_val]

    left = list(range(len(pool)))
    chosen: dict[int, int] = {}
    falls, errors = {}, {}
    for _ in range(4):
        before = losses(X, y, row_weight)
        after = {
            (row, label): losses(
                np.vstack([X, pool[row]]),
                np.append(y, label),
                np.append(row_weight, weight[row]),
            )
            for row in left
            for label in range(3)
        }
        row, label = min(after, key=lambda added: after[added].mean())
        change = before - after[row, label]
        chosen[row], falls[row], errors[row] = label, change.mean(), sem(change)
        X, y = np.vstack([X, pool[row]]), np.append(y, label)
        row_weight = np.append(row_weight, weight[row])
        left.remove(row)
    assert set(in_order(model) - 23) == set(chosen)
    for row, label in chosen.items():
        assert model.transduction_[23 + row] == label
        assert model.influence_[23 + row] == pytest.approx(falls[row], rel=1e-3)
        assert model.influence_se_[23 + row] == pytest.approx(errors[row], rel=1e-3)


def test_a_run_ends_when_no_row_would_really_help() -> None:
    pool, _ = draw(60, 4)
    model = run(pool, estimate="newton", rule="paper", budget=60, batch_size=15)
    assert model.termination_condition_ == "no_positive_influence"
    assert (model.influence_[in_order(model)] > 0).all()


@pytest.mark.parametrize("class_weight", [{0: 1.0, 1: 4.0, 2: 0.5}, "balanced"])
def test_class_weights_are_used(class_weight: Any) -> None:
    pool, _ = draw(30, 5)
    parameters = {"estimator": LogisticRegression(class_weight=class_weight)}
    newton = run(pool, estimate="newton", batch_size=1, **parameters)
    refit = run(pool, estimate="refit", batch_size=1, **parameters)
    np.testing.assert_array_equal(newton.transduction_, refit.transduction_)
