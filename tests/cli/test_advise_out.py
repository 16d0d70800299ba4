"""What ``salutary advise --out`` leaves, and how it goes on after an interruption."""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import salutary
from salutary.advice import comparison, cross_fitting
from salutary.cli.main import main
from salutary.names import WHOLE_POOL, SemiSupervisedMethod
from salutary.semisupervised import tuning
from tests.words import once

pytestmark = pytest.mark.slow

Refusal = Callable[[list[str]], str]


@pytest.fixture
def words(folder: Path) -> list[str]:
    return [
        *["advise", str(folder / "train.csv"), "--target", "kind", "--id", "id"],
        *["--validation", str(folder / "validation.csv")],
        *["--pool", str(folder / "pool.csv"), "--budget", "6", "--batch-size", "3"],
        *["--splits", "2", "--repeats", "1", "--seed", "1"],
        *["--out", str(folder / "advised")],
    ]


def files(out: Path) -> dict[str, bytes]:
    """Every file of a run but its model, which holds the time it was written."""
    return {
        path.name: path.read_bytes()
        for path in out.iterdir()
        if path.suffix not in (".skops", ".sqlite")
    }


def following(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    """Let an option be advised, whatever the folds say."""
    decide = comparison.reach_verdict

    def decided(*judged: Any) -> Any:
        return replace(decide(*judged), option=option)

    monkeypatch.setattr(comparison, "reach_verdict", decided)


@pytest.mark.parametrize(
    ("option", "labels"),
    [
        ("train + validation", None),
        ("salutary + validation", "labels.parquet"),
        ("self-training", "labels.parquet"),
        ("whole pool", None),
        ("relabeled", "switches.parquet"),
    ],
)
def test_it_leaves_the_model_and_the_labels_of_what_it_advises(
    option: str,
    labels: str | None,
    words: list[str],
    folder: Path,
    frames: dict[str, pd.DataFrame],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    following(monkeypatch, option)
    main(words)
    printed = capsys.readouterr().out
    out = folder / "advised"
    outcome = json.loads((out / "run.json").read_text())["outcome"]
    assert outcome["option"] == option
    expected = {"config.toml", "ledger.sqlite", "model.skops", "run.json", "run.lock"}
    expected.add("metrics.jsonl")
    if outcome["labels"]:
        assert labels is not None
        expected.add(labels)
        table = pq.read_table(out / labels).to_pandas()
        assert len(table) == outcome["labels"]
        assert set(table["label"]) <= set(frames["train"]["kind"])
        if labels == "labels.parquet":
            assert set(table["id"]) <= {f"p{row}" for row in range(60)}
        else:
            old = frames["train"]["kind"].to_numpy()[table["row"]]
            np.testing.assert_array_equal(table["old_label"], old)
            assert (table["label"] != table["old_label"]).all()
        assert np.isnan(table["influence"]).all() == (option == "self-training")
        assert table["probability"].between(0, 1).all()
    else:
        assert option in ("train + validation", "relabeled", WHOLE_POOL)
    assert {path.name for path in out.iterdir()} == expected
    assert ("leaves the pool alone" in printed) == outcome["pool_left_alone"]
    if option != WHOLE_POOL:
        assert not outcome["pool_left_alone"]
    lines = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    of_folds = {line["fold"]: line["options"] for line in lines}
    assert list(of_folds) == [1, 2]
    with closing(sqlite3.connect(out / "ledger.sqlite")) as ledger:
        query = "SELECT n_rows FROM fits WHERE position = 0 ORDER BY fold"
        sizes = ledger.execute(query)
        held = [size for (size,) in sizes]
    for name, row in zip(of_folds[1], outcome["options"], strict=True):
        assert row["option"] == name
        losses = [options[name]["loss"] for options in of_folds.values()]
        assert row["loss"] == pytest.approx(np.average(losses, weights=held))
    main(["predict", str(out), str(folder / "pool.csv"), "--out", f"{folder}/p.csv"])
    predicted = pd.read_csv(folder / "p.csv")["prediction"]
    right = (predicted == frames["pool"]["kind"]).mean()
    assert right > 0.6


@pytest.mark.parametrize("margin", [-100.0, 100.0])
def test_it_says_if_the_last_fit_leaves_an_advised_pool_alone(
    margin: float,
    words: list[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    following(monkeypatch, WHOLE_POOL)
    monkeypatch.setattr(tuning, "MARGIN", margin)  # so that it is used, or never
    main(words)
    alone = margin > 0
    printed = capsys.readouterr().out
    assert ("the model is that of training on both tables." in printed) == alone
    assert ("on all rows, uses the pool by " in printed) != alone
    main(["report", str(folder / "advised")])
    page = (folder / "advised" / "report.html").read_text()
    assert ("The last fit, on all rows, leaves the pool alone" in page) == alone
    outcome = json.loads((folder / "advised" / "run.json").read_text())["outcome"]
    assert outcome["pool_left_alone"] is alone
    methods = get_args(SemiSupervisedMethod)
    assert outcome["pool_method"] in ([None] if alone else methods)


def test_without_an_out_the_advice_is_the_same(
    words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(words)
    (said,) = (
        line for line in capsys.readouterr().out.splitlines() if "Advice: " in line
    )
    main(words[:-2])
    assert said in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("after", [1, 8, 15])
def test_an_interrupted_comparison_goes_on_with_the_folds_it_has(
    after: int,
    words: list[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(words)
    alone = files(folder / "advised")
    (folder / "advised").rename(folder / "alone")
    judge, counted = cross_fitting.judge_fold, []

    def interrupted(*arguments: Any) -> Any:
        *given, fitted = arguments
        counted.append(1)

        def tell() -> None:
            fitted()
            fits.append(1)
            if len(fits) == after:
                raise KeyboardInterrupt

        return judge(*given, tell)

    fits: list[int] = []
    monkeypatch.setattr(cross_fitting, "judge_fold", interrupted)
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 130
    before = len(counted)
    assert "the same command with --resume continues" in capsys.readouterr().err
    main(["resume", str(folder / "advised")])
    # Two folds of thirteen fits each.
    n_known = after // 13
    lines = capsys.readouterr().err.splitlines()
    told = [line for line in lines if re.match(r"\d of 2 folds", line)]
    was = "was" if n_known == 1 else "were"
    taken = f"{n_known} of 2 folds {was} taken from {folder / 'advised'}"
    assert told == ([taken] if n_known else [])
    folds = [line for line in lines if line.startswith("fold ")]
    assert [line.split(",")[0] for line in folds] == [
        f"fold {number + 1} of 2" for number in range(n_known, 2)
    ]
    # A fold has thirteen fits; the one that was interrupted is judged again.
    assert len(counted) - before == (2 if after < 13 else 1)
    assert files(folder / "advised") == alone
    main([*words, "--resume"])
    assert files(folder / "advised") == alone


def test_damaged_results_are_written_again(words: list[str], folder: Path) -> None:
    main(words)
    out = folder / "advised"
    alone = files(out)
    expected = salutary.load(out)["classify"].coef_
    (out / "run.json").write_text("{}")
    (out / "model.skops").write_bytes(b"")
    main([*words, "--resume"])
    assert files(out) == alone
    np.testing.assert_array_equal(salutary.load(out)["classify"].coef_, expected)


def test_what_cannot_go_on_is_refused(
    words: list[str], folder: Path, refusal: Refusal
) -> None:
    assert "--resume: needs the directory" in refusal([*words[:-2], "--resume"])
    main(words)
    assert "holds a run already; pass --resume" in refusal(words)
    resumed = [*words, "--resume"]
    assert "was started with seed = 1, not 2" in refusal(
        once([*resumed, "--seed", "2"])
    )
    assert "with budget = 6, not 7" in refusal(once([*resumed, "--budget", "7"]))
    label = ["label", *words[1 : words.index("--splits")], *words[-2:], "--resume"]
    line = refusal(label)
    assert "holds a run of 'salutary advise'; go on with it by" in line
    assert f"'salutary resume {folder / 'advised'}', or pass another --out" in line
    assert "holds a run of 'salutary advise'" in refusal(label[:-1])
    table = (folder / "train.csv").read_bytes()
    (folder / "train.csv").write_bytes(table + b"\n")
    assert "is not the train table that" in refusal(resumed)
    (folder / "train.csv").write_bytes(table)
    ledger = folder / "advised" / "ledger.sqlite"
    with sqlite3.connect(ledger) as connection:
        connection.execute("UPDATE fits SET n_labels = 5 WHERE fold = 1")
    connection.close()
    assert "ledger.sqlite: is not as it was written" in refusal(resumed)
    ledger.write_bytes(ledger.read_bytes()[:3000])
    assert "ledger.sqlite: is " in refusal(resumed)


def test_its_budget_is_kept_and_the_refusal_says_what_to_do(
    words: list[str], folder: Path, refusal: Refusal, capsys: pytest.CaptureFixture[str]
) -> None:
    main(words)
    resume = ["resume", str(folder / "advised")]
    line = refusal([*resume, "--budget", "7"])
    assert "--budget 7: its options were judged with a budget of 6, so" in line
    assert line.endswith(
        "run 'salutary advise' anew with another --out, or leave --budget out"
    )
    for more in ([], ["--budget", "6"]):
        capsys.readouterr()
        main([*resume, *more])
        assert "nothing is changed" in capsys.readouterr().err


def test_a_finished_comparison_is_read_without_a_lock(
    words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(words)
    out = folder / "advised"
    (out / "run.lock").unlink()
    before = out.stat().st_mtime_ns, files(out)
    capsys.readouterr()
    main([*words, "--resume"])
    assert (out.stat().st_mtime_ns, files(out)) == before
    assert "nothing is changed" in capsys.readouterr().err
