"""``--validation-fraction``: a part of TRAIN becomes the validation rows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from salutary.cli.main import main
from salutary.tables.reading import read_tables
from salutary.tables.sources import HeldOut, Sources
from tests.words import once

Refusal = Callable[[list[str]], str]


def sources(folder: Path, fraction: float, seed: int, **further: Any) -> Sources:
    held_out = HeldOut(fraction, seed)
    return Sources(
        folder / "train.csv", None, None, "kind", None, held_out=held_out, **further
    )


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.8])
def test_the_parts_are_disjoint_stratified_and_drawn_by_the_seed(
    fraction: float, folder: Path
) -> None:
    frame = pd.read_csv(folder / "train.csv")
    tables = read_tables(sources(folder, fraction, 0))
    kept = tables.train_rows
    assert kept is not None
    held = np.setdiff1d(np.arange(len(frame)), kept)
    assert len(held) == round(fraction * len(frame))
    for name, rows, labels in (
        ("train", kept, tables.train_labels),
        ("validation", held, tables.validation_labels),
    ):
        found = tables.features[name]
        assert found["size"].tolist() == pytest.approx(
            frame["size"].iloc[rows].tolist(), nan_ok=True
        )
        assert tables.classes[labels].tolist() == frame["kind"].iloc[rows].tolist()
    shares = frame["kind"].iloc[held].value_counts() / frame["kind"].value_counts()
    assert shares.to_numpy() == pytest.approx(fraction, abs=0.1)
    same, other = (read_tables(sources(folder, fraction, seed)) for seed in (0, 1))
    assert same.train_rows.tolist() == kept.tolist()  # type: ignore[union-attr]
    assert other.train_rows.tolist() != kept.tolist()  # type: ignore[union-attr]


def test_rows_keep_the_numbers_they_have_in_the_file(folder: Path) -> None:
    tables = read_tables(sources(folder, 0.3, 0))
    assert tables.ids is not None
    assert tables.ids.to_pylist() == tables.train_rows.tolist()  # type: ignore[union-attr]


def test_groups_are_those_of_the_rows_held_out(folder: Path) -> None:
    frame = pd.read_csv(folder / "train.csv")
    tables = read_tables(sources(folder, 0.3, 0, group_column="member"))
    held = np.setdiff1d(np.arange(len(frame)), tables.train_rows)
    assert tables.groups is not None
    assert tables.groups.tolist() == frame["member"].iloc[held].astype(int).tolist()


def test_a_mistake_in_a_row_held_out_is_told_by_its_row(
    folder: Path, refusal: Refusal
) -> None:
    frame = pd.read_csv(folder / "train.csv", dtype=str)
    for row in (0, 20, 44):
        bad = frame.copy()
        bad.loc[row, "kind"] = ""
        bad.to_csv(folder / "bad.csv", index=False)
        line = refusal(
            [
                *["label", str(folder / "bad.csv"), "--target", "kind"],
                *["--pool", str(folder / "pool.csv"), "--id", "id"],
                *["--validation-fraction", "0.3", "--out", str(folder / "run")],
            ]
        )
        assert f"is empty in row {row} " in line
    assert not (folder / "run").exists()


@pytest.mark.slow
def test_a_run_of_parts_is_the_run_of_two_tables(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    frame = pd.read_csv("train.csv", dtype=str)
    words = ["label", "--pool", "pool.csv", "--target", "kind", "--id", "id"]
    words += ["--budget", "5", "--batch-size", "5", "--C", "0.1", "--seed", "4"]
    main([*words, "train.csv", "--validation-fraction", "0.4", "--out", "one", "-q"])
    rows = read_tables(sources(folder, 0.4, 4)).train_rows
    assert rows is not None
    frame.iloc[rows].to_csv("part.csv", index=False)
    frame.drop(index=rows).to_csv("rest.csv", index=False)
    main([*words, "part.csv", "--validation", "rest.csv", "--out", "two", "-q"])
    labels = [
        pyarrow.parquet.read_table(f"{run}/labels.parquet") for run in ("one", "two")
    ]
    assert labels[0].equals(labels[1])
    one, two = (json.loads(Path(run, "run.json").read_text()) for run in ("one", "two"))
    assert one["outcome"] == two["outcome"]
    assert one["data"]["train"]["rows"] == len(rows)
    part = one["data"]["validation"]
    assert (part["rows"], part["fraction"], part["seed"]) == (45 - len(rows), 0.4, 4)
    assert part["sha256"] == one["data"]["train"]["sha256"]


@pytest.mark.slow
def test_the_cleaned_table_has_all_rows_and_switches_none_held_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    rng = np.random.default_rng(0)
    frame = pd.read_csv("train.csv", dtype=str)
    noisy = rng.choice(len(frame), 9, replace=False)
    frame.loc[noisy, "kind"] = rng.choice(["bird", "cat", "dog"], 9)
    frame.to_csv("train.csv", index=False)
    words = ["relabel", "train.csv", "--target", "kind", "--out", "run", "--no-guard"]
    main(once([*words, "--validation-fraction", "0.4", "--budget", "8"]))
    cleaned = pd.read_csv("run/cleaned.csv", dtype=str)
    switches = pyarrow.parquet.read_table("run/switches.parquet").to_pandas()
    assert len(switches) > 0
    expected = frame.copy()
    for row in switches.itertuples():
        assert expected.loc[row.id, "kind"] == row.old_label
        expected.loc[row.id, "kind"] = row.label
    pd.testing.assert_frame_equal(cleaned, expected)
    rows = read_tables(sources(folder, 0.4, 0)).train_rows
    assert set(switches["id"]) <= set(rows.tolist())  # type: ignore[union-attr]


MISTAKES = [
    ([], "--validation is missing: pass a labeled table that is not trained on, or "),
    (["--validation-fraction", "0"], "0.0: must be above 0 and below 1, for instance"),
    (["--validation-fraction", "1"], "1.0: must be above 0 and below 1, for instance"),
    (["--validation-fraction", "nan"], "nan: must be above 0 and below 1"),
    (
        ["--validation-fraction", "0.3", "--validation", "validation.csv"],
        "there is --validation validation.csv already; pass one of them",
    ),
]


@pytest.mark.parametrize("command", ["label", "relabel", "advise", "finetune"])
@pytest.mark.parametrize(("further", "words"), MISTAKES)
def test_there_is_one_source_of_validation_rows(
    command: str, further: list[str], words: str, refusal: Refusal
) -> None:
    own = {
        "label": ["--pool", "pool.csv", "--out", "run"],
        "relabel": ["--out", "run"],
        "advise": [],
        "finetune": ["--pool=p.csv", "--out=run", "--text-column=t", "--model=m"],
    }
    arguments = [command, "train.csv", "--target", "kind", *own[command], *further]
    assert words in refusal(arguments)


def test_a_table_that_leaves_none_to_validate_on_is_refused(
    folder: Path, refusal: Refusal
) -> None:
    (folder / "tiny.csv").write_text("size,kind\n1,cat\n2,dog\n")
    words = ["relabel", str(folder / "tiny.csv"), "--target", "kind", "--out"]
    line = refusal([*words, str(folder / "run"), "--validation-fraction", "0.5"])
    assert "tiny.csv: leaves no row to validate on, as each class must keep" in line
    assert not (folder / "run").exists()


@pytest.mark.slow
def test_another_fraction_or_seed_is_another_run(
    folder: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    words = ["label", "train.csv", "--pool", "pool.csv", "--target", "kind"]
    words += ["--id", "id", "--budget", "5", "--batch-size", "5", "--out", "run"]
    main([*words, "--validation-fraction", "0.4"])
    again = [*words, "--resume", "--validation-fraction"]
    line = refusal([*again, "0.5"])
    assert "was started with validation_fraction = 0.4, not 0.5" in line
    assert "was started with seed = 0, not 1" in refusal([*again, "0.4", "--seed", "1"])
    line = refusal([*words, "--resume", "--validation", "validation.csv"])
    assert "was started with validation_fraction = 0.4, not without;" in line


@pytest.mark.slow
def test_advise_takes_a_part_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["advise", str(folder / "train.csv"), "--target", "kind", "--json"]
    main([*words, "--validation-fraction", "0.4", "--splits", "2", "--repeats", "1"])
    found = json.loads(capsys.readouterr().out)
    assert (found["n_train"], found["n_validation"]) == (27, 18)
    assert found["settings"]["validation_fraction"] == 0.4
