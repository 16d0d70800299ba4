"""The loop's steps against scikit-learn and the public `label_influence`."""

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import sem, ttest_rel
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from salutary import label_influence
from salutary.influence.objectives import row_log_loss
from salutary.labeling import loop
from salutary.labeling.batch import choose_batches
from salutary.labeling.definition import Fold, split_folds
from salutary.labeling.fitting import Snapshot, fit_converged
from salutary.labeling.guard import FOLDS
from salutary.labeling.loop import (
    State,
    advance,
    describe,
    start,
)
from salutary.labeling.outcome import Round
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import RULES, find_rule
from salutary.labeling.selection import Selection
from salutary.pools.arrays import ArrayPool


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
    labeled, val = np.arange(20), np.arange(20, 80 if guarded else 50)
    pool = np.arange(80, len(X))
    validation = labeled_rows(container(X[val]), y[val])
    return Problem(
        estimator=LogisticRegression(**settings),
        classes=np.array(["ash", "birch", "cedar"]),
        labeled=labeled_rows(container(X[labeled]), y[labeled]),
        validation=validation,
        folds=split_folds(validation, guarded, np.random.RandomState(0)),
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
    rows, labels = state.latest.rows, state.latest.labels
    X = np.vstack([problem.labeled.X, problem.pool.X[rows]])
    codes = np.r_[problem.labeled.labels, labels]
    weight = np.r_[problem.labeled.weight, problem.pool.weight[rows]]
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
        rest = np.setdiff1d(np.arange(60), state.latest.rows)
        influence = label_influence(
            state.latest.model,
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
            scores = scores * state.latest.model.predict_proba(problem.pool.X[rest])
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
    assert_allclose(state.latest.model.coef_, exact.coef_, rtol=1e-4, atol=1e-6)
    assert rounds[-1].n_labeled == len(y)
    loss = log_loss(
        problem.classes[problem.validation.labels],
        exact.predict_proba(problem.validation.X),
    )
    assert rounds[-1].validation_loss == pytest.approx(loss, rel=1e-5)
    assert np.isnan(rounds[-1].canary_loss)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["plausible", "tempered"])
@pytest.mark.parametrize("hessian", ["train", "pool", "both"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_the_size_of_blocks_changes_neither_labels_nor_figures(
    container: Any, dtype: type, hessian: Any, rule: str
) -> None:
    outcomes, scores = [], []
    for block_rows in (1, 7, 4096):
        problem = make_problem(
            rule=rule,
            guarded=rule == "tempered",
            container=container,
            dtype=dtype,
            hessian=hessian,
            n_pool=30,
            block_rows=block_rows,
        )
        state, rounds = run(problem, budget=8)
        figures = [
            values.tolist()
            for found in rounds
            for values in (
                *(found.selection.rank, found.selection.distance),
                *(found.spread.lower, found.spread.n_rows),
            )
        ]
        labels = state.latest.rows.tolist(), state.latest.labels.tolist()
        outcomes.append((*labels, figures))
        scores.append(np.concatenate([found.selection.scores for found in rounds]))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    # Rounded to 6 or 12 digits, the last of which two ways to sum may round apart.
    for others in scores[1:]:
        assert_allclose(others, scores[0], rtol=1e-5 if dtype == np.float32 else 1e-11)


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
    assert len(set(state.latest.rows.tolist())) == 10


def test_a_small_pool_is_exhausted() -> None:
    state, rounds = run(make_problem(n_pool=6), budget=10)
    assert [len(record.selection) for record in rounds] == [4, 2]
    assert sorted(state.latest.rows.tolist()) == list(range(6))
    assert state.termination == "pool_exhausted"


def test_rows_of_weight_zero_and_labeled_ones_are_passed_over() -> None:
    weight = np.ones(60)
    weight[::3] = 0
    problem = make_problem(weight=weight)
    unlabeled = np.arange(60) % 3 != 1
    pool = replace(problem.pool, unlabeled=unlabeled)
    state, _ = run(replace(problem, pool=pool), budget=100)
    assert sorted(state.latest.rows.tolist()) == list(range(2, 60, 3))


def validation_jackknife(problem: Problem, state: State, chosen: Selection) -> Any:
    """Standard errors by leaving one validation row out of the public influence."""
    X, y, weight = training_set(problem, state)
    y_val = problem.classes[problem.validation.labels]
    rest = np.setdiff1d(np.arange(len(problem.pool.X)), state.latest.rows)
    own = np.searchsorted(rest, chosen.rows), chosen.labels
    n_val = len(y_val)
    left = [
        label_influence(
            state.latest.model,
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("estimate", ["first_order", "newton", "refit"])
def test_rows_below_the_smallest_z_are_not_labeled(estimate: Any) -> None:
    problem = replace(make_problem(), estimate=estimate, batch_size=2)
    state, rounds = run(replace(problem, min_influence_z=1.2), budget=60)
    assert state.termination == "no_positive_influence"
    assert rounds
    for record in rounds:
        chosen = record.selection
        assert (chosen.assigned_influence / chosen.influence_se >= 1.2).all()


def test_the_best_rows_that_clear_the_smallest_z_are_labeled() -> None:
    problem = replace(make_problem(), min_influence_z=1.6)
    begun = start(problem)
    every = replace(problem, min_influence_z=0.0)
    (ranked,) = choose_batches(every, problem.validation, begun.latest, 60).values()
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
    assert len(state.latest.rows) == n_labels
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


def cold(problem: Problem, snapshot: Snapshot) -> LogisticRegression:
    """scikit-learn's fit of a snapshot's rows from zero."""
    X = np.vstack([problem.labeled.X, problem.pool.X[snapshot.rows]])
    codes = np.r_[problem.labeled.labels, snapshot.labels]
    weight = np.r_[problem.labeled.weight, problem.pool.weight[snapshot.rows]]
    model = LogisticRegression(
        C=problem.estimator.C,
        class_weight=problem.estimator.class_weight,
        solver="newton-cholesky",
        tol=1e-10,
    )
    return model.fit(X, problem.classes[codes], weight)


def row_losses(model: LogisticRegression, rows: LabeledRows) -> np.ndarray:
    return -model.predict_log_proba(rows.X)[np.arange(len(rows)), rows.labels]


def unseen_losses(problem: Problem, folds: Any) -> np.ndarray:
    """Canary losses under cold fits of each fold's labels."""
    pairs = zip(problem.folds, folds, strict=True)
    return np.concatenate(
        [row_losses(cold(problem, snapshot), fold.canary) for fold, snapshot in pairs]
    )


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["tempered", "plausible", "paper", worst])
@pytest.mark.parametrize("C", [0.05, 1.0, 30.0])
def test_the_guard_judges_by_losses_of_rows_no_influence_saw(
    rule: Any, C: float
) -> None:
    problem = make_problem(rule=rule, guarded=True, C=C)
    state = start(problem)
    at_start = kept = unseen_losses(problem, state.folds)
    kept_rounds = 0
    while True:
        before = state
        state, record = advance(problem, before, budget=32)
        if record is None:
            assert state == replace(before, termination="budget")
            break
        losses = unseen_losses(problem, record.folds)
        t = ttest_rel(kept, losses).statistic
        expected = "kept" if t > 0 else "harmful" if t < -1 else "waiting"
        assert record.verdict == expected
        assert record.canary_loss == pytest.approx(losses.mean(), rel=1e-5)
        since = ttest_rel(at_start, losses)
        assert record.canary_fall == pytest.approx(
            at_start.mean() - losses.mean(), rel=1e-3, abs=1e-6
        )
        assert record.canary_fall / record.canary_se == pytest.approx(
            since.statistic, rel=1e-3, abs=1e-4
        )
        assert state.latest is record.snapshot
        assert state.folds is record.folds
        assert state.rounds == record.number
        if expected == "kept":
            kept, kept_rounds = losses, record.number
            assert state.best is record.snapshot
        else:
            assert state.best is before.best
        assert state.best_round == kept_rounds
        losses_kept = row_log_loss(state.canary.best, problem.canary.labels)
        assert_allclose(losses_kept, kept, rtol=1e-4, atol=1e-5)
        assert state.canary.start is before.canary.start
        assert state.termination == ("guard" if expected == "harmful" else None)
        if state.termination:
            break
    if kept_rounds < state.rounds:
        assert state.ending == "guard"
    if rule is worst:
        assert state.ending == "guard"
        assert len(state.best) == 0


def script(monkeypatch: pytest.MonkeyPatch, *verdicts: str) -> list[tuple[Any, ...]]:
    """Let the guard say this round by round; what it was asked."""
    asked: list[tuple[Any, ...]] = []

    def judged(*question: Any) -> str:
        asked.append(question)
        return verdicts[len(asked) - 1]

    monkeypatch.setattr(loop, "judge", judged)
    return asked


def test_a_round_that_waits_stays_when_a_later_one_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = script(monkeypatch, "waiting", "kept", "waiting", "waiting")
    problem = make_problem(guarded=True)
    state = start(problem)
    states = [state]
    while state.termination is None:
        state, _ = advance(problem, state, budget=16)
        states.append(state)
    assert [s.best_round for s in states] == [0, 0, 2, 2, 2, 2]
    assert [len(s.best) for s in states] == [0, 0, 8, 8, 8, 8]
    assert len(state.latest) == 16
    assert (state.termination, state.ending) == ("budget", "guard")
    assert [s.ending for s in states[:4]] == [None, "guard", None, "guard"]
    # Each is compared with the last that stayed, not with the one before it.
    references = [states[0], states[0], states[2], states[2]]
    for question, reference, after in zip(asked, references, states[1:], strict=False):
        then, now = (unseen_losses(problem, s.folds) for s in (reference, after))
        fall, error = np.mean(then - now), sem(then - now)
        assert question == pytest.approx((fall, error), rel=1e-3, abs=1e-6)


def test_a_harmful_round_ends_the_run_and_is_undone_with_those_that_waited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script(monkeypatch, "kept", "waiting", "harmful")
    problem = make_problem(guarded=True)
    state, rounds = run(problem, budget=60)
    assert state.termination == state.ending == "guard"
    assert len(rounds) == state.rounds == 3
    assert state.best_round == 1
    assert state.best is rounds[0].snapshot
    assert len(state.latest) == 12


@pytest.mark.parametrize("rule", ["plausible", "paper"])
def test_a_fold_is_a_run_that_sees_its_own_rows_alone(rule: str) -> None:
    problem = make_problem(rule=rule, guarded=True, weight=np.linspace(0.5, 1.5, 60))
    state = start(problem)
    for _ in range(3):
        state, _ = advance(problem, replace(state, termination=None), budget=100)
    for fold, snapshot in zip(problem.folds, state.folds, strict=True):
        alone, _ = run(replace(problem, validation=fold.own, folds=()), budget=12)
        assert_array_equal(snapshot.rows, alone.latest.rows)
        assert_array_equal(snapshot.labels, alone.latest.labels)
        assert_array_equal(snapshot.model.coef_, alone.latest.model.coef_)


def with_other_canary_labels(problem: Problem, number: int) -> Problem:
    """The canary rows of one fold get another class, wherever they are looked at."""
    hidden = {tuple(x) for x in problem.folds[number].canary.X}

    def changed(rows: LabeledRows) -> LabeledRows:
        among = np.array([tuple(x) in hidden for x in rows.X])
        return replace(rows, labels=np.where(among, (rows.labels + 1) % 3, rows.labels))

    folds = tuple(
        Fold(changed(fold.own), changed(fold.canary)) for fold in problem.folds
    )
    return replace(problem, validation=changed(problem.validation), folds=folds)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(FOLDS))
def test_no_influence_of_a_fold_depends_on_its_canary_rows(number: int) -> None:
    problem = make_problem(rule="tempered", guarded=True)
    lying = with_other_canary_labels(problem, number)
    state = start(problem)
    for _ in range(3):
        for place in range(FOLDS):
            snapshot = state.folds[place]
            honest, lied_to = (
                choose_batches(asked, asked.folds[place].own, snapshot, 4)
                for asked in (problem, lying)
            )
            assert list(honest) == list(lied_to) == ["p^1", "p^0", "p^2"]
            same = [
                np.array_equal(honest[name].rows, lied_to[name].rows)
                and np.array_equal(honest[name].influence, lied_to[name].influence)
                for name in honest
            ]
            assert all(same) if place == number else not any(same)
        state, _ = advance(problem, replace(state, termination=None), budget=100)


@pytest.mark.slow
@pytest.mark.parametrize("C", [0.02, 1.0, 30.0])
def test_a_round_uses_the_variant_of_lowest_canary_loss(C: float) -> None:
    problem = make_problem(rule="tempered", guarded=True, C=C)
    state = start(problem)
    for _ in range(4):
        of_folds = [
            choose_batches(problem, fold.own, snapshot, 4)
            for fold, snapshot in zip(problem.folds, state.folds, strict=True)
        ]
        losses = {}
        for name in RULES["tempered"].variants:
            snapshots = [
                Snapshot(
                    snapshot.model,
                    np.r_[snapshot.rows, batches[name].rows],
                    np.r_[snapshot.labels, batches[name].labels],
                )
                for snapshot, batches in zip(state.folds, of_folds, strict=True)
            ]
            losses[name] = unseen_losses(problem, snapshots).mean()
        own = choose_batches(problem, problem.validation, state.latest, 4)
        state, record = advance(problem, replace(state, termination=None), budget=100)
        assert record is not None
        assert record.variant == min(losses, key=losses.__getitem__)
        assert record.canary_loss == pytest.approx(min(losses.values()), rel=1e-5)
        assert_array_equal(record.selection.rows, own[record.variant].rows)
        assert_array_equal(record.selection.labels, own[record.variant].labels)


@pytest.mark.slow
def test_different_variants_win() -> None:
    """So that the test above would see one that always wins."""
    winners = set()
    for C in (0.02, 1.0, 30.0):
        _, rounds = run(make_problem(rule="tempered", guarded=True, C=C), budget=40)
        winners |= {record.variant for record in rounds}
    assert len(winners) > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("guarded", "estimate"), [(False, "first_order"), (True, "newton"), (True, "refit")]
)
def test_without_a_choice_to_make_the_tempered_rule_has_plausible_scores(
    guarded: bool, estimate: Any
) -> None:
    problem = make_problem(rule="tempered", guarded=guarded, n_pool=9)
    problem = replace(problem, estimate=estimate, batch_size=2)
    (only,) = problem.variants
    rule = replace(find_rule("plausible"), greedy=True)
    _, rounds = run(problem, budget=4)
    _, expected = run(replace(problem, rule=rule), budget=4)
    assert rounds
    for record, other in zip(rounds, expected, strict=True):
        assert record.variant == only == "p^1"
        assert_array_equal(record.selection.rows, other.selection.rows)
        assert_array_equal(record.selection.labels, other.selection.labels)


def test_a_round_leaves_the_state_it_starts_from_as_it_was() -> None:
    problem = make_problem(rule="tempered", guarded=True)
    state, _ = advance(problem, start(problem), budget=100)
    coef, rows = state.latest.model.coef_.copy(), state.latest.rows.copy()
    first, _ = advance(problem, state, budget=100)
    second, _ = advance(problem, state, budget=100)
    same_state(first, second)
    assert_array_equal(state.latest.model.coef_, coef)
    assert_array_equal(state.latest.rows, rows)
    assert problem.pool.unlabeled.all()


def same_snapshot(one: Snapshot, other: Snapshot) -> None:
    assert_array_equal(one.rows, other.rows)
    assert_array_equal(one.labels, other.labels)
    assert_array_equal(one.model.coef_, other.model.coef_)
    assert_array_equal(one.model.intercept_, other.model.intercept_)


def same_state(one: State, other: State) -> None:
    for snapshot, snapshot_then in zip(
        (one.latest, one.best, *one.folds),
        (other.latest, other.best, *other.folds),
        strict=True,
    ):
        same_snapshot(snapshot, snapshot_then)
    assert one.first.summary() == pytest.approx(other.first.summary(), nan_ok=True)
    assert_array_equal(one.canary.best, other.canary.best)
    assert_array_equal(one.canary.start, other.canary.start)
    for name in ("rounds", "best_round", "termination", "ending"):
        assert getattr(one, name) == getattr(other, name)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["tempered", "plausible"])
@pytest.mark.parametrize("guarded", [False, True])
def test_a_run_with_a_larger_budget_goes_on_as_if_it_always_had_it(
    rule: str, guarded: bool
) -> None:
    problem = make_problem(rule=rule, guarded=guarded, C=0.3)
    first, _ = run(problem, budget=20)
    assert first.termination == "budget"
    further, rounds = run(problem, 40, replace(first, termination=None))
    straight, _ = run(problem, 40)
    same_state(further, straight)
    assert [record.number for record in rounds] == list(range(6, 6 + len(rounds)))
    assert len(straight.latest) > 20


def restored(problem: Problem, snapshot: Snapshot) -> Snapshot:
    """From the numbers that a ledger holds."""
    coefficients = snapshot.model.coef_.copy(), snapshot.model.intercept_.copy()
    rows = snapshot.rows.copy(), snapshot.labels.copy()
    return problem.restored(1, *rows, coefficients)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["tempered", "plausible"])
