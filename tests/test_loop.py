"""The loop's steps against scikit-learn and the public `label_influence`."""

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from salutary import label_influence
from salutary.fitting import fit_converged
from salutary.labeling.rules import find_rule
from salutary.labeling.selection import Selection
from salutary.loop import Round, State, advance, describe, restore, select, start
from salutary.pools.arrays import ArrayPool
from salutary.problem import LabeledRows, Problem, split_canary


def labeled_rows(
    X: Any, y: np.ndarray, weight: np.ndarray | None = None
) -> LabeledRows:
    return LabeledRows(X, y, np.ones(len(y)) if weight is None else weight)


def make_problem(
    *,
    rule: Any = "plausible",
    guarded: bool = False,
    hessian: Any = "train",
    n_pool: int = 60,
    weight: np.ndarray | None = None,
    block_rows: int = 4096,
    container: Any = np.asarray,
    dtype: type = np.float64,
    **settings: Any,
) -> Problem:
    X, y = make_blobs(
        80 + n_pool, 4, centers=3, center_box=(-2, 2), cluster_std=1.5, random_state=3
    )
    X = X.astype(dtype)
    labeled, val, canary, pool = np.split(np.arange(len(X)), [20, 50, 80])
    return Problem(
        estimator=LogisticRegression(**settings),
        classes=np.array(["ash", "birch", "cedar"]),
        labeled=labeled_rows(container(X[labeled]), y[labeled]),
        validation=labeled_rows(container(X[val]), y[val]),
        canary=labeled_rows(container(X[canary]), y[canary]) if guarded else None,
        pool=ArrayPool(
            container(X[pool]),
            np.ones(n_pool, dtype=bool),
            np.ones(n_pool) if weight is None else weight,
            block_rows,
        ),
        rule=find_rule(rule),
        hessian=hessian,
        batch_size=4,
    )


def run(
    problem: Problem, budget: int, state: State | None = None
) -> tuple[State, list[Round]]:
    state, rounds = state or start(problem), []
    while state.termination is None:
        state, record = advance(problem, state, budget)
        rounds += [record] if record else []
    return state, rounds


def training_set(problem: Problem, state: State) -> tuple[Any, ...]:
    X = np.vstack([problem.labeled.X, problem.pool.X[state.rows]])
    codes = np.r_[problem.labeled.labels, state.labels]
    weight = np.r_[problem.labeled.weight, problem.pool.weight[state.rows]]
    return X, problem.classes[codes], weight


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("hessian", ["train", "pool", "both"])
@pytest.mark.parametrize("rule", ["paper", "plausible"])
def test_each_round_labels_the_rows_of_largest_score(
    rule: str, hessian: Any, class_weight: Any
) -> None:
    weight = np.linspace(0.5, 1.5, 60)
    problem = make_problem(
        rule=rule, hessian=hessian, weight=weight, class_weight=class_weight
    )
    state = start(problem)
    for _ in range(3):
        X, y, train_weight = training_set(problem, state)
        rest = np.setdiff1d(np.arange(60), state.rows)
        influence = label_influence(
            state.model,
            problem.pool.X[rest],
            X_train=X,
            y_train=y,
            sample_weight=train_weight,
            X_val=problem.validation.X,
            y_val=problem.classes[problem.validation.labels],
            hessian=hessian,
        )
        scores = influence * weight[rest, None]
        if rule == "plausible":
            scores = scores * state.model.predict_proba(problem.pool.X[rest])
        best = np.argsort(-scores.max(axis=1))[:4]
        state, record = advance(problem, state, budget=100)
        assert record is not None
        chosen = record.selection
        assert_array_equal(chosen.rows, rest[best])
        assert_array_equal(chosen.labels, scores[best].argmax(axis=1))
        assert_allclose(chosen.influence, influence[best], rtol=1e-9)


