"""Rows of any kind prepared for the advice, and the model that it leaves."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_blobs
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from salutary import Advice, advise
from salutary.progress import silent
from salutary.runs.advise import Plan, advise_tables
from salutary.tables.sources import Sources

SMALL: dict[str, Any] = {
    "budget": 4,
    "batch_size": 2,
    "splits": 2,
    "repeats": 1,
    "random_state": 3,
}
X, Y = make_blobs(90, 3, centers=3, cluster_std=4.0, random_state=3)
TRAIN, VALIDATION, POOL = slice(0, 30), slice(30, 60), slice(60, 90)


def parts(rows: Any, y: Any = Y, pool: bool = False) -> list[Any]:
    arguments = [rows[TRAIN], y[TRAIN], rows[VALIDATION], y[VALIDATION]]
    return [*arguments, rows[POOL]] if pool else arguments


def mixed() -> pd.DataFrame:
    """Rows with a gap, a category and numbers of another size."""
    frame = pd.DataFrame(X.copy(), columns=["a", "b", "c"])
    frame["b"] *= 1000
    frame.loc[3, "a"] = np.nan
    frame["kind"] = np.where(X[:, 2] > 0, "up", "down")
    return frame


def same_advice(first: Advice, second: Advice) -> None:
    assert first.option == second.option
    pd.testing.assert_frame_equal(first.table, second.table, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("pool", [False, True])
def test_frames_get_the_advice_of_the_command_line(tmp_path: Path, pool: bool) -> None:
    frame, names = mixed(), np.array(["no", "maybe", "yes"])[Y]
    paths = [tmp_path / f"{name}.csv" for name in ("train", "val", "pool")]
    for path, rows in zip(paths, (TRAIN, VALIDATION, POOL), strict=True):
        frame[rows].assign(y=names[rows]).to_csv(path, index=False)
    sources = Sources(paths[0], paths[1], paths[2] if pool else None, "y", None)
    plan = Plan(budget=4, batch_size=2, splits=2, repeats=1, seed=3)
    report = advise_tables(sources, plan, silent, lambda line: None)
    found = advise(*parts(frame, names, pool), **SMALL)
    assert found.option == report["option"]
    expected = pd.DataFrame(report["options"])
    pd.testing.assert_frame_equal(found.table, expected, rtol=1e-4, atol=1e-6)


def with_ids(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(patient=np.random.RandomState(0).permutation(90))


@pytest.mark.slow
def test_columns_that_name_rows_are_no_features_unless_kept(tmp_path: Path) -> None:
    frame, plain = with_ids(mixed()), mixed()
    words = r"left out: 'patient' \(numbers of rows\); pass keep=\['patient'\] to"
    without = advise(*parts(plain, pool=True), **SMALL)
    for kind in (lambda rows: rows, pl.from_pandas, pa.Table.from_pandas):
        arguments = parts(frame, pool=True)
        for place in (0, 2, 4):
            arguments[place] = kind(arguments[place].reset_index(drop=True))
        with pytest.warns(UserWarning, match=words):
            found = advise(*arguments, **SMALL)
        same_advice(found, without)
        assert found.model_.feature_names_in_.tolist() == ["a", "b", "c", "kind"]
        assert_array_equal(
            found.model_.predict_proba(arguments[0]),
            found.model_.predict_proba(plain[TRAIN]),
        )
    # Where the pool lacks it, too.
    arguments = parts(frame, pool=True)
    arguments[4] = plain[POOL]
    with pytest.warns(UserWarning, match=words):
        same_advice(advise(*arguments, **SMALL), without)
    paths = [tmp_path / f"{name}.csv" for name in ("train", "val")]
    for path, rows in zip(paths, (TRAIN, VALIDATION), strict=True):
        frame[rows].assign(y=Y[rows]).to_csv(path, index=False)
    plan = Plan(budget=4, batch_size=2, splits=2, repeats=1, seed=3)
    for keep in ([], ["patient"]):
        sources = Sources(paths[0], paths[1], None, "y", None, keep=tuple(keep))
        report = advise_tables(sources, plan, silent, lambda line: None)
        with warnings.catch_warnings():
            warnings.simplefilter("error" if keep else "ignore")
            found = advise(*parts(frame), **SMALL, keep=keep)
        expected = pd.DataFrame(report["options"])
        pd.testing.assert_frame_equal(found.table, expected, rtol=1e-4, atol=1e-6)
        assert ("patient" in found.model_.feature_names_in_) == bool(keep)


def test_a_text_among_numbers_is_warned_of() -> None:
    frame = mixed()
    frame["a"] = frame["a"].astype(str)
    frame.loc[5, "a"] = "n.a."
    words = "^X: column 'a' is taken as text, not numbers, because of 'n.a.' in row 5; "
    with pytest.warns(UserWarning, match=words):
        advise(*parts(frame), **SMALL)


@pytest.mark.parametrize(
    ("rows", "more", "message"),
    [
        (with_ids(mixed()), {"keep": ["b", "row"]}, "keep: X has no column 'row'"),
        (with_ids(mixed()), {"keep": 5}, "keep is 5; pass a list of names of columns"),
        (X, {"keep": ["b"]}, r"keep=\['b'\] is for tables without an estimator"),
        (
            mixed()[["b", "c"]],
            {"keep": ["b"], "estimator": LogisticRegression()},
            "is for tables without an estimator",
        ),
        (
            with_ids(mixed())[["patient"]],
            {},
            r"no column besides 'patient', which names rows; .* keep=\['patient'\]",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(
    rows: Any, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        advise(*parts(rows), **SMALL, **more)


@pytest.mark.slow
def test_polars_and_arrow_are_as_good_as_pandas() -> None:
    frame = mixed()
    expected = advise(*parts(frame), **SMALL)
    for kind in (pl.from_pandas, pa.Table.from_pandas):
        arguments = parts(frame)
        for place in (0, 2):
            arguments[place] = kind(arguments[place].reset_index(drop=True))
        found = advise(*arguments, **SMALL)
        same_advice(found, expected)
        assert_array_equal(
            found.model_.predict(arguments[0]), expected.model_.predict(frame[TRAIN])
        )


@pytest.mark.slow
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_arrays_are_scaled_by_training_and_pool_rows(container: Any) -> None:
    rows = container(X * [1, 1000, 0.01])
    scaler = StandardScaler(with_mean=container is np.asarray)
    scaler.fit(
        sparse.vstack([rows[TRAIN], rows[POOL]])
        if scaler.with_mean is False
        else np.vstack([rows[TRAIN], rows[POOL]])
    )
    found = advise(*parts(rows, pool=True), **SMALL)
    by_hand = advise(
        *parts(scaler.transform(rows), pool=True),
        **SMALL,
        estimator=LogisticRegression(),
    )
    same_advice(found, by_hand)
    assert_allclose(
        found.model_.predict_proba(rows),
        by_hand.model_.predict_proba(scaler.transform(rows)),
        atol=1e-6,
    )
    assert isinstance(by_hand.model_, LogisticRegression)


@pytest.mark.slow
def test_the_steps_of_a_pipeline_replace_the_preparation() -> None:
    pipeline = Pipeline(
        [("half", StandardScaler(with_std=False)), ("end", LogisticRegressionCV())]
    )
    found = advise(*parts(X), **SMALL, estimator=pipeline)
    moved = X - X[TRAIN].mean(axis=0)
    same_advice(found, advise(*parts(moved), **SMALL, estimator=LogisticRegression()))
    assert [name for name, _ in found.model_.steps] == ["half", "end"]
    assert not hasattr(pipeline[0], "mean_")


@pytest.mark.slow
def test_the_model_is_the_advised_option_on_all_rows() -> None:
    frame = mixed()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = advise(*parts(frame), **SMALL)
    assert found.option in ("train + validation", "train + weighted validation")
    model = found.model_
    C, weights = model[-1].C, np.ones(60)
    matrix = model[:-1].transform(frame[:60]).astype(np.float64)
    # Which weight was tuned on all rows is not told, so the optimum of one is it.
    references = []
    for weight in (1.0, 2.0, 5.0, 20.0):
        weights[30:] = weight
        reference = LogisticRegression(C=C, tol=1e-10, max_iter=10_000)
        references.append(reference.fit(matrix, Y[:60], weights).coef_)
    errors = [abs(model[-1].coef_ - coef).max() for coef in references]
    assert min(errors) < 1e-4
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "kind"]
    assert model.classes_.tolist() == [0, 1, 2]
    assert "model_" not in found.to_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"estimator": make_pipeline(SelectKBest(k=1), LogisticRegression())},
            "'selectkbest' .* learns from labels",
        ),
        ({"estimator": StandardScaler()}, "got StandardScaler"),
        ({"X_val": pd.DataFrame(X[VALIDATION], columns=[*"abc"])}, "have names of"),
        ({"X_val": X[TRAIN], "y_val": Y[TRAIN]}, "all 30 rows of X_val are labeled"),
        ({"y": ["a", "", "b"] * 10, "y_val": ["a"] * 30}, "empty text .* row 1"),
    ],
)
def test_what_cannot_be_prepared_is_refused(
    change: dict[str, Any], message: str
) -> None:
    names = ("X", "y", "X_val", "y_val")
    arguments = {**dict(zip(names, parts(X), strict=True)), **SMALL, **change}
    with pytest.raises(ValueError, match=message) as refusal:
        advise(**arguments)
    assert "\n" not in str(refusal.value)


TABLES = {"pandas": pd.DataFrame, "polars": pl.from_pandas, "arrow": pa.table}


@pytest.mark.parametrize("called", ["X_val", "X_pool"])
@pytest.mark.parametrize("library", TABLES)
def test_a_table_that_lacks_a_column_is_named_as_the_caller_names_it(
    library: str, called: str
) -> None:
    frame, made = mixed(), TABLES[library]
    place = {"X_val": 2, "X_pool": 4}[called]
    arguments = parts(frame, pool=True)
    arguments[place] = arguments[place].drop(columns="b")
    arguments[::2] = [made(rows) for rows in arguments[::2]]
    with pytest.raises(ValueError, match=rf"^{called}: has no column 'b', which the"):
        advise(*arguments, **SMALL)
    by_hand = make_pipeline(
        make_column_transformer((StandardScaler(), ["a", "b"])), LogisticRegression()
    )
    words = rf"^{called} (lacks|has) the columns .*X has"
    with pytest.raises(ValueError, match=words) as refusal:
        advise(*arguments, estimator=by_hand, **SMALL)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("called", ["X", "X_val", "X_pool"])
def test_a_value_is_refused_in_the_table_that_has_it(called: str) -> None:
    arguments = parts(mixed(), pool=True)
    place = {"X": 0, "X_val": 2, "X_pool": 4}[called]
    arguments[place] = arguments[place].assign(b=np.inf)
    with pytest.raises(ValueError, match=f"^{called}: column 'b', row 0: infinity"):
        advise(*arguments, **SMALL)


def test_a_long_name_is_shortened() -> None:
    arguments = parts(mixed().rename(columns={"b": "b" * 5000}))
    arguments[2] = arguments[2].drop(columns="b" * 5000)
    with pytest.raises(ValueError, match=r"^X_val: has no column 'bbb") as refusal:
        advise(*arguments, **SMALL)
    assert len(str(refusal.value)) < 300


def test_every_option_keeps_the_settings_of_the_estimator() -> None:
    plain = LogisticRegression(fit_intercept=False, class_weight="balanced")
    found = advise(*parts(X), estimator=plain, **SMALL)
    assert_array_equal(found.model_.intercept_, 0)
    table = found.table.set_index("option")
    rows = {"train only": [TRAIN], "train + validation": [TRAIN, VALIDATION]}
    chosen = [X[part] for part in rows.get(found.option, [])]
    if chosen:
        labels = np.concatenate([Y[part] for part in rows[found.option]])
        C = found.model_.C
        expected = LogisticRegression(
            C=C, fit_intercept=False, class_weight="balanced", tol=1e-10
        ).fit(np.vstack(chosen), labels)
        assert_allclose(found.model_.coef_, expected.coef_, atol=1e-4)
    other = advise(*parts(X), estimator=LogisticRegression(), **SMALL).table
    assert not np.allclose(table["loss"], other["loss"])
