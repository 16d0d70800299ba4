"""Reading, casting and encoding tables, against pandas and hashlib."""

import datetime
import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest
from sklearn.base import clone

from salutary.errors import InputError
from salutary.tables.columns import (
    cast_column,
    cast_features,
    column_kinds,
    stray_texts,
)
from salutary.tables.encoding import (
    ColumnTypes,
    count_recurring,
    table_encoder,
    unseen_categories,
)
from salutary.tables.formats import CHUNK, file_sha256, read_table
from salutary.tables.targets import target_labels, target_type

TEXT = """size,color,day,member,at,note
1.5,red,2024-02-29,true,10:20:30,"a ""quoted"", word"
,,,,,
-3e5,größe 📏,2023-12-31,false,23:59:59,"two
lines"
"""


def chunked(*values: object, type: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, type)])


def test_a_csv_is_read_as_pandas_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(TEXT, encoding="utf-8")
    found = read_table(path)
    expected = pd.read_csv(io.StringIO(TEXT))
    for column in ("size", "color", "note"):
        assert (
            found[column]
            .to_pandas()
            .equals(expected[column].astype(found[column].to_pandas().dtype))
        )
    assert found["day"].to_pylist() == [
        datetime.date(2024, 2, 29),
        None,
        datetime.date(2023, 12, 31),
    ]
    assert found["member"].to_pylist() == [True, None, False]
    assert found["at"].to_pylist()[0] == datetime.time(10, 20, 30)


def test_a_csv_type_is_inferred_from_the_whole_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("code\n" + "7\n" * 400_000 + "x\n")
    assert read_table(path)["code"].type == pa.string()


def test_text_columns_of_a_csv_keep_their_characters(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("code,size\n007,1\n1e3,2\nTrue,3\n,4\n")
    table = read_table(path, ["code", "elsewhere"])
    assert table["code"].to_pylist() == ["007", "1e3", "True", None]
    assert table["size"].to_pylist() == [1, 2, 3, 4]


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b""], ids=["BOM", "no BOM"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_byte_order_mark_and_line_ends_do_not_matter(
    start: bytes, end: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(start + end.join(["a,b", "1,x", "2,y", ""]).encode())
    assert read_table(path).to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=50).round(6),
            "count": rng.integers(0, 9, 50),
            "color": rng.choice(["red", "größe"], 50),
            "member": rng.random(50) < 0.5,
        }
    )
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    frame.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    # Named against the order of writing; read in the order of names.
    (tmp_path / "rows").mkdir()
    frame[20:].to_parquet(tmp_path / "rows" / "b.parquet", index=False)
    frame[:20].iloc[:, ::-1].to_parquet(tmp_path / "rows" / "a.parquet", index=False)
    (tmp_path / "rows" / "README.md").write_text("not a part")
    found = {
        name: read_table(tmp_path / name).select(list(frame)).to_pydict()
        for name in ("rows.csv", "rows.parquet", "rows.jsonl")
    }
    folder = read_table(tmp_path / "rows")
    found["rows"] = folder.select(list(frame)).to_pydict()
    for rows in found.values():
        assert rows == frame.to_dict("list")


