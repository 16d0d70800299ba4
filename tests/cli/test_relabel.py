"""``salutary relabel``: what it writes, against the tables and scikit-learn."""

import csv
import io
import json
import multiprocessing
import shutil
import signal
import sqlite3
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

import salutary
from salutary.cli.main import main
from salutary.labeling.tuning import PENALTIES
from salutary.ledgers.run_ledger import Ledger
from tests.ledgers.contents import ledger_of
from tests.words import once

pytestmark = pytest.mark.slow

KINDS = np.array(["bird", "cat", "dog"])
NOTES = ["007", None, "a,b", 'say "so"', "é\u2028ü", " led", "1.50", "TRUE", "x\ny"]
RESULTS = {
    *("switches.parquet", "ledger.sqlite", "model.skops"),
    *("run.json", "metrics.jsonl", "config.toml", "run.lock"),
}
COLUMNS = ["id", "old_label", "label", "influence", "influence_se", "probability"]


def blobs(n_rows: int, noise: float, seed: int) -> pd.DataFrame:
    """Rows of three kinds, some under the name of the next."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n_rows)
    return pd.DataFrame(
        {
            "id": [f"{row:03d}" for row in range(n_rows)],
            "size": (2.5 * kind + rng.normal(size=n_rows)).round(2),
            "age": rng.normal(size=n_rows).round(2),
            "note": np.resize(np.array(NOTES, dtype=object), n_rows),
            "kind": KINDS[np.where(rng.random(n_rows) < noise, (kind + 1) % 3, kind)],
        }
    )


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    return blobs(90, 0.25, 0), blobs(60, 0.0, 1).drop(columns="id")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    for name, frame in zip(("train", "validation"), tables(), strict=True):
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


def arguments(folder: Path, out: Path, *further: str) -> list[str]:
    words = [
        *["relabel", str(folder / "train.csv"), "--target", "kind", "--id", "id"],
        *["--validation", str(folder / "validation.csv"), "--out", str(out)],
        *["--budget", "12", "--batch-size", "5", "--C", "1", *further],
    ]
    return once(words)


@pytest.fixture(scope="module")
def finished(source: Path) -> Path:
    with warnings.catch_warnings():
        main(arguments(source, source / "finished"))
    return source / "finished"


@pytest.fixture
def folder(source: Path, tmp_path: Path) -> Path:
    """A directory with the tables, and nothing else."""
    for name in ("train", "validation"):
        shutil.copy(source / f"{name}.csv", tmp_path)
    return tmp_path


@pytest.fixture
def run_dir(finished: Path, folder: Path) -> Path:
    """A finished run of the tables, a copy for each test."""
    return shutil.copytree(finished, folder / "run")


def switches_of(run: Path) -> pd.DataFrame:
    return pa.parquet.read_table(run / "switches.parquet").to_pandas()


def report_of(run: Path) -> dict:
    return json.loads((run / "run.json").read_text())


def query(run: Path, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(run / "ledger.sqlite")) as connection:
        return connection.execute(statement).fetchall()


def with_switches(frame: pd.DataFrame, switches: pd.DataFrame) -> pd.DataFrame:
    """The training table with the switches made by hand."""
    changed = frame.set_index("id", drop=False)
    for line in switches.itertuples():
        assert changed.loc[line.id, "kind"] == line.old_label != line.label
        changed.loc[line.id, "kind"] = line.label
    return changed.reset_index(drop=True)


def test_switches_are_the_ledgers_in_their_order(run_dir: Path) -> None:
    written = {*RESULTS, "cleaned.csv", "report.html"}
    assert {path.name for path in run_dir.iterdir()} == written
    switches = switches_of(run_dir)
    assert switches.columns.tolist() == [*COLUMNS, "round", "rule"]
    assert len(switches) == 12
    assert switches["id"].is_unique
    assert set(switches["rule"]) == {"tempered"}
    assert switches["round"].tolist() == [1] * 5 + [2] * 5 + [3] * 2
    assert (switches[["influence", "influence_se"]] > 0).all(axis=None)
    named = ["id", "label", "influence", "influence_se", "probability", "round"]
    rows = query(run_dir, f"SELECT {', '.join(named)} FROM assigned")
    assert rows == list(switches[named].itertuples(index=False, name=None))
    assert query(run_dir, "SELECT value FROM run WHERE key = 'kind'") == [
        ('"relabel"',)
    ]


def test_the_cleaned_table_is_the_training_table_but_for_the_switches(
    run_dir: Path, folder: Path
) -> None:
    train, _ = tables()
    expected = with_switches(train, switches_of(run_dir))
    assert (expected["kind"] != train["kind"]).sum() == 12
    text = expected.to_csv(index=False)
    assert (run_dir / "cleaned.csv").read_bytes().decode() == text
    lines = (folder / "train.csv").read_text().splitlines(keepends=True)
    assert lines[2].startswith("001,")  # as quoted as need be in the input, too
    assert sum(a != b for a, b in zip(lines, text.splitlines(True), strict=True)) == 12


def test_wrong_labels_are_switched_far_more_often_than_right_ones(
    run_dir: Path,
) -> None:
    train, _ = tables()
    wrong = train["kind"] != blobs(90, 0.0, 0)["kind"]
    hit = wrong[switches_of(run_dir)["id"].astype(int)]
    assert wrong.mean() < 0.2
    assert hit.mean() > 0.4


def features(run: Path, table: pd.DataFrame) -> np.ndarray:
    return np.asarray(salutary.load(run)[:-1].transform(table)).astype(float)


def test_without_C_the_best_by_the_validation_table_is_taken(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word for word in arguments(source, tmp_path / "run") if word != "--C"]
    words.remove("1")
    main(words)
    report = report_of(tmp_path / "run")
    C = report["outcome"]["C"]
    assert report["settings"]["C"] is None
    assert f"C                  {C:g}, tuned by the validation table" in (
        capsys.readouterr().out
    )
    train, validation = tables()
    X, X_val = (features(tmp_path / "run", table) for table in (train, validation))
    losses = {
        penalty: log_loss(
            validation["kind"],
            LogisticRegression(C=penalty, max_iter=10_000)
            .fit(X, train["kind"])
            .predict_proba(X_val),
        )
        for penalty in PENALTIES
    }
    assert min(losses, key=lambda penalty: losses[penalty]) == C
    assert salutary.load(tmp_path / "run")[-1].C == C


def test_the_model_is_scikit_learns_fit_of_the_cleaned_table(run_dir: Path) -> None:
    train, validation = tables()
    cleaned = pd.read_csv(run_dir / "cleaned.csv", dtype={"id": str, "note": str})
    exact = LogisticRegression(solver="newton-cholesky", tol=1e-12)
    exact.fit(features(run_dir, train), cleaned["kind"])
    found = salutary.load(run_dir)[-1]
    assert_allclose(found.coef_, exact.coef_, rtol=1e-3, atol=1e-5)
    report = report_of(run_dir)
    outcome = report["outcome"]
    start = LogisticRegression(solver="newton-cholesky", tol=1e-12)
    start.fit(features(run_dir, train), train["kind"])
    losses = [
        log_loss(validation["kind"], model.predict_proba(features(run_dir, validation)))
        for model in (start, exact)
    ]
    assert outcome["validation_loss"] == pytest.approx(losses, rel=1e-4)
    counts = {
        name: [int((frame["kind"] == name).sum()) for frame in (train, cleaned)]
        for name in KINDS
    }
    assert outcome["training_rows_by_class"] == counts
    assert outcome["cleaned"] == "cleaned.csv"
    assert (outcome["labels"], outcome["termination"]) == (12, "budget")
    assert {name: part["rows"] for name, part in report["data"].items()} == {
        "train": 90,
        "validation": 60,
    }
    assert (report["settings"]["budget"], report["settings"]["id"]) == (12, "id")


def test_the_model_predicts_tables(run_dir: Path, folder: Path) -> None:
    out = folder / "predicted.csv"
    main(["predict", str(run_dir), str(folder / "validation.csv"), "--out", str(out)])
    predicted = pd.read_csv(out)["prediction"]
    _, validation = tables()
    assert predicted.tolist() == salutary.load(run_dir).predict(validation).tolist()
    assert (predicted == validation["kind"]).mean() > 0.8


def test_the_summary_says_what_was_switched(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(arguments(folder, folder / "run", "--no-guard"))
    out = capsys.readouterr().out
    assert "Labels switched: 12, by the rule 'tempered'; rounds: 3" in out
    train, _ = tables()
    cleaned = pd.read_csv(folder / "run" / "cleaned.csv")
    assert f"dog: {(train['kind'] == 'dog').sum()} -> " in out
    assert f" -> {(cleaned['kind'] == 'dog').sum()}" in out
    assert "switches.parquet, cleaned.csv, model.skops, metrics.jsonl, run" in out


def test_without_ids_rows_go_by_their_numbers(folder: Path) -> None:
    train, _ = tables()
    train.drop(columns="id").to_csv(folder / "train.csv", index=False)
    words = arguments(folder, folder / "run", "--no-guard")
    at = words.index("--id")
    main([*words[:at], *words[at + 2 :]])
    switches = switches_of(folder / "run")
    assert switches["id"].dtype == np.int64
    old = train["kind"][switches["id"]]
    assert old.tolist() == switches["old_label"].tolist()


def run_of(train: Path, validation: Path, out: Path, *further: str) -> pd.DataFrame:
    """Switch 15 labels; the switches."""
    words = [
        *["relabel", str(train), "--validation", str(validation)],
        *["--target", "kind", "--id", "id", "--out", str(out)],
        *["--budget", "15", "--no-guard", *further],
    ]
    main(once(words))
    switches = switches_of(out)
    assert len(switches) == 15
    return switches


def test_lines_of_json_stay_as_they_are_but_for_the_switches(tmp_path: Path) -> None:
    train, validation = tables()
    lines = [
        {**row, "note": NOTES[place % 9], "age": None if place % 7 == 0 else row["age"]}
        for place, row in enumerate(train.to_dict("records"))
    ]
    for line in lines[::2]:  # keys in another order, one missing
        line["kind"] = line.pop("kind")
        line.pop("note")
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    assert "\u2028" in text
    (tmp_path / "train.jsonl").write_text(text, encoding="utf-8")
    validation.to_json(tmp_path / "v.jsonl", orient="records", lines=True)
    switches = run_of(tmp_path / "train.jsonl", tmp_path / "v.jsonl", tmp_path / "run")
    new = dict(zip(switches["id"], switches["label"], strict=True))
    for line in lines:
        line["kind"] = new.get(line["id"], line["kind"])
    expected = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    cleaned = (tmp_path / "run" / "cleaned.jsonl").read_bytes().decode()
    assert cleaned == expected


def test_labels_in_json_keep_their_type(tmp_path: Path) -> None:
    train, validation = (
        frame.assign(kind=frame["kind"].map({"bird": -1, "cat": 2**53 + 1, "dog": 7}))
        for frame in tables()
    )
    train.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    validation.to_json(tmp_path / "v.jsonl", orient="records", lines=True)
    switches = run_of(tmp_path / "t.jsonl", tmp_path / "v.jsonl", tmp_path / "run")
    lines = (tmp_path / "run" / "cleaned.jsonl").read_text().split("\n")[:-1]
    found = [json.loads(line)["kind"] for line in lines]
    assert found == with_switches(train, switches)["kind"].tolist()
    assert {type(label) for label in found} == {int}


def test_two_objects_on_a_line_of_json_are_two_rows(tmp_path: Path) -> None:
    train, validation = tables()
    train.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    text = (tmp_path / "t.jsonl").read_text()
    (tmp_path / "t.jsonl").write_text(text.replace("}\n", "} ", 1))
    validation.to_json(tmp_path / "v.jsonl", orient="records", lines=True)
    run_of(tmp_path / "t.jsonl", tmp_path / "v.jsonl", tmp_path / "run")


@pytest.mark.parametrize("categories", [False, True])
def test_parquet_stays_as_it_is_but_for_the_switches(
    categories: bool, tmp_path: Path
) -> None:
    train, validation = tables()
    train.index = pd.Index(500 + np.arange(90) * 7 % 90)  # kept as a column
    train["when"] = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(
        np.arange(90), "h"
    )
    validation["when"] = pd.Timestamp("2024-02-02", tz="UTC")
    if categories:
        train["kind"] = train["kind"].astype("category")
    train.to_parquet(tmp_path / "t.parquet")
    validation.to_parquet(tmp_path / "v.parquet")
    switches = run_of(tmp_path / "t.parquet", tmp_path / "v.parquet", tmp_path / "run")
    cleaned = pa.parquet.read_table(tmp_path / "run" / "cleaned.parquet")
    before = pa.parquet.read_table(tmp_path / "t.parquet")
    names = before.column_names
    assert names[-1].startswith("__index")
    assert cleaned.column_names == names
    assert cleaned.schema.types == before.select(names).schema.types
    others = [name for name in names if name != "kind"]
    assert cleaned.select(others).equals(before.select(others))
    expected = with_switches(train, switches)["kind"]
    assert cleaned["kind"].to_pylist() == expected.tolist()


def test_a_folder_becomes_one_table_in_the_order_of_its_files(tmp_path: Path) -> None:
    train, validation = tables()
    (tmp_path / "train").mkdir()
    train[50:].to_parquet(tmp_path / "train" / "b.parquet", index=False)
    train[:50].to_parquet(tmp_path / "train" / "a.parquet", index=False)
    validation.to_parquet(tmp_path / "v.parquet", index=False)
    switches = run_of(tmp_path / "train", tmp_path / "v.parquet", tmp_path / "run")
    cleaned = pd.read_parquet(tmp_path / "run" / "cleaned.parquet")
    pd.testing.assert_frame_equal(cleaned, with_switches(train, switches))
    assert report_of(tmp_path / "run")["outcome"]["cleaned"] == "cleaned.parquet"


@pytest.mark.parametrize(
    "labels",
    [
        {"bird": "01", "cat": "1", "dog": "1.0"},
        {"bird": "-3", "cat": "0", "dog": "12"},
        {"bird": "True", "cat": "False", "dog": "False"},
        {"bird": "é, ü", "cat": 'a "b"', "dog": "x"},
    ],
    ids=["texts of numbers", "whole numbers", "booleans", "texts with commas"],
)
def test_labels_are_written_as_the_training_table_writes_them(
    labels: dict[str, str], folder: Path
) -> None:
    train, validation = (
        frame.assign(kind=frame["kind"].map(labels)) for frame in tables()
    )
    train.to_csv(folder / "train.csv", index=False)
    validation.to_csv(folder / "validation.csv", index=False)
    run = folder / "run"
    main(arguments(folder, run, "--no-guard"))
    switches = switches_of(run)
    changed = dict(zip(switches["id"], switches["label"], strict=True))
    kept = dict(zip(train["id"], train["kind"], strict=True))
    cleaned = list(csv.DictReader(io.StringIO((run / "cleaned.csv").read_text())))
    found = {line["id"]: line["kind"] for line in cleaned}
    assert len(found) == 90
    assert sum(found[row] != kept[row] for row in found) == len(switches) == 12
    for row, label in found.items():
        assert label == str(changed[row]) if row in changed else label == kept[row]


@pytest.mark.parametrize("word", ["NA", "null", "nan", "#N/A"])
def test_words_that_mean_nothing_stay_as_they_are(word: str, folder: Path) -> None:
    train, _ = tables()
    train["note"] = train["note"].fillna(word)
    train.to_csv(folder / "train.csv", index=False)
    main(arguments(folder, folder / "run", "--no-guard"))
    expected = with_switches(train, switches_of(folder / "run")).to_csv(index=False)
    assert (folder / "run" / "cleaned.csv").read_text() == expected


def test_a_carriage_return_in_a_cell_stays_in_it(folder: Path) -> None:
    text = (folder / "train.csv").read_text().replace('"x\ny"', '"x\ry"')
    (folder / "train.csv").write_text(text, newline="")
    main(arguments(folder, folder / "run", "--no-guard"))
    cleaned = (folder / "run" / "cleaned.csv").read_bytes().decode()
    rows = list(csv.reader(io.StringIO(cleaned, newline="")))
    assert len(rows) == 91
    assert '"x\ry"' in cleaned


# Resuming


def facts_of(run: Path) -> dict[str, Any]:
    """What the ledger says of the run, without the digests of what holds times."""
    facts = {key: json.loads(value) for key, value in query(run, "SELECT * FROM run")}
    del facts["digest"], facts["results"]["model.skops"]
    del facts["results"]["metrics.jsonl"]
    del facts["started"], facts["command"]
    return facts


def assert_same_run(run: Path, other: Path) -> None:
    for name in ("cleaned.csv", "run.json"):
        assert (run / name).read_bytes() == (other / name).read_bytes(), name
    first, second = (
        pa.parquet.read_table(path / "switches.parquet") for path in (run, other)
    )
    assert first.equals(second)
    assert ledger_of(run) == ledger_of(other)
    assert facts_of(run) == facts_of(other)
    models = [salutary.load(path)[-1] for path in (run, other)]
    assert_array_equal(*(model.coef_ for model in models))


FORKS = multiprocessing.get_context("forkserver")

KILLED = """
import os, signal
from salutary.ledgers import run_ledger
from salutary.runs import relabel
from salutary.cli.main import main

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

