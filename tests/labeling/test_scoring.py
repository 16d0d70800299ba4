"""One pass for all views of a pool against each view scored alone, plainly."""

import pickle
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from salutary.influence.scores import InfluenceScorer
from salutary.labeling import columns, scoring
from salutary.labeling.batch import available, look
from salutary.labeling.definition import split_folds
from salutary.labeling.edits import SwitchLabel, own_pool
from salutary.labeling.fitting import begin, extend
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import Rule, find_rule
from salutary.labeling.scoring import View, score_pool
from salutary.labeling.selection import Selection, round_significant
from salutary.pools import threads
from salutary.pools.arrays import ArrayPool

RULES: dict[str, Rule] = {
    **{name: find_rule(name) for name in ("tempered", "plausible", "paper")},  # type: ignore[arg-type]
    "own": find_rule(lambda influence, p: influence * p**0.5 - 0.001),
}
POWERS = {"p^0": 0.0, "p^1": 1.0, "p^2": 2.0}


def plainly(view: View) -> dict[str, Selection]:
    """The shortlists of one view: every score of every free row, and a sort of all."""
    problem, model = view.problem, view.factored.model
    rows = np.flatnonzero(available(problem, view.snapshot))
    X = problem.pool.take(rows)
    X = X.toarray() if sparse.issparse(X) else X
    X = X.astype(np.float64)
    ones = np.ones((len(X), view.direction.shape[1] - model.n_features))
    slope = np.hstack([X, ones]) @ view.direction.T
    probability = softmax(X @ model.coef.T + model.intercept, axis=1)
    influence = (probability * slope).sum(axis=1, keepdims=True) - slope
    if view.factored.class_weight is not None:
        influence = influence * view.factored.class_weight
    influence = problem.edit.effect(influence, rows)
    found = {}
    for name, variant in problem.variants.items():
        if name in POWERS:
            scores = influence * probability ** POWERS[name]
        else:
            scores = variant(influence, probability)
        scores = scores * problem.pool.weight[rows, None]
        scores = round_significant(scores)
        label, top = scores.argmax(axis=1), scores.max(axis=1)
        order = np.lexsort((rows, -top))
        order = order[top[order] > 0]
        parts = [order[: view.keep.size]]
        if problem.rule.greedy:
            parts = [
                order[label[order] == k][: view.keep.size]
                for k in range(model.n_classes)
            ]
        best = np.concatenate(parts)
        found[name] = Selection.unexamined(
            rows[best], label[best], top[best], influence[best], probability[best]
        )
    return found


@st.composite
def problems(draw: st.DrawFn, dtype: type) -> Problem:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_classes, n_pool = draw(st.integers(2, 5)), draw(st.sampled_from([1, 9, 150]))

    def rows(n: int) -> LabeledRows:
        labels = np.arange(n) % n_classes
        X = rng.normal(size=(n, 3)) + rng.normal(size=(n_classes, 3))[labels]
        return LabeledRows(container(X.astype(dtype)), labels, np.ones(n))

    container = draw(st.sampled_from([np.asarray, sparse.csr_array]))
    class_weight = draw(st.sampled_from([None, "balanced", {0: 3.0, 1: 0.5}]))
    weight = np.ones(n_pool)
    if draw(st.booleans()):
        weight = rng.integers(0, 3, size=n_pool).astype(float)
    unlabeled = np.ones(n_pool, dtype=bool)
    if draw(st.booleans()):
        unlabeled = rng.uniform(size=n_pool) < 0.7
    validation, labeled = rows(24), rows(20)
    pool = ArrayPool(rows(n_pool).X, unlabeled, weight, draw(st.integers(1, 70)))
    problem = Problem(
        estimator=LogisticRegression(
            C=draw(st.sampled_from([0.02, 1.0])),
            class_weight=class_weight,
            fit_intercept=draw(st.booleans()),
        ),
        classes=np.arange(n_classes),
        labeled=labeled,
        validation=validation,
        folds=split_folds(validation, True, np.random.RandomState(0)),
        pool=pool,
        rule=RULES[draw(st.sampled_from(list(RULES)))],
        hessian=draw(st.sampled_from(["train", "both"])),  # type: ignore[arg-type]
        batch_size=4,
        min_influence_z=draw(st.sampled_from([0.0, 0.0, 0.1])),
    )
    if draw(st.booleans()):
        switch = SwitchLabel(labeled.labels)
        problem = replace(problem, pool=own_pool(labeled), edit=switch)
    return problem