def test_parts_of_a_folder_may_differ_in_the_width_of_a_type(tmp_path: Path) -> None:
    pa.parquet.write_table(
        pa.table({"a": pa.array([1], pa.int8())}), tmp_path / "1.parquet"
    )
    pa.parquet.write_table(pa.table({"a": pa.array([2.5])}), tmp_path / "2.parquet")
    assert read_table(tmp_path)["a"].to_pylist() == [1.0, 2.5]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_column_without_a_name_amid_the_others_is_refused(
    suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"table{suffix}"
    frame = pd.DataFrame({"a": [1, 2], "": [3, 4], "b": [5, 6]})
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    with pytest.raises(InputError, match=f"table{suffix}: column 2 has no name"):
        read_table(path)


def test_an_index_without_a_name_is_dropped_and_one_with_a_name_kept(
    tmp_path: Path,
) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0]}, index=[5, 3])
    frame.to_parquet(tmp_path / "rows.parquet")
    assert read_table(tmp_path / "rows.parquet").column_names == ["a"]
    frame.rename_axis("key").to_parquet(tmp_path / "rows.parquet")
    assert read_table(tmp_path / "rows.parquet").to_pydict() == {
        "a": [1.0, 2.0],
        "key": [5, 3],
    }


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("rows.csv", b"", "Empty"),
        ("rows.csv", b"a,b\n", "has no rows"),
        ("rows.csv", b"a,a\n1,2\n", "'a' occurs more than once"),
        ("rows.csv", b"\n\n", "Empty"),
        ("rows.csv", b"a,b\n1\n", "line 2 has 1 value, but the header has 2"),
        ("rows.csv", b"a,b\n\n1,2\n1,2,3\n", "line 4 has 3 values"),
        ("rows.csv", b'a,b\n"1\n1",2\n1,2,3\n', "line 4 has 3 values"),
        ("rows.csv", b'a,b\n1,"2\n1,2\n', "line 2 has a quotation mark"),
        ("rows.csv", b'a,b\n1,2\n1,"2' + b"\n1,2" * 99_999, "line 3 has a quotation"),
        ("rows.csv", b"a,\xe9\n1,2\n", "line 1 is not in UTF-8"),
        ("rows.csv", b"a,b\n1,x\n2,\xe9\n", "line 3 is not in UTF-8"),
        ("rows.csv", b"a,b\n1,x\n2,\xe9", "line 3 is not in UTF-8"),
        ("rows.csv", b"a,b\n" * 600_000 + b"\xe9,1\n", "line 600001 is not in UTF-8"),
        ("rows.csv", "a,b\n1,2\n".encode("utf-16"), "is in UTF-16"),
        ("rows.csv", "a,b\n1,2\n".encode("utf-16-be"), "is in UTF-16"),
        ("rows.jsonl", '{"a": 1}'.encode("utf-16"), "is in UTF-16"),
        ("rows.jsonl", b'{"a": "\xe9"}\n', "line 1 is not in UTF-8"),
        ("rows.parquet", b"PAR1PAR1", "cannot be read"),
        ("rows.parquet", b"", "cannot be read"),
        ("rows.jsonl", b"", "cannot be read"),
        ("rows.jsonl", b'{"a": 1}\n{"a": "x"}\n', "cannot be read"),
        ("rows.jsonl", b'{"a": 1', "cannot be read"),
        ("rows.json", b"{}", "unknown kind"),
        ("rows", b"a\n1\n", "unknown kind"),
    ],
)
def test_what_is_no_table_is_refused_by_name(
    name: str, content: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_table(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(caught.value)


def test_a_quotation_mark_within_a_value_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('a,b\n1,5" pipe\n2,"6"" pipe"\n')
    assert read_table(path)["b"].to_pylist() == ['5" pipe', '6" pipe']


def test_a_letter_that_two_chunks_share_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1," + "x" * (CHUNK - 7) + "é\n", encoding="utf-8")
    assert path.read_bytes()[CHUNK - 1 : CHUNK + 1] == "é".encode()
    assert read_table(path)["b"][0].as_py().endswith("xé")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([*"12345", "n.a."], (5, "n.a.")),
        ([*"12345", "n.a.", "n.a."], (5, "n.a.")),
        (["?", "-1.5", "+2", ".5", "1e-3", " 7 "], (0, "?")),
        ([None, *"12345", "x"], (6, "x")),
        ([*"1234", "n.a."], None),  # so few numbers may be names
        ([*"123451", "n.a.", "none"], None),
        ([*"123456"], None),
        ([None, None], None),
    ],
)
def test_a_few_texts_among_many_numbers_are_strays(
    values: list[str | None], expected: tuple[int, str] | None
) -> None:
    table = pa.table({"a": pa.array(values, pa.string()), "b": [1] * len(values)})
    found = stray_texts(table, ["a", "b"])
    assert found == ({} if expected is None else {"a": expected})


def test_missing_files_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "rows.csv")
    with pytest.raises(InputError, match=r"holds no \.parquet file"):
        read_table(tmp_path)


