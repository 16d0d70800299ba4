"""What is refused before it is computed on, and what has the same fingerprint."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from salutary.errors import InputError
from salutary_benchmark.data.catalog import DATA_SETS, DataSet
from salutary_benchmark.data.fetching import EXACT
from salutary_benchmark.data.loading import (
    FOLDER_VARIABLE,
    content_sha256,
    data_folder,
    load,
)

TABLE = pd.DataFrame(
    {"a": [0.5, 1.0, -2.0, 3.0], "b": list("xyxz"), "label": ["no", "yes", "no", "yes"]}
)
ARRAYS = {
    "x_train": np.arange(24, dtype=np.uint8).reshape(6, 2, 2),
    "y_train": np.array([3, 5, 3, 5, 5, 3], dtype=np.uint8),
    "x_test": np.arange(8, dtype=np.uint8).reshape(2, 2, 2),
    "y_test": np.array([5, 3], dtype=np.uint8),
}


@pytest.fixture
def table(tmp_path: Path) -> DataSet:
    """A small table, as it should be, in a folder."""
    TABLE.to_parquet(tmp_path / "tiny.parquet")
    return replace(
        DATA_SETS["electric"],
        title="Tiny",
        file="tiny.parquet",
        source="its maker",
        fingerprint=content_sha256(TABLE),
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
        fingerprint=content_sha256(ARRAYS),
    )


def refusal(data: DataSet, folder: Path | None) -> str:
    """What a user is told, which must be one line."""
    with pytest.raises(InputError) as told:
        load(data, folder)
    message = str(told.value)
    assert "\n" not in message
    return message


def test_classes_are_positions_among_the_sorted_labels(
    table: DataSet, images: DataSet, tmp_path: Path
) -> None:
    assert load(table, tmp_path).y.tolist() == [0, 1, 0, 1]
    pooled = load(images, tmp_path)
    assert pooled.y.tolist() == [0, 1, 0, 1, 1, 0, 1, 0]
    assert pooled.X.shape == (8, 4)
    np.testing.assert_array_equal(pooled.X[6:], ARRAYS["x_test"].reshape(2, 4))


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


@pytest.mark.slow
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
    known = content_sha256(counts)
    for a, label in (
        ("float32", "object"),
        ("int8", "category"),
        ("float64", "str"),
        ("Int64", "string"),
    ):
        assert content_sha256(counts.astype({"a": a, "label": label})) == known
    assert content_sha256(counts.set_axis([7, 8, 9])) == known


def test_a_fingerprint_is_the_same_from_csv_and_parquet(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": rng.normal(size=500), "b": rng.integers(9, size=500), "c": list("xy,z '")
         + ['"'] * 494}
    )  # fmt: skip
    frame.to_csv(tmp_path / "table.csv", index=False)
    frame.to_parquet(tmp_path / "table.parquet")
    assert (
        content_sha256(pd.read_csv(tmp_path / "table.csv", **EXACT))
        == content_sha256(pd.read_parquet(tmp_path / "table.parquet"))
        == content_sha256(frame)
    )


def test_a_fingerprint_tells_numbers_from_text_and_missing_from_zero() -> None:
    frames = [
        pd.DataFrame({"a": values})
        for values in ([1, 2], ["1", "2"], [1, None], [1, 0], ["1", None], ["1", ""])
    ]
    assert len({content_sha256(frame) for frame in frames}) == len(frames)
