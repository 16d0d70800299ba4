"""The catalog against the real data, and what is refused before it is computed on."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from salutary.benchmark.datasets import (
    DATA_SETS,
    FOLDER_VARIABLE,
    NINE,
    DataSet,
    data_folder,
    find_data_set,
    fingerprint,
    load,
)
from salutary.errors import InputError

TABLE = pd.DataFrame(
    {"a": [0.5, 1.0, -2.0, 3.0], "b": list("xyxz"), "label": ["no", "yes", "no", "yes"]}
)
ARRAYS = {
    "x_train": np.arange(24, dtype=np.uint8).reshape(6, 2, 2),
    "y_train": np.array([3, 5, 3, 5, 5, 3], dtype=np.uint8),
    "x_test": np.arange(8, dtype=np.uint8).reshape(2, 2, 2),
    "y_test": np.array([5, 3], dtype=np.uint8),
}
IN_FILES = [data for data in DATA_SETS.values() if data.file]


@pytest.fixture
def table(tmp_path: Path) -> DataSet:
    """A small table, as it should be, in a folder."""
    TABLE.to_parquet(tmp_path / "tiny.parquet")
    return replace(
        DATA_SETS["electric"],
        title="Tiny",
        file="tiny.parquet",
        source="its maker",
        fingerprint=fingerprint(TABLE),
    )


@pytest.fixture
def images(tmp_path: Path) -> DataSet:
    """Small images, as they should be, in a folder."""
    np.savez_compressed(tmp_path / "tiny.npz", **ARRAYS)
    return replace(
        DATA_SETS["mnist"],
        title="Tiny",
        file="tiny.npz",
        source="its maker",
        fingerprint=fingerprint(ARRAYS),
    )


def refusal(data: DataSet, folder: Path | None) -> str:
    """What a user is told, which must be one line."""
    with pytest.raises(InputError) as told:
        load(data, folder)
    message = str(told.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("data", IN_FILES, ids=lambda data: data.name)
def test_a_file_has_the_rows_features_and_classes_of_the_catalog(
    data: DataSet, data_folder: Path
) -> None:
    rows = load(data, data_folder)
    assert rows.X.shape == (data.rows, data.features)
    assert rows.y.shape == (data.rows,)
    assert rows.y.dtype == np.intp
    np.testing.assert_array_equal(np.unique(rows.y), np.arange(data.classes))


def test_the_paper_compares_on_nine_data_sets_of_the_catalog() -> None:
    assert len(set(NINE)) == 9
    assert set(NINE) <= set(DATA_SETS)
    assert all(name == data.name for name, data in DATA_SETS.items())


def test_classes_are_positions_among_the_sorted_labels(
    table: DataSet, images: DataSet, tmp_path: Path
) -> None:
    assert load(table, tmp_path).y.tolist() == [0, 1, 0, 1]
    pooled = load(images, tmp_path)
    assert pooled.y.tolist() == [0, 1, 0, 1, 1, 0, 1, 0]
    assert pooled.X.shape == (8, 4)
    np.testing.assert_array_equal(pooled.X[6:], ARRAYS["x_test"].reshape(2, 4))


def test_bank_has_neither_the_leak_nor_unknowns(data_folder: Path) -> None:
    bank = DATA_SETS["bank"]
    rows = load(bank, data_folder)
    assert "duration" not in rows.X
    assert "label" not in rows.X
    assert not (rows.X == "unknown").any(axis=None)
    raw = pd.read_parquet(data_folder / bank.file)
    kept = raw[~(raw == "unknown").any(axis=1)]
    assert rows.X["age"].tolist() == kept["age"].tolist()
    np.testing.assert_array_equal(rows.y, kept["label"] == "yes")


def test_wine_has_neither_its_color_nor_its_rarest_class(data_folder: Path) -> None:
    rows = load(DATA_SETS["wine"], data_folder)
    assert not {"color", "label"} & set(rows.X)
    assert np.bincount(rows.y).tolist() == [30, 216, 2138, 2836, 1079, 193]


def test_diabetic_reads_codes_as_categories(data_folder: Path) -> None:
    X = load(DATA_SETS["diabetic"], data_folder).X
    numbers = set(X.select_dtypes("number"))
    assert "time_in_hospital" in numbers
    assert not numbers & {
        "admission_type_id",
        "discharge_disposition_id",
        "admission_source_id",
    }
    assert not {"encounter_id", "patient_nbr"} & set(X)


@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
def test_bundled_sets_are_scikit_learns_and_need_no_folder(
    name: str, tmp_path: Path
) -> None:
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    for folder in (None, tmp_path):
        rows = load(DATA_SETS[name], folder)
        np.testing.assert_array_equal(rows.X, X)
        np.testing.assert_array_equal(rows.y, y)
        assert rows.X.shape == (DATA_SETS[name].rows, DATA_SETS[name].features)


def test_a_name_that_no_data_set_has_is_answered_with_the_names() -> None:
    with pytest.raises(InputError, match="'bnak'; there are bank, diabetic") as told:
        find_data_set("bnak")
    assert all(name in str(told.value) for name in DATA_SETS)
    assert find_data_set("bank") is DATA_SETS["bank"]


def test_a_folder_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "missing"
    monkeypatch.setenv(FOLDER_VARIABLE, str(missing))
    for given in (missing, None):
        with pytest.raises(InputError) as told:
            data_folder(given)
        message = str(told.value)
        assert "\n" not in message
        assert message.startswith(f"{missing}: no such folder; pass")


def test_the_folder_is_as_given_else_of_the_environment_else_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "named"
    named.mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(named))
    assert data_folder(tmp_path) == tmp_path
    assert data_folder(None) == named
    monkeypatch.setenv(FOLDER_VARIABLE, "")
    assert data_folder(None) is None
    monkeypatch.delenv(FOLDER_VARIABLE)
    assert data_folder(None) is None


@pytest.mark.parametrize("kind", ["table", "images"])
def test_a_missing_file_is_refused(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    data = request.getfixturevalue(kind)
    path = tmp_path / data.file
    path.unlink()
    told = refusal(data, tmp_path)
    assert told.startswith(f"{path}: no such file; put Tiny (its maker) there")


@pytest.mark.parametrize("kind", ["table", "images"])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.99])
def test_a_file_cut_short_is_refused(
    kind: str, part: float, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    data = request.getfixturevalue(kind)
    path = tmp_path / data.file
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    told = refusal(data, tmp_path)
    assert told == f"{path}: is damaged or cut short; restore it from its maker"


@pytest.mark.parametrize("kind", ["table", "images"])
def test_a_file_with_any_byte_altered_is_refused_or_has_the_same_content(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    data = request.getfixturevalue(kind)
    path = tmp_path / data.file
    whole, expected = path.read_bytes(), load(data, tmp_path)
    for position in range(0, len(whole), 3):
        altered = bytearray(whole)
        altered[position] ^= 0xFF
        path.write_bytes(altered)
        with suppress(InputError):
            rows = load(data, tmp_path)
            assert rows.y.tolist() == expected.y.tolist()


@pytest.mark.parametrize(
    "other",
    [
        TABLE.replace({"a": {1.0: 1.0000000000000002}}),
        TABLE.replace({"b": {"z": "Z"}}),
        TABLE[::-1],
        TABLE[["b", "a", "label"]],
        TABLE[:-1],
        TABLE.rename(columns={"a": "A"}),
        TABLE.drop(columns="label"),
    ],
    ids=["number", "text", "rows", "columns", "fewer", "name", "no label"],
)
def test_a_table_with_other_content_is_refused(
    other: pd.DataFrame, table: DataSet, tmp_path: Path
) -> None:
    path = tmp_path / table.file
    other.to_parquet(path)
    told = refusal(table, tmp_path)
    assert told.startswith(f"{path}: is not the copy of Tiny that results were made on")
    assert told.endswith("restore the file from its maker")


@pytest.mark.parametrize(
    "change",
    [
        {"x_test": ARRAYS["x_test"] + np.uint8(1)},
        {"y_train": ARRAYS["y_train"][::-1]},
        {"y_train": None},
        {"x_test": np.array([{}], dtype=object)},
    ],
    ids=["pixel", "order", "no array", "objects"],
)
def test_images_with_other_content_are_refused(
    change: dict[str, Any], images: DataSet, tmp_path: Path
) -> None:
    path = tmp_path / images.file
    arrays = {
        name: values for name, values in (ARRAYS | change).items() if values is not None
    }
    np.savez(path, **arrays)
    assert refusal(images, tmp_path).startswith(f"{path}: is ")


def test_a_real_file_with_one_edited_value_or_two_swapped_rows_is_refused(
    data_folder: Path, tmp_path: Path
) -> None:
    wine = DATA_SETS["wine"]
    whole = pd.read_parquet(data_folder / wine.file)
    edited = whole.copy()
    edited.loc[4321, "pH"] += 0.01
    order = np.arange(len(whole))
    order[[0, 1]] = order[[1, 0]]
    for other in (edited, whole.iloc[order]):
        other.to_parquet(tmp_path / wine.file)
        assert "wine_quality.parquet: is not the copy" in refusal(wine, tmp_path)
    whole.to_parquet(tmp_path / wine.file, compression="gzip")
    assert len(load(wine, tmp_path).y) == wine.rows


def test_a_fingerprint_is_of_values_whatever_their_types() -> None:
    counts = pd.DataFrame({"a": [1, 2, 3], "label": ["x", "y", "x"]})
    known = fingerprint(counts)
    for a, label in (
        ("float32", "object"),
        ("int8", "category"),
        ("float64", "str"),
        ("Int64", "string"),
    ):
        assert fingerprint(counts.astype({"a": a, "label": label})) == known
    assert fingerprint(counts.set_axis([7, 8, 9])) == known


def test_a_fingerprint_is_the_same_from_csv_and_parquet(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": rng.normal(size=500), "b": rng.integers(9, size=500), "c": list("xy,z '")
         + ['"'] * 494}
    )  # fmt: skip
    frame.to_csv(tmp_path / "table.csv", index=False)
    frame.to_parquet(tmp_path / "table.parquet")
    assert (
        fingerprint(pd.read_csv(tmp_path / "table.csv"))
        == fingerprint(pd.read_parquet(tmp_path / "table.parquet"))
        == fingerprint(frame)
    )


def test_a_fingerprint_tells_numbers_from_text_and_missing_from_zero() -> None:
    frames = [
        pd.DataFrame({"a": values})
        for values in ([1, 2], ["1", "2"], [1, None], [1, 0], ["1", None], ["1", ""])
    ]
    assert len({fingerprint(frame) for frame in frames}) == len(frames)
