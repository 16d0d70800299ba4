"""Texts that a spreadsheet would run: written as they are, and warned of once."""

import csv
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from salutary.tables.formats import read_table
from salutary.tables.writing import write_relabeled, write_table

FORMULAS = ["=cmd()", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=1"]
HARMLESS = ["-1.5", "+2e3", "-", "- a note", "+", "-inf", "a=b", "7-3", "", " =1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_warned_of_and_written_as_it_is(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with pytest.warns(UserWarning, match="formula in a spreadsheet") as caught:
        write_table(pa.table({"n": [1, 2], "id": ["a", text]}), path)
    assert len(caught) == 1
    assert str(caught[0].message).startswith(f"{path}: {text!r} in column 'id', row 1,")
    with path.open(newline="") as file:
        assert [row[1] for row in csv.reader(file)] == ["id", "a", text]
    assert read_table(path, ["id"])["id"].to_pylist() == ["a", text]


def test_a_columns_name_may_be_a_formula_too(tmp_path: Path) -> None:
    with pytest.warns(
        UserWarning, match="the name of column '=x', would run as a form"
    ):
        write_table(pa.table({"=x": [1.5]}), tmp_path / "rows.csv")


@pytest.mark.parametrize("suffix", [".tsv", ".csv.gz", ".CSV"])
def test_other_formats_without_types_are_warned_of_too(
    suffix: str, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match="would run as a formula"):
        write_table(pa.table({"id": ["=1"]}), tmp_path / f"rows{suffix}")


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv.parquet", ".feather"])
def test_formats_that_no_spreadsheet_runs_are_not_warned_of(
    suffix: str, tmp_path: Path
) -> None:
    write_table(pa.table({"id": FORMULAS}), tmp_path / f"rows{suffix}")


def test_numbers_and_dashes_are_not_warned_of(tmp_path: Path) -> None:
    write_table(pa.table({"id": HARMLESS, "size": [-1.0] * 10}), tmp_path / "rows.csv")


def test_a_long_text_is_shown_in_part(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"'=a{39}\.\.\.' in column"):
        write_table(pa.table({"id": ["=" + "a" * 5_000]}), tmp_path / "rows.csv")


def test_a_cleaned_table_keeps_its_formulas_and_is_warned_of(tmp_path: Path) -> None:
    source, out = tmp_path / "noisy.csv", tmp_path / "cleaned.csv"
    source.write_text("note,kind\n=cmd(),a\nx,b\ny,a\n")
    with pytest.warns(
        UserWarning, match=r"cleaned\.csv: '=cmd\(\)' in column 'note', "
    ):
        write_relabeled(source, out, "kind", np.array([0, 1, 0]), np.array([1, 1, 0]))
    assert out.read_text() == "note,kind\n=cmd(),b\nx,b\ny,a\n"
    source.write_text("note,kind\nx,a\nx,b\ny,a\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_relabeled(source, out, "kind", np.array([0, 1, 0]), np.array([1, 1, 0]))
