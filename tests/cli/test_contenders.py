"""The comparison: who gets which rows, and how the contenders are scored."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.preprocessing import scale
from sklearn.utils import shuffle

from salutary.cli.contenders import (
    CONTENDERS,
    QUERIES,
    Plan,
    Result,
    Split,
    Task,
    active_learning,
    compare,
    entropy_query,
    fit_salutary,
    margin_query,
    random_query,
    split,
)

X, Y = load_digits(return_X_y=True)
X, Y = scale(X)[Y < 4], Y[Y < 4]
PLAN = Plan(LogisticRegression(max_iter=1000), budget=20, batch_size=10)


@pytest.fixture(scope="module")
def data() -> Split:
    return split(X, Y, n_labeled=24, seed=0)


@pytest.fixture(scope="module")
def results(data: Split) -> dict[str, Result]:
    found = list(compare(data, PLAN, seed=5))
    assert [result.contender for result in found] == list(CONTENDERS)
    return {result.contender: result for result in found}


def test_a_split_has_the_sizes_it_says_and_no_row_twice() -> None:
    rows = np.arange(1000)[:, None]
    y = np.arange(1000) % 4
    parts = split(rows, y, n_labeled=60, seed=3)
    sets = [parts.labeled, parts.validation, parts.pool, parts.test]
    assert [len(part[1]) for part in sets] == [60, 200, 540, 200]
    together = np.concatenate([part[0][:, 0] for part in sets])
    assert sorted(together) == list(range(1000))
    for part_rows, labels in sets:
        assert (y[part_rows[:, 0]] == labels).all()
        assert set(np.bincount(labels)) == {len(labels) // 4}


def test_a_split_is_seeded() -> None:
    parts = [split(X, Y, n_labeled=24, seed=seed).labeled[0] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(parts[0], parts[1])
    assert not np.array_equal(parts[0], parts[2])


@pytest.mark.slow
def test_contenders_without_a_pool_are_scikit_learns_own(
    data: Split, results: dict[str, Result]
) -> None:
    rows = [data.labeled, data.validation]
    for contender, used in (
        ("train only", rows[:1]),
        ("train + validation", rows),
    ):
        model = LogisticRegression(max_iter=1000).fit(
            np.vstack([part[0] for part in used]),
            np.concatenate([part[1] for part in used]),
        )
        X_test, y_test = data.test
        found = results[contender]
        assert found.accuracy == accuracy_score(y_test, model.predict(X_test))
        assert found.log_loss == pytest.approx(
            log_loss(y_test, model.predict_proba(X_test))
        )
        assert found.seed == 5


def test_every_contender_is_another_model(results: dict[str, Result]) -> None:
    assert len({result.log_loss for result in results.values()}) == len(CONTENDERS)


@pytest.mark.slow
def test_salutary_never_sees_a_label_of_the_pool(data: Split) -> None:
    lying = Split(
        data.labeled, data.validation, (data.pool[0], 1 - data.pool[1]), data.test
    )
    first, second = (fit_salutary(part, PLAN, 0) for part in (data, lying))
    np.testing.assert_array_equal(first.transduction_, second.transduction_)
    assert (first.labeled_iter_ > 0).sum() == 20


def test_true_labels_are_the_pools(data: Split) -> None:
    shuffled = np.random.default_rng(0).permutation(data.pool[1])
    other = Split(data.labeled, data.validation, (data.pool[0], shuffled), data.test)
    buy = CONTENDERS["true labels, margin"]
    true, false = (buy(Task(part, PLAN, 0)) for part in (data, other))
    assert true.score(*data.test) > false.score(*data.test)


@pytest.mark.slow
def test_salutarys_contenders_differ_as_their_names_say(data: Split) -> None:
    task = Task(data, PLAN, 0)
    default, both, published = (
        CONTENDERS[name](task)
        for name in ("salutary", "salutary + validation", "salutary, paper's rule")
    )
    assert (default.rule, default.guard) == ("tempered", True)
    refitted = fit_salutary(data, PLAN, 0, refit_on_validation=True)
    X_test = data.test[0]
    np.testing.assert_allclose(
        both.predict_proba(X_test), refitted.predict_proba(X_test), atol=0.01
    )
    assert (published.rule, published.guard) == ("paper", False)
    for model in (default, published):
        assert (model.budget, model.batch_size) == (20, 10)


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