@pytest.mark.parametrize("settings", [{}, {"class_weight": "balanced"}])
def test_a_restored_run_continues_exactly(rule: str, settings: dict) -> None:
    problem = make_problem(rule=rule, guarded=True, C=0.3, **settings)
    state = start(problem)
    for _ in range(2):
        state, _ = advance(problem, state, budget=16)
    resumed = replace(
        state,
        latest=restored(problem, state.latest),
        folds=tuple(restored(problem, snapshot) for snapshot in state.folds),
        best=restored(problem, state.best),
    )
    straight, first = run(problem, 16, state)
    again, second = run(problem, 16, resumed)
    same_state(again, straight)
    assert [r.number for r in second] == [r.number for r in first]
    assert second[0].number == 3


def tagged_rows(y: np.ndarray) -> LabeledRows:
    """Rows that can be told apart, each with a weight of its own."""
    n = len(y)
    return labeled_rows(np.arange(float(n))[:, None], y, 1 + np.arange(n) / n)


@given(
    st.lists(st.integers(0, 3), min_size=6, max_size=50),
    st.integers(0, 2**32 - 1),
)
def test_every_validation_row_is_the_canary_of_one_fold(
    labels: list[int], seed: int
) -> None:
    rows = tagged_rows(np.array(labels))
    folds = split_folds(rows, True, np.random.RandomState(seed))
    assert len(folds) == FOLDS

    def places(part: LabeledRows) -> list[int]:
        chosen = part.X.ravel().astype(int)
        assert_array_equal(part.labels, rows.labels[chosen])
        assert_array_equal(part.weight, rows.weight[chosen])
        return chosen.tolist()

    everything = list(range(len(labels)))
    canaries = [places(fold.canary) for fold in folds]
    assert sorted(np.concatenate(canaries)) == everything
    for fold, canary in zip(folds, canaries, strict=True):
        assert sorted(places(fold.own) + canary) == everything
    for label in set(labels):
        sizes = [(fold.canary.labels == label).sum() for fold in folds]
        assert max(sizes) - min(sizes) <= 1


