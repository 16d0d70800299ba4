"""The tables of a run, against the run's own files, the ledger and the estimator."""

import pickle
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from salutary import SalutaryClassifier, label_influence
from salutary.cli.main import main
from salutary.displays import frames
from salutary.displays.frames import RunFrames
from salutary.errors import InputError

X, Y = load_iris(return_X_y=True)
MARKED = np.where(np.arange(150) % 3 == 0, Y, -1)
COLUMNS = {
    **{"rounds": frames.ROUNDS, "labels": frames.LABELS, "scores": frames.SCORES},
    **{"class_losses": frames.CLASS_LOSSES, "variants": frames.VARIANTS},
    "influences": frames.INFLUENCES,
}


def fitted(**parameters: Any) -> SalutaryClassifier:
    model = SalutaryClassifier(budget=20, random_state=0, **parameters)
    return model.fit(X, MARKED)


@pytest.fixture(scope="module")
def model() -> SalutaryClassifier:
    return fitted()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of three rounds; its pool has ids."""
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 150)
    table = pd.DataFrame({"a": rng.normal(size=150) + kind, "b": rng.normal(size=150)})
    table["c"] = np.array(["x", "y", "z"])[rng.integers(0, 3, 150)]
    table["kind"] = np.array(["bird", "cat", "dog"])[kind]
    table[:40].to_csv(folder / "train.csv", index=False)
    table[40:85].to_csv(folder / "validation.csv", index=False)
    pool = table[85:].drop(columns="kind")
    pool.insert(0, "id", [f"p{row}" for row in range(len(pool))])
    pool.to_csv(folder / "pool.csv", index=False)
    main(
        [
            *["label", str(folder / "train.csv"), "--target", "kind", "--id", "id"],
            *["--validation", str(folder / "validation.csv"), "--quiet"],
            *["--pool", str(folder / "pool.csv"), "--out", str(folder / "run")],
            *["--budget", "12", "--batch-size", "4", "--C", "0.03"],
        ]
    )
    return folder / "run"


def tables(found: RunFrames) -> dict[str, pd.DataFrame]:
    every = {field.name: getattr(found, field.name) for field in fields(found)}
    return {name: each for name, each in every.items() if name in COLUMNS}


def test_both_sources_have_the_same_columns_of_the_same_types(
    run: Path, model: SalutaryClassifier
) -> None:
    of_run, of_model = RunFrames.of_run(run), RunFrames.of_estimator(model)
    for name, columns in COLUMNS.items():
        one, other = getattr(of_run, name), getattr(of_model, name)
        assert tuple(one.columns) == tuple(other.columns) == columns
        assert one.dtypes.to_dict() == other.dtypes.to_dict()
        assert len(one)
        assert len(other)


def test_an_estimators_rounds_are_its_history(model: SalutaryClassifier) -> None:
    found = RunFrames.of_estimator(model)
    assert found.rounds["round"].tolist() == list(range(model.n_iter_ + 1))
    for name in frames.ROUNDS:
        values = [record[name] for record in model.history_]
        if name in frames.TEXTS:
            assert found.rounds[name].tolist() == values
        else:
            assert_array_equal(found.rounds[name], np.array(values, dtype=float))
    assert found.verdict == model.verdict_.to_dict()
    assert found.facts == {}


def test_an_estimators_labels_are_its_transduction() -> None:
    model = fitted(estimator=LogisticRegression(C=0.01))
    found = RunFrames.of_estimator(pickle.loads(pickle.dumps(model)))
    kept = found.labels[~found.labels["undone"]]
    assert len(kept) == (model.labeled_iter_ > 0).sum() > 0
    rows = kept["row"].to_numpy()
    assert_array_equal(model.transduction_[rows].astype(str), kept["label"])
    assert_array_equal(model.labeled_iter_[rows], kept["round"])
    assert_array_equal(model.influence_[rows], kept["influence"])
    assert_array_equal(model.influence_se_[rows], kept["influence_se"])
    assert kept["id"].tolist() == kept["row"].astype(str).tolist()


def of_parts(found: RunFrames) -> tuple[np.ndarray, np.ndarray]:
    shape = len(found.labels), len(found.classes)
    names = ("influence", "probability")
    return tuple(found.scores[name].to_numpy().reshape(shape) for name in names)


@pytest.mark.parametrize("source", ["run", "estimator"])
def test_guess_and_runner_up_are_of_the_scores(
    source: str, run: Path, model: SalutaryClassifier
) -> None:
    found = RunFrames.of_run(run) if source == "run" else RunFrames.of_estimator(model)
    influence, probability = of_parts(found)
    named = np.array(found.classes)
    labels = found.labels
    assert_array_equal(labels["guess"], named[probability.argmax(axis=1)])
    assert_array_equal(labels["guess_probability"], probability.max(axis=1))
    own = named[:, None] == labels["label"].to_numpy(str)
    assert_array_equal(labels["influence"], influence[own.T])
    assert_array_equal(labels["probability"], probability[own.T])
    others = np.where(own.T, -np.inf, influence)
    assert_array_equal(labels["runner_up"], named[others.argmax(axis=1)])
    assert_array_equal(labels["runner_up_influence"], others.max(axis=1))


def test_the_first_round_is_that_of_the_public_influence() -> None:
    rng = np.random.default_rng(0)
    X_val, y_val = X[1::3] + rng.normal(size=(50, 4)) / 5, Y[1::3]
    pool = np.flatnonzero(MARKED == -1)
    model = SalutaryClassifier(
        LogisticRegression(C=0.1), budget=8, batch_size=8, random_state=0
    ).fit(X, MARKED, X_val, y_val)
    found = RunFrames.of_estimator(model)
    start = LogisticRegression(C=0.1, tol=1e-10, max_iter=10_000)
    start.fit(X[::3], Y[::3])
    influence = label_influence(
        start, X[pool], X_train=X[::3], y_train=Y[::3], X_val=X_val, y_val=y_val
    )
    largest = influence.max(axis=1)
    for label in found.labels.itertuples():
        own = influence[np.searchsorted(pool, label.row), int(label.label)]
        assert label.influence == pytest.approx(own, rel=1e-5)
        others = np.delete(largest, np.searchsorted(pool, label.row))
        assert label.rank == 1 + (others > own * (1 + 1e-5)).sum()
        distance = np.linalg.norm(X[::3] - X[label.row], axis=1).min()
        assert label.distance == pytest.approx(distance, abs=1e-12)
    held = found.influences
    edges = np.append(held["lower"], held["upper"].iloc[-1:])
    inside = [
        ((largest >= low) & (largest < high)).sum()
        for low, high in zip(held["lower"], held["upper"], strict=True)
    ]
    assert held["n_rows"].tolist() == inside
    assert held["n_rows"].sum() == len(pool)
    assert (np.diff(edges) > 0).all()


def test_rounds_have_scikit_learns_figures_of_refitted_models() -> None:
    X_val, y_val = X[1::3] + 1e-3, Y[1::3]
    model = SalutaryClassifier(guard=False, budget=20, random_state=0)
    model.fit(X, MARKED, X_val, y_val)
    found = RunFrames.of_estimator(model)
    assert np.isnan(found.rounds.filter(like="canary").to_numpy()).all()
    assert np.isnan(found.class_losses["canary_loss"]).all()
    for figures in found.rounds.itertuples():
        own = (model.labeled_iter_ >= 0) & (model.labeled_iter_ <= figures.round)
        refit = LogisticRegression(tol=1e-10, max_iter=10_000)
        refit.fit(X[own], model.transduction_[own])
        guess, chance = refit.predict(X_val), refit.predict_proba(X_val)
        assert figures.n_labeled == own.sum()
        assert figures.validation_accuracy == accuracy_score(y_val, guess)
        balanced = balanced_accuracy_score(y_val, guess)
        assert figures.validation_balanced_accuracy == pytest.approx(balanced)
        losses = found.class_losses.query("round == @figures.round")
        expected = [
            log_loss(y_val[y_val == k], chance[y_val == k], labels=[0, 1, 2])
            for k in range(3)
        ]
        assert_allclose(losses["validation_loss"], expected, rtol=1e-4)


def test_the_variant_that_is_taken_has_the_lowest_held_out_loss(run: Path) -> None:
    found = RunFrames.of_run(run)
    for _, tried in found.variants.groupby("round"):
        assert set(tried["variant"]) == {"p^0", "p^1", "p^2"}
        best = tried.loc[tried["canary_loss"].idxmin()]
        assert best["chosen"]
        assert tried["chosen"].sum() == 1
        own = found.rounds[found.rounds["round"] == tried["round"].iloc[0]]
        assert own["variant"].item() == best["variant"]
        assert own["canary_loss"].item() == pytest.approx(best["canary_loss"], abs=1e-3)


def test_the_labels_of_a_run_are_those_of_its_file(run: Path) -> None:
    found = RunFrames.of_run(run)
    labels = found.labels[~found.labels["undone"]]
    expected = pq.read_table(run / "labels.parquet").to_pandas()
    for name in ("id", "label", "influence", "influence_se", "probability", "round"):
        assert_array_equal(labels[name], expected[name])
    assert found.best_round == found.rounds.query("~undone")["round"].max()


def test_views_are_a_reader_already(run: Path) -> None:
    """They have what the frames have, for whoever opens the file alone."""
    found = RunFrames.of_run(run)
    with closing(sqlite3.connect(run / "ledger.sqlite")) as connection:
        for view in ("rounds", "labels"):
            cursor = connection.execute(f"SELECT * FROM {view}_shown")
            names = [column[0] for column in cursor.description]
            assert names == list(COLUMNS[view])
            rows = pd.DataFrame(cursor.fetchall(), columns=names, dtype=object)
            expected = getattr(found, view)
            assert_frame_equal(rows.astype(expected.dtypes), expected)


def test_facts_say_what_the_run_was_made_of(run: Path) -> None:
    facts = RunFrames.of_run(run).facts
    assert facts["features"] == {"a": "number", "b": "number", "c": "category"}
    assert facts["command"][:2] == ["salutary", "label"]
    assert facts["command"][-2:] == ["--C", "0.03"]
    assert pd.Timestamp(facts["started"]).utcoffset() == pd.Timedelta(0)
    for name in ("train", "validation", "pool"):
        assert facts["files"][name] == str(run.parent / f"{name}.csv")
    assert RunFrames.of_run(run).verdict == facts["report"]["outcome"]["verdict"]


def test_without_a_pool_the_tables_are_empty() -> None:
    model = SalutaryClassifier(LogisticRegression(max_iter=1000), random_state=0)
    with pytest.warns(UserWarning, match="no unlabeled row"):
        model.fit(X, Y)
    found = RunFrames.of_estimator(model)
    for name, columns in COLUMNS.items():
        assert tuple(getattr(found, name).columns) == columns
        assert len(getattr(found, name)) == 0


def test_what_is_no_run_is_refused_in_a_line(tmp_path: Path, run: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere", run / "run.json"):
        with pytest.raises(InputError, match=r"holds no run; pass the --out of one$"):
            RunFrames.of_run(path)
    ledger = tmp_path / "ledger.sqlite"
    ledger.write_bytes(b"x" * 200)
    with pytest.raises(InputError, match="holds no record of labels"):
        RunFrames.of_run(tmp_path)
    ledger.write_bytes((run / "ledger.sqlite").read_bytes())
    edit(tmp_path, "UPDATE influences SET n_rows = n_rows + 1 WHERE round = 1")
    with pytest.raises(InputError, match="is not as it was written"):
        RunFrames.of_run(tmp_path)
    edit(tmp_path, "PRAGMA user_version = 6")
    with pytest.raises(InputError, match="is of another version of salutary"):
        RunFrames.of_run(tmp_path)


def edit(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as connection:
        connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize("make", [lambda: SalutaryClassifier(), lambda: None])
def test_an_estimator_that_is_not_fitted_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises((NotFittedError, TypeError)):
        RunFrames.of_estimator(make())


def test_an_estimator_that_labels_no_rows_is_refused() -> None:
    with pytest.raises(TypeError, match="LogisticRegression labels no rows; pass"):
        RunFrames.of_estimator(LogisticRegression(max_iter=1000).fit(X, Y))