commit = run_ledger.Ledger.commit

def fatal(self, entry, *rest):
    die() if entry.round == 2 else commit(self, entry, *rest)

def after(self, entry, *rest):
    commit(self, entry, *rest)
    if entry.round == 2:
        die()
"""

PLACES = {
    "before a commit": "run_ledger.Ledger.commit = fatal",
    "after a commit": "run_ledger.Ledger.commit = after",
    "before the switches": "relabel.write_table = die",
    "before the cleaned table": "relabel.write_relabeled = die",
    "before the ledger calls it finished": "run_ledger.Ledger.set_facts = die",
}


def killed(words: list[str], place: str) -> None:
    """Run the command in a process of its own, which kills itself."""
    quiet = "import sys, os; sys.stdout = sys.stderr = open(os.devnull, 'w')"
    script = f"{quiet}\n{KILLED}\n{place}\nmain({words!r})"
    process = FORKS.Process(target=exec, args=(script, {}))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_a_killed_run_resumes_to_the_same_files(
    place: str, source: Path, finished: Path, tmp_path: Path
) -> None:
    # Of the same tables: run.json and the ledger have their paths.
    out = tmp_path / "run"
    killed(arguments(source, out), place)
    assert not (out / "run.json").exists() or "set_facts" in place
    main(arguments(source, out, "--resume"))
    assert_same_run(out, finished)


def test_a_killed_run_without_a_budget_resumes_to_the_same_files(
    source: Path, tmp_path: Path
) -> None:
    def unlimited(out: Path, *further: str) -> list[str]:
        words = arguments(source, out, *further)
        at = words.index("--budget")
        return [*words[:at], *words[at + 2 :], "--no-guard", "--min-influence-z", "1.5"]

    main(unlimited(tmp_path / "whole"))
    killed(unlimited(tmp_path / "run"), PLACES["before a commit"])
    main(unlimited(tmp_path / "run", "--resume"))
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_a_killed_run_has_the_same_model_to_the_bit(
    source: Path, finished: Path, tmp_path: Path
) -> None:
    killed(arguments(source, tmp_path / "run"), PLACES["before the switches"])
    main(arguments(source, tmp_path / "run", "--resume"))
    models = [salutary.load(path)[-1] for path in (tmp_path / "run", finished)]
    assert models[0].coef_.dtype == models[1].coef_.dtype == np.float64


def test_a_larger_budget_goes_on_to_what_it_gives_at_once(
    source: Path, finished: Path, tmp_path: Path
) -> None:
    grown = tmp_path / "grown"
    main(arguments(source, grown, "--budget", "7"))
    assert len(switches_of(grown)) == 7
    main(arguments(source, grown, "--resume"))
    assert_same_run(grown, finished)


def test_a_finished_run_is_left_as_it_is(run_dir: Path, source: Path) -> None:
    before = {path.name: path.read_bytes() for path in run_dir.iterdir()}
    main(arguments(source, run_dir, "--resume"))
    main(arguments(source, run_dir, "--resume", "--budget", "7"))
    assert {path.name: path.read_bytes() for path in run_dir.iterdir()} == before


def test_a_run_is_determined_by_its_seed(source: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        main(arguments(source, tmp_path / name, "--seed", seed))
    assert_same_run(tmp_path / "a", tmp_path / "b")
    losses = [
        report_of(tmp_path / name)["outcome"]["canary_loss"] for name in ("a", "c")
    ]
    assert losses[0] != losses[1]


@pytest.mark.parametrize("budget", ["12", "7"])
@pytest.mark.parametrize(
    "lost", ["switches.parquet", "cleaned.csv", "model.skops", "run.json"]
)
def test_a_result_that_was_lost_is_written_anew(
    lost: str, budget: str, run_dir: Path, finished: Path, source: Path
) -> None:
    (run_dir / lost).unlink()
    main(arguments(source, run_dir, "--resume", "--budget", budget))
    assert_same_run(run_dir, finished)
    assert (run_dir / "run.json").read_bytes() == (finished / "run.json").read_bytes()


Refusal = Callable[[list[str]], str]

CHANGED = {
    "--target": ("note", "target = 'kind', not 'note'"),
    "--rule": ("paper", "rule = 'tempered', not 'paper'"),
    "--C": ("0.1", "C = 1.0, not 0.1"),
    "--batch-size": ("3", "batch_size = 5, not 3"),
    "--id": ("note", "id = 'id', not 'note'"),
    "--seed": ("1", "seed = 0, not 1"),
    "--min-influence-z": ("2", "min_influence_z = 0.0, not 2.0"),
    "--objective": ("balanced", "objective = 'log_loss', not 'balanced'"),
}


@pytest.mark.parametrize("option", CHANGED)
def test_other_settings_do_not_continue_a_run(
    option: str, run_dir: Path, folder: Path, refusal: Refusal
) -> None:
    value, words = CHANGED[option]
    before = {path.name: path.read_bytes() for path in run_dir.iterdir()}
    line = refusal(arguments(folder, run_dir, "--resume", option, value))
    assert f"was started with {words}" in line
    assert {path.name: path.read_bytes() for path in run_dir.iterdir()} == before


def test_no_guard_other_data_and_no_resume_do_not_continue_a_run(
    run_dir: Path, folder: Path, refusal: Refusal
) -> None:
    line = refusal(arguments(folder, run_dir, "--resume", "--no-guard"))
    assert "guard = True, not False" in line
    assert "pass --resume" in refusal(arguments(folder, run_dir))
    for name in ("train", "validation"):
        path = folder / f"{name}.csv"
        content = path.read_bytes()
        path.write_bytes(content + b"\n")
        line = refusal(arguments(folder, run_dir, "--resume"))
        assert f"{path}: is not the {name} table" in line
        path.write_bytes(content)


def label_arguments(folder: Path, out: Path, *further: str) -> list[str]:
    words = arguments(folder, out, *further)
    return ["label", *words[1:], "--pool", str(folder / "pool.csv")]


def test_runs_of_another_command_are_not_continued(
    run_dir: Path, folder: Path, refusal: Refusal
) -> None:
    blobs(40, 0, 3).drop(columns="kind").to_csv(folder / "pool.csv", index=False)
    labeled = folder / "labeled"
    main(label_arguments(folder, labeled, "--no-guard"))
    before = {path.name: path.read_bytes() for path in labeled.iterdir()}
    line = refusal(arguments(folder, labeled, "--no-guard", "--resume"))
    assert f"'salutary label'; go on with it by 'salutary resume {labeled}'" in line
    assert {path.name: path.read_bytes() for path in labeled.iterdir()} == before
    line = refusal(label_arguments(folder, run_dir, "--resume"))
    assert "holds a run of 'salutary relabel'" in line
    for name in ("switches.parquet", "cleaned.csv"):
        orphan = folder / f"without {name}"
        orphan.mkdir()
        shutil.copy(run_dir / name, orphan)
        assert "holds results" in refusal(arguments(folder, orphan))


def test_a_directory_of_something_else_is_refused(
    folder: Path, refusal: Refusal
) -> None:
    out = folder / "mine"
    out.mkdir()
    (out / "thesis.txt").write_text("all")
    assert "is not a run, but holds 'thesis.txt'" in refusal(arguments(folder, out))


# Refusals


def changed(folder: Path, name: str, **columns: object) -> None:
    path = folder / f"{name}.csv"
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame.assign(**columns).to_csv(path, index=False)


def missing(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / f"{name}.csv").unlink()


def one_class(folder: Path) -> None:
    changed(folder, "train", kind="cat")
    changed(folder, "validation", kind="cat")


def repeated_id(folder: Path) -> None:
    frame = pd.read_csv(folder / "train.csv", dtype=str)
    changed(folder, "train", id=["007", *frame["id"][1:]])


def empty_id(folder: Path) -> None:
    frame = pd.read_csv(folder / "train.csv", dtype=str)
    changed(folder, "train", id=[*frame["id"][:89], ""])


def unknown_class(folder: Path) -> None:
    changed(folder, "validation", kind=["cat"] * 59 + ["cow"])


def empty_target(folder: Path) -> None:
    changed(folder, "validation", kind=["cat"] * 59 + [""])


def empty_group(folder: Path) -> None:
    changed(folder, "validation", site=["a"] * 59 + [""])


def nothing(folder: Path) -> None:
    pass


WORST = ["--objective", "worst_group", "--group", "site"]
REFUSED = {
    "no training table": (missing("train"), [], "train.csv: no such file"),
    "no validation table": (missing("validation"), [], "validation.csv: no such file"),
    "one class": (one_class, [], "column 'kind' has one class only, 'cat'"),
    "no target": (
        nothing,
        ["--target", "sort"],
        "has no target column 'sort'; it has 'id', 'size', 'age', 'note', 'kind'; pass "
        "one of them as --target",
    ),
    "empty target": (empty_target, [], "is empty in row 59 (NA, null and ? count as"),
    "a tiny C": (nothing, ["--C", "1e-320"], "must be at least 1e-100"),
    "id is the target": (nothing, ["--id", "kind"], "is the target"),
    "no id": (nothing, ["--id", "name"], "has no id column 'name'; it has "),
    "repeated id": (repeated_id, [], "id column 'id' has '007' in rows 0 and 7"),
    "empty id": (empty_id, [], "id column 'id' is empty in row 89; fill it or drop"),
    "unknown class": (unknown_class, [], "the class 'cow' (row 59)"),
    "no group": (nothing, WORST, "validation.csv: has no group column 'site'"),
    "empty group": (
        empty_group,
        WORST,
        "column 'site' is empty in row 59; fill it or drop",
    ),
    "group without use": (nothing, ["--group", "size"], "for --objective worst_group"),
    "costs without use": (nothing, ["--costs", "c.csv"], "for --objective cost"),
    "no costs": (nothing, ["--objective", "cost"], "needs --costs"),
    "no --group": (nothing, ["--objective", "worst_group"], "needs --group"),
    "no costs table": (
        nothing,
        ["--objective", "cost", "--costs", "none.csv"],
        "none.csv: no such file",
    ),
    "no budget": (nothing, ["--budget", "0"], "--budget 0: must be at least 1"),
    "no batch": (nothing, ["--batch-size", "0"], "--batch-size 0: must be at least 1"),
}


@pytest.mark.parametrize(
    ("edit", "further", "words"), REFUSED.values(), ids=REFUSED.keys()
)
def test_bad_input_is_refused_in_one_line_and_nothing_is_written(
    edit: Callable[[Path], None],
    further: list[str],
    words: str,
    folder: Path,
    refusal: Refusal,
) -> None:
    edit(folder)
    assert words in refusal(arguments(folder, folder / "run", *further))
    assert not (folder / "run").exists()


PAIRS = [
    *[("bird", "cat", "1"), ("bird", "dog", "2"), ("cat", "bird", "3")],
    *[("cat", "dog", "4"), ("dog", "bird", "5"), ("dog", "cat", "6")],
]
BAD_COSTS = {
    "a pair is missing": (PAIRS[:-1], "no cost of predicting 'cat' for 'dog'"),
    "an unknown class": ([*PAIRS, ("cow", "cat", "1")], "has the class 'cow' (row 6)"),
    "an unknown prediction": ([*PAIRS, ("cat", "cow", "1")], "'predicted' has the cla"),
    "a pair twice": (
        [*PAIRS, PAIRS[0]],
        "row 6 gives a second cost of predicting 'cat",
    ),
    "an unknown class's remedy": ([("cow", "cat", "1"), *PAIRS], "; drop the row"),
    "no number": ([("bird", "cat", "dear"), *PAIRS[1:]], "column 'cost'"),
    "a huge cost": ([("bird", "cat", "1e160"), *PAIRS[1:]], "1e+160 in row 0"),
    "no cost": (
        [("bird", "cat", ""), *PAIRS[1:]],
        "does not have a finite number in row 0",
    ),
    "infinity": ([*PAIRS[:3], ("cat", "dog", "inf"), *PAIRS[4:]], "number in row 3"),
}


@pytest.mark.parametrize(("pairs", "words"), BAD_COSTS.values(), ids=BAD_COSTS.keys())
def test_bad_costs_are_refused_in_one_line(
    pairs: list[tuple[str, str, str]], words: str, folder: Path, refusal: Refusal
) -> None:
    costs = folder / "costs.csv"
    frame = pd.DataFrame(pairs, columns=["label", "predicted", "cost"])
    frame.to_csv(costs, index=False)
    further = ["--objective", "cost", "--costs", str(costs)]
    line = refusal(arguments(folder, folder / "run", *further))
    assert line.startswith(f"salutary: {costs}: ")
    assert words in line
    assert not (folder / "run").exists()


def test_a_slip_of_the_pen_does_no_harm_to_the_run(folder: Path) -> None:
    train, validation = tables()
    train.loc[train["kind"] == "dog", "kind"] = "cat"
    validation.loc[validation["kind"] == "dog", "kind"] = "cat"
    train.loc[train.index[train["kind"] == "cat"][0], "kind"] = "cta"
    train.to_csv(folder / "train.csv", index=False)
    validation.to_csv(folder / "validation.csv", index=False)
    further = ["--rule", "plausible", "--no-guard", "--budget", "60"]
    main(arguments(folder, folder / "run", *further))
    assert salutary.load(folder / "run").predict(validation).shape == (60,)


def test_a_full_disk_says_how_to_go_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, refusal: Refusal
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "commit", full)
        line = refusal([*arguments(folder, folder / "run"), "--quiet"])
    assert "goes on with --resume" in line
    main(arguments(folder, folder / "run", "--resume"))
    assert len(switches_of(folder / "run")) == 12


def test_an_empty_target_has_a_remedy_that_needs_no_pool(
    folder: Path, refusal: Refusal
) -> None:
    empty_target(folder)
    line = refusal(arguments(folder, folder / "run"))
    assert line.endswith("; fill it or drop the row")


@pytest.mark.skipif(
    int(pa.__version__.split(".")[0]) < 21, reason="Arrow writes no views to Parquet"
)
def test_texts_in_views_are_relabeled_and_stay_so(tmp_path: Path) -> None:
    train, validation = tables()
    rows = pa.Table.from_pandas(train, preserve_index=False)
    for name in ("id", "kind"):
        place = rows.column_names.index(name)
        views = rows[name].cast(pa.string_view())
        rows = rows.set_column(place, name, views)
    pa.parquet.write_table(rows, tmp_path / "t.parquet")
    validation.to_parquet(tmp_path / "v.parquet")
    switches = run_of(tmp_path / "t.parquet", tmp_path / "v.parquet", tmp_path / "run")
    cleaned = pa.parquet.read_table(tmp_path / "run" / "cleaned.parquet")
    before = pa.parquet.read_table(tmp_path / "t.parquet")
    assert cleaned.schema.types == before.schema.types
    expected = with_switches(train, switches)["kind"].tolist()
    assert cleaned["kind"].to_pylist() == expected


def test_a_folder_keeps_its_index_too(tmp_path: Path) -> None:
    train, validation = tables()
    train.index = pd.Index(500 + np.arange(90) * 7 % 90)  # kept as a column
    (tmp_path / "parts").mkdir()
    train[:50].to_parquet(tmp_path / "parts" / "a.parquet")
    train[50:].to_parquet(tmp_path / "parts" / "b.parquet")
    validation.to_parquet(tmp_path / "v.parquet")
    run_of(tmp_path / "parts", tmp_path / "v.parquet", tmp_path / "run")
    cleaned = pd.read_parquet(tmp_path / "run" / "cleaned.parquet")
    assert cleaned.index.tolist() == train.index.tolist()
    assert cleaned.columns.tolist() == train.columns.tolist()
