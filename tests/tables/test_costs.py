"""Tables of costs, against the pairs they were made of."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from salutary.errors import InputError
from salutary.tables.costs import read_costs

KINDS = np.array(["ash", "birch", "cedar"], dtype=object)
PAIRS = [(true, other) for true in KINDS for other in KINDS if true != other]


def write(path: Path, lines: list[tuple[Any, ...]]) -> Path:
    frame = pd.DataFrame(lines, columns=["label", "predicted", "cost"])
    frame.to_csv(path, index=False)
    return path


def read(path: Path) -> np.ndarray:
    return read_costs(path, KINDS, pa.string())


def a_table() -> list[tuple[str, str, float]]:
    return [(*pair, float(place + 1)) for place, pair in enumerate(PAIRS)]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=25,
)
@given(
    st.permutations(range(9)),
    st.lists(st.floats(-1e6, 1e6), min_size=9, max_size=9),
    st.sets(st.integers(0, 2)),
)
def test_costs_stand_where_their_classes_do_in_any_order(
    tmp_path: Path, order: list[int], costs: list[float], with_own: set[int]
) -> None:
    expected = np.array(costs).reshape(3, 3)
    lines = [
        (KINDS[true], KINDS[other], expected[true, other])
        for true, other in (divmod(place, 3) for place in order)
        if true != other or true in with_own
    ]
    for own in set(range(3)) - with_own:
        expected[own, own] = 0
    assert_array_equal(read(write(tmp_path / "costs.csv", lines)), expected)


@pytest.mark.parametrize(
    ("classes", "label_type"),
    [
        (np.array([-1, 7]), pa.int64()),
        (np.array([False, True]), pa.bool_()),
        (np.array(["01", "1"], dtype=object), pa.string()),
        (np.array([1.0, 2.0]), pa.float64()),
    ],
    ids=["integers", "booleans", "texts", "whole floats"],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_labels_of_any_type_are_found(
    suffix: str, classes: np.ndarray, label_type: pa.DataType, tmp_path: Path
) -> None:
    first, second = classes.tolist()
    frame = pd.DataFrame(
        {"label": [second, first], "predicted": [first, second], "cost": [3, 4]}
    )
    path = tmp_path / f"costs.{suffix}"
    if suffix == "csv":
        frame.to_csv(path, index=False)
    elif suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    found = read_costs(path, classes, label_type)
    assert_array_equal(found, [[0, 4], [3, 0]])
    assert found.dtype == np.float64


def test_columns_in_another_order_and_further_ones_do_no_harm(tmp_path: Path) -> None:
    frame = pd.DataFrame(a_table(), columns=["label", "predicted", "cost"])
    frame["why"] = "so"
    path = tmp_path / "costs.csv"
    frame[["why", "cost", "predicted", "label"]].to_csv(path, index=False)
    assert_array_equal(read(path), [[0, 1, 2], [3, 0, 4], [5, 6, 0]])


def test_costs_in_categories_are_read(tmp_path: Path) -> None:
    frame = pd.DataFrame(a_table(), columns=["label", "predicted", "cost"])
    path = tmp_path / "costs.parquet"
    frame.astype({"label": "category", "predicted": "category"}).to_parquet(path)
    assert_array_equal(read(path), [[0, 1, 2], [3, 0, 4], [5, 6, 0]])


@pytest.mark.parametrize("pair", PAIRS)
def test_a_missing_pair_is_named(pair: tuple[str, str], tmp_path: Path) -> None:
    lines = [line for line in a_table() if line[:2] != pair]
    words = f"costs.csv: has no cost of predicting {pair[1]!r} for {pair[0]!r}; add"
    with pytest.raises(InputError, match=words):
        read(write(tmp_path / "costs.csv", lines))


@pytest.mark.parametrize("place", range(6))
def test_a_pair_that_stands_twice_is_named(place: int, tmp_path: Path) -> None:
    lines = a_table()
    true, other, cost = lines[place]
    words = f"row 6 gives a second cost of predicting {other!r} for {true!r}; keep one"
    for again in (cost, cost + 1):
        with pytest.raises(InputError, match=words):
            read(write(tmp_path / "costs.csv", [*lines, (true, other, again)]))


BAD = {
    "unknown class": ((4, 0, "oak"), "column 'label' has the class 'oak' .row 4."),
    "unknown prediction": ((2, 1, "oak"), "'predicted' has the class 'oak' .row 2."),
    "empty cost": ((3, 2, None), "'cost' does not have a finite number in row 3; wr"),
    "infinity": (
        (3, 2, np.inf),
        "'cost' does not have a finite number in row 3: 'inf'",
    ),
    "text": ((0, 2, "dear"), "column 'cost'.*'dear'"),
    "a huge cost": (
        (3, 2, -1.1e30),
        r"'cost' has -1.1e\+30 in row 3, beyond 1e\+30; give all costs in a large",
    ),
    "no remedy but one": ((4, 0, "oak"), "; drop the row, or correct it"),
    "empty label": ((1, 0, None), "column 'label'.*row 1"),
}


@pytest.mark.parametrize(("cell", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_cell_is_named(
    cell: tuple[int, int, Any], words: str, tmp_path: Path
) -> None:
    row, column, value = cell
    lines = [list(line) for line in a_table()]
    lines[row][column] = value
    with pytest.raises(InputError, match=words) as error:
        read(write(tmp_path / "costs.csv", lines))
    assert "leave it empty" not in str(error.value)
    assert "label a row" not in str(error.value)


def test_costs_may_be_as_large_as_is_said_and_negative(tmp_path: Path) -> None:
    lines = [(*pair, -1e30) for pair in PAIRS]
    assert read(write(tmp_path / "costs.csv", lines)).min() == -1e30


@pytest.mark.parametrize(
    "values",
    [[[1]] * 6, [b"1"] * 6, [pd.Timestamp(0)] * 6, [True] * 6],
    ids=["list", "bytes", "date", "boolean"],
)
def test_costs_that_are_no_numbers_are_refused_with_their_type(
    values: list[Any], tmp_path: Path
) -> None:
    table = pa.table({"label": [pair[0] for pair in PAIRS]})
    table = table.append_column("predicted", pa.array([pair[1] for pair in PAIRS]))
    table = table.append_column("cost", pa.array(values))
    pa.parquet.write_table(table, tmp_path / "costs.parquet")
    words = "costs.parquet: column 'cost' is of type [a-z]+.*; make it numbers$"
    with pytest.raises(InputError, match=words):
        read(tmp_path / "costs.parquet")


def test_a_label_of_another_type_is_named_with_a_remedy_that_fits(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "costs.csv", [("one", 2, 3), (2, 1, 4)])
    with pytest.raises(
        InputError, match=r"row 0: 'one' .*; correct it or drop the row"
    ):
        read_costs(path, np.array([1, 2]), pa.int64())


@pytest.mark.parametrize("name", ["label", "predicted", "cost"])
def test_a_missing_column_is_named_with_those_a_table_has(
    name: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame(a_table(), columns=["label", "predicted", "cost"])
    frame.drop(columns=name).to_csv(tmp_path / "costs.csv", index=False)
    words = f"has no column {name!r}; add it .a table of costs has label, predic"
    with pytest.raises(InputError, match=words):
        read(tmp_path / "costs.csv")


def test_a_label_that_only_looks_the_same_is_another(tmp_path: Path) -> None:
    path = write(tmp_path / "costs.csv", [("1.0", "2", 3), ("2", "1", 4)])
    with pytest.raises(InputError, match=r"column 'label'.*'1\.0'"):
        read_costs(path, np.array([1, 2]), pa.int64())
