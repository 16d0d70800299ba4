"""Strategies that buy true labels, against explicit loops and refits."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import entropy, spearmanr
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from salutary import add_one_in, label_influence
from salutary.cli.contenders import QUERIES, Query, active_learning
from salutary_benchmark.data.splits import Split
from salutary_benchmark.strategies import true_labels
from salutary_benchmark.strategies.task import Setting, Step, Task, joined
from salutary_benchmark.strategies.true_labels import TRUE_LABELS, Market, buying

X, Y = make_classification(
    420, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=1
)
DATA = Split(
    labeled=(X[:40], Y[:40]),
    validation=(X[40:120], Y[40:120]),
    pool=(X[120:320], Y[120:320]),
    test=(X[320:], Y[320:]),
)
SETTING = Setting(n_labeled=40, validation=80, budget=6, batch_size=3, C=0.5)
TASK = Task(DATA, SETTING, seed=0)

every_strategy = pytest.mark.parametrize("name", TRUE_LABELS)


@dataclass
class Watched:
    """A strategy of `TRUE_LABELS` that remembers what it was shown and wanted."""

    name: str
    markets: list[Market] = field(default_factory=list)
    picks: list[NDArray[np.intp]] = field(default_factory=list)

    def __call__(self, task: Task) -> Iterator[Step]:
        query = TRUE_LABELS[self.name].args[0]  # type: ignore[attr-defined]

        def watching(market: Market, size: int) -> NDArray[np.intp]:
            chosen = query(market, size)
            self.markets.append(market)
            self.picks.append(chosen)
            return chosen

        return buying(watching)(task)

    def bought(self, pool: NDArray[np.float64]) -> list[int]:
        """Pool rows in the order they were bought."""
        position = {row.tobytes(): number for number, row in enumerate(pool)}
        assert len(position) == len(pool)
        return [
            position[row.tobytes()]
            for market, chosen in zip(self.markets, self.picks, strict=True)
            for row in market.X_pool[chosen]
        ]


def plain() -> LogisticRegression:
    return LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-12)


def same_model(model: LogisticRegression, other: LogisticRegression) -> None:
    np.testing.assert_array_equal(model.classes_, other.classes_)
    np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-6)
    np.testing.assert_allclose(
        model.predict_proba(DATA.test[0]), other.predict_proba(DATA.test[0]), atol=1e-6
    )


def with_setting(**changed: object) -> Task:
    return replace(TASK, setting=replace(SETTING, **changed))  # type: ignore[arg-type]


@every_strategy
@pytest.mark.parametrize(
    ("budget", "sizes"), [(6, [40, 43, 46]), (7, [40, 43, 46, 47]), (2, [40, 42])]
)
def test_a_step_on_the_labeled_rows_then_one_a_round_until_the_budget_is_spent(
    name: str, budget: int, sizes: list[int]
) -> None:
    steps = list(TRUE_LABELS[name](with_setting(budget=budget)))
    assert [step.n_labeled for step in steps] == sizes
    assert np.isnan(steps[0].agreement)
    assert [step.agreement for step in steps[1:]] == [1.0] * (len(sizes) - 1)
    same_model(steps[0].model, plain().fit(*DATA.labeled))


@every_strategy
def test_it_buys_true_labels_and_no_row_twice(name: str) -> None:
    watched = Watched(name)
    model = list(watched(TASK))[-1].model
    bought = watched.bought(DATA.pool[0])
    assert len(set(bought)) == 6
    X_pool, y_pool = DATA.pool
    same_model(
        model, plain().fit(*joined(DATA.labeled, (X_pool[bought], y_pool[bought])))
    )


@every_strategy
def test_a_query_never_sees_labels_of_the_pool(name: str) -> None:
    watched, lied_to = Watched(name), Watched(name)
    lying = replace(DATA, pool=(DATA.pool[0], (DATA.pool[1] + 1) % 3))
    next_round = with_setting(budget=3)
    list(watched(next_round))
    list(lied_to(replace(next_round, split=lying)))
    assert watched.bought(DATA.pool[0]) == lied_to.bought(DATA.pool[0])


@every_strategy
def test_a_pool_smaller_than_the_budget_is_bought_whole(name: str) -> None:
    small = (DATA.pool[0][:5], DATA.pool[1][:5])
    steps = list(TRUE_LABELS[name](replace(TASK, split=replace(DATA, pool=small))))
    assert [step.n_labeled for step in steps] == [40, 43, 45]
    same_model(steps[-1].model, plain().fit(*joined(DATA.labeled, small)))


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_typiclust_draws_where_every_cluster_has_a_labeled_row() -> None:
    copies = (DATA.labeled[0][:7], DATA.labeled[1][:7])
    task = replace(TASK, split=replace(DATA, pool=copies))
    watched = Watched("TypiClust")
    list(watched(task))
    assert sorted(watched.bought(copies[0])) == sorted(set(watched.bought(copies[0])))
    assert len(set(watched.bought(copies[0]))) == 6
    again = Watched("TypiClust")
    list(again(task))
    assert again.bought(copies[0]) == watched.bought(copies[0])


@every_strategy
def test_a_seed_fixes_the_models(name: str) -> None:
    first, second = (list(TRUE_LABELS[name](TASK)) for _ in range(2))
    for step, again in zip(first, second, strict=True):
        np.testing.assert_array_equal(step.model.coef_, again.model.coef_)


@every_strategy
def test_an_equal_setting_begins_with_the_validation_rows_that_leave_room(
    name: str,
) -> None:
    steps = list(TRUE_LABELS[name](with_setting(equal_labels=True)))
    assert [step.n_labeled for step in steps] == [114, 117, 120]
    X_val, y_val = DATA.validation
    same_model(
        steps[0].model,
        plain().fit(*joined(DATA.labeled, (X_val[:74], y_val[:74]))),
    )


@every_strategy
@pytest.mark.parametrize("equal_labels", [False, True])
def test_a_class_that_no_labeled_row_has_is_no_obstacle(
    name: str, equal_labels: bool
) -> None:
    X_labeled, y_labeled = DATA.labeled
    two = y_labeled < 2
    split = replace(DATA, labeled=(X_labeled[two], y_labeled[two]))
    task = replace(with_setting(equal_labels=equal_labels, budget=30), split=split)
    steps = list(TRUE_LABELS[name](task))
    assert steps[-1].n_labeled == two.sum() + (80 if equal_labels else 30)
    assert steps[0].model.classes_.tolist() == ([0, 1, 2] if equal_labels else [0, 1])


@every_strategy
def test_a_tuned_penalty_is_one_of_those_there_are(name: str) -> None:
    steps = list(TRUE_LABELS[name](with_setting(C=None)))
    assert {step.model.C for step in steps} <= {0.001, 0.01, 0.1, 1.0}


def least_confident(
    probability: NDArray[np.float64], rng: np.random.RandomState
) -> NDArray[np.float64]:
    return 1.0 - probability.max(axis=1)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("Margin", QUERIES["margin"]),
        ("Entropy", QUERIES["entropy"]),
        ("LeastConfident", least_confident),
    ],
)
@pytest.mark.parametrize("batch_size", [3, 4])
def test_uncertainty_is_what_a_plain_loop_over_probabilities_buys(
    name: str, query: Query, batch_size: int
) -> None:
    *_, last = TRUE_LABELS[name](with_setting(batch_size=batch_size, budget=10))
    expected = active_learning(
        plain(),
        DATA.labeled,
        DATA.pool,
        query,
        budget=10,
        batch_size=batch_size,
        seed=0,
    )
    same_model(last.model, expected)


@pytest.mark.parametrize("hessian", ["train", "pool"])
def test_isal_buys_the_largest_influences_at_the_predicted_label(hessian: str) -> None:
    watched = Watched("ISAL")
    list(watched(with_setting(hessian=hessian)))
    known, left = DATA.labeled, np.arange(200)
    X_pool, y_pool = DATA.pool
    expected: list[int] = []
    for _ in range(2):
        model = plain().fit(*known)
        # The known rows are candidates too where the pool's curvature enters.
        influence = label_influence(
            model,
            np.concatenate([known[0], X_pool[left]]),
            X_train=known[0],
            X_val=DATA.validation[0],
            y_val=DATA.validation[1],
            hessian=hessian,  # type: ignore[arg-type]
        )[len(known[1]) :]
        own = [
            influence[position, label]
            for position, label in enumerate(model.predict(X_pool[left]))
        ]
        best = left[np.argsort(own)[::-1][:3]]
        expected += best.tolist()
        left = np.setdiff1d(left, best)
        known = joined(known, (X_pool[best], y_pool[best]))
    assert watched.bought(X_pool) == expected


@pytest.mark.slow
def test_isal_ranks_rows_as_refits_do(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[NDArray[np.floating]] = []

    def keep(score: NDArray[np.floating], size: int) -> NDArray[np.intp]:
        seen.append(score)
        return np.argsort(-score)[:size]

    monkeypatch.setattr(true_labels, "_largest", keep)
    few = (DATA.pool[0][:60], DATA.pool[1][:60])
    task = replace(with_setting(budget=3), split=replace(DATA, pool=few))
    list(TRUE_LABELS["ISAL"](task))
    model = plain().fit(*DATA.labeled)
    falls = add_one_in(
        model,
        few[0],
        X_train=DATA.labeled[0],
        y_train=DATA.labeled[1],
        X_val=DATA.validation[0],
        y_val=DATA.validation[1],
        estimate="refit",
    )[np.arange(60), model.predict(few[0])]
    assert spearmanr(seen[0], falls).statistic > 0.95


def test_predicted_influence_is_a_trees_on_the_known_rows_influences() -> None:
    watched = Watched("PredictedInfluence")
    list(watched(TASK))
    for market, chosen in zip(watched.markets, watched.picks, strict=True):
        X_known, y_known = market.known
        same_model(market.model, plain().fit(X_known, y_known))
        # A tree's splits hang on the last bits, so it gets the very same numbers.
        influence = label_influence(
            market.model,
            np.concatenate([X_known, market.X_pool]),
            X_train=X_known,
            X_val=DATA.validation[0],
            y_val=DATA.validation[1],
        )
        own = influence[np.arange(len(y_known)), y_known]
        tree = DecisionTreeRegressor(max_depth=6, random_state=market.seed)
        predicted = tree.fit(X_known, own).predict(market.X_pool)
        assert chosen.tolist() == np.argsort(-predicted, kind="stable")[:3].tolist()


def test_core_set_buys_the_row_farthest_from_all_known_and_bought() -> None:
    watched = Watched("CoreSet")
    list(watched(TASK))
    X_pool = DATA.pool[0]
    known, expected = DATA.labeled[0], []
    for _ in range(6):
        farthest = int(cdist(X_pool, known).min(axis=1).argmax())
        expected.append(farthest)
        known = np.vstack([known, X_pool[farthest]])
    assert watched.bought(X_pool) == expected


def test_random_buys_other_rows_under_another_seed_and_in_every_round() -> None:
    first, second = Watched("Random"), Watched("Random")
    list(first(TASK))
    list(second(replace(TASK, seed=1)))
    assert first.bought(DATA.pool[0]) != second.bought(DATA.pool[0])
    assert len({market.seed for market in first.markets}) == 2
    assert first.picks[0].tolist() != first.picks[1].tolist()


def test_random_buys_any_row_of_the_pool() -> None:
    bought: list[int] = []
    for seed in range(40):
        watched = Watched("Random")
        list(watched(replace(with_setting(budget=20, batch_size=20), seed=seed)))
        bought += watched.bought(DATA.pool[0])
    # Each row is among the 20 of a seed with a chance of 0.1.
    assert np.mean(np.bincount(bought, minlength=200) == 0) < 0.06
    assert np.bincount(bought, minlength=200).max() < 16


def test_batch_bald_looks_at_a_sample_of_the_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(true_labels, "BALD_CANDIDATES", 3)
    watched = Watched("BatchBALD")
    list(watched(with_setting(budget=3)))
    assert len(set(watched.bought(DATA.pool[0]))) == 3
    other = Watched("BatchBALD")
    list(other(replace(with_setting(budget=3), seed=1)))
    assert watched.bought(DATA.pool[0]) != other.bought(DATA.pool[0])


def test_entropy_margin_and_confidence_are_not_the_same() -> None:
    model = plain().fit(*DATA.labeled)
    probability = model.predict_proba(DATA.pool[0])
    ordered = np.sort(probability, axis=1)
    expected = {
        "Entropy": np.argsort(-entropy(probability, axis=1))[:3],
        "Margin": np.argsort(ordered[:, 2] - ordered[:, 1])[:3],
        "LeastConfident": np.argsort(ordered[:, 2])[:3],
    }
    assert len({tuple(rows) for rows in expected.values()}) == 3
    for name, rows in expected.items():
        watched = Watched(name)
        list(watched(with_setting(budget=3)))
        assert watched.bought(DATA.pool[0]) == rows.tolist()