def test_text_of_a_parquet_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    raw = pa.array([b"tea", None, "café".encode("latin-1")])
    texts = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    pa.parquet.write_table(pa.table({"a": texts}), tmp_path / "rows.parquet")
    with pytest.raises(InputError, match=r"rows\.parquet: column 'a', row 2: cannot"):
        read_table(tmp_path / "rows.parquet")


def test_a_fingerprint_is_the_sha256_of_the_bytes(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(3_000_000)
    (tmp_path / "rows.csv").write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()
    assert file_sha256(tmp_path / "rows.csv") == expected


def test_a_folders_fingerprint_follows_names_and_contents(tmp_path: Path) -> None:
    found = []
    for name, content in (("a", b"1"), ("a", b"2"), ("b", b"2")):
        for file in tmp_path.iterdir():
            file.unlink()
        (tmp_path / f"{name}.parquet").write_bytes(content)
        found.append(file_sha256(tmp_path))
        (tmp_path / "notes.txt").write_text("not a part")
        assert file_sha256(tmp_path) == found[-1]
    assert len(set(found)) == 3


KINDS = {
    "number": [pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.decimal128(5, 2)],
    "boolean": [pa.bool_()],
    "text": [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
    ],
    "date": [pa.date32(), pa.date64(), pa.timestamp("ns"), pa.timestamp("s", "UTC")],
    "time": [pa.time32("s"), pa.time64("ns")],
}


@pytest.mark.parametrize(
    ("kind", "arrow_type"),
    [(kind, arrow_type) for kind, types in KINDS.items() for arrow_type in types],
    ids=str,
)
def test_every_plain_type_has_a_kind_and_can_be_cast_to_it(
    kind: str, arrow_type: pa.DataType
) -> None:
    table = pa.table({"a": pa.array([None], arrow_type)})
    assert column_kinds(table, table, ["a"]) == {"a": kind}
    frame = cast_features(table, {"a": kind}, "rows.parquet")
    assert frame["a"].isna().all()


@pytest.mark.parametrize(
    "arrow_type",
    [pa.list_(pa.string()), pa.struct({"x": pa.int8()}), pa.binary()],
    ids=str,
)
def test_nested_types_and_bytes_are_no_features(arrow_type: pa.DataType) -> None:
    table = pa.table({"a": pa.array([None], arrow_type)})
    with pytest.raises(InputError, match="'a'"):
        column_kinds(table, table, ["a"])


def test_the_pool_decides_about_a_column_that_is_empty_in_train() -> None:
    train, pool = pa.table({"a": [None]}), pa.table({"a": [1.5]})
    assert column_kinds(train, pool, ["a"]) == {"a": "number"}
    assert column_kinds(train, train, ["a"]) == {"a": "text"}


MOMENT = datetime.datetime(2024, 2, 29, 10, 20, 30)
ZONED = MOMENT.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=2)))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("number", "1.5", 1.5),
        ("number", " -3e5 ", -3e5),
        ("number", 7, 7.0),
        ("number", 2**60 + 1, float(2**60)),
        ("number", True, 1.0),
        ("number", datetime.timedelta(seconds=1), 1e6),
        ("boolean", "true", 1.0),
        ("boolean", "False", 0.0),
        ("boolean", 1, 1.0),
        ("text", "007", "007"),
        ("text", 7, "7"),
        ("text", True, "true"),
        ("date", "2024-02-29", MOMENT.replace(hour=0, minute=0, second=0)),
        ("date", " 2024-02-29T10:20:30", MOMENT),
        ("date", "2024-02-29T10:20:30Z", MOMENT),
        ("date", "2024-02-29T10:20:30+02:00", MOMENT - datetime.timedelta(hours=2)),
        ("date", MOMENT.date(), MOMENT.replace(hour=0, minute=0, second=0)),
        ("date", ZONED, MOMENT - datetime.timedelta(hours=2)),
        ("time", "10:20:30", 37230.0),
        ("time", "10:20", 37200.0),
        ("time", "10:20:30.25", 37230.25),
        ("time", datetime.time(10, 20, 30, 250_000), 37230.25),
    ],
)
def test_a_value_is_cast_to_its_columns_kind(
    kind: str, value: object, expected: object
) -> None:
    table = pa.table({"a": pa.array([None, value])})
    column = cast_features(table, {"a": kind}, "rows")["a"]
    assert pd.isna(column[0])
    assert column[1] == expected
    dtypes = {"text": "object", "date": "datetime64[us]"}
    assert column.dtype == dtypes.get(kind, "float64")