def test_canary_weights_stand_in_the_order_of_canary_losses() -> None:
    problem = make_problem(guarded=True)
    weight = np.linspace(1, 2, 60)
    validation = replace(problem.validation, weight=weight)
    folds = split_folds(validation, True, np.random.RandomState(0))
    problem = replace(problem, validation=validation, folds=folds)
    assert sorted(problem.canary.weight.tolist()) == weight.tolist()
    state, record = advance(problem, start(problem), budget=4)
    assert record is not None
    total = sum(
        fold.canary.weight @ row_losses(cold(problem, snapshot), fold.canary)
        for fold, snapshot in zip(problem.folds, state.folds, strict=True)
    )
    assert record.canary_loss == pytest.approx(total / weight.sum(), rel=1e-5)


def test_without_a_guard_there_are_no_folds() -> None:
    problem = make_problem()
    assert split_folds(problem.validation, False, np.random.RandomState(0)) == ()
    _, rounds = run(problem, budget=8)
    for record in rounds:
        assert record.verdict == "kept"
        assert np.isnan(
            [record.canary_loss, record.canary_fall, record.canary_se]
        ).all()


@pytest.mark.parametrize("n_rows", [0, 1, 2, 5])
def test_too_few_validation_rows_to_guard_with_are_warned_of(n_rows: int) -> None:
    rows = labeled_rows(np.zeros((n_rows, 1)), np.arange(n_rows) % 2)
    match = f"^{n_rows} validation rows are too few to guard .* switch the guard off"
    with pytest.warns(UserWarning, match=match):
        assert split_folds(rows, True, np.random.RandomState(0)) == ()


