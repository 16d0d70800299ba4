"""A run refitted with people's decisions, held against scikit-learn's own refit."""

import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

import salutary
from salutary.cli.main import main
from salutary.errors import InputError
from salutary.ledgers.decisions import DecidedMeanwhileError, NewDecision
from salutary.ledgers.run_ledger import Ledger
from salutary.runs import label
from salutary.runs.decided import reviewable
from tests.ledgers.contents import ledger_of

C = 0.7
N_LABELS = 30


def decide(run: Path, new: list[NewDecision], source: str) -> None:
    """Store decisions as the review does."""
    with reviewable(run) as ledger:
        ledger.decide(new, source)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tables of three classes, and a run that labels rows of the pool."""
    folder = tmp_path_factory.mktemp("decided")
    rng = np.random.default_rng(3)
    for name, n_rows in (("train", 30), ("val", 60), ("pool", 200)):
        kind = rng.integers(0, 3, n_rows)
        size = kind + rng.normal(size=n_rows)
        frame = pd.DataFrame({"size": size, "weight": rng.normal(size=n_rows)})
        if name == "pool":
            frame["id"] = [f"p{row}" for row in range(n_rows)]
        else:
            frame["kind"] = np.array(["bird", "cat", "dog"])[kind]
        frame.to_csv(folder / f"{name}.csv", index=False)
    main(words(folder, folder / "run"))
    return folder


def words(folder: Path, out: Path, *more: str) -> list[str]:
    tables = [str(folder / f"{name}.csv") for name in ("train", "val", "pool")]
    return [
        *["label", tables[0], "--validation", tables[1], "--pool", tables[2]],
        *["--target", "kind", "--id", "id", "--out", str(out), f"--C={C}", "-q"],
        *["--budget", str(N_LABELS), "--batch-size", "10", "--no-guard", *more],
        *["--no-report"],
    ]


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(folder / "run", tmp_path / "run")
    return tmp_path / "run"


def labels_of(run: Path) -> pd.DataFrame:
    return pd.read_parquet(run / "labels.parquet")


def rows_of(labels: pd.DataFrame) -> list[int]:
    return [int(name[1:]) for name in labels["id"]]


def files_of(run: Path) -> dict[str, bytes]:
    """All results, the ledger and the lock apart."""
    names = ("labels.parquet", "model.skops", "run.json", "metrics.jsonl")
    return {name: (run / name).read_bytes() for name in (*names, "config.toml")}


def decisions_of(run: Path) -> dict[str, list[str]]:
    """Reject three labels, change two and accept two; the ids of each."""
    labels = labels_of(run)
    rows, names = rows_of(labels), labels["label"].tolist()
    other = {"bird": "cat", "cat": "dog", "dog": "bird"}
    new = [NewDecision(row, "reject") for row in rows[:3]]
    new += [
        NewDecision(row, "change", other[name])
        for row, name in zip(rows[3:5], names[3:5], strict=True)
    ]
    new += [NewDecision(row, "accept") for row in rows[20:22]]
    decide(run, new, "review")
    ids = labels["id"].tolist()
    return {"reject": ids[:3], "change": ids[3:5], "accept": ids[20:22]}


def test_a_refit_is_that_of_scikit_learn_on_the_decided_labels(
    folder: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, history = labels_of(run), ledger_of(run)
    ids = decisions_of(run)
    main(words(folder, run, "--resume"))
    said = capsys.readouterr().out
    assert "2 accepted, 2 changed, 3 rejected; fitted again with 27 labels" in said

    after = labels_of(run)
    expected = before[~before["id"].isin(ids["reject"])].reset_index(drop=True)
    assert after["id"].tolist() == expected["id"].tolist()
    assert after["assigned_label"].tolist() == expected["label"].tolist()
    unchanged = ["id", "influence", "influence_se", "probability", "round", "rule"]
    pd.testing.assert_frame_equal(after[unchanged], expected[unchanged])
    decision = after.set_index("id")["decision"]
    for name in ("change", "accept"):
        assert decision[decision == name].index.tolist() == ids[name]
    assert decision.isna().sum() == 27 - 4
    assert (after["label"] != after["assigned_label"]).sum() == 2

    tables = {name: pd.read_csv(folder / f"{name}.csv") for name in ("train", "val")}
    pool = pd.read_csv(folder / "pool.csv")
    model = salutary.load(run)
    train, val = tables["train"], tables["val"]
    both = pd.concat([train, pool.iloc[rows_of(after)]])[["size", "weight"]]
    X = model[:-1].transform(both).astype(np.float64)
    y = [*train["kind"], *after["label"]]
    reference = LogisticRegression(C=C, tol=1e-12, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(
        model[-1].coef_ - model[-1].coef_.mean(axis=0),
        reference.coef_ - reference.coef_.mean(axis=0),
        atol=1e-6,
    )
    figures = json.loads((run / "run.json").read_text())["outcome"]["decisions"]
    losses = figures.pop("validation_loss")
    Z = model[:-1].transform(val[["size", "weight"]]).astype(np.float64)
    assert losses[1] == pytest.approx(
        log_loss(val["kind"], reference.predict_proba(Z)), abs=1e-7
    )
    was = json.loads((folder / "run" / "run.json").read_text())["outcome"]
    assert losses[0] == pytest.approx(was["validation_loss"][1], abs=1e-12)
    counts = after["label"].value_counts()
    assert figures == {
        **{"accepted": 2, "changed": 2, "rejected": 3, "labels": 27},
        "labels_by_class": {name: counts[name] for name in ("bird", "cat", "dog")},
    }
    now = ledger_of(run)
    assert len(now.pop("decisions")) == 7
    assert history.pop("decisions") == []
    assert now == history


def test_without_a_decision_resuming_changes_nothing(folder: Path, run: Path) -> None:
    before = files_of(run)
    main(words(folder, run, "--resume"))
    assert files_of(run) == before
    assert "decision" not in labels_of(run)
    assert "decisions" not in json.loads(before["run.json"])["outcome"]


def test_decisions_that_were_undone_leave_the_results_as_they_were(
    folder: Path, run: Path
) -> None:
    before, row = files_of(run), rows_of(labels_of(run))[0]
    decide(run, [NewDecision(row, "reject")], "review")
    main(words(folder, run, "--resume"))
    assert files_of(run) != before
    decide(run, [NewDecision(row, "undo", expected=0)], "review")
    main(words(folder, run, "--resume"))
    after = files_of(run)
    assert {name for name in before if after[name] != before[name]} <= {"model.skops"}
    models = [salutary.load(path)[-1] for path in (run, folder / "run")]
    np.testing.assert_array_equal(models[0].coef_, models[1].coef_)


def test_accepting_changes_no_coefficient(folder: Path, run: Path) -> None:
    rows = rows_of(labels_of(run))
    decide(run, [NewDecision(row, "accept") for row in rows], "review")
    main(["resume", str(run), "-q"])
    models = [salutary.load(path)[-1] for path in (run, folder / "run")]
    np.testing.assert_array_equal(models[0].coef_, models[1].coef_)
    assert set(labels_of(run)["decision"]) == {"accept"}


def test_without_any_label_left_the_model_is_that_of_train(
    folder: Path, run: Path
) -> None:
    rows = rows_of(labels_of(run))
    decide(run, [NewDecision(row, "reject") for row in rows], "review")
    main(words(folder, run, "--resume"))
    train, model = pd.read_csv(folder / "train.csv"), salutary.load(run)
    # scikit-learn fits rows of float32 in float32, which is not this close.
    X = model[:-1].transform(train[["size", "weight"]]).astype(np.float64)
    reference = LogisticRegression(C=C, tol=1e-12, max_iter=10_000)
    reference.fit(X, train["kind"])
    np.testing.assert_allclose(
        model.predict_proba(train), reference.predict_proba(X), atol=1e-5
    )
    assert len(labels_of(run)) == 0


def test_decisions_survive_a_larger_budget(folder: Path, run: Path) -> None:
    ids = decisions_of(run)
    main([word.replace("30", "50") for word in words(folder, run, "--resume")])
    labels = labels_of(run)
    assert len(labels) == 50 - 3
    assert not set(ids["reject"]) & set(labels["id"])
    held = labels[labels["decision"] == "change"]
    assert held["id"].tolist() == ids["change"]


def _killed(arguments: list[str], after: int) -> None:
    """Refit, and die as a file is to be put into its place."""
    left = [None] * after
    os.fsync = lambda file: left.pop() if left else os.kill(os.getpid(), signal.SIGKILL)
    main(arguments)


@pytest.mark.parametrize("after", [0, 1, 2, 3, 5])
def test_a_refit_that_is_killed_resumes_to_the_same_files(
    after: int, folder: Path, run: Path, tmp_path: Path
) -> None:
    decisions_of(run)
    shutil.copytree(run, tmp_path / "whole")
    main(["resume", str(tmp_path / "whole"), "-q"])
    process = multiprocessing.get_context("forkserver").Process(
        target=_killed, args=(words(folder, run, "--resume"), after)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    main(words(folder, run, "--resume"))
    found, expected = files_of(run), files_of(tmp_path / "whole")
    for name in ("labels.parquet", "run.json"):
        assert found[name] == expected[name]
    models = [salutary.load(path)[-1] for path in (run, tmp_path / "whole")]
    np.testing.assert_array_equal(models[0].coef_, models[1].coef_)


def test_a_decision_made_during_a_refit_is_not_taken_for_done(
    folder: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(labels_of(run))
    decide(run, [NewDecision(rows[0], "reject")], "review")
    write = label.write_labels

    def meanwhile(finished: object) -> None:
        write(finished)  # type: ignore[arg-type]
        with Ledger(run / "ledger.sqlite") as ledger:
            ledger.decide([NewDecision(rows[1], "reject")], "review")

    with monkeypatch.context() as patched:
        patched.setattr(label, "write_labels", meanwhile)
        main(words(folder, run, "--resume"))
    assert len(labels_of(run)) == 29
    main(words(folder, run, "--resume"))
    assert len(labels_of(run)) == 28


def test_what_cannot_be_reviewed_is_refused_in_a_line(
    folder: Path, run: Path, tmp_path: Path
) -> None:
    row = rows_of(labels_of(run))[0]
    with pytest.raises(InputError, match="holds no run; pass the --out of one"):
        decide(tmp_path, [NewDecision(row, "accept")], "review")
    train, val = (str(folder / f"{name}.csv") for name in ("train", "val"))
    out = str(tmp_path / "relabel")
    common = ["--validation", val, "--target", "kind", "-q", "--no-report"]
    main(["relabel", train, *common, "--budget", "2", "--out", out])
    with pytest.raises(InputError, match="'salutary relabel', which cannot be review"):
        decide(Path(out), [NewDecision(0, "accept")], "review")
    decide(run, [NewDecision(row, "accept")], "review")
    with pytest.raises(DecidedMeanwhileError):
        decide(run, [NewDecision(row, "accept")], "review")
    with Ledger(run / "ledger.sqlite") as ledger:
        ledger.set_facts(report=None)
    with pytest.raises(InputError, match="has not finished; finish it by 'salutary re"):
        decide(run, [NewDecision(row, "reject", expected=0)], "review")
