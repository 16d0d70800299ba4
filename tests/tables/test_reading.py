"""Tables without a pool; `salutary label` is tested with one."""

import dataclasses
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

from salutary.errors import InputError
from salutary.tables.encoding import fit_encoder
from salutary.tables.reading import read_tables
from salutary.tables.sources import Sources

TRAIN = pd.DataFrame(
    {
        "size": [1.0, 2.0, 4.0],
        "color": ["red", "green", "red"],
        "kind": list("bab"),
        "name": ["007", "x", "y"],
    }
)


def sources(folder: Path, validation: pd.DataFrame) -> Sources:
    TRAIN.to_csv(folder / "train.csv", index=False)
    validation.to_csv(folder / "validation.csv", index=False)
    return Sources(
        folder / "train.csv", folder / "validation.csv", None, "kind", "name"
    )


def test_without_a_pool_the_training_rows_are_named(tmp_path: Path) -> None:
    found = sources(tmp_path, TRAIN.iloc[:2].assign(name=["x", "x"]))
    assert list(found.paths()) == ["train", "validation"]
    tables = read_tables(found)
    assert tables.ids.to_pylist() == ["007", "x", "y"]
    assert tables.pool_labels is None
    assert list(tables.features) == ["train", "validation"]
    assert tables.classes.tolist() == ["a", "b"]
    assert tables.train_labels.tolist() == [1, 0, 1]
    assert tables.validation_labels.tolist() == [1, 0]


def test_without_a_pool_the_encoder_sees_the_training_table_alone(
    tmp_path: Path,
) -> None:
    far = TRAIN.iloc[:2].assign(size=[1e6, 2e6])
    found = sources(tmp_path, far)
    _, matrices = fit_encoder(read_tables(found), found, 0)
    assert list(matrices) == ["train", "validation"]
    sizes = TRAIN["size"].to_numpy()
    expected = (sizes - sizes.mean()) / sizes.std()
    np.testing.assert_allclose(matrices["train"][:, 0], expected, rtol=1e-6)


def test_without_a_pool_the_validation_table_is_still_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"validation.csv: has no column 'size'"):
        read_tables(sources(tmp_path, TRAIN.drop(columns="size")))
    with pytest.raises(InputError, match=r"validation.csv: column 'kind' has the cl"):
        read_tables(sources(tmp_path, TRAIN.assign(kind="c")))


# Columns that only a typed file can have


def typed(folder: Path, table: str, **columns: pa.Array) -> Sources:
    """Typed tables, some columns of one replaced; groups are in 'site'."""
    for name, frame in (("train", TRAIN), ("validation", TRAIN.assign(site="s"))):
        rows = pa.Table.from_pandas(frame, preserve_index=False)
        for column, values in columns.items() if name == table else ():
            place = rows.column_names.index(column)
            rows = rows.set_column(place, column, values)
        # Not every version writes views to Parquet.
        pa.feather.write_feather(rows, str(folder / f"{name}.feather"))
    paths = [folder / f"{name}.feather" for name in ("train", "validation")]
    return Sources(*paths, None, "kind", "name", "site")


NESTED = {
    "list": pa.array([[1], [2], [1]]),
    "struct": pa.array([{"a": 1}, {"a": 2}, {"a": 3}]),
    "list of text": pa.array([["x"], ["y"], ["z"]]),
}


@pytest.mark.parametrize("values", NESTED.values(), ids=NESTED.keys())
@pytest.mark.parametrize(
    ("table", "column", "what"),
    [("train", "name", "id"), ("validation", "site", "group")],
)
def test_nested_ids_and_groups_are_refused_with_their_type(
    table: str, column: str, what: str, values: pa.Array, tmp_path: Path
) -> None:
    place = f"{table}.feather: {what} column '{column}'"
    words = rf"{place} is of type (list|struct)<.*>; make it text or numbers$"
    with pytest.raises(InputError, match=words):
        read_tables(typed(tmp_path, table, **{column: values}))