@pytest.mark.parametrize("n_weighed", [0, 1, 2])
def test_rows_without_weight_do_not_count_as_enough(n_weighed: int) -> None:
    weight = (np.arange(30) < n_weighed).astype(float)
    rows = labeled_rows(np.zeros((30, 1)), np.zeros(30, dtype=int), weight)
    with pytest.warns(UserWarning, match="too few to guard"):
        assert split_folds(rows, True, np.random.RandomState(0)) == ()


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


@pytest.mark.parametrize(
    ("verdict", "ending"),
    [
        ("kept", ""),
        ("waiting", " (later rounds decide whether this one is undone)"),
        ("harmful", " (worse: undone by the guard)"),
    ],
)
def test_a_round_is_described_in_a_line(
    verdict: str, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, verdict)
    _, rounds = run(make_problem(guarded=True), budget=4)
    values = rounds[0].validation_loss, rounds[0].canary_loss
    line = "round 1: 24 labeled rows, validation loss {:.4f}, held-out loss {:.4f}"
    assert describe(rounds[0]) == line.format(*values) + ending
    monkeypatch.undo()
    _, rounds = run(make_problem(), budget=4)
    assert "held-out" not in describe(rounds[0])


def peak_of_a_round(n_pool: int, hessian: Any, rule: str) -> int:
    problem = make_problem(
        n_pool=n_pool,
        hessian=hessian,
        dtype=np.float32,
        rule=rule,
        guarded=rule == "tempered",
    )
    state, _ = advance(problem, start(problem), budget=100)
    tracemalloc.start()
    try:
        advance(problem, state, budget=100)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["plausible", "tempered"])
@pytest.mark.parametrize("hessian", ["train", "both"])
def test_a_rounds_memory_grows_by_masks_of_the_pool_and_four_bytes_a_row(
    hessian: Any, rule: str
) -> None:
    most, least = (peak_of_a_round(n, hessian, rule) for n in (160_000, 20_000))
    # One float32 score a row and class would take 12 bytes a row more.
    assert most - least < 8 * 140_000


@pytest.mark.parametrize(
    ("n_assigned", "n_available", "reason"),
    [
        (9, 1, None),
        (10, 1, "budget"),
        (11, 1, "budget"),
        (10, 0, "budget"),
        (9, 0, "pool_exhausted"),
        (0, 0, "pool_exhausted"),
    ],
)
def test_no_round_starts_without_budget_or_rows(
    n_assigned: int, n_available: int, reason: str | None
) -> None:
    assert loop.before_round(n_assigned, n_available, budget=10) == reason
