"""Batches against the public `label_influence`, sorted by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from salutary import label_influence
from salutary.labeling.batch import (
    available,
    choose_batches,
    factor_snapshot,
    look,
    pick_batches,
)
from salutary.labeling.batch_greedy import pick_greedily
from salutary.labeling.definition import split_folds
from salutary.labeling.fitting import Snapshot, begin, extend, trial
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import find_rule
from salutary.labeling.scoring import SHORTLIST, score_pool
from salutary.labeling.selection import Selection
from salutary.pools.arrays import ArrayPool

POWERS = {"p^0": 0, "p^1": 1, "p^2": 2}


def make_problem(
    rule: Any = "tempered", n_pool: int = 60, n_classes: int = 3, **settings: Any
) -> Problem:
    X, y = make_blobs(
        80 + n_pool,
        4,
        centers=n_classes,
        center_box=(-2, 2),
        cluster_std=1.5,
        random_state=3,
    )
    validation = LabeledRows(X[20:80], y[20:80], np.ones(60))
    return Problem(
        estimator=LogisticRegression(**settings),
        classes=np.arange(n_classes),
        labeled=LabeledRows(X[:20], y[:20], np.ones(20)),
        validation=validation,
        folds=split_folds(validation, True, np.random.RandomState(0)),
        pool=ArrayPool.of(X[80:]),
        rule=find_rule(rule),
        hessian="train",
        batch_size=4,
    )


def public_influence(
    problem: Problem, snapshot: Snapshot, rows: np.ndarray
) -> np.ndarray:
    labeled, pool, validation = problem.labeled, problem.pool, problem.validation
    return label_influence(
        snapshot.model,
        pool.X[rows],
        X_train=np.vstack([labeled.X, pool.X[snapshot.rows]]),
        y_train=np.r_[labeled.labels, snapshot.labels],
        sample_weight=np.r_[labeled.weight, pool.weight[snapshot.rows]],
        X_val=validation.X,
        y_val=validation.labels,
        hessian=problem.hessian,
    )


def ranked(score: np.ndarray) -> np.ndarray:
    """Places of positive scores, falling."""
    order = np.argsort(-score, kind="stable")
    return order[score[order] > 0]


def after_two_rounds(problem: Problem) -> Snapshot:
    snapshot = begin(problem)
    for rows in ([3, 8, 10], [50, 1]):
        some = np.array(rows)
        snapshot = extend(problem, snapshot, some, some % len(problem.classes))
    return snapshot


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "settings", [{}, {"C": 0.02}, {"class_weight": {0: 3.0, 1: 0.5}}]
)
@pytest.mark.parametrize("hessian", ["train", "pool", "both"])
def test_a_batch_is_picked_from_the_best_of_each_label_under_each_exponent(
    hessian: Any, settings: dict[str, Any], n_classes: int
) -> None:
    problem = make_problem(n_classes=n_classes, **settings)
    pool = replace(problem.pool, weight=np.linspace(0.5, 1.5, 60))
    problem = replace(problem, hessian=hessian, pool=pool)
    snapshot = after_two_rounds(problem)
    rest = np.setdiff1d(np.arange(60), snapshot.rows)
    influence = public_influence(problem, snapshot, rest)
    probability = snapshot.model.predict_proba(problem.pool.X[rest])
    found = choose_batches(problem, problem.validation, snapshot, 4)
    assert set(found) == set(POWERS)
    for name, power in POWERS.items():
        scores = influence * probability**power * pool.weight[rest, None]
        label, score = scores.argmax(axis=1), scores.max(axis=1)
        best = np.concatenate(
            [
                np.flatnonzero(label == k)[ranked(score[label == k])[:4]]
                for k in range(n_classes)
            ]
        )
        shortlist = Selection.unexamined(
            rest[best], label[best], score[best], influence[best], probability[best]
        )
        expected = pick_greedily(
            problem,
            factor_snapshot(problem, snapshot),
            problem.validation,
            shortlist,
            problem.rule.variants[name],
            4,
        )
        assert_array_equal(found[name].rows, expected.rows)
        assert_array_equal(found[name].labels, expected.labels)
        assert_allclose(found[name].influence, expected.influence, rtol=1e-6)
        assert_allclose(found[name].probability, expected.probability, rtol=1e-9)
        assert (found[name].influence_se > 0).all()
        assert found[name].rows[0] == rest[score.argmax()]


def test_a_rule_that_is_not_greedy_takes_the_best_together() -> None:
    problem = make_problem("paper")
    snapshot = after_two_rounds(problem)
    rest = np.setdiff1d(np.arange(60), snapshot.rows)
    influence = public_influence(problem, snapshot, rest)
    best = ranked(influence.max(axis=1))[:4]
    (found,) = choose_batches(problem, problem.validation, snapshot, 4).values()
    assert_array_equal(found.rows, rest[best])
    assert_array_equal(found.labels, influence[best].argmax(axis=1))
    assert_allclose(found.influence, influence[best], rtol=1e-6)


def test_copies_in_the_pool_are_not_all_picked_by_a_greedy_rule() -> None:
    problem = make_problem()
    snapshot = begin(problem)
    first = choose_batches(problem, problem.validation, snapshot, 1)
    for name in POWERS:
        X = np.vstack(
            [np.tile(problem.pool.X[first[name].rows], (10, 1)), problem.pool.X]
        )
        pool = ArrayPool.of(X)
        rule = problem.rule
        together = replace(problem, pool=pool, rule=replace(rule, greedy=False))
        batch = choose_batches(together, problem.validation, snapshot, 10)[name]
        assert sorted(batch.rows) == list(range(10))
        batches = choose_batches(
            replace(problem, pool=pool), problem.validation, snapshot, 10
        )
        copies = batches[name].rows < 10
        assert copies[0]
        assert copies.sum() <= 3
        assert (~copies).sum() >= 5


def test_a_greedy_batch_lowers_the_validation_loss_more_than_the_best_together() -> (
    None
):
    """By refits of scikit-learn, summed over penalties."""
    falls = {True: 0.0, False: 0.0}
    for C in (0.1, 1.0, 10.0):
        problem = make_problem(C=C)
        snapshot = begin(problem)
        for greedy in falls:
            rule = replace(problem.rule, greedy=greedy)
            batch = choose_batches(
                replace(problem, rule=rule), problem.validation, snapshot, 8
            )["p^1"]
            X = np.vstack([problem.labeled.X, problem.pool.X[batch.rows]])
            model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12)
            model.fit(X, np.r_[problem.labeled.labels, batch.labels])
            before, after = (
                problem.validation.mean_loss(fitted)
                for fitted in (snapshot.model, model)
            )
            falls[greedy] += before - after
    assert falls[True] > falls[False] > 0


@pytest.mark.parametrize("rule", ["tempered", "paper"])
def test_only_rows_that_clear_the_smallest_z_are_picked_from(rule: str) -> None:
    problem = make_problem(rule)
    snapshot = begin(problem)
    picky = replace(problem, min_influence_z=1.5)
    for name, batch in choose_batches(picky, problem.validation, snapshot, 4).items():
        assert len(batch)
        assert (batch.assigned_influence >= 1.5 * batch.influence_se).all()
        easy = choose_batches(problem, problem.validation, snapshot, SHORTLIST * 4)[
            name
        ]
        assert (easy.assigned_influence < 1.5 * easy.influence_se).any()


def test_labeled_and_weightless_and_given_rows_are_not_available() -> None:
    problem = make_problem()
    weight, unlabeled = np.ones(60), np.ones(60, dtype=bool)
    weight[[0, 5]], unlabeled[[6, 7]] = 0, False
    pool = replace(problem.pool, weight=weight, unlabeled=unlabeled)
    problem = replace(problem, pool=pool)
    free = available(problem, after_two_rounds(problem))
    assert np.flatnonzero(~free).tolist() == [0, 1, 3, 5, 6, 7, 8, 10, 50]
    assert pool.unlabeled.sum() == 58


@pytest.mark.parametrize("rule", ["tempered", "paper"])
def test_a_pool_without_rows_left_gives_empty_batches(rule: str) -> None:
    problem = make_problem(rule)
    pool = replace(problem.pool, unlabeled=np.zeros(60, dtype=bool))
    found = choose_batches(
        replace(problem, pool=pool), problem.validation, begin(problem), 4
    )
    assert [len(batch) for batch in found.values()] == [0] * len(found)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("settings", [{}, {"C": 30.0}, {"class_weight": "balanced"}])
def test_a_trial_is_near_scikit_learns_fit_so_the_same_variant_wins(
    settings: dict[str, Any], n_classes: int
) -> None:
    problem = make_problem(n_classes=n_classes, **settings)
    snapshot = after_two_rounds(problem)
    view = look(problem, problem.validation, snapshot, 4)
    batches = pick_batches(view, *score_pool([view]).shortlists)
    near, exact = [], []
    for batch in batches.values():
        found = trial(problem, snapshot, view.factored, batch.rows, batch.labels)
        rows = np.r_[snapshot.rows, batch.rows]
        model = LogisticRegression(**settings, solver="newton-cholesky", tol=1e-12)
        model.fit(
            np.vstack([problem.labeled.X, problem.pool.X[rows]]),
            np.r_[problem.labeled.labels, snapshot.labels, batch.labels],
        )
        X = problem.validation.X
        assert_allclose(found.probability(X), model.predict_proba(X), atol=2e-3)
        for losses, probability in (
            (near, found.probability(X)),
            (exact, model.predict_proba(X)),
        ):
            losses.append(log_loss(problem.validation.labels, probability))
    assert np.argmin(near) == np.argmin(exact)
    assert_allclose(near, exact, rtol=1e-3)


def test_a_trial_too_far_away_is_a_fit() -> None:
    problem = make_problem(C=1e6)
    snapshot = begin(problem)
    factored = factor_snapshot(problem, snapshot)
    rows = np.arange(60)
    found = trial(problem, snapshot, factored, rows, rows % 3)
    model = extend(problem, snapshot, rows, rows % 3).model
    X = problem.validation.X
    assert_allclose(found.probability(X), model.predict_proba(X), atol=2e-2)
