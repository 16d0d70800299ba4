"""What is found in tables before a run, against pandas."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from salutary.errors import InputError
from salutary.tables.checks import Checks, check_tables
from salutary.tables.encoding import fit_encoder
from salutary.tables.reading import read_tables
from salutary.tables.sources import Sources

NAMES = ("train", "validation", "pool")


def rows(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "color": rng.choice(["red", "blue"], n),
            "site": "A",
            "y": rng.choice(["no", "yes"], n, p=[0.7, 0.3]),
        }
    )


@pytest.fixture
def frames() -> dict[str, pd.DataFrame]:
    found = {name: rows(n, n) for name, n in zip(NAMES, (80, 60, 100), strict=True)}
    found["pool"] = found["pool"].drop(columns="y")
    return found


def sources(folder: Path, frames: dict[str, pd.DataFrame]) -> Sources:
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return Sources(*(folder / f"{name}.csv" for name in NAMES), "y", None)


def checked(folder: Path, frames: dict[str, pd.DataFrame]) -> Checks:
    found = sources(folder, frames)
    tables = read_tables(found)
    _, matrices = fit_encoder(tables, found, 0)
    return check_tables(tables, matrices, 0)


def test_rows_classes_and_kinds_are_those_of_the_tables(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    checks = checked(tmp_path, frames)
    assert checks.rows == {"train": 80, "validation": 60, "pool": 100}
    for name in ("train", "validation"):
        assert checks.classes[name] == frames[name]["y"].value_counts().to_dict()
    assert "pool" not in checks.classes
    assert checks.pool_marker is None
    assert checks.features == {
        **{"size": "number", "color": "category", "site": "category"}
    }
    assert checks.left_out == {}
    assert checks.constant == ["site"]
    json.dumps(checks.to_dict(), allow_nan=False)


def test_what_the_pool_has_in_place_of_labels_is_told(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    for value, marker in ((-1, "-1"), ("unlabeled", "unlabeled"), ("Unknown", "Unk")):
        frames["pool"]["y"] = value
        assert checked(tmp_path, frames).pool_marker.startswith(marker)
    for value in ("", "?", " ", None):
        frames["pool"]["y"] = value
        assert checked(tmp_path, frames).pool_marker == ""
    frames["pool"]["y"] = ["no", *["yes"] * 98, "perhaps"]
    checks = checked(tmp_path, frames)
    assert checks.pool_marker is None
    assert checks.classes["pool"] == {"no": 1, "perhaps": 1, "yes": 98}


def test_a_marker_among_labels_is_a_label_that_is_missing(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    frames["pool"]["y"] = ["no", "unlabeled", *["yes"] * 98]
    words = r"pool.csv: target column 'y' is only partly filled \(row 1 has no label\)"
    with pytest.raises(InputError, match=words):
        checked(tmp_path, frames)
    # Not where it is a class.
    for name in ("train", "validation"):
        frames[name].loc[:5, "y"] = "unlabeled"
    assert checked(tmp_path, frames).classes["pool"]["unlabeled"] == 1


@pytest.mark.parametrize("classes", [("-1", "1"), ("0", "1")])
def test_minus_one_is_a_class_where_the_training_table_has_it(
    classes: tuple[str, str], frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    for name in ("train", "validation"):
        frames[name]["y"] = np.where(frames[name]["y"] == "no", *classes)
    frames["pool"]["y"] = "-1"
    checks = checked(tmp_path, frames)
    assert (checks.pool_marker is None) == ("-1" in classes)
    assert ("pool" in checks.classes) == ("-1" in classes)


def test_rows_that_stand_in_the_training_table_are_counted(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    copies = frames["train"][:7]
    for name in ("validation", "pool"):
        frames[name] = pd.concat([frames[name], copies[frames[name].columns]])
    checks = checked(tmp_path, frames)
    assert [checks.beside[name].recurring for name in NAMES[1:]] == [7, 7]
    assert [checks.beside[name].twins for name in NAMES[1:]] == [0, 0]
    assert checks.twins == 0
    frames["validation"] = pd.concat([frames["validation"], frames["validation"][:4]])
    assert checked(tmp_path, frames).beside["validation"].twins == 8


def test_validation_rows_that_all_stand_in_the_training_table_are_refused(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    frames["validation"] = frames["train"].sample(30, random_state=0)
    words = r"validation.csv: all of its 30 rows stand in .*train.csv too, so they"
    with pytest.raises(InputError, match=words):
        checked(tmp_path, frames)
    # Where rows are alike by nature, it is no copy.
    for name in NAMES:
        frames[name] = frames[name].drop(columns="size")
    assert checked(tmp_path, frames).beside["validation"].recurring == 30


def test_new_categories_far_numbers_and_empty_columns_are_counted(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    frames["pool"].loc[:4, "color"] = "mauve"
    frames["pool"].loc[:2, "size"] = [1e6, -1e6, 0.0]
    frames["validation"]["size"] = None
    checks = checked(tmp_path, frames)
    assert checks.beside["pool"].unseen_categories == {"color": 5}
    assert checks.beside["pool"].numbers_among_texts == {}
    assert checks.beside["pool"].far_outside == {"size": 2}
    assert checks.beside["pool"].empty == []
    assert checks.beside["validation"].empty == ["size"]
    assert checks.beside["validation"].unseen_categories == {}


@pytest.mark.parametrize(
    "value", ["-1.50", " 7 ", "2e3", "inf", "007", "1,5", "no", "?", ""]
)
def test_numbers_where_the_training_table_has_texts_are_counted(
    value: str, frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    frames["pool"].loc[:2, "color"] = value
    found = checked(tmp_path, frames).beside["pool"].numbers_among_texts
    # As pandas reads it, but that codes such as 007 are none.
    is_number = value != "007" and pd.notna(pd.to_numeric(value, errors="coerce"))
    assert found == ({"color": 3} if is_number else {})
    frames["train"].loc[0, "color"] = "3"
    assert checked(tmp_path, frames).beside["pool"].numbers_among_texts == {}


@pytest.mark.parametrize("number", [1, 1.5, Decimal("2.50")])
def test_a_column_of_numbers_where_texts_are_expected_is_told(
    number: Any, frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    frames["pool"]["color"] = number
    given = sources(tmp_path, frames)
    frames["pool"].to_parquet(tmp_path / "pool.parquet")
    tables = read_tables(replace(given, pool=tmp_path / "pool.parquet"))
    found = check_tables(tables).beside["pool"]
    assert found.numbers_among_texts == {"color": len(frames["pool"])}


def test_drift_is_seen_and_its_column_named(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    frames["pool"]["size"] += 3
    checks = checked(tmp_path, frames)
    assert checks.beside["pool"].drift > 0.95
    assert next(iter(checks.beside["pool"].most_different)) == "size"
    beside = checks.beside["validation"]
    assert beside.drift < 0.5 + 3 * beside.drift_se
    assert checked(tmp_path, frames) == checks


def test_one_value_far_off_hides_no_drift(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    frames["validation"].loc[0, "size"] = 1e30
    assert checked(tmp_path, frames).beside["validation"].drift < 0.7
    frames["validation"]["color"] = "red"
    assert checked(tmp_path, frames).beside["validation"].drift > 0.7
