"""The scikit-learn face against plain fits of exactly the rows it names."""

import os
import pickle
import subprocess
import sys
import threading
import warnings
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from salutary import SalutaryClassifier, label_influence
from salutary.labeling import fitting, loop, scoring
from salutary.labeling.guard import FOLDS
from salutary.pools import threads
from salutary.pools.arrays import ArrayPool

EXPECTED_TO_FAIL = {"check_classifiers_classes": "trains on a class -1, the marker"}


@pytest.mark.filterwarnings("ignore:y has no unlabeled row")
@parametrize_with_checks(
    [SalutaryClassifier()], expected_failed_checks=lambda _: EXPECTED_TO_FAIL
)
def test_scikit_learns_checks_pass(estimator: Any, check: Any) -> None:
    check(estimator)


def draw(n_classes: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """X, y with two of three rows marked -1, X_val, y_val."""
    X, y = make_blobs(
        160, 4, centers=n_classes, center_box=(-2, 2), cluster_std=1.5, random_state=1
    )
    marked = np.where(np.arange(120) % 3 == 0, y[:120], -1)
    return X[:120], marked, X[120:], y[120:]


def salutary(**settings: Any) -> SalutaryClassifier:
    defaults = {"budget": 12, "batch_size": 5, "guard": False, "random_state": 0}
    return SalutaryClassifier(**(defaults | settings))


def plain(X: Any, y: Any, weight: Any = None, **settings: Any) -> LogisticRegression:
    model = LogisticRegression(solver="newton-cholesky", tol=1e-10, **settings)
    return model.fit(X, y, weight)


def assert_same_model(model: Any, reference: LogisticRegression) -> None:
    assert_allclose(model.coef_, reference.coef_, rtol=1e-4, atol=1e-6)
    assert_allclose(model.intercept_, reference.intercept_, rtol=1e-4, atol=1e-5)


def worst(influence: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Prefers the labels that harm most."""
    return -influence * probability


# What is labeled


@pytest.mark.parametrize("hessian", ["train", "pool", "both"])
@pytest.mark.parametrize("rule", ["plausible", "paper"])
def test_attributes_tell_one_story(rule: str, hessian: str) -> None:
    X, y, X_val, y_val = draw()
    model = salutary(rule=rule, hessian=hessian).fit(X, y, X_val, y_val)
    rounds = model.labeled_iter_
    assert model.termination_condition_ == "budget"
    assert model.n_iter_ == len(model.history_) - 1 == 3
    assert np.bincount(rounds[rounds > 0]).tolist() == [0, 5, 5, 2]
    assert_array_equal(rounds == 0, y != -1)
    assert_array_equal(rounds == -1, model.transduction_ == -1)
    assert_array_equal(rounds > 0, np.isfinite(model.influence_))
    assert_array_equal(model.transduction_[rounds == 0], y[rounds == 0])
    assert (model.influence_[rounds > 0] > 0).all()
    assert_array_equal(rounds > 0, np.isfinite(model.influence_se_))
    assert [record["n_labeled"] for record in model.history_] == [40, 45, 50, 52]
    for number, record in enumerate(model.history_):
        assert list(record) == [
            "round",
            "n_labeled",
            "validation_loss",
            "validation_accuracy",
            "validation_balanced_accuracy",
            "canary_loss",
            "canary_fall",
            "canary_se",
            "canary_accuracy",
            "canary_balanced_accuracy",
            "largest_influence",
            "variant",
            "verdict",
            "seconds",
            "undone",
        ]
        assert record["round"] == number
        assert record["verdict"] == "kept"
        assert record["undone"] is False
    for number, record in enumerate(model.history_[1:], start=1):
        assert record["variant"] == {"plausible": "p^1", "paper": "p^0"}[rule]
        assert record["largest_influence"] == model.influence_[rounds == number].max()


@pytest.mark.parametrize("rule", ["plausible", "paper"])
def test_the_first_round_follows_the_influence_of_the_start_model(rule: str) -> None:
    X, y, X_val, y_val = draw()
    model = salutary(rule=rule, batch_size=8, budget=8).fit(X, y, X_val, y_val)
    pool = np.flatnonzero(y == -1)
    first = plain(X[y != -1], y[y != -1])
    influence = label_influence(
        first, X[pool], X_train=X[y != -1], X_val=X_val, y_val=y_val
    )
    scores = influence * (first.predict_proba(X[pool]) if rule == "plausible" else 1)
    best = np.argsort(-scores.max(axis=1))[:8]
    labels = scores[best].argmax(axis=1)
    assert set(np.flatnonzero(model.labeled_iter_ == 1)) == set(pool[best])
    assert_array_equal(model.transduction_[pool[best]], labels)
    assert_allclose(model.influence_[pool[best]], influence[best, labels], rtol=1e-4)


MARKED = {
    "integers": (lambda y: y, [0, 1, 2]),
    "strings": (
        lambda y: np.array([None, "a", "b", "c"], dtype=object)[y + 1],
        ["a", "b", "c"],
    ),
    "strings, NaN": (
        lambda y: np.array([np.nan, "a", "b", "c"], dtype=object)[y + 1],
        ["a", "b", "c"],
    ),
    "integers, None": (
        lambda y: np.array([None, 3, 5, 7], dtype=object)[y + 1],
        [3, 5, 7],
    ),
    "floats": (lambda y: np.array([np.nan, 3.0, 5.0, 7.0])[y + 1], [3.0, 5.0, 7.0]),
    "floats, -1": (lambda y: y.astype(float), [0.0, 1.0, 2.0]),
    "nullable strings": (
        lambda y: pd.Series([pd.NA, "a", "b", "c"], dtype="string").iloc[y + 1],
        ["a", "b", "c"],
    ),
    "nullable integers": (
        lambda y: pd.Series([pd.NA, 3, 5, 7], dtype="Int64").iloc[y + 1],
        [3, 5, 7],
    ),
    "categories": (
        lambda y: pd.Series(pd.Categorical.from_codes(y, ["a", "b", "c"])),
        ["a", "b", "c"],
    ),
}
MARKED_BINARY = {
    "booleans": (
        lambda y: np.array([None, False, True], dtype=object)[y + 1],
        [False, True],
    ),
    "nullable booleans": (
        lambda y: pd.Series([pd.NA, False, True], dtype="boolean").iloc[y + 1],
        [False, True],
    ),
}


@pytest.mark.parametrize(
    ("kind", "n_classes"),
    [(kind, 3) for kind in MARKED] + [(kind, 2) for kind in MARKED_BINARY],
)
def test_the_kind_of_labels_does_not_matter(kind: str, n_classes: int) -> None:
    X, y, X_val, y_val = draw(n_classes)
    mark, classes = (MARKED | MARKED_BINARY)[kind]
    reference = salutary().fit(X, y, X_val, y_val)
    model = salutary().fit(X, mark(y), X_val, np.array(classes)[y_val])
    assert model.classes_.tolist() == classes
    assert_array_equal(model.labeled_iter_, reference.labeled_iter_)
    unlabeled = reference.transduction_ == -1
    assert all(pd.isna(v) or v == -1 for v in model.transduction_[unlabeled])
    for labels, codes in (
        (model.transduction_[~unlabeled], reference.transduction_[~unlabeled]),
        (model.predict(X_val), reference.predict(X_val)),
    ):
        assert labels.tolist() == np.array(classes)[codes].tolist()
    assert_array_equal(model.predict_proba(X), reference.predict_proba(X))


def test_booleans_stay_booleans() -> None:
    X, y, X_val, y_val = draw(2)
    marked = MARKED_BINARY["booleans"][0](y)
    model = salutary().fit(X, marked, X_val, y_val.astype(bool))
    assert model.classes_.dtype == bool
    assert model.predict(X).dtype == bool
    assert {type(label) for label in model.transduction_} == {bool, type(None)}


def test_csr_rows_give_what_dense_ones_do() -> None:
    X, y, X_val, y_val = draw()
    X, X_val = np.where(X > 0, X, 0), np.where(X_val > 0, X_val, 0)
    dense = salutary(refit_on_validation=True).fit(X, y, X_val, y_val)
    csr = salutary(refit_on_validation=True).fit(
        sparse.csr_array(X), y, sparse.csr_array(X_val), y_val
    )
    assert_array_equal(csr.transduction_, dense.transduction_)
    assert_allclose(csr.predict_proba(sparse.csr_array(X)), dense.predict_proba(X))


@pytest.mark.parametrize(
    ("first", "second"),
    [(np.asarray, sparse.csr_array), (sparse.csr_array, np.asarray)],
)
def test_validation_rows_may_be_stored_otherwise(first: Any, second: Any) -> None:
    X, y, X_val, y_val = draw()
    model = salutary(refit_on_validation=True).fit(first(X), y, second(X_val), y_val)
    reference = salutary(refit_on_validation=True).fit(X, y, X_val, y_val)
    assert_array_equal(model.transduction_, reference.transduction_)


def test_float32_rows_give_what_float64_ones_do() -> None:
    X, y, X_val, y_val = (
        part.astype(np.float32) if part.dtype.kind == "f" else part for part in draw()
    )
    single = salutary().fit(X, y, X_val, y_val)
    double = salutary().fit(X.astype(float), y, X_val.astype(float), y_val)
    assert_array_equal(single.transduction_, double.transduction_)
    assert_allclose(single.predict_proba(X), double.predict_proba(X), rtol=1e-5)


# How a run ends


def test_a_pool_smaller_than_the_budget_is_exhausted() -> None:
    X, y, X_val, y_val = draw()
    few = np.r_[np.flatnonzero(y != -1), np.flatnonzero(y == -1)[:7]]
    model = salutary(budget=50).fit(X[few], y[few], X_val, y_val)
    assert model.termination_condition_ == "pool_exhausted"
    assert (model.transduction_ != -1).all()
    assert model.n_iter_ == 2


def test_only_negative_scores_end_the_run_without_labels() -> None:
    X, y, X_val, y_val = draw()
    model = salutary(rule=lambda influence, probability: -np.abs(influence))
    model.fit(X, y, X_val, y_val)
    assert model.termination_condition_ == "no_positive_influence"
    assert model.n_iter_ == 0
    assert_array_equal(model.transduction_, y)
    assert_same_model(model.estimator_, plain(X[y != -1], y[y != -1]))


def test_a_first_round_the_guard_refuses_leaves_the_start_model() -> None:
    X, y, X_val, y_val = draw()
    model = salutary(rule=worst, guard=True).fit(X, y, X_val, y_val)
    assert model.termination_condition_ == "guard"
    assert [record["undone"] for record in model.history_] == [False, True]
    assert model.n_iter_ == 1
    assert_array_equal(model.transduction_, y)
    assert_array_equal(model.labeled_iter_, np.where(y == -1, -1, 0))
    assert np.isnan(model.influence_).all()
    assert_same_model(model.estimator_, plain(X[y != -1], y[y != -1]))


class Turncoat:
    """Plausible at first, harmful from a round on.

    It sees the pool once a round, and once more for each fold of the guard.
    """

    def __init__(self, good_rounds: int) -> None:
        self.calls, self.good_calls = 0, good_rounds * (1 + FOLDS)

    def __call__(self, influence: np.ndarray, probability: np.ndarray) -> np.ndarray:
        self.calls += 1
        sign = 1 if self.calls <= self.good_calls else -1
        return sign * influence * probability


def test_later_rounds_that_harm_leave_the_labels_before_them() -> None:
    X, y, X_val, y_val = draw()
    rule, estimator = Turncoat(3), LogisticRegression(C=0.1)
    model = salutary(rule=rule, estimator=estimator, guard=True, budget=60)
    model.fit(X, y, X_val, y_val)
    assert model.termination_condition_ == "guard"
    refused = [record["undone"] for record in model.history_[1:]]
    n_kept = refused.index(True)
    assert n_kept >= 1
    assert all(refused[n_kept:])
    assert_kept(model, n_kept, X, y, C=0.1)


def assert_kept(
    model: SalutaryClassifier, n_kept: int, X: np.ndarray, y: np.ndarray, C: float = 1.0
) -> None:
    """Nothing is left of the rounds after these, and all of these."""
    rounds = model.labeled_iter_
    assert sorted(set(rounds)) == [-1, *range(n_kept + 1)]
    assert_array_equal(rounds == 0, y != -1)
    labeled = model.transduction_ != -1
    assert_array_equal(labeled, rounds >= 0)
    assert_array_equal(np.isfinite(model.influence_), rounds > 0)
    assert_array_equal(np.isfinite(model.influence_se_), rounds > 0)
    known = model.transduction_[labeled]
    assert_same_model(model.estimator_, plain(X[labeled], known, C=C))


@pytest.mark.parametrize(
    ("verdicts", "n_kept"),
    [
        (["kept", "kept", "kept"], 3),
        (["waiting", "waiting", "kept"], 3),
        (["kept", "kept", "waiting"], 2),
        (["kept", "waiting", "waiting"], 1),
        (["waiting", "waiting", "waiting"], 0),
        (["kept", "waiting", "harmful"], 1),
        (["waiting", "kept", "harmful"], 2),
        (["waiting", "harmful"], 0),
    ],
)
def test_rounds_stay_up_to_the_last_that_the_guard_keeps(
    verdicts: list[str], n_kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y, X_val, y_val = draw()
    told = iter(verdicts)
    monkeypatch.setattr(loop, "judge", lambda *_: next(told))
    model = salutary(rule="plausible", guard=True).fit(X, y, X_val, y_val)
    assert next(told, None) is None
    assert model.n_iter_ == len(model.history_) - 1 == len(verdicts)
    refused = [record["undone"] for record in model.history_[1:]]
    assert refused == [number >= n_kept for number in range(len(verdicts))]
    ending = "budget" if n_kept == 3 else "guard"
    assert model.termination_condition_ == ending
    assert_kept(model, n_kept, X, y)


@pytest.mark.parametrize("rule", ["tempered", "plausible", "paper"])
def test_without_a_guard_every_round_stays(rule: str) -> None:
    X, y, X_val, y_val = draw()
    model = salutary(rule=rule, estimator=LogisticRegression(C=1e3), budget=60)
    model.fit(X, y, X_val, y_val)
    assert model.termination_condition_ == "budget"
    assert not any(record["undone"] for record in model.history_)
    assert_kept(model, model.n_iter_, X, y, C=1e3)


@pytest.mark.slow
def test_the_guard_leaves_a_run_that_helps_alone() -> None:
    X, y, X_val, y_val = draw()
    model = salutary(
        guard=True, budget=20, estimator=LogisticRegression(C=0.02), random_state=1
    ).fit(X, y, X_val, y_val)
    assert model.termination_condition_ == "budget"
    assert_kept(model, model.n_iter_, X, y, C=0.02)
    last = model.history_[-1]
    assert last["canary_fall"] > last["canary_se"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("guard", [False, True])
def test_the_history_says_by_which_scores_a_round_chose(guard: bool) -> None:
    X, y, X_val, y_val = draw()
    variants = set()
    for C in (0.01, 1.0, 100.0):
        model = salutary(guard=guard, budget=30, estimator=LogisticRegression(C=C)).fit(
            X, y, X_val, y_val
        )
        variants |= {record["variant"] for record in model.history_[1:]}
    if guard:
        assert variants <= {"p^0", "p^1", "p^2"}
        assert len(variants) > 1
    else:
        assert variants == {"p^1"}


# What the final model is fitted on


def test_the_verdict_is_reached_when_it_is_first_asked_for() -> None:
    model = salutary(guard=True, rule=worst)
    assert not hasattr(model, "verdict_")
    X, y, X_val, y_val = draw()
    model.fit(X, y, X_val, y_val)
    assert "verdict_" not in vars(model)
    sent = pickle.loads(pickle.dumps(model.set_params(rule="tempered")))
    assert sent.verdict_.to_dict() == model.verdict_.to_dict()
    assert model.verdict_ is model.verdict_
    first = model.verdict_.table
    model.fit(X[::-1], y[::-1], X_val, y_val)
    assert not first.equals(model.verdict_.table)
    assert model.set_params(guard=False).fit(X, y, X_val, y_val).verdict_ is None


@pytest.mark.parametrize("refit", ["auto", False, True])
def test_the_model_is_a_plain_fit_with_the_validation_rows_or_without(
    refit: Any,
) -> None:
    X, y, X_val, y_val = draw()
    model = salutary(refit_on_validation=refit).fit(X, y, X_val, y_val)
    labeled = model.transduction_ != -1
    rows, labels = X[labeled], model.transduction_[labeled]
    if refit is True:
        rows, labels = np.vstack([rows, X_val]), np.r_[labels, y_val]
    assert_same_model(model.estimator_, plain(rows, labels))


@pytest.mark.parametrize("refit", ["auto", False, True])
def test_rows_split_off_return_to_the_final_fit_unless_told_otherwise(
    refit: Any,
) -> None:
    X, y, _, _ = draw()
    model = salutary(refit_on_validation=refit).fit(X, y)
    assert model.history_[-1]["n_labeled"] == 40 - 8 + 12
    labeled = model.transduction_ != -1
    reference = plain(X[labeled], model.transduction_[labeled])
    if refit is False:
        assert np.abs(model.estimator_.coef_ - reference.coef_).max() > 1e-3
    else:
        assert_same_model(model.estimator_, reference)


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(C=0.3), make_pipeline(StandardScaler(), LogisticRegression())],
)
def test_without_unlabeled_rows_it_is_the_estimator_itself(
    estimator: Any, validated: bool
) -> None:
    X, _, X_val, y_val = draw()
    y = np.arange(120) % 3
    weight = np.linspace(0, 2, 120)
    given_rows = (X_val, y_val) if validated else (None, None)
    with pytest.warns(UserWarning, match="y has no unlabeled row"):
        model = salutary(estimator=estimator).fit(
            X, y, *given_rows, sample_weight=weight
        )
    reference = clone(estimator)
    if not hasattr(estimator, "steps"):
        reference.fit(X, y, weight)
        assert_array_equal(model.estimator_.coef_, reference.coef_)
    else:
        reference.fit(X, y, logisticregression__sample_weight=weight)
        assert_array_equal(model.estimator_[-1].coef_, reference[-1].coef_)
    assert_array_equal(model.predict_proba(X_val), reference.predict_proba(X_val))
    assert model.termination_condition_ == "pool_exhausted"
    assert model.history_ == []
    assert_array_equal(model.transduction_, y)
    assert_array_equal(model.labeled_iter_, np.zeros(120))


def test_weights_reach_the_fit_and_rows_of_weight_zero_are_never_labeled() -> None:
    X, y, X_val, y_val = draw()
    weight = np.linspace(0.5, 1.5, 120)
    weight[y == -1] *= np.arange(80) % 2
    model = salutary(budget=60).fit(X, y, X_val, y_val, sample_weight=weight)
    assert model.termination_condition_ == "pool_exhausted"
    assert_array_equal(model.labeled_iter_ > 0, (y == -1) & (weight > 0))
    labeled = model.transduction_ != -1
    reference = plain(X[labeled], model.transduction_[labeled], weight[labeled])
    assert_same_model(model.estimator_, reference)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 5.0}])
def test_class_weights_reach_the_fit(class_weight: Any) -> None:
    X, y, X_val, y_val = draw()
    model = salutary(estimator=LogisticRegression(class_weight=class_weight))
    model.fit(X, y, X_val, y_val)
    labeled = model.transduction_ != -1
    reference = plain(
        X[labeled], model.transduction_[labeled], class_weight=class_weight
    )
    assert_same_model(model.estimator_, reference)


# Pipelines and frames


def test_a_pipelines_steps_are_fitted_once_on_all_rows_of_x() -> None:
    X, y, X_val, y_val = draw()
    X, X_val = 5 + 3 * X, 5 + 3 * X_val
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.5))
    model = salutary(estimator=pipeline).fit(X, y, X_val, y_val)
    scaler = StandardScaler().fit(X)
    assert_allclose(model.estimator_[0].mean_, scaler.mean_)
    by_hand = salutary(estimator=LogisticRegression(C=0.5))
    by_hand.fit(scaler.transform(X), y, scaler.transform(X_val), y_val)
    assert_array_equal(model.transduction_, by_hand.transduction_)
    assert_array_equal(
        model.predict_proba(X_val), by_hand.predict_proba(scaler.transform(X_val))
    )
    assert_array_equal(model.estimator_.predict(X_val), model.predict(X_val))
    assert not hasattr(pipeline[0], "mean_")
    assert model.n_features_in_ == 4


def test_rows_split_off_are_not_seen_by_a_pipelines_steps() -> None:
    X, y, _, _ = draw()
    model = salutary(estimator=make_pipeline(StandardScaler(), LogisticRegression()))
    model.fit(X, y)
    assert model.estimator_[0].n_samples_seen_ == 120 - 8


@pytest.mark.parametrize("sparse_threshold", [0, 1])
def test_a_frame_of_mixed_columns_works_without_warnings(sparse_threshold: int) -> None:
    X, y, X_val, y_val = draw()

    def frame(rows: np.ndarray) -> pd.DataFrame:
        table = pd.DataFrame(rows, columns=["a", "b", "c", "d"])
        return table.assign(d=np.where(table["d"] > 0, "high", "low"))

    encoder = make_column_transformer(
        (StandardScaler(), ["a", "b", "c"]),
        (OneHotEncoder(), ["d"]),
        sparse_threshold=sparse_threshold,
    )
    model = salutary(estimator=make_pipeline(encoder, LogisticRegression()))
    model.fit(frame(X), y, frame(X_val), y_val)
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    by_hand = salutary().fit(
        encoder.fit_transform(frame(X)), y, encoder.transform(frame(X_val)), y_val
    )
    assert_array_equal(model.transduction_, by_hand.transduction_)
    expected = by_hand.predict_proba(encoder.transform(frame(X_val)))
    assert_array_equal(model.predict_proba(frame(X_val)), expected)
    assert_array_equal(model.estimator_.predict_proba(frame(X_val)), expected)
    assert model.score(frame(X_val), y_val) > 0.6


@pytest.mark.parametrize("named", [False, True])
def test_frames_of_numbers_work_without_warnings(named: bool) -> None:
    X, y, X_val, y_val = draw()
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame_val = pd.DataFrame(X_val, columns=list("abcd"))
    scaler = StandardScaler()
    estimator = make_pipeline(scaler, LogisticRegression())
    if named:
        scaler.set_output(transform="pandas")
    model = salutary(estimator=estimator).fit(frame, y, frame_val, y_val)
    reference = salutary(estimator=clone(estimator)).fit(X, y, X_val, y_val)
    assert_array_equal(model.transduction_, reference.transduction_)
    assert_allclose(model.predict_proba(frame_val), reference.predict_proba(X_val))
    bare = salutary().fit(frame, y, frame_val, y_val)
    assert bare.feature_names_in_.tolist() == list("abcd")
    assert bare.predict(frame_val).shape == (40,)


# Repeatability


@pytest.mark.slow
@pytest.mark.parametrize("guard", [False, True])
def test_a_seed_fixes_the_run(guard: bool) -> None:
    X, y, _, _ = draw()
    first, again, other = (
        salutary(guard=guard, random_state=seed).fit(X, y) for seed in (5, 5, 6)
    )
    assert_array_equal(first.transduction_, again.transduction_)
    assert_array_equal(first.estimator_.coef_, again.estimator_.coef_)
    assert (first.transduction_ != other.transduction_).any()


SCRIPT = """
from sklearn.datasets import load_digits
from salutary import SalutaryClassifier
X, y = load_digits(return_X_y=True)
y[150:] = -1
for guard in (True, False):
    model = SalutaryClassifier(budget=20, guard=guard, random_state=0).fit(X / 16, y)
    for outcome in (model.transduction_, model.influence_, model.estimator_.coef_):
        print(outcome.tobytes().hex())
"""


@pytest.mark.slow
def test_the_number_of_threads_does_not_change_the_run() -> None:
    outcomes = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    (outcome,) = outcomes
    assert len(outcome.splitlines()) == 6


@pytest.mark.slow
@pytest.mark.parametrize("estimate", ["first_order", "newton"])
def test_the_number_of_jobs_does_not_change_the_run(
    estimate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "MANY_VALUES", 0)
    monkeypatch.setattr(scoring, "MANY_WEIGHTS", 0)
    X, y, X_val, y_val = draw()
    small = {"guard": True, "estimate": estimate, "budget": 4, "batch_size": 2}
    runs = [salutary(n_jobs=n_jobs, **small) for n_jobs in (None, 2, -1)]
    first, *others = (run.fit(X, y, X_val, y_val) for run in runs)
    for other in others:
        assert_array_equal(other.transduction_, first.transduction_)
        assert_array_equal(other.influence_, first.influence_)
        assert_array_equal(other.estimator_.coef_, first.estimator_.coef_)
        canary = [found["canary_loss"] for found in other.history_]
        assert canary == [found["canary_loss"] for found in first.history_]


def test_jobs_are_threads_that_work_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, X_val, y_val = draw()
    monkeypatch.setattr(ArrayPool.__init__, "__defaults__", (30,))
    monkeypatch.setattr(threads, "BLOCK_ROWS", 30)
    monkeypatch.setattr(scoring, "MANY_WEIGHTS", 0)
    together = threading.Barrier(4, timeout=60)

    def rule(influence: np.ndarray, probability: np.ndarray) -> np.ndarray:
        together.wait()  # until four threads have one of the four blocks each
        return influence

    model = salutary(rule=rule, guard=True, n_jobs=4, budget=5)
    with warnings.catch_warnings():
        before = warnings.filters.copy()
        model.fit(X, y, X_val, y_val)
        assert warnings.filters == before
    assert model.n_iter_


@pytest.mark.parametrize("verbose", [0, 1])
def test_verbose_prints_a_line_a_round(
    verbose: int,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    X, y, X_val, y_val = draw()
    with caplog.at_level("INFO", "salutary"):
        salutary(verbose=verbose).fit(X, y, X_val, y_val)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in caplog.messages] == [
        "round 1",
        "round 2",
        "round 3",
    ]
    assert not verbose or lines == caplog.messages
    assert [line.split(":")[0] for line in lines] == (
        ["round 1", "round 2", "round 3"] if verbose else []
    )


# Validation rows, and refusals


def test_a_class_that_validation_lacks_is_fine() -> None:
    X, y, X_val, y_val = draw()
    known = y_val != 2
    model = salutary().fit(X, y, X_val[known], y_val[known])
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.termination_condition_ == "budget"


def test_a_class_only_validation_has_is_refused() -> None:
    X, y, X_val, y_val = draw()
    first = np.flatnonzero(y_val == 2)[0]
    with pytest.raises(ValueError, match=rf"y_val has the class 2 \(row {first}\)"):
        salutary().fit(X, np.where(y == 2, -1, y), X_val, y_val)


def test_a_validation_set_too_small_to_guard_with_is_warned_of() -> None:
    X, y, X_val, y_val = draw()
    with pytest.warns(UserWarning, match="3 validation rows are too few to guard"):
        model = salutary(guard=True).fit(X, y, X_val[:3], y_val[:3])
    assert np.isnan(model.history_[0]["canary_loss"])


def only(y: np.ndarray, *rows: int) -> np.ndarray:
    """Labels of these rows alone."""
    return np.where(np.isin(np.arange(len(y)), rows), y, -1)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda y: np.full(120, -1), "no labeled row; label a few rows of each class"),
        (
            lambda y: np.where(y == 0, 0, -1),
            "only one class: 0; label a row of another",
        ),
        (
            lambda y: only(y, *(np.flatnonzero(y == c)[0] for c in range(3))),
            r"3 labeled rows leave none to validate on.* or pass X_val and y_val",
        ),
        (lambda y: None, "requires y to be passed"),
        (lambda y: y[:-1], "inconsistent numbers of samples"),
        (lambda y: np.where(y == -1, -1, y + 0.5), "Unknown label type"),
    ],
    ids=["none", "one class", "too few", "missing", "too short", "continuous"],
)
def test_labels_that_cannot_be_learned_from_are_refused(
    change: Any, match: str
) -> None:
    X, y, _, _ = draw()
    with pytest.raises(ValueError, match=match):
        salutary().fit(X, change(y))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (
            {"estimator": RidgeClassifier()},
            "a Pipeline ending in one",
        ),
        ({"estimator": make_pipeline(StandardScaler(), RidgeClassifier())}, "Ridge"),
        ({"estimator": LogisticRegression(C=np.inf)}, "use a finite C"),
        ({"rule": "papre"}, "'rule' parameter"),
        ({"hessian": "val"}, "'hessian' parameter"),
        ({"budget": 0}, "'budget' parameter"),
        ({"min_influence_z": -0.1}, "'min_influence_z' parameter"),
        ({"min_influence_z": np.nan}, "'min_influence_z' parameter"),
        ({"min_influence_z": np.inf}, "'min_influence_z' parameter"),
        ({"min_influence_z": "2"}, "'min_influence_z' parameter"),
        ({"validation_fraction": 1.0}, "'validation_fraction' parameter"),
        ({"rule": lambda influence, probability: influence[:, 0]}, "one score per row"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict, match: str) -> None:
    X, y, X_val, y_val = draw()
    with pytest.raises(ValueError, match=match):
        salutary(**settings).fit(X, y, X_val, y_val)


def test_validation_rows_and_labels_go_together() -> None:
    X, y, X_val, y_val = draw()
    with pytest.raises(ValueError, match="pass both or neither"):
        salutary().fit(X, y, X_val)
    with pytest.raises(ValueError, match="pass both or neither"):
        salutary().fit(X, y, y_val=y_val)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        salutary().fit(X, y, X_val, y_val[:-1])


def test_validation_rows_without_any_weight_do_not_spoil_the_run() -> None:
    X, y, _, _ = draw()
    weight = np.where((y != -1) & (np.arange(120) % 2 == 0), 0.0, 1.0)
    for seed in range(6):
        model = salutary(validation_fraction=0.05, random_state=seed)
        # Refused, where the rows split off have no weight; never divided by zero.
        with suppress(ValueError):
            model.fit(X, y, sample_weight=weight)
            assert np.isfinite([r["validation_loss"] for r in model.history_]).all()


SCALED = make_pipeline(StandardScaler(), LogisticRegression())


@pytest.mark.parametrize("name", ["X", "X_val"])
@pytest.mark.parametrize(
    ("container", "estimator", "value"),
    [
        (np.asarray, None, np.nan),
        (np.asarray, None, np.inf),
        (np.asarray, SCALED, np.nan),
        (sparse.csr_array, None, np.nan),
        (sparse.csr_array, None, -np.inf),
        (pd.DataFrame, None, np.nan),
        (pd.DataFrame, SCALED, np.nan),
    ],
)
def test_values_that_are_not_finite_are_refused_with_their_place(
    container: Any, estimator: Any, value: float, name: str
) -> None:
    X, y, X_val, y_val = draw()
    rows = {"X": X, "X_val": X_val}
    rows[name][7, 3] = value
    kind = "NaN" if np.isnan(value) else "infinity"
    match = rf"^Input {name} contains {kind}.*First at row 7, column 3"
    with pytest.raises(ValueError, match=match):
        salutary(estimator=estimator).fit(
            container(rows["X"]), y, container(rows["X_val"]), y_val
        )


def test_the_column_of_a_value_that_is_not_finite_is_named() -> None:
    X, y, _X_val, y_val = draw()
    X[7, 3] = np.nan
    frame = pd.DataFrame(X, columns=["a", "b", "c", "width"])
    with pytest.raises(ValueError, match=r"row 7, column 3 \('width'\)"):
        salutary().fit(frame, y, frame[:40], y_val)


def test_a_row_that_is_not_finite_is_refused_at_predict() -> None:
    X, y, X_val, y_val = draw()
    model = salutary().fit(X, y, X_val, y_val)
    X_val[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"^Input X contains NaN.*row 2, column 1"):
        model.predict(X_val)


@pytest.mark.parametrize(
    ("dtype", "labels", "kind"),
    [("boolean", [True, False], "b"), ("Int64", [3, 7], "i")],
)
def test_nullable_labels_keep_their_type(
    dtype: str, labels: list[Any], kind: str
) -> None:
    X, y, X_val, y_val = draw()
    marked = pd.Series(
        [labels[int(c > 0)] if c != -1 else None for c in y], dtype=dtype
    )
    model = salutary().fit(X, marked, X_val, [labels[int(c > 0)] for c in y_val])
    assert model.classes_.dtype.kind == kind
    assert model.classes_.tolist() == sorted(labels)
    assert model.predict(X).dtype.kind == kind


@pytest.mark.parametrize(
    "estimator",
    [None, make_pipeline(StandardScaler(), LogisticRegression())],
)
def test_the_fitted_estimator_predicts_frames_without_a_warning(estimator: Any) -> None:
    X, y, X_val, y_val = draw()
    names = [f"f{i}" for i in range(X.shape[1])]
    if estimator is not None:
        estimator = clone(estimator).set_output(transform="pandas")
    frame, val = (pd.DataFrame(rows, columns=names) for rows in (X, X_val))
    model = salutary(estimator=estimator).fit(frame, y, val, y_val)
    np.testing.assert_array_equal(model.estimator_.predict(frame), model.predict(frame))


def test_a_marker_among_strings_is_refused() -> None:
    X, y, _, _ = draw()
    marked = [f"c{c}" if c != -1 else -1 for c in y]
    with pytest.raises(ValueError, match="mark rows without a label by None"):
        salutary().fit(X, np.array(marked))  # NumPy makes texts of all
    found = salutary().fit(X, marked)
    assert found.classes_.tolist() == ["c0", "c1", "c2"]


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("row", [2, 20, 45])
def test_a_value_too_large_to_compute_with_is_named(container: Any, row: int) -> None:
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = (X[:, 0] > 0).astype(int)
    y[10:40] = -1
    X[row, 1] = -1e200
    place = f"row {row if row < 40 else row - 40}, column 1"
    name = "X" if row < 40 else "X_val"
    with pytest.raises(ValueError, match=f"{name} contains .*, too large .* {place}"):
        salutary().fit(container(X[:40]), y[:40], container(X[40:]), y[40:])


@pytest.mark.parametrize(
    "estimator", [None, make_pipeline(StandardScaler(), LogisticRegression())]
)
def test_a_set_of_rows_is_refused_alike_everywhere(estimator: Any) -> None:
    X, y, X_val, y_val = draw()
    rows = {tuple(row) for row in X.tolist()}
    with pytest.raises(
        ValueError, match=r"^X is of type set, which is no list of rows"
    ):
        SalutaryClassifier(estimator).fit(rows, y, X_val, y_val)
    with pytest.raises(
        ValueError, match=r"^X_val is of type set, which is no list of ro"
    ):
        SalutaryClassifier(estimator).fit(X, y, rows, y_val)
    fitted = SalutaryClassifier(estimator, budget=1, guard=False).fit(
        X, y, X_val, y_val
    )
    with pytest.raises(
        ValueError, match=r"^X is of type set, which is no list of rows"
    ):
        fitted.predict(rows)
