"""``salutary evaluate``: its figures, against their definitions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import salutary
from salutary.cli.evaluate import summary
from salutary.cli.main import main

Refusal = Callable[[list[str]], str]


def evaluated(
    run: Path, table: Path, capsys: pytest.CaptureFixture[str], *further: str
) -> Any:
    capsys.readouterr()
    main(["evaluate", str(run), str(table), "--json", *further])
    return json.loads(capsys.readouterr().out)


def test_the_figures_are_those_of_their_definitions(
    run_dir: Path,
    folder: Path,
    frames: dict[str, pd.DataFrame],
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = evaluated(run_dir, folder / "validation.csv", capsys)
    frame = pd.read_csv(folder / "validation.csv")
    model = salutary.load(run_dir)
    probability = model.predict_proba(frame.drop(columns="kind"))
    truth = np.searchsorted(model.classes_, frame["kind"])
    share = frames["train"]["kind"].value_counts(normalize=True)[model.classes_]
    rows = np.arange(len(truth))
    assert found["rows"] == len(truth)
    assert found["target"] == "kind"
    for name, each in (
        ("model", np.asarray(probability, dtype=float)),
        ("guessing", np.tile(share, (len(truth), 1))),
    ):
        right = each.argmax(axis=1) == truth
        recalls = [right[truth == code].mean() for code in range(3)]
        assert found[name] == pytest.approx(
            {
                "log_loss": -np.log(each[rows, truth]).mean(),
                "accuracy": right.mean(),
                "balanced_accuracy": np.mean(recalls),
            },
            rel=1e-6,
        )
        if name == "model":
            assert [row["recall"] for row in found["classes"]] == pytest.approx(recalls)
    counts = frame["kind"].value_counts().to_dict()
    assert {row["class"]: row["rows"] for row in found["classes"]} == counts


def test_a_person_sees_the_figures_in_a_table(
    run_dir: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluated(run_dir, folder / "validation.csv", capsys)
    main(["evaluate", str(run_dir), str(folder / "validation.csv")])
    out, err = capsys.readouterr()
    # Of rows that are not the run's, nothing is said.
    assert err == (
        "evaluating\nwarning: this is the validation table of the run, so the figures "
        "look too good; judge by rows that it has not seen\n"
    )
    frame = pd.read_csv(folder / "validation.csv")
    frame[::-1].to_csv(folder / "others.csv", index=False)
    assert evaluated(run_dir, folder / "others.csv", capsys)["seen_as"] is None
    lines = [line.split() for line in out.splitlines()]
    model, guess = found["model"], found["guessing"]
    assert [
        "log",
        "loss",
        f"{model['log_loss']:.4f}",
        f"{guess['log_loss']:.4f}",
    ] in lines
    for row in found["classes"]:
        assert [row["class"], str(row["rows"]), f"{row['recall']:.4f}"] in lines


def test_columns_stand_below_each_other_beside_a_long_name(
    run_dir: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluated(run_dir, folder / "validation.csv", capsys)
    found["classes"][0]["class"] = "x" * 300
    lines = [*summary(found)]
    table = lines[[line.split()[:1] == ["class"] for line in lines].index(True) :][:4]
    assert len({len(line) for line in table}) == 1
    assert len(table[0]) < 80


def test_a_class_without_rows_has_no_recall_and_is_not_averaged(
    run_dir: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(folder / "validation.csv")
    frame[frame["kind"] != "cat"].to_csv(folder / "few.csv", index=False)
    found = evaluated(run_dir, folder / "few.csv", capsys)
    recalls = {row["class"]: row["recall"] for row in found["classes"]}
    assert recalls["cat"] is None
    mean = (recalls["bird"] + recalls["dog"]) / 2
    assert found["model"]["balanced_accuracy"] == pytest.approx(mean)
    main(["evaluate", str(run_dir), str(folder / "few.csv")])
    assert ["cat", "0"] in [
        line.split() for line in capsys.readouterr().out.splitlines()
    ]


def test_the_labels_may_be_in_a_column_of_another_name(
    run_dir: Path, folder: Path, capsys: pytest.CaptureFixture[str], refusal: Refusal
) -> None:
    path = folder / "renamed.csv"
    frame = pd.read_csv(folder / "validation.csv").rename(columns={"kind": "truth"})
    frame.to_csv(path, index=False)
    line = refusal(["evaluate", str(run_dir), str(path)])
    assert "renamed.csv: has no target column 'kind'; " in line
    found = evaluated(run_dir, path, capsys, "--target", "truth")
    assert (
        found["model"] == evaluated(run_dir, folder / "validation.csv", capsys)["model"]
    )


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("cow", ["has the class 'cow' (row 2)", "['bird', 'cat', 'dog']"]),
        ("", ["target column 'kind' is empty in row 2", "fill it or drop the row"]),
    ],
)
def test_a_row_of_no_known_class_is_named(
    label: str, words: list[str], run_dir: Path, folder: Path, refusal: Refusal
) -> None:
    frame = pd.read_csv(folder / "validation.csv", dtype=str)
    frame.loc[2, "kind"] = label
    frame.to_csv(folder / "bad.csv", index=False)
    line = refusal(["evaluate", str(run_dir), str(folder / "bad.csv")])
    assert "bad.csv" in line
    assert [word for word in words if word not in line] == []


def test_a_run_that_did_not_count_its_classes_has_no_guess(
    run_dir: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = json.loads((run_dir / "run.json").read_text())
    assert report["outcome"].pop("train_by_class")
    (run_dir / "run.json").write_text(json.dumps(report))
    assert evaluated(run_dir, folder / "validation.csv", capsys)["guessing"] is None
    main(["evaluate", str(run_dir), str(folder / "validation.csv")])
    assert capsys.readouterr().out.endswith("run it again to see guessing.\n")


def test_what_is_no_run_is_refused(folder: Path, refusal: Refusal) -> None:
    line = refusal(["evaluate", str(folder), str(folder / "validation.csv")])
    assert "holds no model.skops; pass the --out of a finished" in line
