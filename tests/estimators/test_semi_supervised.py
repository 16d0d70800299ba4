"""The scikit-learn face of the semi-supervised methods."""

import os
import subprocess
import sys
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    RidgeClassifier,
)
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_info

from salutary import SemiSupervisedClassifier
from salutary.labeling.rows import LabeledRows
from salutary.names import SemiSupervisedMethod
from salutary.pools.arrays import ArrayPool
from salutary.semisupervised.task import SemiSupervisedTask
from salutary.semisupervised.tuning import METHODS, tune

NAMES = get_args(SemiSupervisedMethod)

SEARCH = LogisticRegressionCV(
    Cs=3, cv=3, l1_ratios=(0,), scoring="neg_log_loss", use_legacy_attributes=False
)

EXPECTED_TO_FAIL = {"check_classifiers_classes": "trains on a class -1, the marker"}


@pytest.mark.filterwarnings("ignore:y has no unlabeled row")
@parametrize_with_checks(
    [SemiSupervisedClassifier(method) for method in (*NAMES, "best")],
    expected_failed_checks=lambda _: EXPECTED_TO_FAIL,
)
def test_scikit_learns_checks_pass(estimator: Any, check: Any) -> None:
    check(estimator)


def draw(n_classes: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """X, y with most rows marked -1, and rows to judge by."""
    X, y = make_blobs(300, 5, centers=n_classes, cluster_std=8, random_state=0)
    marked = np.where(np.arange(120) % 4 == 0, y[:120], -1)
    return X[:120] / 8, marked, X[120:] / 8, y[120:]


def semi(method: Any = "information_maximization", **settings: Any) -> Any:
    return SemiSupervisedClassifier(method, **({"random_state": 0} | settings))


@pytest.mark.slow
def test_the_best_method_is_one_of_the_three_with_its_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, y = load_digits(return_X_y=True)
    X, X_test, y = X[200:900] / 16, X[900:] / 16, y[200:900]
    y[100:] = -1
    best = semi("best").fit(X, y)
    assert best.method_ in NAMES
    alone = semi(best.method_).fit(X, y)
    assert alone.method_ == best.method_
    assert_array_equal(best.predict_proba(X_test), alone.predict_proba(X_test))
    assert best.parameters_ == alone.parameters_
    monkeypatch.setattr("salutary.semisupervised.tuning.MARGIN", 100.0)  # never sure
    left_alone = semi("best").fit(X, y)
    assert left_alone.method_ is None
    assert left_alone.parameters_ == {}


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("method", NAMES)
def test_it_is_the_tuned_method_of_the_rows_it_is_told_of(
    method: Any, n_classes: int
) -> None:
    X, y, X_test, _ = draw(n_classes)
    model = semi(method).fit(X, y)
    rows = LabeledRows(X[y != -1], y[y != -1], np.ones((y != -1).sum()))
    seed = int(np.random.RandomState(0).randint(2**31))
    task = SemiSupervisedTask(
        np.arange(n_classes), rows, ArrayPool.of(X[y == -1]), seed=seed
    )
    tuned = tune(task, {method: METHODS[method]})
    assert tuned is not None
    assert model.C_ == tuned.chosen.setting.C
    assert model.parameters_ == tuned.chosen.setting.parameters
    assert model.temperature_ == tuned.chosen.temperature
    assert (model.cv_loss_, model.plain_cv_loss_) == (
        tuned.chosen.loss,
        tuned.plain.loss,
    )
    assert_allclose(
        model.predict_proba(X_test), tuned.model.predict_proba(X_test), rtol=1e-4
    )
    assert_array_equal(model.estimator_.predict(X_test), model.predict(X_test))
    assert type(model.estimator_) is LogisticRegression


@pytest.mark.slow
def test_information_of_the_pool_is_worth_labels() -> None:
    X, y = make_blobs(2000, 20, centers=3, cluster_std=10, random_state=0)
    X, X_test, y_test = X[:600] / 10, X[600:] / 10, y[600:]
    y = np.where(np.arange(600) < 30, y[:600], -1)
    model = semi().fit(X, y)
    assert model.parameters_["strength"] > 0
    assert model.cv_loss_ < model.plain_cv_loss_
    plain = LogisticRegression(C=model.C_).fit(X[y != -1], y[y != -1])
    loss, without = (
        log_loss(y_test, fitted.predict_proba(X_test)) for fitted in (model, plain)
    )
    assert loss < without - 0.05
    assert model.score(X_test, y_test) > plain.score(X_test, y_test)


MARKED = {
    "integers": (lambda y: y, [0, 1, 2]),
    "texts": (
        lambda y: np.array([None, "a", "b", "c"], dtype=object)[y + 1],
        ["a", "b", "c"],
    ),
    "a list": (lambda y: [None if c == -1 else "abc"[c] for c in y], ["a", "b", "c"]),
    "floats": (lambda y: np.array([np.nan, 3.0, 5.0, 7.0])[y + 1], [3.0, 5.0, 7.0]),
    "categories": (
        lambda y: pd.Series(pd.Categorical.from_codes(y, ["a", "b", "c"])),
        ["a", "b", "c"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", MARKED)
def test_the_kind_of_labels_does_not_matter(kind: str) -> None:
    X, y, X_test, _ = draw()
    mark, classes = MARKED[kind]
    reference = semi().fit(X, y)
    model = semi().fit(X, mark(y))
    assert model.classes_.tolist() == classes
    assert_array_equal(model.predict_proba(X_test), reference.predict_proba(X_test))
    expected = np.array(classes)[reference.predict(X_test)]
    assert model.predict(X_test).tolist() == expected.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("method", NAMES)
def test_csr_float32_and_fortran_rows_give_what_dense_ones_do(method: Any) -> None:
    X, y, X_test, _ = draw()
    X = np.where(X > 0, X, 0)
    reference = semi(method).fit(X, y)
    for convert in (sparse.csr_array, np.asfortranarray, np.float32):
        model = semi(method).fit(convert(X), y)
        assert model.parameters_ == reference.parameters_
        # Fits of the folds are loose, and the temperature is found by them.
        assert model.temperature_ == pytest.approx(reference.temperature_, rel=0.01)
        assert_allclose(
            model.temperature_ * model.decision_function(X_test),
            reference.temperature_ * reference.decision_function(X_test),
            rtol=1e-3,
            atol=1e-3,
        )


def test_steps_of_a_pipeline_are_fitted_on_all_rows() -> None:
    X, y, X_test, _ = draw()
    X, X_test = 7 * X + 3, 7 * X_test + 3
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    model = semi(estimator=pipeline).fit(X, y)
    scaler = StandardScaler().fit(X)
    by_hand = semi().fit(scaler.transform(X), y)
    assert_allclose(
        model.predict_proba(X_test), by_hand.predict_proba(scaler.transform(X_test))
    )
    assert_array_equal(model.estimator_.predict(X_test), model.predict(X_test))
    assert not hasattr(pipeline[0], "mean_")
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(5)])
    named = semi(estimator=clone(pipeline)).fit(frame, y)
    assert named.feature_names_in_.tolist() == list(frame)
    assert_allclose(named.predict_proba(frame), model.predict_proba(X))


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(C=1e-3),
        SEARCH,
        LogisticRegression(solver="newton-cg"),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_the_estimators_own_c_has_no_part(estimator: Any) -> None:
    X, y, X_test, _ = draw()
    model = semi(estimator=estimator).fit(X, y)
    reference = semi().fit(X, y)
    assert (model.C_, model.parameters_) == (reference.C_, reference.parameters_)
    assert_allclose(
        model.predict_proba(X_test), reference.predict_proba(X_test), atol=1e-3
    )


def test_its_settings_have() -> None:
    X, y, _, _ = draw()
    template = LogisticRegression(fit_intercept=False, class_weight="balanced")
    model = semi(estimator=template).fit(X, y)
    assert_array_equal(model.estimator_.intercept_, 0)
    assert model.estimator_.class_weight == "balanced"


def test_rows_without_weight_are_as_if_they_were_not_there() -> None:
    X, y, X_test, _ = draw()
    weight = np.ones(120)
    weight[:40] = 0
    model = semi().fit(X, y, weight)
    reference = semi().fit(X[40:], y[40:])
    assert_allclose(
        model.predict_proba(X_test), reference.predict_proba(X_test), rtol=1e-6
    )


def test_a_pool_without_weight_is_no_pool() -> None:
    X, y, _, _ = draw()
    with pytest.warns(UserWarning, match="y has no unlabeled row"):
        model = semi().fit(X, y, np.where(y == -1, 0.0, 2.0))
    plain = LogisticRegression().fit(X[y != -1], y[y != -1], np.full(30, 2.0))
    assert_allclose(model.estimator_.coef_, plain.coef_)


@pytest.mark.parametrize("estimator", [None, SEARCH])
def test_without_a_pool_it_is_a_plain_fit(estimator: Any) -> None:
    X, y, X_test, _ = draw()
    X, y = X[y != -1], y[y != -1]
    with pytest.warns(UserWarning, match="y has no unlabeled row"):
        model = semi(estimator=estimator).fit(X, y)
    reference = LogisticRegression() if estimator is None else clone(estimator)
    reference.fit(X, y)
    assert_allclose(
        model.predict_proba(X_test), reference.predict_proba(X_test), atol=1e-3
    )
    assert model.parameters_ == {}
    assert model.temperature_ == 1.0
    assert np.isnan([model.cv_loss_, model.plain_cv_loss_]).all()


def test_too_few_labeled_rows_are_told_of() -> None:
    X, y, _, _ = draw()
    few = [np.flatnonzero(y == label)[0] for label in range(3)]
    y = np.where(np.isin(np.arange(120), few), y, -1)
    with pytest.warns(UserWarning, match="the 3 labeled rows are too few to hold any"):
        model = semi(estimator=LogisticRegression(C=0.2)).fit(X, y)
    assert model.C_ == 0.2
    plain = LogisticRegression(C=0.2).fit(X[few], y[few])
    assert_allclose(model.estimator_.coef_, plain.coef_, atol=1e-3)


@pytest.mark.parametrize("method", NAMES)
@pytest.mark.parametrize("n_rows", [3, 14])
def test_a_pool_that_cannot_be_judged_is_left_alone(method: Any, n_rows: int) -> None:
    X, y = make_blobs(200, 5, centers=2, cluster_std=0.5, random_state=0)
    order = np.argsort(y, kind="stable")
    rows = np.r_[order[:2], order[-(n_rows - 2) :]]  # two rows of class 0
    marked = np.where(np.isin(np.arange(200), rows), y, -1)
    with pytest.warns(UserWarning, match="of class 0.* fewer than 5 labeled rows"):
        model = semi(method).fit(X, marked)
    assert model.parameters_ == {}
    plain = LogisticRegression(C=model.C_, tol=1e-8).fit(X[rows], y[rows])
    found = model.temperature_ * model.estimator_.coef_
    assert_allclose(found, plain.coef_, rtol=1e-3, atol=1e-5)


def test_five_rows_of_each_class_are_enough() -> None:
    X, y = make_blobs(200, 5, centers=2, cluster_std=3, random_state=0)
    rows = np.concatenate([np.flatnonzero(y == label)[:5] for label in (0, 1)])
    model = semi().fit(X, np.where(np.isin(np.arange(200), rows), y, -1))
    assert model.cv_loss_ <= model.plain_cv_loss_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, pd.DataFrame])
