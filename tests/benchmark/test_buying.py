"""Active learning with true labels, against hand-made probabilities and refits."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.utils import shuffle

from salutary.benchmark.buying import (
    QUERIES,
    active_learning,
    entropy_query,
    margin_query,
    random_query,
)

PROBABILITY = np.array(
    [
        [1.00, 0.00, 0.00],
        [0.50, 0.50, 0.00],  # the smallest margin
        [0.40, 0.30, 0.30],  # the largest entropy
        [0.10, 0.80, 0.10],
    ]
)


def test_entropy_wants_the_row_it_knows_least_about() -> None:
    wanted = entropy_query(PROBABILITY, np.random.RandomState(0))
    expected = [
        0.0,
        np.log(2),
        -0.4 * np.log(0.4) - 0.6 * np.log(0.3),
        -0.8 * np.log(0.8) - 0.2 * np.log(0.1),
    ]
    np.testing.assert_allclose(wanted, expected, atol=1e-12)


def test_margin_wants_the_row_whose_two_best_classes_are_closest() -> None:
    wanted = margin_query(PROBABILITY, np.random.RandomState(0))
    np.testing.assert_allclose(wanted, [-1.0, 0.0, -0.1, -0.7], atol=1e-12)


def test_random_wants_any_row_and_is_seeded() -> None:
    first, second = (
        random_query(PROBABILITY, np.random.RandomState(7)) for _ in range(2)
    )
    assert first.tolist() == second.tolist()
    rng = np.random.RandomState(0)
    best = [int(random_query(PROBABILITY, rng).argmax()) for _ in range(2000)]
    shares = np.bincount(best, minlength=4) / 2000
    np.testing.assert_allclose(shares, 0.25, atol=0.05)


X, Y = shuffle(*load_iris(return_X_y=True), random_state=0)
LABELED, POOL = (X[:20], Y[:20]), (X[20:], Y[20:])


@pytest.mark.parametrize(("budget", "batch_size"), [(12, 4), (10, 4), (3, 5), (7, 1)])
def test_it_buys_the_true_labels_of_the_rows_wanted_most_and_no_row_twice(
    budget: int, batch_size: int
) -> None:
    sizes = []

    def query(probability: np.ndarray, rng: object) -> np.ndarray:
        sizes.append(len(probability))
        return -np.arange(len(probability), dtype=float)

    model = active_learning(
        LogisticRegression(max_iter=1000),
        LABELED,
        POOL,
        query,
        budget=budget,
        batch_size=batch_size,
        seed=0,
    )
    # The same rows are wanted in every round: the first of the pool.
    expected = LogisticRegression(max_iter=1000).fit(X[: 20 + budget], Y[: 20 + budget])
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    assert sizes == [len(POOL[0])] * -(-budget // batch_size)


def test_it_asks_with_the_model_of_the_round() -> None:
    asked = []

    def query(probability: np.ndarray, rng: object) -> np.ndarray:
        asked.append(probability)
        return margin_query(probability, rng)

    estimator = LogisticRegression(max_iter=1000)
    active_learning(estimator, LABELED, POOL, query, budget=10, batch_size=5, seed=0)
    first = estimator.fit(*LABELED).predict_proba(POOL[0])
    np.testing.assert_array_equal(asked[0], first)
    ordered = np.sort(first, axis=1)
    bought = np.argsort(ordered[:, 2] - ordered[:, 1], kind="stable")[:5]
    second = estimator.fit(
        np.vstack([LABELED[0], POOL[0][bought]]),
        np.concatenate([LABELED[1], POOL[1][bought]]),
    )
    np.testing.assert_array_equal(asked[1], second.predict_proba(POOL[0]))


def test_a_pool_smaller_than_the_budget_is_bought_whole() -> None:
    small = (POOL[0][:7], POOL[1][:7])
    estimator = LogisticRegression(tol=1e-8, max_iter=10_000)
    model = active_learning(
        estimator,
        LABELED,
        small,
        QUERIES["entropy"],
        budget=100,
        batch_size=3,
        seed=0,
    )
    expected = estimator.fit(X[:27], Y[:27])
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-5)
