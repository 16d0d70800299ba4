"""Explanations against refits, scikit-learn, SciPy and the public `label_influence`."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import sem
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from salutary import ExpectedCost, WorstGroup, label_influence
from salutary.influence.objectives import (
    Objective,
    balanced_log_loss,
    log_loss,
    row_log_loss,
)
from salutary.labeling.definition import split_folds
from salutary.labeling.edits import SwitchLabel, own_pool
from salutary.labeling.explanation import Explanation, explain
from salutary.labeling.fitting import Snapshot, begin, extend
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import find_rule
from salutary.pools.arrays import ArrayPool


def make_problem(
    n_classes: int = 3,
    *,
    objective: Objective = log_loss,
    container: Any = np.asarray,
    rule: Any = "tempered",
    hessian: Any = "train",
    **settings: Any,
) -> Problem:
    """Weighted rows of blobs; a pool of 40."""
    X, y = make_blobs(
        120, 4, centers=n_classes, center_box=(-2, 2), cluster_std=1.5, random_state=3
    )
    X, rng = container(X), np.random.default_rng(0)
    weight = rng.uniform(0.5, 2, 60)
    validation = LabeledRows(X[20:80], y[20:80], weight, (y[20:80] + 1) // 2)
    return Problem(
        estimator=LogisticRegression(**settings),
        classes=np.array(["ash", "birch", "cedar"])[:n_classes],
        labeled=LabeledRows(X[:20], y[:20], rng.uniform(0.5, 2, 20)),
        validation=validation,
        folds=split_folds(validation, True, np.random.RandomState(0)),
        pool=ArrayPool.of(X[80:]),
        rule=find_rule(rule),
        hessian=hessian,
        batch_size=4,
        objective=objective,
    )


def begun(problem: Problem) -> tuple[Snapshot, tuple[Snapshot, ...]]:
    """A run that labeled rows 0 to 2, and folds that labeled others."""
    labels = np.array([0, 1, 0])
    snapshot = extend(problem, begin(problem), np.arange(3), labels)
    return snapshot, tuple(
        extend(view, begin(view), np.array([3 + number]), np.array([1]))
        for number, view in enumerate(map(problem.within, problem.folds))
    )


def explained(
    problem: Problem, rows: Any = (5, 9), **further: Any
) -> list[Explanation]:
    rows = np.array(rows)
    return explain(
        problem, *begun(problem), problem.pool.take(rows), rows=rows, **further
    )


def public(
    problem: Problem, snapshot: Snapshot, validation: LabeledRows, rows: Any
) -> np.ndarray:
    """`label_influence` of pool rows, for any of the run's models."""
    labeled, pool = problem.labeled, problem.pool
    stack = sparse.vstack if sparse.issparse(labeled.X) else np.vstack
    parts = [labeled.X, pool.take(snapshot.rows)]
    X_train = sparse.csr_array(stack(parts)) if stack is sparse.vstack else stack(parts)
    y_train = problem.classes[np.concatenate([labeled.labels, snapshot.labels])]
    return label_influence(
        snapshot.model,
        pool.take(np.array(rows)),
        X_train=X_train,
        y_train=y_train,
        sample_weight=np.concatenate([labeled.weight, pool.weight[snapshot.rows]]),
        X_val=validation.X,
        y_val=problem.classes[validation.labels],
        val_weight=validation.weight,
        groups_val=validation.groups,
        objective=problem.objective,
    )


COSTS = ExpectedCost([[0, 1, 5], [2, 0, 1], [1, 7, 0]])
PROBLEMS = {
    "log loss": {},
    "two classes": {"n_classes": 2},
    "balanced": {"objective": balanced_log_loss},
    "worst group": {"objective": WorstGroup()},
    "cost": {"objective": COSTS},
    "class weights": {"class_weight": {"ash": 1.0, "birch": 3.0, "cedar": 0.4}},
    "no intercept": {"fit_intercept": False},
    "sparse": {"container": sparse.csr_array},
}


