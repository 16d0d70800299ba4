"""Displays of real runs: from an estimator, from a directory, and refusals."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from salutary import (
    AdviceDisplay,
    InputError,
    LabelDisplay,
    LearningCurveDisplay,
    PromiseDisplay,
    SalutaryClassifier,
    advise,
)
from salutary.cli.main import main
from tests.displays.made import verdict

pytestmark = pytest.mark.slow

X, Y = load_iris(return_X_y=True)
OF_RUNS: tuple[Any, ...] = (LearningCurveDisplay, LabelDisplay, PromiseDisplay)


@pytest.fixture(scope="module")
def model() -> SalutaryClassifier:
    marked = np.where(np.arange(150) % 3 == 0, Y, -1)
    return SalutaryClassifier(budget=20, random_state=0).fit(X, marked)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The words that name three small tables."""
    folder = tmp_path_factory.mktemp("tables")
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["kind"] = np.array(["$x_1$", "<b>", "cat"])[Y]
    frame[::5].to_csv(folder / "train.csv", index=False)
    frame[1::5].to_csv(folder / "validation.csv", index=False)
    frame[2::5].drop(columns="kind").to_csv(folder / "pool.csv", index=False)
    return [
        *[str(folder / "train.csv"), "--validation", str(folder / "validation.csv")],
        *["--pool", str(folder / "pool.csv"), "--target", "kind", "--quiet"],
        *["--budget", "6", "--batch-size", "3", "--out"],
    ]


@pytest.fixture(scope="module")
def run(tables: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    main(["label", *tables, str(out)])
    return out


@pytest.fixture(scope="module")
def advised(tables: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("advised") / "out"
    main(["advise", *tables, str(out), "--splits", "2", "--repeats", "1"])
    return out


def draw(display: Any) -> None:
    drawn = display.plot(Figure(layout="constrained").subplots())
    drawn.figure_.canvas.draw()


def test_the_frames_are_what_a_fitted_estimator_says(model: SalutaryClassifier) -> None:
    curve = LearningCurveDisplay.from_estimator(model).frame
    for column in ("round", "n_labeled", "validation_loss", "canary_loss", "undone"):
        assert_array_equal(curve[column], [row[column] for row in model.history_])
    losses = model.verdict_.table.set_index("option")["loss"]
    for name in ("train + validation", "train only"):
        assert (curve[name] == losses[name]).all()

    labels = LabelDisplay.from_estimator(model).frame
    kept = labels[~labels["undone"]]
    assert_array_equal(kept["influence"], model.influence_[kept["row"]])
    assert_allclose(
        kept["upper"] - kept["influence"], 2 * model.influence_se_[kept["row"]]
    )
    given = model.transduction_[kept["row"]]
    assert_array_equal(kept["label"], given.astype(str))

    promise = PromiseDisplay.from_estimator(model).frame
    losses = np.array([row["validation_loss"] for row in model.history_])
    assert_allclose(promise["validation"], losses[:-1] - losses[1:])
    for number, promised in zip(promise["round"], promise["promised"], strict=True):
        if number <= model.labeled_iter_.max():
            influences = model.influence_[model.labeled_iter_ == number]
            assert promised == pytest.approx(influences.sum())


@pytest.mark.parametrize("display", OF_RUNS)
def test_real_runs_are_drawn(
    display: Any, model: SalutaryClassifier, run: Path
) -> None:
    draw(display.from_estimator(model))
    draw(display.from_run(run))
    draw(display.from_run(str(run)))


@pytest.mark.parametrize("display", OF_RUNS)
def test_without_a_pool_there_is_nothing_to_draw(display: Any) -> None:
    model = SalutaryClassifier(LogisticRegression(max_iter=1000))
    with pytest.warns(UserWarning, match="no unlabeled row"):
        model.fit(X, Y)
    draw(display.from_estimator(model))
    assert len(display.from_estimator(model).frame) == 0


def test_the_frame_of_a_run_has_the_labels_that_it_wrote(run: Path) -> None:
    frame = LabelDisplay.from_run(run).frame
    written = pd.read_parquet(run / "labels.parquet")
    kept = frame[~frame["undone"]]
    assert_array_equal(kept["influence"], written["influence"])
    assert_array_equal(kept["label"], written["label"])


def test_an_advice_is_drawn_from_a_directory(advised: Path) -> None:
    display = AdviceDisplay.from_run(advised)
    assert display.frame["option"].tolist()[:2] == ["train + validation", "train only"]
    assert display.objective == "log loss"
    draw(display)


def test_an_advice_draws_itself() -> None:
    advice = advise(X[::9], Y[::9], X[1::3], Y[1::3], splits=2, repeats=1)
    ax = Figure().subplots()
    display = advice.plot(ax, markersize=9)
    assert display.ax_ is ax
    assert display.option == advice.option
    columns = ["option", "loss", "difference", "lower", "upper"]
    pd.testing.assert_frame_equal(display.frame[columns], advice.table[columns])


def nothing(advised: Path, tmp_path: Path) -> Path:
    return tmp_path


def a_table(advised: Path, tmp_path: Path) -> Path:
    (tmp_path / "ledger.sqlite").write_text("a,b\n1,2\n")
    return tmp_path


def edited(advised: Path, tmp_path: Path) -> Path:
    (tmp_path / "ledger.sqlite").write_bytes((advised / "ledger.sqlite").read_bytes())
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("UPDATE run SET value = 'null' WHERE key = 'report'")
    return tmp_path


def unfinished(advised: Path, tmp_path: Path) -> Path:
    from salutary.ledgers.advice_ledger import AdviceLedger

    edited(advised, tmp_path)
    with AdviceLedger(tmp_path / "ledger.sqlite") as ledger:
        ledger.set_facts(report=None)
    return tmp_path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (nothing, "holds no comparison; pass the --out of 'salutary advise'"),
        (a_table, "holds no comparison"),
        (edited, "is not as it was written"),
        (unfinished, "is not finished"),
    ],
)
def test_what_is_no_finished_advice_is_refused(
    make: Callable[[Path, Path], Path], message: str, advised: Path, tmp_path: Path
) -> None:
    path = make(advised, tmp_path)
    before = {file: file.read_bytes() for file in path.iterdir()}
    with pytest.raises(InputError, match=message) as refusal:
        AdviceDisplay.from_run(path)
    assert len(str(refusal.value).splitlines()) == 1
    assert {file: file.read_bytes() for file in path.iterdir()} == before


def test_a_run_that_labels_is_no_advice_and_the_other_way_round(
    run: Path, advised: Path
) -> None:
    with pytest.raises(InputError, match="holds no comparison"):
        AdviceDisplay.from_run(run)
    with pytest.raises(InputError, match="holds no record of labels"):
        LabelDisplay.from_run(advised)


def test_a_fine_tuners_verdict_is_about_other_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from salutary.displays.frames import RunFrames
    from tests.displays.made import frames

    monkeypatch.setattr(RunFrames, "of_estimator", lambda model: frames())
    deep = type("Deep", (), {"trainer_": None})()
    for model, known in ((deep, False), (object(), True)):
        frame = LearningCurveDisplay.from_estimator(model).frame
        assert ("train only" in frame) == known
    assert frames().verdict == verdict()
