"""Tables read batch by batch are the tables read whole."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salutary.errors import InputError
from salutary.tables import batches
from salutary.tables.batches import read_rows, sample, stamp, table_batches
from salutary.tables.delimited import delimited_batches, read_delimited
from salutary.tables.formats import read_table

N = 1_000

VECTORS = pa.list_(pa.float32())


def table_of(n_rows: int = N) -> pa.Table:
    numbers = np.arange(n_rows)
    return pa.table(
        {
            "id": numbers + 10**12,
            "size": [None if i % 7 == 0 else i / 8 for i in range(n_rows)],
            "color": [None if i % 5 == 0 else f"grün, {i % 3}" for i in range(n_rows)],
            "shape": pa.array([[i, i / 2] for i in range(n_rows)], VECTORS),
        }
    )


def as_parquet(path: Path, table: pa.Table) -> Path:
    pq.write_table(table, path / "t.parquet", row_group_size=301)
    return path / "t.parquet"


def as_folder(path: Path, table: pa.Table) -> Path:
    (path / "t").mkdir()
    for number, start in enumerate(range(0, table.num_rows, 333)):
        part = table.slice(start, 333)
        if number == 1:  # in another order of columns
            part = part.select(part.column_names[::-1])
        pq.write_table(part, path / "t" / f"{number}.parquet")
    return path / "t"


def as_arrow(path: Path, table: pa.Table) -> Path:
    pyarrow.feather.write_feather(table, path / "t.feather", chunksize=77)
    return path / "t.feather"


def as_stream(path: Path, table: pa.Table) -> Path:
    with pa.ipc.new_stream(path / "t.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=77)
    return path / "t.arrow"


def as_csv(path: Path, table: pa.Table) -> Path:
    plain = table.drop_columns(["shape"])
    pa.csv.write_csv(plain, path / "t.csv")
    return path / "t.csv"


def as_gzipped(path: Path, table: pa.Table) -> Path:
    plain = table.drop_columns(["shape"]).to_pandas()
    plain.to_csv(path / "t.tsv.gz", sep="\t", index=False)
    return path / "t.tsv.gz"


def as_json(path: Path, table: pa.Table) -> Path:
    table.to_pandas().to_json(path / "t.jsonl", orient="records", lines=True)
    return path / "t.jsonl"


WRITERS = pytest.mark.parametrize(
    "write", [as_parquet, as_folder, as_arrow, as_stream, as_csv, as_gzipped, as_json]
)
Write = Callable[[Path, pa.Table], Path]


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_ROWS", 100)
    monkeypatch.setattr(batches, "MANY_ROWS", 250)


@WRITERS
def test_batches_are_the_rows_in_order_with_their_place(
    tmp_path: Path, write: Write
) -> None:
    path = write(tmp_path, table_of())
    whole, found = read_table(path), list(table_batches(path))
    assert max(batch.rows.num_rows for batch in found) <= 100
    joined = pa.concat_tables([batch.rows for batch in found])
    assert joined.combine_chunks().equals(whole)
    n_passed = 0
    for batch in found:
        number = batch.rows["id"][0].as_py()
        here = read_table(batch.file)["id"][batch.first].as_py()
        assert here == number == whole["id"][n_passed].as_py()
        n_passed += batch.rows.num_rows


@WRITERS
def test_rows_are_read_by_their_numbers(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path, table_of())
    for numbers in ([999, 0, 500, 500], [7], []):
        rows = np.array(numbers, dtype=np.intp)
        expected = read_table(path).take(pa.array(rows))
        assert read_rows(path, rows, ()).to_pydict() == expected.to_pydict()
    with pytest.raises(IndexError):
        read_rows(path, np.array([1000]), ())


@WRITERS
def test_a_sample_is_drawn_by_the_seed_from_all_rows(
    tmp_path: Path, write: Write
) -> None:
    path = write(tmp_path, table_of())
    found = sample(path, (), {"id", None}, 3)
    assert found is not None
    assert (found.n_rows, found.rows.num_rows) == (N, 250)
    assert found.columns.equals(read_table(path).select(["id"]))
    ids = np.array([int(number) for number in found.rows["id"].to_pylist()]) - 10**12
    # The rows with the smallest of random keys, one for each row.
    keys = np.random.RandomState(3).random_sample(N)
    assert ids.tolist() == np.sort(np.argsort(keys)[:250]).tolist()
    whole = read_table(path).take(pa.array(ids))
    assert found.rows.to_pydict() == whole.to_pydict()


@WRITERS
@pytest.mark.parametrize("n_rows", [250, 1])
def test_a_table_without_many_rows_is_not_sampled(
    tmp_path: Path, write: Write, n_rows: int
) -> None:
    assert sample(write(tmp_path, table_of(n_rows)), (), {"id"}, 0) is None


def test_a_sample_does_not_depend_on_the_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for size in (100, 31, 1_000):
        monkeypatch.setattr(batches, "BATCH_ROWS", size)
        drawn = sample(as_parquet(tmp_path, table_of()), (), set(), 0)
        assert drawn is not None
        found.append(drawn.rows["id"].to_pylist())
    assert found[0] == found[1] == found[2]


ROWS = st.lists(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=9),
        min_size=2,
        max_size=2,
    ),
    min_size=1,
    max_size=9,
)


@given(ROWS, st.integers(20, 200), st.booleans())
def test_separated_values_are_the_same_in_blocks_of_any_size(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    block: int,
    verbatim: bool,
) -> None:
    path = tmp_path_factory.mktemp("blocks") / "t.csv"
    pd.DataFrame(rows, columns=["a", "b"]).to_csv(
        path, index=False, quoting=1, lineterminator="\n"
    )
    names = ["b"] if verbatim else []
    whole = read_delimited(path, names)
    found = pa.concat_tables(delimited_batches(path, names, block))
    assert found.to_pydict() == whole.to_pydict()


def test_a_row_longer_than_a_block_is_read(tmp_path: Path) -> None:
    long = "x" * 100_000
    lines = ["a,b", "1,2", f"3,{long}", "4,5", f"6,{long}", "7,8"]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    found = pa.concat_tables(delimited_batches(tmp_path / "t.csv", (), 1_000))
    assert found["a"].to_pylist() == ["1", "3", "4", "6", "7"]
    assert found["b"].to_pylist() == ["2", long, "5", long, "8"]


def test_a_row_of_another_length_is_named_by_its_line(tmp_path: Path) -> None:
    lines = ["a,b", *(["1,2"] * 700), "1,2,3", *(["1,2"] * 300)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match="line 702 has 3 values, but the header has 2"):
        sample(tmp_path / "t.csv", (), set(), 0)


def test_a_damaged_file_of_a_folder_is_named(tmp_path: Path) -> None:
    folder = as_folder(tmp_path, table_of())
    whole = (folder / "2.parquet").read_bytes()
    (folder / "2.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"2\.parquet: cannot be read"):
        sample(folder, (), set(), 0)
    pq.write_table(table_of().drop_columns(["size"]), folder / "2.parquet")
    with pytest.raises(InputError, match=r"2\.parquet: its columns .* lacks 'size'"):
        list(table_batches(folder))


def test_a_file_in_a_folder_of_the_folder_is_not_passed_over(tmp_path: Path) -> None:
    folder = as_folder(tmp_path, table_of())
    for name in ("_temporary", ".cache", "part=1"):
        (folder / name).mkdir()
        shutil.copy(folder / "1.parquet", folder / name / "9.parquet")
        if name != "part=1":  # what others leave there is theirs
            assert sum(batch.rows.num_rows for batch in table_batches(folder)) > 0
    (folder / "loop").symlink_to(folder)
    with pytest.raises(InputError, match=r"part=1/9\.parquet: is in a folder of the"):
        list(table_batches(folder))


def test_an_invalid_text_is_named_by_its_file_and_row(tmp_path: Path) -> None:
    folder = as_folder(tmp_path, table_of())
    table = pq.read_table(folder / "1.parquet")
    broken = pa.array([b"\xff" if row == 222 else b"a" for row in range(333)])
    text = pa.Array.from_buffers(pa.string(), 333, broken.buffers())
    table = table.set_column(table.column_names.index("color"), "color", text)
    pq.write_table(table, folder / "1.parquet")
    with pytest.raises(InputError, match=r"1\.parquet: column 'color', row 222"):
        list(table_batches(folder))


def test_pandas_categories_stay_categories(tmp_path: Path) -> None:
    codes = pd.DataFrame({"code": pd.Categorical([i % 4 for i in range(N)])})
    codes.to_parquet(tmp_path / "t.parquet")
    found = sample(tmp_path / "t.parquet", (), set(), 0)
    assert found is not None
    assert pa.types.is_dictionary(found.rows.schema.field("code").type)
    assert found.rows["code"].num_chunks == 1


def test_texts_that_are_stored_as_views_can_be_drawn(tmp_path: Path) -> None:
    texts = pa.array([f"text {i}" for i in range(N)]).cast(pa.string_view())
    pyarrow.feather.write_feather(
        pa.table({"a": texts}), tmp_path / "t.feather", compression="uncompressed"
    )
    found = sample(tmp_path / "t.feather", (), set(), 0)
    assert found is not None
    assert found.rows["a"][0].as_py().startswith("text ")


def test_another_content_has_another_stamp(tmp_path: Path) -> None:
    folder = as_folder(tmp_path, table_of())
    before = stamp(folder)
    assert stamp(folder) == before
    pq.write_table(table_of(), folder / "9.parquet")
    assert stamp(folder) != before


def test_files_with_a_column_in_types_that_cannot_be_joined_are_refused(
    tmp_path: Path,
) -> None:
    (tmp_path / "t").mkdir()
    numbers = list(range(300))
    for name, values in (("0", numbers), ("1", [None] * 300), ("2", ["x"] * 300)):
        pq.write_table(pa.table({"k": values}), tmp_path / "t" / f"{name}.parquet")
    words = (
        r"2\.parquet: column 'k' is of type string, but of type int64 in files before "
        "it; store it in one type in all files"
    )
    with pytest.raises(InputError, match=words):
        sample(tmp_path / "t", (), {"k"}, 0)
    with pytest.raises(InputError, match=words):
        read_table(tmp_path / "t")


def test_files_may_have_more_categories_together_than_one_could(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    for file in range(3):
        texts = [f"{file}-{row % 60}" for row in range(300)]
        frame = pd.DataFrame({"k": pd.Categorical(texts)})
        frame.to_parquet(tmp_path / "t" / f"{file}.parquet")
    whole = read_table(tmp_path / "t")["k"].to_pylist()
    assert len({*whole}) == 180
    found = sample(tmp_path / "t", (), {"k"}, 0)
    assert found is not None
    assert found.columns["k"].to_pylist() == whole
    rows = np.arange(900)[::-1].astype(np.intp)
    assert read_rows(tmp_path / "t", rows, ())["k"].to_pylist() == whole[::-1]


def test_types_that_cannot_be_drawn_are_stored_plainly(tmp_path: Path) -> None:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([500, N]), pa.array(["a", "b"]))
    with pa.ipc.new_file(tmp_path / "t.arrow", pa.schema([("k", runs.type)])) as file:
        file.write_table(pa.table({"k": runs}))
    padding = pa.table({"k": runs})
    found = pa.concat_tables([b.rows for b in table_batches(tmp_path / "t.arrow")])
    assert found["k"].to_pylist() == padding["k"].to_pylist()


def test_lines_may_end_with_a_carriage_return_alone(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,b\r" + b"1,2\r" * 600)
    found = sample(tmp_path / "t.csv", (), set(), 0)
    assert found is not None
    assert found.n_rows == 600


@pytest.mark.parametrize("name", ["t.csv.gz", "t.jsonl.gz"])
def test_a_damaged_archive_is_refused_by_name(tmp_path: Path, name: str) -> None:
    lines = b"a,b\n" + b"1,2\n" * 600
    if name.startswith("t.jsonl"):
        lines = b'{"a": 1}\n' * 600
    packed = gzip.compress(lines)
    for damaged in (packed[:-9], packed[:20] + b"\0" * 9 + packed[29:], b"plain"):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(InputError, match=f"{name}: cannot be read"):
            sample(tmp_path / name, (), set(), 0)
