"""Arrow's own files, against pandas and polars that wrote them."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pytest

from salutary.errors import InputError
from salutary.tables.formats import read_table

FRAME = pd.DataFrame({"a": [1.5, None], "b": ["x", "größe"], "c": [True, False]})


@pytest.mark.parametrize("name", ["rows.feather", "rows.arrow"])
def test_what_pandas_and_polars_write_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    expected = pa.Table.from_pandas(FRAME).to_pydict()
    FRAME.to_feather(path)
    assert read_table(path).to_pydict() == expected
    pl.from_pandas(FRAME).write_ipc(path)
    assert read_table(path).to_pydict() == expected
    pl.from_pandas(FRAME).write_ipc_stream(path)
    assert read_table(path).to_pydict() == expected


def test_categories_of_pandas_stay_categories(tmp_path: Path) -> None:
    path = tmp_path / "rows.feather"
    FRAME.assign(b=FRAME["b"].astype("category")).to_feather(path)
    assert pa.types.is_dictionary(read_table(path).schema.field("b").type)


def content(folder: Path) -> bytes:
    FRAME.to_feather(folder / "whole.feather")
    return (folder / "whole.feather").read_bytes()


@pytest.mark.parametrize("cut", [0, 3, 8, 100, -1])
@pytest.mark.parametrize("suffix", [".feather", ".arrow"])
def test_a_file_that_is_cut_ends_in_one_line(
    cut: int, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(content(tmp_path)[:cut])
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}: cannot be read: ")
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_table_end_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.arrow"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"rows\.arrow: cannot be read: "):
        read_table(path)


EXOTIC = {
    "run-end encoded": pa.RunEndEncodedArray.from_arrays([2, 3], ["x", "y"]),
    "view": pa.array(["x", None, "z"], pa.string_view()),
    "bytes in a view": pa.array([b"x", b"y", b"z"], pa.binary_view()),
    "list view": pa.array([[1], [2], [3]], pa.list_view(pa.int64())),
    "union": pa.UnionArray.from_sparse(
        pa.array([0, 0, 0], pa.int8()), [pa.array([1, 2, 3])]
    ),
    "months": pa.array([(1, 2, 3)] * 3, pa.month_day_nano_interval()),
    "small decimals": pa.array([1, 2, 3], pa.decimal32(5, 2)),
    "half floats": pa.array(np.array([1, 2, np.nan], np.float16), from_pandas=True),
}


@pytest.mark.parametrize("values", EXOTIC.values(), ids=EXOTIC)
def test_any_type_that_arrow_has_is_read(values: pa.Array, tmp_path: Path) -> None:
    path = tmp_path / "rows.arrow"
    table = pa.table({"a": values, "y": ["no", "yes", "no"]})
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table, max_chunksize=2)
    assert read_table(path)["a"].to_pylist() == values.to_pylist()