@pytest.mark.parametrize("settings", [{}, {"class_weight": "balanced"}, {"C": 30.0}])
def test_the_model_is_scikit_learns_fit_of_the_labels_so_far(settings: dict) -> None:
    problem = make_problem(weight=np.linspace(0.5, 1.5, 60), **settings)
    state, rounds = run(problem, budget=12)
    X, y, weight = training_set(problem, state)
    exact = LogisticRegression(solver="newton-cholesky", tol=1e-10, **settings)
    exact.fit(X, y, weight)
    assert_allclose(state.model.coef_, exact.coef_, rtol=1e-4, atol=1e-6)
    assert rounds[-1].n_labeled == len(y)
    loss = log_loss(
        problem.classes[problem.validation.labels],
        exact.predict_proba(problem.validation.X),
    )
    assert rounds[-1].validation_loss == pytest.approx(loss, rel=1e-5)
    assert np.isnan(rounds[-1].canary_loss)


@pytest.mark.parametrize("hessian", ["train", "pool", "both"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_the_size_of_blocks_does_not_change_the_labels(
    container: Any, dtype: type, hessian: Any
) -> None:
    outcomes = []
    for block_rows in (1, 7, 4096):
        problem = make_problem(
            container=container, dtype=dtype, hessian=hessian, block_rows=block_rows
        )
        state, _ = run(problem, budget=20)
        outcomes.append((state.rows.tolist(), state.labels.tolist()))
    assert outcomes[0] == outcomes[1] == outcomes[2]


@pytest.mark.parametrize("rule", ["paper", "plausible"])
def test_equal_rows_are_labeled_in_their_order_whatever_the_blocks(rule: str) -> None:
    problem = make_problem(rule=rule)
    X = np.tile(problem.pool.X[:3], (20, 1))
    for block_rows in (1, 7, 4096):
        pool = replace(problem.pool, X=X, block_rows=block_rows)
        state = start(replace(problem, pool=pool))
        _, record = advance(replace(problem, pool=pool), state, budget=4)
        assert record is not None
        first = record.selection.rows[0]
        assert record.selection.rows.tolist() == [
            first,
            first + 3,
            first + 6,
            first + 9,
        ]


def test_the_last_round_fills_the_budget_exactly() -> None:
    state, rounds = run(make_problem(), budget=10)
    assert [len(record.selection) for record in rounds] == [4, 4, 2]
    assert [record.number for record in rounds] == [1, 2, 3]
    assert state.termination == "budget"
    assert len(set(state.rows.tolist())) == 10


def test_a_small_pool_is_exhausted() -> None:
    state, rounds = run(make_problem(n_pool=6), budget=10)
    assert [len(record.selection) for record in rounds] == [4, 2]
    assert sorted(state.rows.tolist()) == list(range(6))
    assert state.termination == "pool_exhausted"


def test_rows_of_weight_zero_and_labeled_ones_are_passed_over() -> None:
    weight = np.ones(60)
    weight[::3] = 0
    problem = make_problem(weight=weight)
    unlabeled = np.arange(60) % 3 != 1
    pool = replace(problem.pool, unlabeled=unlabeled)
    state, _ = run(replace(problem, pool=pool), budget=100)
    assert sorted(state.rows.tolist()) == list(range(2, 60, 3))


def validation_jackknife(problem: Problem, state: State, chosen: Selection) -> Any:
    """Standard errors by leaving one validation row out of the public influence."""
    X, y, weight = training_set(problem, state)
    y_val = problem.classes[problem.validation.labels]
    rest = np.setdiff1d(np.arange(len(problem.pool.X)), state.rows)
    own = np.searchsorted(rest, chosen.rows), chosen.labels
    n_val = len(y_val)
    left = [
        label_influence(
            state.model,
            problem.pool.X[rest],
            X_train=X,
            y_train=y,
            sample_weight=weight,
            X_val=np.delete(problem.validation.X, row, axis=0),
            y_val=np.delete(y_val, row),
            hessian=problem.hessian,
        )[own]
        for row in range(n_val)
    ]
    return np.sqrt((n_val - 1) * np.var(left, axis=0))


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("hessian", ["train", "pool", "both"])
def test_every_label_has_its_standard_error(hessian: Any, class_weight: Any) -> None:
    problem = make_problem(
        hessian=hessian, weight=np.linspace(0.5, 1.5, 60), class_weight=class_weight
    )
    state = start(problem)
    for _ in range(2):
        before = state
        state, record = advance(problem, state, budget=100)
        assert record is not None
        expected = validation_jackknife(problem, before, record.selection)
        assert_allclose(record.selection.influence_se, expected, rtol=1e-6)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_float32_and_sparse_pools_have_standard_errors_too(container: Any) -> None:
    exact = run(make_problem(), budget=4)[1][0].selection
    found = run(make_problem(container=container, dtype=np.float32), budget=4)[1]
    assert_array_equal(found[0].selection.rows, exact.rows)
    assert found[0].selection.influence_se.dtype == np.float64
    assert_allclose(found[0].selection.influence_se, exact.influence_se, rtol=1e-4)


@pytest.mark.parametrize("estimate", ["first_order", "newton", "refit"])
def test_rows_below_the_smallest_z_are_not_labeled(estimate: Any) -> None:
    problem = make_problem()
    problem = replace(problem, estimate=estimate, min_influence_z=1.2)
    state, rounds = run(problem, budget=60)
    assert state.termination == "no_positive_influence"
    assert rounds
    for record in rounds:
        chosen = record.selection
        assert (chosen.assigned_influence / chosen.influence_se >= 1.2).all()


def test_the_best_rows_that_clear_the_smallest_z_are_labeled() -> None:
    problem = replace(make_problem(), min_influence_z=1.6)
    begun = start(problem)
    ranked = select(problem, begun, 60)
    z = ranked.assigned_influence / ranked.influence_se
    # Of the five times four best, the four best that clear it, in their order.
    kept = np.flatnonzero(z[:20] >= 1.6)[:4]
    assert len(kept) == 4
    assert kept.tolist() != [0, 1, 2, 3]
    _, record = advance(problem, begun, budget=60)
    assert record is not None
    assert_array_equal(record.selection.rows, ranked.rows[kept])


@pytest.mark.parametrize("estimate", ["first_order", "newton"])
def test_a_z_nothing_clears_ends_the_run_without_labels(estimate: Any) -> None:
    problem = replace(make_problem(), estimate=estimate, min_influence_z=1e9)
    begun = start(problem)
    state, record = advance(problem, begun, budget=10)
    assert record is None
    assert state == replace(begun, termination="no_positive_influence")


@pytest.mark.parametrize(("smallest_z", "n_labels"), [(0.0, 10), (0.1, 0)])
def test_one_validation_row_labels_only_where_no_z_is_asked_for(
    smallest_z: float, n_labels: int
) -> None:
    problem = make_problem()
    problem = replace(
        problem,
        validation=problem.validation.take(np.array([0])),
        min_influence_z=smallest_z,
    )
    state, rounds = run(problem, budget=10)
    assert len(state.rows) == n_labels
    assert all(np.isnan(record.selection.influence_se).all() for record in rounds)


def test_a_rule_without_positive_scores_ends_the_run() -> None:
    problem = make_problem(rule=lambda influence, probability: -np.abs(influence))
    begun = start(problem)
    state, record = advance(problem, begun, budget=10)
    assert record is None
    assert state == replace(begun, termination="no_positive_influence")


def worst(influence: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Prefers the labels that harm most."""
    return -influence * probability


@pytest.mark.parametrize("rule", ["plausible", worst])
def test_the_guard_refuses_what_raises_the_canary_loss(rule: Any) -> None:
    problem = make_problem(rule=rule, guarded=True)
    canary = problem.canary
    assert canary is not None
    before = start(problem)
    while before.termination is None:
        after, record = advance(problem, before, budget=8)
        if record is None:
            assert after.termination == "budget"
            break
        rows, code = np.arange(len(canary)), canary.labels
        change = np.log(before.model.predict_proba(canary.X)[rows, code]) - np.log(
            record.model.predict_proba(canary.X)[rows, code]
        )
        assert record.refused == (change.mean() > np.std(change) / np.sqrt(len(canary)))
        loss = log_loss(problem.classes[code], record.model.predict_proba(canary.X))
        assert record.canary_loss == pytest.approx(loss)
        if record.refused:
            assert after == replace(before, rounds=record.number, termination="guard")
        before = after
    assert (before.termination == "guard") == (rule is worst)


def test_a_round_leaves_the_state_it_starts_from_as_it_was() -> None:
    problem = make_problem()
    state, _ = advance(problem, start(problem), budget=100)
    coef, rows = state.model.coef_.copy(), state.rows.copy()
    first, _ = advance(problem, state, budget=100)
    second, _ = advance(problem, state, budget=100)
    assert_array_equal(first.rows, second.rows)
    assert_array_equal(first.model.coef_, second.model.coef_)
    assert_array_equal(state.model.coef_, coef)
    assert_array_equal(state.rows, rows)
    assert problem.pool.unlabeled.all()


def test_a_restored_run_continues_exactly() -> None:
    problem = make_problem(guarded=True)
    state = start(problem)
    for _ in range(2):
        state, _ = advance(problem, state, budget=16)
    resumed = restore(
        problem,
        state.model.coef_,
        state.model.intercept_,
        state.rounds,
        state.rows,
        state.labels,
    )
    straight, first = run(problem, 16, state)
    again, second = run(problem, 16, resumed)
    assert_array_equal(again.rows, straight.rows)
    assert_array_equal(again.labels, straight.labels)
    assert_array_equal(again.model.coef_, straight.model.coef_)
    assert [r.number for r in second] == [r.number for r in first] == [3, 4]


def test_the_canary_is_three_tenths_of_the_validation_rows() -> None:
    y = np.repeat([0, 1], [30, 20])
    rows = labeled_rows(np.arange(50.0)[:, None], y, np.linspace(1, 2, 50))
    own, canary = split_canary(rows, True, np.random.RandomState(0))
    assert canary is not None
    assert np.bincount(canary.labels).tolist() == [9, 6]
    assert sorted(np.r_[own.X, canary.X].ravel().tolist()) == list(range(50))
    assert_array_equal(canary.weight, rows.weight[canary.X.ravel().astype(int)])
    assert split_canary(rows, False, np.random.RandomState(0)) == (rows, None)


@pytest.mark.parametrize("n_rows", [1, 2, 4])
def test_too_few_validation_rows_to_guard_with_are_warned_of(n_rows: int) -> None:
    rows = labeled_rows(np.zeros((n_rows, 1)), np.arange(n_rows) % 2)
    with pytest.warns(UserWarning, match="too few to guard .* switch the guard off"):
        own, canary = split_canary(rows, True, np.random.RandomState(0))
    assert own is rows
    assert canary is None


def test_a_converged_fit_keeps_the_estimators_own_settings() -> None:
    problem = make_problem()
    estimator = LogisticRegression(C=3.0, warm_start=True, max_iter=20_000, tol=1e-12)
    cold = fit_converged(estimator, problem.labeled, problem.classes)
    warm = fit_converged(estimator, problem.labeled, problem.classes, cold)
    for model in (cold, warm):
        assert (model.C, model.warm_start, model.max_iter, model.tol) == (
            *(3.0, True, 20_000, 1e-12),
        )
    assert warm.n_iter_[0] < cold.n_iter_[0]
    assert_allclose(warm.coef_, cold.coef_, atol=1e-6)
    assert not hasattr(estimator, "coef_")


def test_a_round_is_described_in_a_line() -> None:
    _, rounds = run(make_problem(rule=worst, guarded=True), budget=4)
    line = describe(rounds[0])
    values = rounds[0].validation_loss, rounds[0].canary_loss
    assert line == (
        "round 1: 24 labeled rows, validation loss {:.4f}, canary loss {:.4f}, "
        "refused by the guard".format(*values)
    )
    _, rounds = run(make_problem(), budget=4)
    assert "canary" not in describe(rounds[0])


def peak_of_a_round(n_pool: int, hessian: Any) -> int:
    problem = make_problem(n_pool=n_pool, hessian=hessian, dtype=np.float32)
    state, _ = advance(problem, start(problem), budget=100)
    tracemalloc.start()
    try:
        advance(problem, state, budget=100)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("hessian", ["train", "both"])
def test_a_rounds_memory_grows_by_no_more_than_masks_of_the_pool(hessian: Any) -> None:
    growth = peak_of_a_round(160_000, hessian) - peak_of_a_round(20_000, hessian)
    # One float32 score a row and class would take 12 bytes a row.
    assert growth < 4 * 140_000