@pytest.mark.parametrize("arrow_type", [pa.large_string(), pa.string_view()], ids=str)
@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("number", "1.5", 1.5),
        ("boolean", " true", 1.0),
        ("text", " x", " x"),
        ("date", "2024-02-29T10:20:30", MOMENT),
        ("time", "10:20:30", 37230.0),
    ],
)
def test_every_type_of_text_is_cast_alike(
    kind: str, value: str, expected: object, arrow_type: pa.DataType
) -> None:
    table = pa.table({"a": pa.array([value], arrow_type)})
    assert cast_features(table, {"a": kind}, "rows")["a"][0] == expected


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Paris"])
def test_a_moment_keeps_its_microseconds(zone: str | None) -> None:
    moment = pd.Timestamp("2024-02-29T10:20:30.123456789", tz=zone)
    table = pa.table({"a": pa.array([moment.value], pa.timestamp("ns", zone))})
    expected = (moment.tz_convert(None) if zone else moment).floor("us")
    assert cast_features(table, {"a": "date"}, "rows")["a"][0] == expected


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("number", ["1", None, "abc"]),
        ("boolean", ["true", None, "abc"]),
        ("date", ["2024-02-29", None, "abc"]),
        ("date", ["2024-02-29", None, "2023-02-29"]),
        ("time", ["10:20", None, "25:00"]),
    ],
)
def test_a_value_that_cannot_be_cast_is_named_with_its_place(
    kind: str, values: list[str]
) -> None:
    table = pa.table({"ok": [1.0] * 3, "a": values})
    with pytest.raises(InputError) as caught:
        cast_features(table, {"ok": "number", "a": kind}, "pool.csv")
    assert f"pool.csv: column 'a', row 2: {values[2]!r} is not" in str(caught.value)


@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
def test_infinity_is_named_with_its_place(infinity: float) -> None:
    table = pa.table({"a": [0.0, None, infinity]})
    with pytest.raises(InputError, match=r"pool\.csv: column 'a', row 2: infinity"):
        cast_features(table, {"a": "number"}, "pool.csv")


@pytest.mark.parametrize(
    ("values", "target"),
    [
        (chunked(1.5), pa.timestamp("us")),
        (chunked(3), pa.time64("us")),
        (chunked([1]), pa.float64()),
        (chunked({"x": 1}), pa.string()),
    ],
)
def test_a_type_that_cannot_be_cast_is_named(
    values: pa.ChunkedArray, target: pa.DataType
) -> None:
    with pytest.raises(InputError, match=r"here: is of type .* convert it"):
        cast_column(values, target, "here")


def test_a_missing_feature_is_named() -> None:
    with pytest.raises(InputError, match="has no column 'b'"):
        cast_features(pa.table({"a": [1]}), {"a": "number", "b": "text"}, "rows")


@pytest.mark.parametrize(
    "values",
    [["a", "b"], [1, -1], [True, False], [1.0, 2.0], ["1.5", "0.5"]],
    ids=str,
)
def test_classes_are_text_whole_numbers_or_booleans(values: list[object]) -> None:
    table = pa.table({"y": values})
    found = target_type(table, "y", "train.csv")
    assert found == pa.array(values).type
    assert target_labels(table, "y", found, "train.csv").tolist() == values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([MOMENT], "type timestamp"),
        ([[1]], "type list"),
        ([1.5, 2.0], "real numbers"),
        (["a", None], "empty in row 1"),
    ],
)
def test_a_target_without_classes_is_refused(values: list, words: str) -> None:
    table = pa.table({"y": values})
    with pytest.raises(InputError, match=words) as caught:
        target_labels(table, "y", target_type(table, "y", "train.csv"), "train.csv")
    assert "'y'" in str(caught.value)


