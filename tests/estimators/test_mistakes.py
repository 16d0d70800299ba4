"""Rows and labels that are passed by mistake, for every estimator alike."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import _num_samples

from salutary import (
    SalutaryClassifier,
    SalutaryFineTuner,
    SemiSupervisedClassifier,
    advise,
    relabel,
)
from salutary.estimators.mistakes import check_rows, row_keys

RNG = np.random.RandomState(0)
X = RNG.normal(size=(120, 3))
Y = (X[:, 0] + 0.3 * RNG.normal(size=120) > 0).astype(int)
TRAIN, VALIDATION, POOL = slice(0, 40), slice(40, 80), slice(80, 120)


class Plain(BaseEstimator):  # type: ignore[misc]
    """A trainer whose embedding is the rows."""

    def fit(self, X: Any, y: Any) -> "Plain":
        return self

    def embed(self, X: Any) -> np.ndarray:
        return np.asarray(X, dtype=np.float32)


def classify(train: Any, validation: Any, pool: Any, names: Any) -> Any:
    marked = [*names[TRAIN], *[None] * len(pool)]
    rows = np.concatenate([train, pool])
    model = SalutaryClassifier(budget=2, guard=False)
    return model.fit(rows, marked, validation, names[: len(validation)])


def fine_tune(train: Any, validation: Any, pool: Any, names: Any) -> Any:
    marked = [*names[TRAIN], *[None] * len(pool)]
    rows = np.vstack([train, pool])
    model = SalutaryFineTuner(Plain(), budget=2, guard=False)
    return model.fit(rows, marked, validation, names[: len(validation)])


def switch(train: Any, validation: Any, pool: Any, names: Any) -> Any:
    return relabel(
        *(train, names[TRAIN], validation, names[: len(validation)]),
        budget=2,
        guard=False,
    )


def compare(train: Any, validation: Any, pool: Any, names: Any) -> Any:
    return advise(
        *(train, names[TRAIN], validation, names[: len(validation)], pool),
        **{"budget": 2, "splits": 2, "repeats": 1, "random_state": 0},
    )


ALL = [classify, fine_tune, switch, compare]
WITH_POOL = [classify, fine_tune, compare]
NAMES = np.where(Y, "yes", "no").astype(object)


@pytest.mark.parametrize("run", ALL)
def test_validation_rows_that_are_all_training_rows_are_refused(run: Callable) -> None:
    with pytest.raises(ValueError, match="all 40 rows of X_val are labeled rows of X"):
        run(X[TRAIN], X[TRAIN][::-1], X[POOL], NAMES)


@pytest.mark.slow
def with_names(run: Callable) -> Any:
    """The function of its validation rows, all others being tables."""
    frame = pd.DataFrame(X, columns=[*"abc"])
    steps = make_pipeline(
        make_column_transformer((StandardScaler(), [*"ab"])), LogisticRegression()
    )
    marked = np.where(np.arange(120) < 40, Y, -1)
    return {
        classify: lambda other: SalutaryClassifier(steps, budget=2, guard=False).fit(
            frame, marked, other, Y[VALIDATION]
        ),
        switch: lambda other: relabel(
            *(frame[TRAIN], Y[TRAIN], other, Y[VALIDATION]),
            estimator=steps, budget=2, guard=False,
        ),
        compare: lambda other: advise(
            *(frame[TRAIN], Y[TRAIN], other, Y[VALIDATION]), estimator=steps
        ),
        fine_tune: lambda other: SalutaryFineTuner(Plain(), budget=2).fit(
            frame, marked, other, Y[VALIDATION]
        ),
    }[run]  # fmt: skip


@pytest.mark.parametrize("run", ALL)
def test_rows_that_lack_a_column_are_named_as_the_caller_names_them(
    run: Callable,
) -> None:
    other = pd.DataFrame(X[VALIDATION], columns=[*"abc"]).drop(columns="b")
    with pytest.raises(ValueError, match=r"^X_val (lacks|has) the .* X has") as refusal:
        with_names(run)(other)
    assert "\n" not in str(refusal.value)


def test_no_rows_are_predicted_as_scikit_learn_predicts_them() -> None:
    marked = np.where(np.arange(120) < 40, Y, -1)
    models = [
        LogisticRegression().fit(X, Y),
        SalutaryClassifier(budget=2, guard=False).fit(X, marked),
        SemiSupervisedClassifier(random_state=0).fit(X, marked),
        SalutaryFineTuner(Plain(), budget=2, guard=False).fit(X, marked),
        relabel(*(X[TRAIN], Y[TRAIN]), X[VALIDATION], Y[VALIDATION], budget=2).model,
        compare(X[TRAIN], X[VALIDATION], X[POOL], Y).model_,
    ]
    for model in models:
        for method in (model.predict, model.predict_proba):
            with pytest.raises(ValueError, match=r"^Found array with 0 sample\(s\)"):
                method(X[:0])


@pytest.mark.parametrize("run", ALL)
def test_some_that_are_training_rows_are_warned_of(run: Callable) -> None:
    mixed = np.vstack([X[35:40], X[VALIDATION]])
    with pytest.warns(UserWarning, match="5 of the 45 rows of X_val are labeled rows"):
        run(X[TRAIN], mixed, X[POOL], NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("run", ALL)
def test_copies_among_the_validation_rows_are_warned_of(run: Callable) -> None:
    copied = np.vstack([X[VALIDATION], X[40:45]])
    with pytest.warns(UserWarning, match="10 of the 45 rows of X_val are copies of on"):
        run(X[TRAIN], copied, X[POOL], NAMES)


def test_few_copies_may_be_chance() -> None:
    labeled, none = row_keys(X[TRAIN]), row_keys(X[:0])
    for rows, n_copies in ((X[40:50], 2), (X[20:100], 3)):
        copied = np.vstack([rows, *[rows[:1]] * (n_copies - 1)])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_rows(labeled[:15], row_keys(copied), none)


@pytest.mark.slow
@pytest.mark.parametrize("run", WITH_POOL)
def test_a_pool_that_is_the_training_rows_is_warned_of(run: Callable) -> None:
    with pytest.warns(UserWarning, match=r"40 of the 40 .* labeled rows of X too; a"):
        run(X[TRAIN], X[VALIDATION], X[TRAIN], NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("run", WITH_POOL)
def test_validation_rows_in_the_pool_are_warned_of(run: Callable) -> None:
    mixed = np.vstack([X[75:80], X[POOL]])
    with pytest.warns(UserWarning, match=r"5 of the 40 rows of X_val are .* too; once"):
        run(X[TRAIN], X[VALIDATION], mixed, NAMES)


@pytest.mark.parametrize("run", [classify, switch, compare])
@pytest.mark.parametrize("one", ["train", "validation"])
def test_a_column_alone_is_refused_in_one_line(run: Callable, one: str) -> None:
    rows = {"train": X[TRAIN, :1], "validation": X[VALIDATION, :1], "pool": X[POOL, :1]}
    for name in ("train", "pool") if one == "train" else [one]:
        rows[name] = rows[name][:, 0]
    with pytest.raises(ValueError, match=r"^Expected 2D array.*reshape.*\.$") as caught:
        run(rows["train"], rows["validation"], rows["pool"], NAMES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", " \t"])
@pytest.mark.parametrize("run", ALL)
def test_an_empty_text_is_no_label(run: Callable, text: str) -> None:
    names = NAMES.copy()
    names[3] = text
    for given in (names, pd.Categorical(names), names.tolist()):
        with pytest.raises(ValueError, match=r"y has .* row 3[,;]"):
            run(X[TRAIN], X[VALIDATION], X[POOL], given)


@pytest.mark.parametrize("run", [classify, fine_tune])
def test_the_text_of_the_mark_is_no_mark(run: Callable) -> None:
    names = NAMES.copy()
    names[3] = "-1"
    with pytest.raises(ValueError, match="the text '-1' in row 3, which would be a"):
        run(X[TRAIN], X[VALIDATION], X[POOL], names)


@pytest.mark.parametrize("run", ALL)
def test_only_unlabeled_rows_are_refused(run: Callable) -> None:
    with pytest.raises(ValueError, match=r"no labeled row|no label in row 0"):
        run(X[TRAIN], X[VALIDATION], X[POOL], np.full(120, None))


@pytest.mark.parametrize(
    "model", [SalutaryClassifier(), SalutaryFineTuner(Plain(), guard=False)]
)
def test_nothing_unlabeled_is_warned_of(model: Any) -> None:
    with pytest.warns(UserWarning, match="no unlabeled row, so there is nothing to"):
        model.fit(X, NAMES)


@pytest.mark.parametrize("n_values", [2, 6])
def test_rows_of_few_values_may_recur(n_values: int) -> None:
    rng = np.random.RandomState(n_values)
    for _ in range(50):
        drawn = [rng.randint(n_values, size=(n, 2)) for n in (60, 30, 200)]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_rows(*(row_keys(rows) for rows in drawn))


def test_iris_has_twins_by_nature() -> None:
    rows, _ = load_iris(return_X_y=True)
    for seed in range(50):
        order = np.random.RandomState(seed).permutation(150)
        drawn = (
            rows[order[part]] for part in (slice(50), slice(50, 90), slice(90, 150))
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_rows(*(row_keys(part) for part in drawn))


@pytest.mark.parametrize(
    "kind",
    [
        np.asarray,
        lambda rows: rows.astype(np.float32),
        lambda rows: rows.reshape(4, 3, 1),
        lambda rows: rows.tolist(),
        pd.DataFrame,
        sparse.csr_array,
        sparse.coo_matrix,
        lambda rows: [f"text {row.tolist()}" for row in rows],
        lambda rows: [("pair", str(row.tolist())) for row in rows],
    ],
)
def test_rows_of_every_kind_are_told_apart(kind: Callable) -> None:
    rows = np.array(
        [[1.0, 0.0, 2.0], [0.0, 1.0, 2.0], [1.0, 0.0, 2.0], [2.0, 0.0, 1.0]]
    )
    keys = row_keys(kind(rows))
    assert len(keys) == 4
    assert (keys == keys[0]).tolist() == [True, False, True, False]


def test_minus_zero_is_zero_however_it_is_stored() -> None:
    rows = np.array([[0.0, 1.0], [-0.0, 1.0]])
    for kind in (np.asarray, pd.DataFrame, lambda rows: pd.DataFrame(rows)[0]):
        first, second = row_keys(kind(rows))
        assert first == second
    stored = sparse.csr_array(([0.0, 1.0, 1.0], [0, 1, 1], [0, 2, 3]), shape=(2, 2))
    first, second = row_keys(stored)
    assert first == second


def test_rows_that_cannot_be_compared_equal_nothing() -> None:
    odd = [np.zeros(2), np.zeros(3), np.zeros((2, 2))]
    keys = row_keys(odd)
    assert len(keys) == _num_samples(odd)
    check_rows(keys, keys, keys)