@pytest.mark.parametrize("missing", [None, np.nan], ids=str)
@pytest.mark.parametrize(
    ("table", "column", "what"),
    [("train", "name", "id"), ("validation", "site", "group")],
)
@pytest.mark.parametrize("categories", [False, True])
def test_an_id_or_group_that_is_missing_is_refused_by_row(
    table: str,
    column: str,
    what: str,
    missing: float | None,
    categories: bool,
    tmp_path: Path,
) -> None:
    values = pa.array([1.0, 2.0, missing], pa.float64(), from_pandas=False)
    if categories:
        values = values.dictionary_encode()
    words = f"{what} column '{column}' is empty in row 2; fill it or drop the row"
    with pytest.raises(InputError, match=words):
        read_tables(typed(tmp_path, table, **{column: values}))


def test_groups_of_other_types_are_told_apart(tmp_path: Path) -> None:
    for values in (["b", "a", "b"], [2, 1, 2], [True, False, True], [b"b", b"a", b"b"]):
        for encoded in (pa.array(values), pa.array(values).dictionary_encode()):
            found = read_tables(typed(tmp_path, "validation", site=encoded))
            assert found.groups.tolist() == [1, 0, 1]


@pytest.mark.parametrize("table", ["train", "validation"])
def test_texts_in_views_are_labels_and_ids_as_any_others(
    table: str, tmp_path: Path
) -> None:
    views = {"kind": pa.array(["b", "a", "b"], pa.string_view())}
    if table == "train":
        views["name"] = pa.array(["x", "y", "z"], pa.string_view())
    found = typed(tmp_path, table, **views)
    tables = read_tables(found)
    assert tables.classes.tolist() == ["a", "b"]
    assert tables.train_labels.tolist() == [1, 0, 1]
    assert tables.validation_labels.tolist() == [1, 0, 1]
    # What pandas stores texts as depends on its version.
    text = pa.Schema.from_pandas(TRAIN).field("kind").type
    expected = pa.string() if table == "train" else text
    assert tables.label_type == expected
    assert tables.ids.type == expected


def test_one_long_group_name_takes_its_own_room_alone(tmp_path: Path) -> None:
    n_rows, long = 20_000, "g" * 2_000_000
    groups = [long, *(f"g{row % 5}" for row in range(n_rows - 1))]
    rows = TRAIN.iloc[np.arange(n_rows) % 3].assign(site=groups)
    TRAIN.to_parquet(tmp_path / "train.parquet")
    rows.to_parquet(tmp_path / "validation.parquet")
    paths = [tmp_path / f"{name}.parquet" for name in ("train", "validation")]
    tracemalloc.start()
    found = read_tables(Sources(*paths, None, "kind", "name", "site")).groups
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6  # a fixed-width text each would be 160 GB
    assert sorted(set(found.tolist())) == [0, 1, 2, 3, 4, 5]
    assert (found == found[0]).sum() == 1


def test_whole_numbers_as_groups_of_a_csv_stay_in_their_order(tmp_path: Path) -> None:
    found = sources(tmp_path, TRAIN.assign(site=[10, 2, 10]))
    tables = read_tables(dataclasses.replace(found, group_column="site"))
    assert tables.groups.tolist() == [1, 0, 1]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            [*"12345", "n.a."],
            "because of 'n.a.' in row 5; correct it or leave it empty, "
            "unless these are codes",
        ),
        (
            ["0,75", "1,5", "2,25", "3,5", "4,5", "5,5"],
            "because of '0,75' in row 0; write all numbers plainly, such as -1234.5",
        ),
    ],
)
def test_numbers_that_are_read_as_text_are_warned_of_in_every_format(
    values: list[str], words: str, suffix: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"size": values, "kind": [*"ababab"]})
    paths = [tmp_path / f"{name}{suffix}" for name in ("train", "validation")]
    for path in paths:
        if suffix == ".csv":
            frame.to_csv(path, index=False)
        elif suffix == ".parquet":
            frame.to_parquet(path, index=False)
        else:
            frame.to_json(path, orient="records", lines=True)
    with pytest.warns(UserWarning, match="column 'size' is taken as text, not") as seen:
        read_tables(Sources(*paths, None, "kind", None))
    assert [str(warning.message).endswith(words) for warning in seen] == [True]