def test_labels_of_another_table_take_the_type_of_train() -> None:
    found = target_labels(pa.table({"y": ["1", "2"]}), "y", pa.int64(), "val.csv")
    assert found.tolist() == [1, 2]
    with pytest.raises(InputError, match=r"val\.csv: column 'y', row 1: 'x'"):
        target_labels(pa.table({"y": ["1", "x"]}), "y", pa.int64(), "val.csv")


def mixed(n: int, seed: int) -> pd.DataFrame:
    """Columns as `cast_features` gives them, one for each of skrub's encoders."""
    rng = np.random.default_rng(seed)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D")
    frame = pd.DataFrame(
        {
            "size": rng.normal(50, 20, n),
            "color": rng.choice(["red", "green", "blue"], n),
            "note": [f"note {rng.integers(10**6)} of {row}" for row in range(n)],
            "day": day.astype("datetime64[us]"),
            "empty": pd.Series([None] * n, dtype=object),
        }
    ).astype({"color": object, "note": object})
    for place, column in enumerate(("size", "color", "note", "day")):
        frame.loc[rng.random(n) < 0.1 + 0.02 * place, column] = None
    return frame


def test_the_encoder_gives_the_same_numbers_again_and_only_finite_ones() -> None:
    frame, unseen = mixed(120, 0), mixed(60, 1)
    encoder = table_encoder(0)
    fitted = np.asarray(encoder.fit_transform(frame))
    assert fitted.dtype == np.float32
    np.testing.assert_allclose(encoder.transform(frame), fitted, atol=1e-4)
    assert np.isfinite(fitted).all()
    assert np.isfinite(encoder.transform(unseen)).all()
    np.testing.assert_allclose(fitted.mean(axis=0), 0, atol=1e-3)
    spread = fitted.std(axis=0)
    np.testing.assert_allclose(spread[spread > 1e-6], 1, atol=1e-3)
    # Alone or with others, a row becomes the same.
    one = np.asarray(encoder.transform(frame[7:8]))
    np.testing.assert_allclose(one, fitted[7:8], atol=1e-4)


def test_the_encoder_is_seeded() -> None:
    frame = mixed(120, 0)
    first = np.asarray(table_encoder(3).fit_transform(frame))
    np.testing.assert_array_equal(table_encoder(3).fit_transform(frame), first)


def test_columns_are_chosen_and_cast_by_name_whatever_else_there_is() -> None:
    types = ColumnTypes({"b": "number", "a": "text"})
    rows = pd.DataFrame(
        {"a": [1, 2], "other": [0, 0], "b": ["1.5", None]}, index=[9, 4]
    )
    found = clone(types).fit(rows).transform(rows)
    assert list(found) == ["b", "a"]
    assert found["a"].tolist() == ["1", "2"]
    assert found["b"][0] == 1.5
    with pytest.raises(InputError, match="'b'"):
        types.transform(rows[["a"]])


def test_unseen_categories_are_rows_of_the_pool_not_values() -> None:
    train = pd.DataFrame({"color": ["red", None, "blue"], "shape": ["x", "y", "x"]})
    pool = pd.DataFrame(
        {"color": ["red", "teal", "teal", None, "pink"], "shape": ["x", "y", *"xxy"]}
    )
    encoder = table_encoder(0).fit(pd.concat([train, pool], ignore_index=True))
    assert unseen_categories(encoder, train, pool) == {"color": 3}


def test_recurring_rows_are_those_pandas_finds() -> None:
    frames = [mixed(40, seed) for seed in range(3)]
    rows = pd.concat([frames[0], frames[1][:4], frames[2][5:7]], ignore_index=True)
    # pandas joins missing values, too.
    joined = rows.merge(pd.concat(frames[1:]).drop_duplicates(), how="inner")
    assert count_recurring(rows, *frames[1:]) == len(joined) == 6
    assert count_recurring(frames[0], *frames[1:]) == 0


def test_a_file_whose_name_is_not_utf_8_has_a_file_sha256(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"a\377.parquet")).write_bytes(b"x")
    one = file_sha256(tmp_path)
    (tmp_path / os.fsdecode(b"a\377.parquet")).rename(tmp_path / "a.parquet")
    assert file_sha256(tmp_path) != one