@pytest.mark.parametrize("settings", PROBLEMS.values(), ids=PROBLEMS.keys())
def test_influences_are_those_of_label_influence_and_what_sums_to_them_does(
    settings: dict[str, Any],
) -> None:
    problem = make_problem(**settings)
    snapshot, folds = begun(problem)
    expected = public(problem, snapshot, problem.validation, (5, 9))
    for found, influence in zip(explained(problem), expected, strict=True):
        assert_allclose(found.classes["influence"], influence, rtol=1e-9, atol=1e-13)
        assert found.influence == found.of(found.label)["influence"]
        scale = np.abs(found.validation["effect"]).sum()
        assert_allclose(
            found.validation["effect"].sum(), found.influence, atol=1e-10 * scale
        )
    label = explained(problem)[0].classes["influence"].argmax()
    of_folds = [
        public(problem, each, fold.own, (5,))[0, label]
        for each, fold in zip(folds, problem.folds, strict=True)
    ]
    found = explained(problem, labels=np.array([label, label]))[0]
    assert_allclose(found.folds["influence"], of_folds, rtol=1e-9, atol=1e-13)
    assert found.n_agreeing == sum(each > 0 for each in of_folds)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_effects_are_what_refits_show_for_each_validation_row(n_classes: int) -> None:
    """How fast each row's loss falls as the label gains weight, by differences."""
    problem = make_problem(n_classes)
    snapshot, _ = begun(problem)
    label, step = 1, 1e-3
    (found,) = explained(problem, (5,), labels=np.array([label]))
    labeled, pool, seen = problem.labeled, problem.pool, problem.validation
    X = np.vstack([labeled.X, pool.X[:3], pool.X[[5]]])
    y = problem.classes[np.r_[labeled.labels, snapshot.labels, label]]
    losses = []
    for weight in (0, 2 * step):
        weights = np.r_[labeled.weight, np.ones(3), weight]
        model = clone(problem.estimator).set_params(
            tol=1e-12, max_iter=10_000, solver="newton-cholesky"
        )
        losses.append(row_log_loss(seen.logits(model.fit(X, y, weights)), seen.labels))
    slopes = (losses[0] - losses[1]) / (2 * step)
    share = seen.weight / seen.weight.sum()
    assert_allclose(found.validation["effect"], share * slopes, rtol=0.02, atol=2e-6)


def test_the_error_is_that_of_the_mean_of_the_effects() -> None:
    problem = make_problem()
    seen = replace(problem.validation, weight=np.ones(60))
    (found,) = explained(replace(problem, validation=seen, folds=()), (5,), labels=None)
    assert found.influence_se == pytest.approx(sem(found.validation["effect"] * 60))
    assert len(found.folds) == 0


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_contributions_and_intercept_sum_to_the_decision_function(
    n_classes: int, container: Any
) -> None:
    problem = make_problem(n_classes, container=container)
    snapshot, _ = begun(problem)
    found = explained(problem, (5,), columns=["a", "b", "a", "c"])[0]
    added = found.contributions
    assert added.index.tolist() == ["a", "b", "c"]
    logits = added.sum() + found.intercept
    assert_allclose(logits, found.classes["logit"])
    x = problem.pool.take(np.array([5]))
    x = x.toarray() if sparse.issparse(x) else x
    expected = snapshot.model.decision_function(x)[0]
    if n_classes == 2:
        assert logits["birch"] - logits["ash"] == pytest.approx(expected)
    else:
        assert_allclose(logits, expected)
        coef = snapshot.model.coef_
        assert_allclose(added.loc["a"], coef[:, 0] * x[0, 0] + coef[:, 2] * x[0, 2])
    chance = snapshot.model.predict_proba(x)[0]
    assert_allclose(found.classes["probability"], chance)
    assert found.guess == problem.classes[chance.argmax()]


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_nearest_rows_are_those_of_scikit_learn(container: Any) -> None:
    problem = make_problem(container=container)
    labeled = problem.labeled
    search = NearestNeighbors(n_neighbors=5).fit(labeled.X)
    distances, rows = search.kneighbors(problem.pool.take(np.array([5, 9])))
    usual = search.kneighbors(n_neighbors=1)[0][:, 0]
    for place, found in enumerate(explained(problem)):
        assert_array_equal(found.nearest["row"], rows[place])
        assert_allclose(found.nearest["distance"], distances[place])
        assert_array_equal(
            found.nearest["label"], problem.classes[labeled.labels[rows[place]]]
        )
        assert found.farther == np.mean(usual > distances[place, 0])


