"""The comparison: who gets which rows, and how the contenders are scored."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.preprocessing import scale

from salutary.benchmark import comparison
from salutary.benchmark.comparison import (
    CONTENDERS,
    Plan,
    Result,
    compare,
    fit_salutary,
)
from salutary.benchmark.splits import Split, split

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


def test_contenders_without_a_pool_are_scikit_learns_own(
    data: Split, results: dict[str, Result]
) -> None:
    rows = [data.labeled, data.validation]
    for contender, used in (
        ("labeled rows only", rows[:1]),
        ("labeled + validation rows", rows),
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
    contender, salutary = "true labels, margin", fit_salutary(data, PLAN, 0)
    true, false = (
        comparison._fit(contender, part, PLAN, 0, salutary) for part in (data, other)
    )
    assert true.score(*data.test) > false.score(*data.test)


def test_salutarys_contenders_differ_as_their_names_say(data: Split) -> None:
    salutary = fit_salutary(data, PLAN, 0)
    default, both, published = (
        comparison._fit(contender, data, PLAN, 0, salutary)
        for contender in (
            "salutary labels",
            "salutary + validation rows",
            "salutary, paper's rule",
        )
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