def views_of(problem: Problem, size: int) -> list[View]:
    """The run and its folds, each with labels of its own already."""
    rng, views = np.random.default_rng(0), []
    for number, own in enumerate(problem._views):
        snapshot = begin(own)
        some = rng.permutation(len(own.pool.unlabeled))[: number + 1]
        labels = (some + number) % len(own.classes)
        if len(
            np.unique(own.edit.training(own.labeled, own.pool, some, labels).labels)
        ) == len(own.classes):
            snapshot = extend(own, snapshot, some, labels)
        views.append(look(own, own.validation, snapshot, size, surveyed=number == 0))
    return views


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_one_pass_finds_what_each_view_finds_alone(dtype: type, data: Any) -> None:
    problem = data.draw(problems(dtype))
    views = views_of(problem, data.draw(st.sampled_from([1, 4])))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "CHUNK_BYTES", data.draw(st.sampled_from([0, 2**20])))
        patch.setattr(scoring, "FEWEST_ROWS", data.draw(st.integers(1, 9)))
        patch.setattr(threads, "BLOCK_ROWS", data.draw(st.sampled_from([8, 4096])))
        found = score_pool(views, data.draw(st.sampled_from([None, 3])))
    tolerance = 1e-3 if dtype == np.float32 else 1e-8
    for view, shortlists in zip(views, found.shortlists, strict=True):
        expected = plainly(view)
        assert list(shortlists) == list(expected)
        for name, shortlist in shortlists.items():
            if dtype == np.float32:  # of nearly equal rows, another may be kept
                assert_allclose(
                    np.sort(shortlist.scores),
                    np.sort(expected[name].scores),
                    rtol=tolerance,
                    atol=1e-6,
                )
                continue
            assert_array_equal(shortlist.rows, expected[name].rows)
            assert_array_equal(shortlist.labels, expected[name].labels)
            for figure in ("scores", "influence", "probability"):
                assert_allclose(
                    getattr(shortlist, figure),
                    getattr(expected[name], figure),
                    rtol=tolerance,
                    atol=1e-12,
                )
    assert (
        found.spread().n_rows.sum()
        == available(views[0].problem, views[0].snapshot).sum()
    )


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_compiled_code_misses_no_row(data: Any) -> None:
    pytest.importorskip("numba", reason="needs salutary[fast]")
    problem = data.draw(problems(np.float32))
    views = views_of(problem, data.draw(st.sampled_from([1, 4])))
    found = []
    for from_rows in (0, np.inf):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scoring, "SLOW_PASS", from_rows)
            patch.setattr(scoring, "FEWEST_ROWS", 9)
            patch.setattr(scoring, "CHUNK_BYTES", 0)
            patch.setattr(scoring, "COMPILED_CHUNK_BYTES", 0)
            patch.setattr(columns, "PENDING", data.draw(st.sampled_from([1, 20])))
            patch.setattr(scoring, "MANY_WEIGHTS", 0)
            patch.setattr(threads, "BLOCK_ROWS", 64)
            found.append(score_pool(views, data.draw(st.sampled_from([None, 3]))))
    compiled, plain = found
    for one, two in zip(compiled.shortlists, plain.shortlists, strict=True):
        assert list(one) == list(two)
        for name in one:
            assert_array_equal(one[name].rows, two[name].rows)
            assert_array_equal(one[name].labels, two[name].labels)
            for figure in ("scores", "influence", "probability"):
                own, other = getattr(one[name], figure), getattr(two[name], figure)
                assert_allclose(own, other, rtol=1e-5, atol=1e-9)
    floors = np.array([-1.0, 0.0, 1e-6, 1e-3])
    assert abs(ranks(compiled, floors) - ranks(plain, floors)).max(initial=0) <= 1


