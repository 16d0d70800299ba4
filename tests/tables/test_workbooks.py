"""Excel workbooks as openpyxl and pandas write them."""

import datetime
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from salutary.errors import InputError
from salutary.tables import workbooks
from salutary.tables.formats import read_table

openpyxl = pytest.importorskip("openpyxl", reason="needs salutary[excel]")


def workbook(path: Path, **sheets: Sequence[Sequence[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_what_pandas_writes_is_read_as_pandas_reads_it(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "size": [1.5, None, -3e5],
            "count": [1, 2, 2**40],
            "color": ["red", None, "größe 📏"],
            "member": [True, False, True],
            "day": pd.to_datetime(["2024-02-29 10:20:30", None, "2023-12-31 00:00:01"]),
        }
    )
    frame.to_excel(tmp_path / "rows.xlsx")  # with its index, as by default
    found = read_table(tmp_path / "rows.xlsx").to_pandas()
    expected = pd.read_excel(tmp_path / "rows.xlsx", index_col=0)
    expected["day"] = expected["day"].astype(found["day"].dtype)  # pandas 2: in ns
    pd.testing.assert_frame_equal(
        found.replace({None: np.nan}),
        expected.reset_index(drop=True).replace({None: np.nan}),
        check_dtype=False,
    )


def test_a_column_of_several_kinds_is_text(tmp_path: Path) -> None:
    day, moment = datetime.datetime(2024, 2, 29), datetime.datetime(2024, 2, 29, 10)
    path = workbook(
        tmp_path / "rows.xlsx",
        only=[["a", "b"], [1, "x"], [2.5, True], ["n.a.", day], [None, moment]],
    )
    assert read_table(path).to_pydict() == {
        "a": ["1", "2.5", "n.a.", None],
        "b": ["x", "true", "2024-02-29", "2024-02-29 10:00:00"],
    }


def test_blank_rows_and_columns_at_the_end_do_not_count(tmp_path: Path) -> None:
    rows = [[None, None], ["a", "b", None], [], [1, None, None], [None, 2]]
    path = workbook(tmp_path / "rows.xlsx", only=rows, empty=[])
    assert read_table(path).to_pydict() == {"a": [1, None], "b": [None, 2]}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({"one": []}, "has no rows; pass a table with at least one"),
    "header alone": ({"one": [["a"]]}, "has no rows; pass a table with at least one"),
    "two sheets": (
        {"one": [["a"], [1]], "two": [["b"], [2]]},
        "has 2 sheets with values ('one', 'two'); save the one to read in a file of "
        "its own",
    ),
    "a cell beyond": (
        {"one": [["a"], [1], [], [1, 2]]},
        "row 4 of the sheet has 2 cells, but the header has 1; correct it",
    ),
    "a formula": (
        {"one": [["a"], [1], ["=A2+1"]]},
        "row 3 of the sheet has a formula without a value, '=A2+1'; open the workbook "
        "and save it, or write the value",
    ),
    "no name": ({"one": [["a", None, "b"], [1, 2, 3]]}, "column 2 has no name; give"),
}


@pytest.mark.parametrize(("sheets", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_table_is_refused_by_name(
    sheets: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = workbook(tmp_path / "rows.xlsx", **sheets)
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}: {words}")


def test_damaged_workbooks_end_in_one_line(tmp_path: Path) -> None:
    whole = workbook(tmp_path / "whole.xlsx", one=[["a"], [1]]).read_bytes()
    path = tmp_path / "rows.xlsx"
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.txt", "x")
    for content in (b"", b"a,b\n1,2\n", whole[:500], other.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_table(path)
        assert str(caught.value).startswith(f"{path}: cannot be read: ")
        assert "\n" not in str(caught.value)


def test_a_workbook_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbooks, "LARGEST_UNPACKED", 1000)
    path = workbook(tmp_path / "rows.xlsx", one=[["a"], [1]])
    with pytest.raises(InputError, match=r"rows\.xlsx: unpacks to more than .* \.csv"):
        read_table(path)


def test_a_row_number_beyond_all_sheets_ends(tmp_path: Path) -> None:
    whole = workbook(tmp_path / "whole.xlsx", one=[["a"], [1]])
    with (
        zipfile.ZipFile(whole) as before,
        zipfile.ZipFile(tmp_path / "rows.xlsx", "w") as after,
    ):
        for part in before.namelist():
            content = before.read(part)
            if part.endswith("sheet1.xml"):
                content = content.replace(b'r="2"', b'r="2000000000"')
                content = content.replace(b'r="A2"', b'r="A2000000000"')
                assert b"2000000000" in content
            after.writestr(part, content)
    with pytest.raises(InputError, match=r"rows\.xlsx: has no rows"):
        read_table(tmp_path / "rows.xlsx")
