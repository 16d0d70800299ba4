"""``salutary label``: what it writes, against scikit-learn, sqlite3 and pandas."""

import hashlib
import json
import platform
import sqlite3
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

import salutary
from salutary.cli.run_summary import label_summary

pytestmark = pytest.mark.slow

Run = Callable[..., Path]

FILES = {
    *("labels.parquet", "ledger.sqlite", "model.skops"),
    *("run.json", "metrics.jsonl", "config.toml", "run.lock"),
}


def labels_of(run: Path) -> pa.Table:
    return pa.parquet.read_table(run / "labels.parquet")


def report_of(run: Path) -> dict:
    return json.loads((run / "run.json").read_text())


def query(run: Path, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(run / "ledger.sqlite")) as connection:
        return connection.execute(statement).fetchall()


def features(run: Path, table: Path) -> np.ndarray:
    """A table's features as the run's model sees them."""
    frame = pa.csv.read_csv(table).to_pandas()
    return np.asarray(salutary.load(run)[:-1].transform(frame))


def refit(X: np.ndarray, y: np.ndarray, C: float = 1.0) -> LogisticRegression:
    return LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12).fit(
        X.astype(float), y
    )


def coefficients(run: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Those of every round, from 0, as the ledger's bytes say."""
    rows = query(run, "SELECT coef, intercept FROM rounds ORDER BY round")
    floats = [[np.frombuffer(blob, "<f8") for blob in row] for row in rows]
    return [(coef.reshape(len(bias), -1), bias) for coef, bias in floats]


@pytest.mark.parametrize("guard", [[], ["--no-guard"]], ids=["guard", "no guard"])
@pytest.mark.parametrize("rule", ["tempered", "plausible", "paper"])
def test_labels_are_the_ledgers_in_the_order_of_assignment(
    rule: str, guard: list[str], run: Run
) -> None:
    path = run("--rule", rule, *guard)
    labels = labels_of(path).to_pydict()
    columns = ["id", "label", "influence", "influence_se", "probability", "round"]
    assert list(labels) == [*columns, "rule"]
    rows = query(path, f"SELECT {', '.join(columns)} FROM assigned")
    assert list(zip(*(labels[column] for column in columns), strict=True)) == rows
    assert min(labels["influence_se"]) > 0
    assert labels["round"] == [1] * 5 + [2] * 5 + [3] * 5
    assert set(labels["rule"]) == {rule}
    variants = [name for (name,) in query(path, "SELECT variant FROM rounds")][1:]
    expected = {"plausible": {"p^1"}, "paper": {"p^0"}}
    assert set(variants) <= expected.get(rule, {"p^0", "p^1", "p^2"})
    exponents = np.repeat([float(name[2:]) for name in variants], 5)
    score = labels["influence"] * np.power(labels["probability"], exponents)
    assert (score > 0).all()
    if rule != "tempered":  # which picks one by one
        score = score.reshape(3, 5)
        assert (np.diff(score, axis=1) <= 1e-6 * score[:, 1:]).all()


def test_the_tempered_rule_is_the_default(run: Run) -> None:
    assert set(labels_of(run())["rule"].to_pylist()) == {"tempered"}


def test_a_run_leaves_its_files_and_the_card_on_standard_error(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {path.name for path in run().iterdir()} == FILES
    out, err = capsys.readouterr()
    assert any(line.startswith("TRAIN  ") for line in err.splitlines())
    assert "warning: " not in err
    assert "Labels assigned: 15" in out


def test_first_influences_are_those_of_the_start_model(run: Run, folder: Path) -> None:
    path = run("--no-guard", "--rule", "plausible", "--C", "1")
    train, validation = (
        pd.read_csv(folder / f"{name}.csv") for name in ("train", "validation")
    )
    X, X_pool = (features(path, folder / f"{name}.csv") for name in ("train", "pool"))
    model = refit(X, train["kind"])
    expected = salutary.label_influence(
        model,
        X_pool.astype(float),
        X_train=X,
        X_val=features(path, folder / "validation.csv"),
        y_val=validation["kind"],
    )
    # Every class's influence and probability, for the five rows of round 1 ...
    scores = query(
        path,
        "SELECT row, influence, probability FROM labels JOIN class_scores "
        "USING (position) WHERE round = 1 ORDER BY position, class_scores.class",
    )
    rows, influence, probability = np.array(scores).T.reshape(3, 5, 3)
    chosen = rows[:, 0].astype(int)
    np.testing.assert_allclose(influence, expected[chosen], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(
        probability, model.predict_proba(X_pool)[chosen], rtol=1e-4
    )
    # ... which are the best of the pool, with their best class.
    score = expected * model.predict_proba(X_pool)
    assert chosen.tolist() == np.argsort(-score.max(axis=1))[:5].tolist()
    best = model.classes_[score[chosen].argmax(axis=1)].tolist()
    assert labels_of(path)["label"].to_pylist()[:5] == best


@pytest.mark.parametrize("binary", [False, True])
def test_every_rounds_coefficients_are_those_of_a_refit(
    binary: bool, run: Run, folder: Path
) -> None:
    if binary:
        for name in ("train", "validation"):
            frame = pd.read_csv(folder / f"{name}.csv").replace({"kind": "dog"}, "cat")
            frame.to_csv(folder / f"{name}.csv", index=False)
    path = run("--C", "0.3", "--no-guard")
    X, X_pool = (features(path, folder / f"{name}.csv") for name in ("train", "pool"))
    y = pd.read_csv(folder / "train.csv")["kind"].to_numpy(object)
    labels = labels_of(path).to_pandas()
    rows = labels["id"].str.removeprefix("p").astype(int)
    found = coefficients(path)
    assert len(found) == 4
    for number, (coef, intercept) in enumerate(found):
        kept = labels["round"] <= number
        model = refit(
            np.vstack([X, X_pool[rows[kept]]]),
            np.concatenate([y, labels["label"][kept]]),
            C=0.3,
        )
        np.testing.assert_allclose(coef, model.coef_, atol=1e-5)
        np.testing.assert_allclose(intercept, model.intercept_, atol=1e-5)
    final = salutary.load(path)["classify"]
    np.testing.assert_array_equal(final.coef_, found[-1][0])
    np.testing.assert_array_equal(final.intercept_, found[-1][1])


def test_ledger_and_report_hold_settings_data_and_versions(
    run: Run, folder: Path
) -> None:
    path = run("--C", "0.5", "--seed", "7", "--rule", "paper", "--no-guard")
    facts = {key: json.loads(value) for key, value in query(path, "SELECT * FROM run")}
    assert facts["settings"] == {
        "target": "kind",
        "id": "id",
        "group": None,
        "keep": [],
        "rule": "paper",
        "C": 0.5,
        "batch_size": 5,
        "guard": False,
        "seed": 7,
        "min_influence_z": 0.0,
        "estimate": "first_order",
        "objective": "log_loss",
        **dict.fromkeys(["text", "embedder", "pooling", "validation_fraction"]),
        "budget": 15,
    }
    tables = {name: folder / f"{name}.csv" for name in ("train", "validation", "pool")}
    hashes = {
        name: hashlib.sha256(table.read_bytes()).hexdigest()
        for name, table in tables.items()
    }
    assert facts["data"] == hashes
    assert facts["versions"]["python"] == platform.python_version()
    for package in ("salutary", "numpy", "scikit-learn", "skrub"):
        assert facts["versions"][package] == version(package)
    report = report_of(path)
    assert report["settings"] == facts["settings"]
    assert report["versions"] == facts["versions"]
    assert report["data"] == {
        name: {
            "file": str(table),
            "sha256": hashes[name],
            "rows": len(pd.read_csv(table)),
        }
        for name, table in tables.items()
    }
    assert report["outcome"]["labels"] == 15
    assert query(path, "PRAGMA foreign_key_check") == []
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert query(path, "SELECT count(*) FROM class_scores") == [(45,)]


def test_rounds_the_guard_undoes_are_recorded_but_not_assigned(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run("--rule", "paper", "--C", "100", "--budget", "40", "--batch-size", "40")
    rounds = query(path, "SELECT round, n_labeled, verdict FROM rounds")
    assert rounds[0] == (0, 45, "kept")
    assert rounds[1][:2] == (1, 85)
    assert rounds[1][2] in ("waiting", "harmful")
    assert query(path, "SELECT count(*) FROM labels") == [(40,)]
    assert query(path, "SELECT count(*) FROM assigned") == [(0,)]
    labels = labels_of(path)
    assert labels.num_rows == 0
    assert labels.schema.field("label").type == pa.string()
    final = salutary.load(path)["classify"]
    np.testing.assert_array_equal(final.coef_, coefficients(path)[0][0])
    X = features(path, folder / "train.csv")
    start = refit(X, pd.read_csv(folder / "train.csv")["kind"], C=100)
    # Under so weak a penalty solvers stop a little apart.
    np.testing.assert_allclose(final.coef_, start.coef_, atol=1e-4)
    outcome = report_of(path)["outcome"]
    loss = query(path, "SELECT canary_loss FROM rounds WHERE round = 0")[0][0]
    assert [outcome[name] for name in ("termination", "labels", "refused_rounds")] == [
        *("guard", 0, 1)
    ]
    assert outcome["labels_by_class"] == {"bird": 0, "cat": 0, "dog": 0}
    assert outcome["canary_loss"] == [loss, loss]
    assert outcome["canary_se"] is None
    out = capsys.readouterr().out
    assert "rounds: 1; the guard undid the last round\n" in out
    assert "no label was kept" in out
    (canary,) = (
        line for line in out.splitlines() if line.startswith("  held-out loss")
    )
    assert "±" not in canary


def test_the_estimate_is_used_and_recorded(run: Run, folder: Path) -> None:
    path = run("--estimate", "newton", "--no-guard", "--budget", "5")
    assert report_of(path)["settings"]["estimate"] == "newton"
    assert query(path, "SELECT variant FROM rounds")[1:] == [("p^1",)]
    # Each pick is what the loss falls by, with it and those before it, on refitting.
    X, X_pool, X_val = (
        features(path, folder / f"{name}.csv")
        for name in ("train", "pool", "validation")
    )
    y, y_val = (
        pd.read_csv(folder / f"{name}.csv")["kind"].to_numpy(object)
        for name in ("train", "validation")
    )
    labels = labels_of(path).to_pydict()
    rows = [int(name.removeprefix("p")) for name in labels["id"]]
    losses = []
    for number in range(6):
        model = refit(
            np.vstack([X, X_pool[rows[:number]]]),
            np.concatenate([y, labels["label"][:number]]),
            C=0.03,
        )
        losses.append(log_loss(y_val, model.predict_proba(X_val)))
    np.testing.assert_allclose(labels["influence"], -np.diff(losses), rtol=1e-2)


def test_labels_meet_the_z_that_is_asked_for(run: Run) -> None:
    path = run("--min-influence-z", "1.2", "--no-guard", "--C", "1")
    labels = labels_of(path).to_pandas()
    assert len(labels) > 0
    assert (labels["influence"] / labels["influence_se"] >= 1.2).all()
    assert report_of(path)["settings"]["min_influence_z"] == 1.2
    run("--no-guard", "--C", "1", "--out", str(path.parent / "free"))
    free = labels_of(path.parent / "free").to_pandas()
    assert (free["influence"] / free["influence_se"] < 1.2).any()


def test_a_z_that_nothing_meets_ends_the_run_with_the_start_model(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run("--min-influence-z", "1e6", "-q")
    outcome = report_of(path)["outcome"]
    assert (outcome["termination"], outcome["labels"], outcome["rounds"]) == (
        *("no_positive_influence", 0),
        0,
    )
    labels = labels_of(path)
    assert labels.num_rows == 0
    assert labels.schema.field("influence_se").type == pa.float64()
    np.testing.assert_array_equal(
        salutary.load(path)["classify"].coef_, coefficients(path)[0][0]
    )
    out, err = capsys.readouterr()
    assert "warning: " not in err
    assert "Labels assigned: 0" in out
    assert "No row of the last shortlist had an influence of 1e+06 standard" in out


def test_every_validation_row_is_the_canary_of_a_fold(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run()
    outcome = report_of(path)["outcome"]
    assert (outcome["validation_rows"], outcome["canary_rows"]) == (45, 45)
    assert (outcome["termination"], outcome["refused_rounds"]) == ("budget", 0)
    # Before the first round every fold has the same model: that of all rows.
    assert outcome["canary_loss"][0] == pytest.approx(outcome["validation_loss"][0])
    assert query(path, "SELECT count(*) FROM fold_models") == [(4 * 3,)]
    last = query(path, "SELECT canary_loss, canary_fall, canary_se FROM rounds")[-1]
    assert outcome["canary_loss"][1] == last[0]
    assert outcome["canary_se"] == last[2] > 0
    assert last[1] == pytest.approx(outcome["canary_loss"][0] - last[0])
    out = capsys.readouterr().out
    start = outcome["canary_loss"][0]
    assert (
        f"held-out loss      {start:.4f} -> {last[0]:.4f}, by {last[1]:.4f} ± "
        f"{last[2]:.4f}, on 45 validation rows, each unseen by the run that it judges\n"
        in out
    )


def test_without_a_guard_there_are_no_canary_rows(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = report_of(run("--no-guard"))["outcome"]
    assert (outcome["validation_rows"], outcome["canary_rows"]) == (45, 0)
    assert (outcome["canary_loss"], outcome["canary_se"]) == ([None, None], None)
    assert outcome["refused_rounds"] == 0
    out = capsys.readouterr().out
    assert "held-out" not in out
    assert "ended with the budget" in out


@pytest.mark.parametrize("better", [True, False])
def test_a_start_model_no_better_than_guessing_is_told_of(
    better: bool,
    run: Run,
    folder: Path,
    frames: dict[str, pd.DataFrame],
    capsys: pytest.CaptureFixture[str],
) -> None:
    share = frames["train"]["kind"].value_counts(normalize=True)
    if not better:
        validation = frames["validation"]
        # Labels that contradict the training table's.
        validation["kind"] = validation["kind"].map(
            {"bird": "dog", "cat": "bird", "dog": "bird"}
        )
        validation.to_csv(folder / "validation.csv", index=False)
    outcome = report_of(run("--no-guard", "--C", "1"))["outcome"]
    guessing = -np.log(frames["validation"]["kind"].map(share)).mean()
    assert outcome["guessing_loss"] == pytest.approx(guessing)
    assert (outcome["validation_loss"][0] < guessing) == better
    told = "warning: the start model is no better than guessing"
    out, err = capsys.readouterr()
    assert (told in err) == (not better)
    assert told not in out.lower()


def test_many_columns_show_what_is_going_on(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for name in ("train", "validation", "pool"):
        frame = pd.read_csv(folder / f"{name}.csv")
        wide = pd.DataFrame(rng.normal(size=(len(frame), 30)).round(3))
        pd.concat([frame, wide.add_prefix("x")], axis=1).to_csv(
            folder / f"{name}.csv", index=False
        )
    run("--budget", "5")
    lines = capsys.readouterr().err.splitlines()
    lines = lines[lines.index("reading the tables") :]
    assert lines[:4] == [
        *("reading the tables", "encoding the columns", "checking the tables"),
        "fitting the first model",
    ]
    assert lines[4].startswith("TRAIN  ")
    assert lines[-2].startswith("round 1: ")
    assert lines[-1] == "writing the results"


@pytest.mark.parametrize(
    ("refused", "words"),
    [(1, "the guard undid the last round"), (3, "the guard undid the last 3 rounds")],
)
def test_the_summary_counts_what_the_guard_undid(
    refused: int, words: str, run: Run
) -> None:
    report = report_of(run())
    report["outcome"].update(termination="guard", refused_rounds=refused)
    lines = label_summary(report, Path("run"))
    assert lines[0] == (
        f"Labels assigned: 15, by the rule 'tempered'; rounds: 3; {words}"
    )
    alone = "The model is the one fitted on the training table alone."
    assert alone not in lines
    report["outcome"]["labels"] = 0
    assert alone in label_summary(report, Path("run"))


def test_the_summary_ends_with_the_verdict(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict = report_of(run())["outcome"]["verdict"]
    out = capsys.readouterr().out
    assert verdict["sentence"] in out.splitlines()
    options = [row["option"] for row in verdict["options"]]
    assert options == [
        *("train + validation", "train only", "validation only"),
        "train + weighted validation",
        *("salutary", "salutary + validation"),
    ]
    (marked,) = (line for line in out.splitlines() if line.startswith("> "))
    assert marked.startswith(f"> {verdict['option']}  ")


def test_without_a_guard_there_is_no_verdict(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_of(run("--no-guard"))["outcome"]["verdict"] is None
    assert "Advice" not in capsys.readouterr().out


def test_the_whole_pool_is_labeled_once_when_the_budget_is_larger(
    run: Run, folder: Path
) -> None:
    path = run("--budget", "1000", "--batch-size", "25", "--no-guard")
    assert sorted(labels_of(path)["id"].to_pylist()) == sorted(
        pd.read_csv(folder / "pool.csv")["id"]
    )
    assert report_of(path)["outcome"]["termination"] == "pool_exhausted"


@pytest.mark.parametrize(
    ("option", "labels", "is_said"),
    [("train + validation", 3, True), ("salutary", 3, False), ("train only", 0, False)],
)
def test_a_model_of_labels_that_are_not_advised_is_said_to_be_one(
    option: str, labels: int, is_said: bool, run: Callable[..., Path]
) -> None:
    report = report_of(run("--budget", "5"))
    outcome = report["outcome"]
    assert outcome["verdict"]
    verdict = {**outcome["verdict"], "option": option}
    outcome = {**outcome, "labels": labels, "verdict": verdict}
    lines = label_summary({**report, "outcome": outcome}, Path("out"))
    words = "model.skops is fitted on TRAIN with these labels, whatever is advised."
    assert (words in lines) == is_said
    assert any(line.startswith("'salutary advise' judges by more") for line in lines)
