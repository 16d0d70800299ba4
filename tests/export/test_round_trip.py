"""Labels out, half of them changed by pandas, back in, and refitted."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from salutary import load
from salutary.cli.main import main
from salutary.ledgers.decisions import NewDecision
from salutary.ledgers.run_ledger import Ledger

CLASSES = ["bird", "cat", "dog"]


def decided(labels: pd.DataFrame) -> dict[int, tuple[str, Any]]:
    """What is decided about half of the labels, by their place in the export."""
    answers: dict[int, tuple[str, Any]] = {}
    for place, label in enumerate(labels["salutary_label"][: len(labels) // 2]):
        other = CLASSES[(CLASSES.index(label) + 1) % 3]
        answers[place] = [("change", other), ("reject", None), ("accept", label)][
            place % 3
        ]
    return answers


def tables(run_dir: Path) -> dict[str, list[Any]]:
    """All of a ledger but its facts and decisions."""
    names = [
        "rounds",
        "classes",
        "labels",
        "class_scores",
        "fold_labels",
        "fold_models",
    ]
    with closing(sqlite3.connect(run_dir / "ledger.sqlite")) as connection:
        return {
            name: connection.execute(f"SELECT * FROM {name}").fetchall()
            for name in names
        }


@pytest.mark.slow
def test_a_model_is_refitted_with_what_came_back_and_nothing_else_differs(
    run_dir: Path, pool: pd.DataFrame, tmp_path: Path
) -> None:
    twin = shutil.copytree(run_dir, tmp_path / "twin")
    before, model = tables(run_dir), load(run_dir)
    out, back = tmp_path / "labels.csv", tmp_path / "back.csv"
    main(["export", str(run_dir), "--to", "csv", "--out", str(out), "-q"])
    labels = pd.read_csv(out).astype({"reviewed": object, "reviewed_label": object})
    answers = decided(labels)
    for place, (decision, label) in answers.items():
        labels.loc[place, "reviewed" if label is None else "reviewed_label"] = (
            decision if label is None else label
        )
    labels.to_csv(back, index=False)
    main(["import", str(run_dir), str(back), "-q"])
    main(["resume", str(run_dir), "-q"])

    found = pd.read_parquet(run_dir / "labels.parquet").set_index("id")["label"]
    expected = {
        row["id"]: answers.get(place, ("", row["salutary_label"]))[1]
        for place, row in labels.iterrows()
        if answers.get(place, ("",))[0] != "reject"
    }
    assert found.to_dict() == expected
    assert list(found.index) == list(expected)
    # The rounds, their labels and what they were picked by stay as they were.
    assert tables(run_dir) == before
    again = tmp_path / "again.csv"
    main(["export", str(run_dir), "--to", "csv", "--out", str(again), "-q"])
    people = ["reviewed", "reviewed_label"]
    pd.testing.assert_frame_equal(
        pd.read_csv(again).drop(columns=people), pd.read_csv(out).drop(columns=people)
    )
    # The same decisions, made without a file, give the same model.
    with Ledger(twin / "ledger.sqlite") as ledger:
        new = [
            NewDecision(int(labels["salutary_row"][place]), decision, label)
            for place, (decision, label) in answers.items()
        ]
        ledger.decide(new, "review")
    main(["resume", str(twin), "-q"])
    after, other = load(run_dir), load(twin)
    rows = pool.drop(columns="id")
    given = after.predict_proba(rows)
    assert (given == other.predict_proba(rows)).all()
    assert abs(given - model.predict_proba(rows)).max() > 0.01