@pytest.mark.parametrize(("scale", "word"), [(1e30, "large"), (1e-4, "small")])
def test_features_that_no_penalty_suits_are_warned_of(
    scale: float, word: str, container: Any
) -> None:
    X, y, _, _ = draw()
    with pytest.warns(UserWarning, match=f"too {word} for any C.*StandardScaler"):
        semi().fit(container(X * scale), y)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    scaled = semi(estimator=pipeline).fit(X * scale, y)
    reference = semi(estimator=clone(pipeline)).fit(X, y)
    assert_allclose(
        scaled.predict_proba(X * scale), reference.predict_proba(X), rtol=1e-5
    )


def test_the_largest_feature_is_named() -> None:
    X, y, _, _ = draw()
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["d"] *= 1000
    with pytest.warns(UserWarning, match="feature 'd' has a standard deviation of "):
        semi().fit(frame, y)
    with pytest.warns(UserWarning, match="feature 3 has a standard deviation of "):
        semi().fit(frame.to_numpy(), y)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda y: np.full(120, -1), "no labeled row; label a few rows of each class"),
        (lambda y: np.where(y == 0, 0, -1), "only one class: 0; label a row of an"),
        (lambda y: None, "requires y to be passed"),
        (lambda y: y[:-1], "inconsistent numbers of samples"),
        (lambda y: np.where(y == -1, -1, y + 0.5), "Unknown label type"),
        (lambda y: [str(label) for label in y], "mark rows without a label by None"),
    ],
    ids=["none", "one class", "missing", "too short", "continuous", "texts"],
)
def test_labels_that_cannot_be_learned_from_are_refused(
    change: Any, match: str
) -> None:
    X, y, _, _ = draw()
    with pytest.raises(ValueError, match=match):
        semi().fit(X, change(y))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"method": "information"}, "'method' parameter"),
        ({"estimator": RidgeClassifier()}, "a Pipeline ending in one"),
        ({"estimator": LogisticRegression(C=np.inf)}, "use a finite C"),
        ({"estimator": 3}, "'estimator' parameter"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict, match: str) -> None:
    X, y, _, _ = draw()
    with pytest.raises(ValueError, match=match):
        semi(**settings).fit(X, y)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, pd.DataFrame])
