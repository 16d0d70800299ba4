"""Reading tables, against pandas and hashlib."""

import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from salutary.errors import InputError
from salutary.tables.formats import file_sha256, read_table
from salutary.tables.text_files import CHUNK

TEXT = """size,color,day,member,at,note
1.5,red,2024-02-29,true,10:20:30,"a ""quoted"", word"
,,,,,
-3e5,größe 📏,2023-12-31,false,23:59:59,"two
lines"
"""


def test_a_csv_is_read_as_pandas_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(TEXT, encoding="utf-8")
    found = read_table(path)
    expected = pd.read_csv(io.StringIO(TEXT), dtype=str)
    assert found.schema.types == [pa.string()] * 6
    assert found.to_pydict() == expected.astype(object).where(
        expected.notna(), None
    ).to_dict("list")


def test_a_csv_type_is_inferred_from_the_whole_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("code\n" + "7\n" * 400_000 + "x\n")
    assert read_table(path)["code"].type == pa.string()


def test_the_columns_of_a_csv_keep_their_characters(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("code,size\n007,1\n1e3,2\nTrue,3\n,4\n")
    table = read_table(path)
    assert table["code"].to_pylist() == ["007", "1e3", "True", None]
    assert table["size"].to_pylist() == ["1", "2", "3", "4"]
    # A text that will be embedded may be empty.
    verbatim = read_table(path, ["code", "elsewhere"])
    assert verbatim["code"].to_pylist() == ["007", "1e3", "True", ""]


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b""], ids=["BOM", "no BOM"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_byte_order_mark_and_line_ends_do_not_matter(
    start: bytes, end: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(start + end.join(["a,b", "1,x", "2,y", ""]).encode())
    assert read_table(path).to_pydict() == {"a": ["1", "2"], "b": ["x", "y"]}


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
    texts = found.pop("rows.csv")
    assert texts == frame.astype(str).to_dict("list")
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
        ("rows.jsonl", b'{"b\\u0000": 1}\n', "ends with the character NUL"),
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


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("values", [[10, 20, None], ["10", "20", None]], ids=str)
def test_a_categorical_column_of_pandas_stays_one(
    values: list[object], folder: bool, tmp_path: Path
) -> None:
    column = pd.Series(pd.array(values)).astype("category")
    frame = pd.DataFrame({"a": column, "b": [1, 2, 3]})
    frame.to_parquet(tmp_path / "rows.parquet")
    table = read_table(tmp_path if folder else tmp_path / "rows.parquet")
    assert pa.types.is_dictionary(table.schema.field("a").type)
    assert table.to_pydict() == {"a": values, "b": [1, 2, 3]}


@pytest.mark.parametrize(
    "notes", [b"{", b"[]", b'{"columns": [{}]}', b'{"columns": 1}']
)
def test_notes_of_pandas_that_are_damaged_do_not_matter(
    notes: bytes, tmp_path: Path
) -> None:
    table = pa.table({"a": [1, 2]}).replace_schema_metadata({"pandas": notes})
    pa.parquet.write_table(table, tmp_path / "rows.parquet")
    assert read_table(tmp_path / "rows.parquet").to_pydict() == {"a": [1, 2]}


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


def test_a_file_whose_name_is_not_utf_8_has_a_file_sha256(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"a\377.parquet")).write_bytes(b"x")
    one = file_sha256(tmp_path)
    (tmp_path / os.fsdecode(b"a\377.parquet")).rename(tmp_path / "a.parquet")
    assert file_sha256(tmp_path) != one


def test_one_column_of_a_csv_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("who|what\nx\ny|z|w\n")
    assert read_table(tmp_path / "rows.csv").to_pydict() == {"who|what": ["x", "y|z|w"]}


@pytest.mark.parametrize("start", ["", "\ufeff", "\n  "])
def test_a_json_array_is_not_json_lines(start: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{start}[{{"a": 1}},\n{{"a": 2}}]', encoding="utf-8")
    with pytest.raises(InputError, match=r"rows\.jsonl: is one JSON array, not JSON l"):
        read_table(path)


def test_what_json_has_in_quotes_stays_text(tmp_path: Path) -> None:
    rows = [
        {"a": "2024-02-29", "b": 1, "c": "x", "d": None},
        {"a": "2024-02-29T10:00:00", "b": 2.5, "c": "2024-01-01", "d": True},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    table = read_table(path)
    assert table.column_names == [*"abcd"]
    assert table.to_pylist() == rows


IN_A_FOLDER: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (os.mkfifo, "is a pipe or device; save"),
    "endless device": (lambda path: path.symlink_to("/dev/zero"), "is a pipe or dev"),
    "link to the folder": (lambda path: path.symlink_to("."), "is a folder, not a"),
    "link to nowhere": (lambda path: path.symlink_to("x"), "is a link that leads now"),
    "link to itself": (lambda path: path.symlink_to(path), "is a link that leads now"),
    "folder": (Path.mkdir, "is a folder, not a .parquet file"),
}


@pytest.mark.parametrize(("make", "words"), IN_A_FOLDER.values(), ids=IN_A_FOLDER)
@pytest.mark.parametrize("read", [read_table, file_sha256])
def test_a_folder_holds_files_alone(
    read: Callable[[Path], object],
    make: Callable[[Path], None],
    words: str,
    tmp_path: Path,
) -> None:
    pa.parquet.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    make(tmp_path / "b.parquet")
    with pytest.raises(InputError, match=rf"b\.parquet: {words}"):
        read(tmp_path)
