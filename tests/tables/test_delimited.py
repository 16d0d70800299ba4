"""Files of separated values, against the csv module and gzip's own tool."""

import csv
import gzip
import io
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from salutary.errors import InputError
from salutary.tables import text_files
from salutary.tables.formats import read_table

ROWS = [["a", "note", "y"], ["1.5", 'a, "b"', "no"], ["2", "c\td; e|f", "yes"]]


def written(separator: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(ROWS)
    return text.getvalue()


def as_columns(rows: list[list[str]]) -> dict[str, list[str]]:
    return {name: list(column) for name, *column in zip(*rows, strict=True)}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".TSV.gz"])
@pytest.mark.parametrize(
    ("separator", "word"),
    [(",", "commas"), ("\t", "tabs"), (";", "semicolons"), ("|", "bars")],
)
def test_what_separates_values_is_seen_and_told(
    separator: str, word: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"rows{suffix}"
    content = written(separator).encode()
    path.write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert read_table(path).to_pydict() == as_columns(ROWS)
    usual = "tabs" if "tsv" in suffix.lower() else "commas"
    expected = [
        f"{path}: is read as separated by {word}, as its first lines are; {usual} are "
        "usual there"
    ]
    assert [str(warning.message) for warning in seen] == (
        [] if word == usual else expected
    )


def test_numbers_with_a_decimal_comma_do_not_hide_the_semicolons(
    tmp_path: Path,
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a;b;y\n0,5;1,2;yes\n")
    with pytest.warns(UserWarning, match="separated by semicolons"):
        assert read_table(path).to_pydict() == {
            "a": ["0,5"],
            "b": ["1,2"],
            "y": ["yes"],
        }


def test_two_characters_that_may_separate_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a;b|y\n1;2|3\n4;5|6\n")
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert str(caught.value) == (
        f"{path}: may be separated by semicolons or bars; save it with commas between "
        "the values"
    )


def test_a_row_of_another_length_is_named_in_a_file_of_tabs(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("a\tb\n" + "1\t2\n" * 50 + "1\t2\t3\n")
    words = (
        r"line 52 has 3 values, but the header has 2; correct it \(a value with a tab"
    )
    with pytest.raises(InputError, match=words):
        read_table(path)


def test_a_file_that_gzip_packed_in_two_parts_is_read_whole(tmp_path: Path) -> None:
    if shutil.which("gzip") is None:
        pytest.skip("needs gzip")
    for name, text in (("1", "a,b\n1,x\n"), ("2", "2,y\n")):
        (tmp_path / name).write_text(text)
        subprocess.run(["gzip", tmp_path / name], check=True)
    parts = (tmp_path / f"{name}.gz" for name in "12")
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert read_table(path).to_pydict() == {"a": ["1", "2"], "b": ["x", "y"]}


PACKED = gzip.compress(b"a,b\n" + b"1,2\n" * 1000)
DAMAGED: dict[str, tuple[bytes, str]] = {
    "cut": (PACKED[:30], "cannot be read: Compressed file ended"),
    "no gzip": (b"a,b\n1,2\n", "cannot be read: Not a gzipped file"),
    "changed": (PACKED[:15] + b"\xff\xff" + PACKED[17:], "cannot be read: "),
    "empty": (b"", "cannot be read: Empty CSV file"),
    "nothing packed": (gzip.compress(b""), "cannot be read: Empty CSV file"),
    "other text": (gzip.compress("é".encode("latin-1")), "line 1 is not in UTF-8"),
    "packed twice": (gzip.compress(PACKED), "is in UTF-16 or is not a text file"),
}


@pytest.mark.parametrize(("content", "words"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_gzipped_file_ends_in_one_line(
    content: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}: {words}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["rows.csv.gz", "rows.jsonl.gz"])
def test_what_unpacks_without_end_is_refused_before_it_fills_the_memory(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "LARGEST_UNPACKED", 2**22)
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"1,2\n" * 2**21))  # twice as much
    monkeypatch.setattr(pa.csv, "read_csv", _never)
    monkeypatch.setattr(pa.json, "read_json", _never)
    with pytest.raises(InputError, match=r"unpacks to more than .* unpack it"):
        read_table(path)


def _never(*arguments: object, **named: object) -> Callable[[], None]:
    raise AssertionError("was parsed")