def test_values_that_are_not_finite_are_refused_with_their_place(
    container: Any,
) -> None:
    X, y, _, _ = draw()
    X[7, 3] = np.nan
    with pytest.raises(ValueError, match=r"^Input X contains NaN.*First at row 7, col"):
        semi().fit(container(X), y)


@pytest.mark.slow
def test_a_search_over_methods_works() -> None:
    X, y = make_blobs(300, 5, centers=3, cluster_std=8, random_state=0)
    X, X_test, y_test = X[:120] / 8, X[120:] / 8, y[120:]
    y = np.where(np.arange(120) % 2 == 0, y[:120], -1)
    search = GridSearchCV(
        semi(),
        {"method": ["information_maximization", "label_spreading"]},
        cv=StratifiedKFold(2),
        scoring=lambda model, X, y: model.score(X[y != -1], y[y != -1]),
    ).fit(X, y)
    assert search.score(X_test, y_test) > 0.5


# Repeatability


def test_a_seed_fixes_the_fit() -> None:
    X, y, _, _ = draw()
    first, again, state, other = (
        semi(random_state=seed).fit(X, y)
        for seed in (5, 5, np.random.RandomState(5), 6)
    )
    for same in (again, state):
        assert_array_equal(same.estimator_.coef_, first.estimator_.coef_)
        assert same.plain_cv_loss_ == first.plain_cv_loss_
    assert other.plain_cv_loss_ != first.plain_cv_loss_


def test_threads_of_others_are_given_back() -> None:
    X, y, _, _ = draw()
    before = [pool["num_threads"] for pool in threadpool_info()]
    semi().fit(X, y)
    assert [pool["num_threads"] for pool in threadpool_info()] == before


SCRIPT = """
from sklearn.datasets import load_digits
from salutary import SemiSupervisedClassifier
X, y = load_digits(return_X_y=True)
X, y = X[:400], y[:400]
y[80:] = -1
for method in ("information_maximization", "self_training", "label_spreading"):
    model = SemiSupervisedClassifier(method, random_state=0).fit(X / 16, y)
    print(model.estimator_.coef_.tobytes().hex(), model.parameters_)
"""


@pytest.mark.slow
def test_the_number_of_threads_does_not_change_the_fit() -> None:
    outcomes = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ
            | {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    (outcome,) = outcomes
    assert len(outcome.splitlines()) == 3