def test_the_label_is_the_one_that_the_rule_prefers() -> None:
    problem = make_problem()
    rows = np.arange(5, 40)
    for variant, power in (("p^0", 0), ("p^1", 1), ("p^2", 2), (None, 1)):
        for found in explained(problem, rows, variant=variant):
            classes = found.classes
            score = classes["influence"] * classes["probability"] ** power
            assert found.label == classes["label"][score.idxmax()]
            others = classes[classes["label"] != found.label]
            assert found.runner_up == others["label"][others["influence"].idxmax()]


def test_ranks_count_the_larger_influences_of_free_rows() -> None:
    problem = make_problem(rule="paper")
    snapshot, _ = begun(problem)
    rows = np.arange(3, 40)  # three have labels already
    influence = public(problem, snapshot, problem.validation, rows)
    order = np.argsort(-influence.max(axis=1))
    found = explained(problem, rows, ranked=True)
    assert [found[place].rank for place in order] == list(range(1, 38))
    assert {each.n_ranked for each in found} == {37}


@pytest.mark.parametrize("hessian", ["pool", "both"])
def test_the_hessian_is_that_of_the_run(hessian: Any) -> None:
    problem = make_problem(hessian=hessian)
    snapshot, _ = begun(problem)
    (found,) = explained(problem, (5,))
    labeled, pool, seen = problem.labeled, problem.pool, problem.validation
    expected = label_influence(
        snapshot.model,
        pool.X[3:],
        X_train=np.vstack([labeled.X, pool.X[:3]]),
        sample_weight=np.r_[labeled.weight, np.ones(3)],
        X_val=seen.X,
        y_val=problem.classes[seen.labels],
        val_weight=seen.weight,
        hessian=hessian,
    )[2]
    assert_allclose(found.classes["influence"], expected, rtol=1e-9)
    assert found.validation["effect"].sum() == pytest.approx(found.influence)


def switching() -> Problem:
    """The labeled rows as the pool, to switch their labels."""
    problem = make_problem()
    labeled = replace(problem.labeled, weight=np.ones(20))
    return replace(
        problem,
        labeled=labeled,
        pool=own_pool(labeled),
        edit=SwitchLabel(labeled.labels),
    )


def test_a_switch_is_explained_against_the_label_that_it_replaces() -> None:
    problem = switching()
    snapshot, folds = (
        begin(problem),
        tuple(begin(problem.within(fold)) for fold in problem.folds),
    )
    rows, labeled, seen = np.arange(20), problem.labeled, problem.validation
    found = explain(problem, snapshot, folds, labeled.X, rows=rows, ranked=True)
    influence = label_influence(
        snapshot.model,
        labeled.X,
        X_train=labeled.X,
        X_val=seen.X,
        y_val=problem.classes[seen.labels],
        val_weight=seen.weight,
    )
    effect = influence - influence[rows, labeled.labels][:, None]
    near = NearestNeighbors(n_neighbors=5).fit(labeled.X).kneighbors()
    for row, each in enumerate(found):
        assert_allclose(each.classes["influence"], effect[row], rtol=1e-8, atol=1e-13)
        assert each.instead_of == problem.classes[labeled.labels[row]] != each.label
        assert each.of(each.instead_of)["influence_se"] == 0
        assert each.validation["effect"].sum() == pytest.approx(each.influence)
        assert_array_equal(each.nearest["row"], near[1][row])
        assert_allclose(each.nearest["distance"], near[0][row])


def test_what_a_fold_has_given_is_named() -> None:
    problem = make_problem()
    own = [found.folds["label"].tolist() for found in explained(problem, (3, 4, 9))]
    assert own == [["birch", None, None], [None, "birch", None], [None, None, None]]


def test_everything_can_be_written_as_json() -> None:
    problem = make_problem()
    one = replace(problem, validation=problem.validation.take(np.array([4])), folds=())
    (found,) = explained(one, (5,))
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["label"] == found.label
    assert document["classes"][0]["influence_se"] is None  # of a single row
    assert [each["adds"] for each in document["features"]] == (
        found.contributions.to_numpy().tolist()
    )
    assert repr(found).startswith(f"Explanation(label={found.label!r}, influence=")
