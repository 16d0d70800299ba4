"""Tables as they are written, against pandas, and text changed by hand."""

import datetime
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from salutary.errors import InputError
from salutary.tables.writing import relabeled_name, write_relabeled, write_table

TABLE = pa.table(
    {
        "id": ["a", 'b "c", d', None],
        "probability": [1 / 3, 1e-12, None],
        "when": [datetime.datetime(2024, 2, 29, 10, 20, 30)] * 3,
        "round": [1, 2, 2**53 + 1],
    }
)


@pytest.mark.parametrize(
    "suffix",
    [
        ".csv",
        ".parquet",
        ".jsonl",
        ".CSV",
        ".tsv",
        ".csv.gz",
        ".jsonl.gz",
        ".tsv.gz",
        ".feather",
        ".arrow",
    ],
)
def test_a_table_is_read_back_as_it_was(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows{suffix}"
    path.write_text("of a run before")
    write_table(TABLE, path)
    if suffix == ".parquet":
        assert pa.parquet.read_table(path).equals(TABLE)
        return
    if suffix in (".feather", ".arrow"):
        assert pa.feather.read_table(path).equals(TABLE)
        return
    found = (
        pd.read_json(path, lines=True)
        if ".jsonl" in suffix
        else pd.read_csv(
            path, parse_dates=["when"], sep="\t" if ".tsv" in suffix else ","
        )
    )
    expected = TABLE.to_pandas()
    assert found["id"].fillna("").tolist() == expected["id"].fillna("").tolist()
    np.testing.assert_allclose(found["probability"], expected["probability"], 1e-14)
    assert found["round"].tolist() == expected["round"].tolist()
    moments = pd.to_datetime(found["when"]).dt.tz_localize(None)
    assert (moments == expected["when"]).all()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_another_suffix_is_refused_and_the_file_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.xlsx"
    path.write_text("mine")
    with pytest.raises(InputError, match=r"rows\.xlsx: unknown kind of table; pass"):
        write_table(TABLE, path)
    assert path.read_text() == "mine"


BEFORE, AFTER = np.array([1, 0, 1, 0]), np.array([1, 1, 0, 0])


def test_a_csv_keeps_its_spelling_but_for_the_labels(tmp_path: Path) -> None:
    text = 'code,kind,note\n007, dog ,"a, b"\n1.50,cat,\n\n+1,dog,"x\ry"\n-0,"cat",NA\n'
    (tmp_path / "rows.csv").write_text("\ufeff" + text, encoding="utf-8", newline="")
    out = tmp_path / "out.csv"
    write_relabeled(tmp_path / "rows.csv", out, "kind", BEFORE, AFTER)
    assert out.read_bytes().decode() == (
        'code,kind,note\n007, dog ,"a, b"\n1.50, dog ,\n+1,cat,"x\ry"\n-0,cat,NA\n'
    )


def test_a_packed_file_of_tabs_stays_one(tmp_path: Path) -> None:
    text = 'a;b\tkind\n1,5\tdog\n"x\ty"\tcat\n2\tdog\n3\tcat\n'
    source, out = tmp_path / "rows.tsv.gz", tmp_path / "out.tsv.gz"
    source.write_bytes(gzip.compress(text.encode()))
    write_relabeled(source, out, "kind", BEFORE, AFTER)
    expected = text.replace('y"\tcat', 'y"\tdog').replace("2\tdog", "2\tcat")
    assert gzip.decompress(out.read_bytes()).decode() == expected
    first = out.read_bytes()
    write_relabeled(source, out, "kind", BEFORE, AFTER)
    assert out.read_bytes() == first


def test_a_workbook_becomes_a_csv_with_its_values(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl", reason="needs salutary[excel]")
    frame = pd.DataFrame({"size": [1.5, 2, 3, 4], "kind": list("baba")})
    frame.to_excel(tmp_path / "rows.xlsx", index=False)
    out = tmp_path / relabeled_name(tmp_path / "rows.xlsx", "cleaned")
    write_relabeled(tmp_path / "rows.xlsx", out, "kind", BEFORE, AFTER)
    assert out.name == "cleaned.csv"
    pd.testing.assert_frame_equal(pd.read_csv(out), frame.assign(kind=list("bbaa")))


def test_json_lines_keep_their_text_but_for_the_labels(tmp_path: Path) -> None:
    lines = [
        '{"kind":2.0 , "size": 1e3}',
        '{"size": 1.50, "kind": 1}',
        '{"kind": 2, "note": "é\u2028"}',
        '{"kind":   1}',
    ]
    (tmp_path / "rows.jsonl").write_text("\n \n".join(lines), encoding="utf-8")
    out = tmp_path / "out.jsonl"
    write_relabeled(tmp_path / "rows.jsonl", out, "kind", BEFORE, AFTER)
    assert out.read_bytes().decode() == (
        f'{lines[0]}\n{{"size": 1.5, "kind": 2.0}}\n'
        f'{{"kind": 1, "note": "é\u2028"}}\n{lines[3]}\n'
    )


@pytest.mark.parametrize(
    "arrow_type",
    [pa.string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
    ids=str,
)
def test_parquet_keeps_its_types_and_a_folder_becomes_one_file(
    arrow_type: pa.DataType, tmp_path: Path
) -> None:
    kinds = pa.array(["dog", "cat", "dog", "cat"]).cast(arrow_type)
    table = pa.table({"size": pa.array([1, 2, 3, 4], pa.int8()), "kind": kinds})
    (tmp_path / "rows").mkdir()
    try:
        pa.parquet.write_table(table[:3], tmp_path / "rows" / "a.parquet")
    except pa.ArrowNotImplementedError:
        pytest.skip("this version writes no views to Parquet")
    pa.parquet.write_table(table[3:], tmp_path / "rows" / "b.parquet")
    out = tmp_path / "out.parquet"
    write_relabeled(tmp_path / "rows", out, "kind", BEFORE, AFTER)
    pa.parquet.write_table(table, tmp_path / "one.parquet")
    found = pa.parquet.read_table(out)
    assert found["size"].equals(table["size"])
    assert found["kind"].to_pylist() == ["dog", "dog", "cat", "cat"]
    stored = pa.parquet.read_table(tmp_path / "one.parquet").schema
    assert pa.parquet.read_schema(out).field("kind").type == stored.field("kind").type


def test_without_changes_the_copy_has_the_same_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame({"size": [1, 2, 3, 4], "kind": list("baba")})
    for name in ("rows.csv", "rows.jsonl", "rows.parquet", "rows.feather"):
        path, out = tmp_path / name, tmp_path / f"out-{name}"
        write_table(pa.Table.from_pandas(frame), path)
        write_relabeled(path, out, "kind", BEFORE, BEFORE)
        read = {
            "csv": pd.read_csv,
            "parquet": pd.read_parquet,
            "feather": pd.read_feather,
        }.get(name.removeprefix("rows."), lambda file: pd.read_json(file, lines=True))
        pd.testing.assert_frame_equal(read(out), frame)