def ranks(found: scoring.ScoredPool, influence: np.ndarray) -> np.ndarray:
    return found.ranks(influence, influence)


def large_problem(dtype: type) -> Problem:
    rng = np.random.default_rng(0)

    def rows(n: int) -> LabeledRows:
        labels = np.arange(n) % 3
        X = rng.normal(size=(n, 5)) + np.eye(3, 5)[labels]
        return LabeledRows(X.astype(dtype), labels, np.ones(n))

    return Problem(
        estimator=LogisticRegression(),
        classes=np.arange(3),
        labeled=rows(30),
        validation=rows(60),
        folds=(),
        pool=ArrayPool.of(rows(20_000).X),
        rule=find_rule("paper"),
        hessian="train",
        batch_size=4,
    )


@pytest.fixture
def asked_again() -> Iterator[None]:
    """Whether there is compiled code is found out anew."""
    columns._compiled.cache_clear()
    yield
    columns._compiled.cache_clear()


@pytest.mark.usefixtures("asked_again")
@pytest.mark.parametrize("failure", [None, ImportError, OSError, RuntimeError])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_compiled_code_is_used_where_it_can_be(
    monkeypatch: pytest.MonkeyPatch, dtype: type, failure: type[Exception] | None
) -> None:
    pytest.importorskip("numba", reason="needs salutary[fast]")
    monkeypatch.setattr(scoring, "SLOW_PASS", 11 * 20_000)
    problem = large_problem(dtype)
    view = look(problem, problem.validation, begin(problem), 2)
    expected = plainly(view)["p^0"]
    scored: list[int] = []
    finish = InfluenceScorer.finish

    def counted(own: InfluenceScorer, products: Any, room: Any) -> Any:
        scored.append(len(products))
        return finish(own, products, room)

    monkeypatch.setattr(InfluenceScorer, "finish", counted)
    if failure is not None:
        # Not for this NumPy, without its library, with nowhere to write: it all shows
        # when the file is imported.
        def refused(*settings: Any, **more: Any) -> None:
            raise failure

        monkeypatch.delitem(sys.modules, "salutary.labeling.screening", raising=False)
        monkeypatch.delattr("salutary.labeling.screening", raising=False)
        monkeypatch.setattr("numba.njit", refused)
    found = score_pool([view]).shortlists[0]["p^0"]
    assert_array_equal(np.sort(found.rows), np.sort(expected.rows))
    is_compiled = dtype == np.float32 and failure is None
    assert (sum(scored) < 20_000) == is_compiled


@pytest.mark.usefixtures("asked_again")
def test_a_machine_without_numba_can_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = large_problem(np.float32)
    view = look(problem, problem.validation, begin(problem), 2)
    work = pickle.dumps(scoring._Work([scoring._columns(view, None)], is_slow=True))
    monkeypatch.delitem(sys.modules, "salutary.labeling.screening", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    blocks = problem.pool.blocks(problem.pool.unlabeled)
    found = pickle.loads(work)(blocks).shortlists[0]["p^0"]
    expected = plainly(view)["p^0"]
    assert_array_equal(np.sort(found.rows), np.sort(expected.rows))


def read_only(columns_of_view: columns.Columns) -> columns.Columns:
    """As they come from a Ray cluster's shared memory."""
    scorer = columns_of_view.scorer
    for array in (scorer.weights, scorer.offset, scorer.class_weight):
        if array is not None:
            array.flags.writeable = False
    return columns_of_view


def test_compiled_code_takes_what_is_read_only() -> None:
    pytest.importorskip("numba", reason="needs salutary[fast]")
    problem = large_problem(np.float32)
    balanced = LogisticRegression(class_weight={0: 2.0, 1: 1.0, 2: 1.0})
    problem = replace(problem, estimator=balanced)
    view = look(problem, problem.validation, begin(problem), 2)
    own = read_only(scoring._columns(view, None))
    assert own.scorer.class_weight is not None
    blocks = problem.pool.blocks(problem.pool.unlabeled)
    found = scoring._Work([own], is_slow=True)(blocks).shortlists[0]["p^0"]
    assert_array_equal(np.sort(found.rows), np.sort(plainly(view)["p^0"].rows))
