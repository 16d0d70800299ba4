"""Bad input: exit 2, one line that names the place, and nothing written."""

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.words import once

Edit = Callable[[Path], object]
Refusal = Callable[[list[str]], str]
Monkey = pytest.MonkeyPatch

needs_proc = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="needs a folder where root cannot write"
)


def cell(table: str, row: int, column: str, value: str) -> Edit:
    """Change a cell of a table."""

    def edit(folder: Path) -> None:
        path = folder / f"{table}.csv"
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        frame.loc[row, column] = value
        frame.to_csv(path, index=False)

    return edit


def whole(table: str, column: str, value: object) -> Edit:
    """Set a column of a table, or append it."""

    def edit(folder: Path) -> None:
        path = folder / f"{table}.csv"
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        frame.assign(**{column: value}).to_csv(path, index=False)

    return edit


def without(table: str, *columns: str) -> Edit:
    """Drop columns of a table."""

    def edit(folder: Path) -> None:
        path = folder / f"{table}.csv"
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        frame.drop(columns=list(columns)).to_csv(path, index=False)

    return edit


def content(table: str, data: bytes) -> Edit:
    """Write a file's bytes."""
    return lambda folder: (folder / f"{table}.csv").write_bytes(data)


def appended(table: str, data: bytes) -> Edit:
    """Append bytes to a file."""

    def edit(folder: Path) -> None:
        path = folder / f"{table}.csv"
        path.write_bytes(path.read_bytes() + data)

    return edit


def headed(table: str, old: bytes, new: bytes) -> Edit:
    """Change a table's header."""

    def edit(folder: Path) -> None:
        path = folder / f"{table}.csv"
        path.write_bytes(path.read_bytes().replace(old, new, 1))

    return edit


def recoded(table: str, encoding: str) -> Edit:
    """Write a table in another encoding, with a letter that shows it."""

    def edit(folder: Path) -> None:
        path = folder / f"{table}.csv"
        text = path.read_text().replace("red", "r\xe9d")
        path.write_bytes(text.encode(encoding))

    return edit


def link(table: str, target: str) -> Edit:
    """Put a link in a table's place."""

    def edit(folder: Path) -> None:
        (folder / f"{table}.csv").unlink()
        (folder / f"{table}.csv").symlink_to(folder / target)

    return edit


def pipe(folder: Path) -> None:
    """Put a pipe that nobody writes to in a table's place."""
    (folder / "train.csv").unlink()
    os.mkfifo(folder / "train.csv")


def directory(folder: Path) -> None:
    """Put a directory in a table's place."""
    (folder / "train.csv").unlink()
    (folder / "train.csv").mkdir()


def real_targets(folder: Path) -> None:
    """Targets no classes can be made of."""
    for name in ("train", "validation"):
        rows = len(pd.read_csv(folder / f"{name}.csv"))
        whole(name, "kind", [row + 0.5 for row in range(rows)])(folder)


def no_values(folder: Path) -> None:
    """Empty features in all tables."""
    for name in ("train", "validation", "pool"):
        for column in ("size", "color", "day", "at", "member"):
            whole(name, column, "")(folder)


def one_value_each(folder: Path) -> None:
    """Features that tell nothing; one has a value in the first row alone."""
    for name in ("train", "validation", "pool"):
        for column, value in (("size", 1), ("color", "red"), ("member", "true")):
            whole(name, column, value)(folder)
        whole(name, "day", "2024-01-01")(folder)
        whole(name, "at", "12:00:00")(folder)
    cell("train", 3, "size", "")(folder)


def names_as_labels(folder: Path) -> None:
    """Labels that name rows."""
    for name in ("train", "validation"):
        rows = len(pd.read_csv(folder / f"{name}.csv"))
        whole(name, "kind", [100 + row for row in range(rows)])(folder)


TABLES: list[tuple[str, Edit, list[str]]] = [
    ("no file", lambda f: (f / "pool.csv").unlink(), ["pool.csv: no such"]),
    ("no bytes", content("pool", b""), ["pool.csv", "Empty"]),
    ("header only", content("pool", b"size,color\n"), ["pool.csv", "no rows"]),
    (
        "ragged",
        appended("pool", b"p99,1\n"),
        ["pool.csv: line 62 has 2 values, but the header has 6; correct it"],
    ),
    (
        "too many values",
        appended("validation", b"1,red,2024-01-01,00:00:00,True,cat,dog\n"),
        ["validation.csv: line 47 has 7 values, but the header has 6"],
    ),
    (
        "not UTF-8",
        appended("pool", b"p99,1,\xe9,,,\n"),
        ["pool.csv: line 62 is not in UTF-8", "save"],
    ),
    (
        "header not UTF-8",
        headed("train", b"color", b"col\xe9r"),
        ["train.csv: line 1 is not in UTF-8"],
    ),
    ("Latin-1", recoded("train", "latin-1"), ["train.csv: line ", "save the file"]),
    ("UTF-16", recoded("train", "utf-16"), ["train.csv: is in UTF-16", "as UTF-8"]),
    (
        "UTF-16 without a mark",
        recoded("validation", "utf-16-le"),
        ["validation.csv: is in UTF-16", "as UTF-8"],
    ),
    ("a directory", directory, ["train.csv: holds no .parquet file"]),
    ("a pipe", pipe, ["train.csv: is a pipe or device; save"]),
    ("a link to itself", link("pool", "pool.csv"), ["pool.csv: is a link that leads"]),
    ("a dead link", link("pool", "nowhere"), ["pool.csv: is a link that leads"]),
    ("repeated name", headed("train", b"color", b"size"), ["train.csv", "'size'"]),
    ("no target", without("train", "kind"), ["train.csv", "'kind'"]),
    ("validation target", without("validation", "kind"), ["validation.csv", "'kind'"]),
    (
        "separated by one of two",
        content("pool", b"id;size|y\n1;2|3\n"),
        ["pool.csv: may be separated by semicolons or bars; save it with commas"],
    ),
    ("no feature", content("train", b"kind\ncat\ndog\n"), ["train.csv"]),
    ("pool partly labeled", whole("pool", "kind", ["cat"] + [""] * 59), ["row 1 "]),
    ("feature missing in pool", without("pool", "day"), ["pool.csv", "'day'"]),
    ("feature missing in train", without("train", "day"), ["validation.csv", "'day'"]),
    ("extra feature", whole("validation", "new", "1"), ["validation.csv", "'new'"]),
    ("repeated id", cell("pool", 7, "id", "p3"), ["'p3'", "rows 3 and 7"]),
    ("empty id", cell("pool", 7, "id", ""), ["pool.csv", "'id'", "row 7"]),
    ("no id", without("pool", "id"), ["pool.csv", "'id'"]),
    ("new class", cell("validation", 4, "kind", "cow"), ["'kind'", "'cow'", "row 4"]),
    ("one class", whole("train", "kind", "cat"), ["train.csv", "'kind'", "'cat'"]),
    ("empty target", cell("train", 5, "kind", ""), ["train.csv", "'kind'", "row 5"]),
    (
        "empty validation target",
        cell("validation", 5, "kind", ""),
        ["validation.csv", "'kind'", "row 5"],
    ),
    ("real target", real_targets, ["train.csv", "'kind'", "real numbers"]),
    ("infinity", cell("pool", 5, "size", "inf"), ["pool.csv", "'size'", "row 5"]),
    ("infinity", cell("train", 5, "size", "-inf"), ["train.csv", "'size'", "row 5"]),
    ("too large", cell("train", 5, "size", "1e300"), ["train.csv", "'size'", "row 5"]),
    ("too large", cell("pool", 5, "size", "1e300"), ["pool.csv", "'size'", "row 5"]),
    (
        "too large for influence only",
        cell("validation", 5, "size", "1e300"),
        ["validation.csv", "'size'", "row 5"],
    ),
    ("no number", cell("pool", 5, "size", "abc"), ["'size'", "row 5", "'abc'"]),
    ("a comma", cell("pool", 5, "size", "1,5"), ["'size'", "row 5: '1,5' is not a nu"]),
    ("a code", cell("pool", 5, "size", "007"), ["'size'", "row 5: '007' is not a num"]),
    (
        "two as a boolean",
        cell("validation", 5, "member", "2"),
        ["validation.csv", "'member'", "row 5: '2' is not true or false"],
    ),
    (
        "another format of dates",
        cell("validation", 5, "day", "29/02/2024"),
        ["validation.csv", "'day'", "row 5: '29/02/2024' is not a date, as in the"],
    ),
    ("no boolean", cell("pool", 5, "member", "abc"), ["'member'", "row 5", "'abc'"]),
    ("no date", cell("pool", 5, "day", "abc"), ["'day'", "row 5", "'abc'"]),
    ("no time", cell("pool", 5, "at", "25:99:00"), ["'at'", "row 5", "'25:99:00'"]),
    ("no value at all", no_values, ["train.csv", "no feature has a value"]),
    (
        "nothing that differs",
        one_value_each,
        ["train.csv", "all rows have the same features"],
    ),
    (
        "a class for each row",
        names_as_labels,
        ["train.csv", "'kind' has 45 different values in 45 rows", "--target"],
    ),
]


@pytest.mark.parametrize(
    ("edit", "words"),
    [pytest.param(edit, words, id=name) for name, edit, words in TABLES],
)
def test_a_bad_table_is_refused_in_one_line_and_nothing_is_written(
    edit: Edit, words: list[str], arguments: list[str], folder: Path, refusal: Refusal
) -> None:
    edit(folder)
    before = sorted(folder.rglob("*"))
    line = refusal(arguments)
    assert all(word in line for word in words), line
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("pool.parquet", b"PAR1 garbage PAR1", ["pool.parquet", "cannot be read"]),
        ("pool.jsonl", b'{"size": 1}\n{"size":', ["pool.jsonl", "cannot be read"]),
        ("pool.jsonl", b"", ["pool.jsonl"]),
        ("pool.jsonl", b"[1, 2]\n", ["pool.jsonl"]),
        ("pool.xls", b"PK", ["pool.xls", ".xlsx", ".parquet"]),
        ("pool", b"size\n1\n", ["pool", ".parquet"]),
        ("pool.csv.gz", b"size\n1\n", ["pool.csv.gz", "cannot be read"]),
        ("pool.feather", b"ARROW1", ["pool.feather", "cannot be read"]),
    ],
)
def test_an_unreadable_file_is_refused_in_one_line(
    name: str,
    data: bytes,
    words: list[str],
    arguments: list[str],
    folder: Path,
    refusal: Refusal,
) -> None:
    path = folder / name
    path.write_bytes(data)
    line = refusal(once([*arguments, "--pool", str(path)]))
    assert all(word in line for word in words), line
    assert not (folder / "run").exists()


@pytest.mark.parametrize(
    "values", [[["a"]], [{"x": 1}], [b"bytes"]], ids=["list", "struct", "bytes"]
)
def test_a_nested_column_is_refused_by_name(
    values: list[object], arguments: list[str], folder: Path, refusal: Refusal
) -> None:
    for name in ("train", "validation", "pool"):
        table = pa.Table.from_pandas(pd.read_csv(folder / f"{name}.csv"))
        nested = pa.array(values * table.num_rows)
        table = table.append_column("nested", nested)
        pa.parquet.write_table(table, folder / f"{name}.parquet")
    paths = [word.replace(".csv", ".parquet") for word in arguments]
    line = refusal(paths)
    assert "train.parquet: column 'nested'" in line
    assert not (folder / "run").exists()


def test_a_folder_must_hold_parquet_files_of_the_same_columns(
    arguments: list[str], folder: Path, refusal: Refusal
) -> None:
    parts = folder / "parts"
    parts.mkdir()
    assert "holds no .parquet" in refusal(once([*arguments, "--pool", str(parts)]))
    pa.parquet.write_table(pa.table({"size": [1.0]}), parts / "a.parquet")
    pa.parquet.write_table(pa.table({"other": [1.0]}), parts / "b.parquet")
    assert "b.parquet" in refusal(once([*arguments, "--pool", str(parts)]))


@pytest.mark.parametrize(
    ("further", "word"),
    [
        (["--budget", "0"], "--budget 0"),
        (["--budget", "many"], "--budget"),
        (["--batch-size", "0"], "--batch-size 0"),
        (["--C", "0"], "--C"),
        (["--C", "-1"], "--C"),
        (["--C", "nan"], "--C"),
        (["--C", "inf"], "--C"),
        (["--min-influence-z", "-1"], "--min-influence-z"),
        (["--min-influence-z", "nan"], "--min-influence-z"),
        (["--min-influence-z", "inf"], "--min-influence-z"),
        (["--min-influence-z", "two"], "--min-influence-z"),
        (["--seed", "-1"], "--seed"),
        (["--seed", "4294967296"], "--seed"),
        (["--seed", "1.5"], "--seed"),
        (["--rule", "best"], "--rule"),
        (["--estimate", "second_order"], "--estimate"),
        (["--target", "nothing"], "'nothing'"),
        (["--id", "nothing"], "'nothing'"),
        (["--colour"], "--colour"),
        (["one", "too-many"], "one"),
    ],
    ids=" ".join,
)
def test_a_bad_option_is_refused_by_name(
    further: list[str],
    word: str,
    arguments: list[str],
    folder: Path,
    refusal: Refusal,
) -> None:
    assert word in refusal(once([*arguments, *further]))
    assert not (folder / "run").exists()


@pytest.mark.parametrize("option", ["--validation", "--pool", "--target", "--out"])
def test_a_missing_option_is_named(
    option: str, arguments: list[str], folder: Path, refusal: Refusal
) -> None:
    place = arguments.index(option)
    assert option in refusal(arguments[:place] + arguments[place + 2 :])
    assert not (folder / "run").exists()


def test_a_missing_training_table_is_named(
    arguments: list[str], folder: Path, refusal: Refusal
) -> None:
    assert "TRAIN" in refusal(["label", *arguments[2:]])


def test_a_file_as_out_is_refused_and_left_alone(
    arguments: list[str], folder: Path, refusal: Refusal
) -> None:
    (folder / "run").write_text("mine")
    assert f"{folder / 'run'}: is a file" in refusal(arguments)
    assert (folder / "run").read_text() == "mine"


@pytest.mark.parametrize("resume", [[], ["--resume"]], ids=["", "--resume"])
def test_a_directory_that_holds_something_else_is_refused_and_left_alone(
    resume: list[str], arguments: list[str], folder: Path, refusal: Refusal
) -> None:
    (folder / "run").mkdir()
    (folder / "run" / "thesis.tex").write_text("mine")
    assert "'thesis.tex'" in refusal([*arguments, *resume])
    assert [path.name for path in (folder / "run").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("target", ["run", "nowhere"])
def test_an_out_that_is_a_link_to_nowhere_is_refused(
    target: str, arguments: list[str], folder: Path, refusal: Refusal
) -> None:
    (folder / "run").symlink_to(folder / target)
    assert f"{folder / 'run'}: is a link that leads nowhere" in refusal(arguments)
    assert not (folder / "nowhere").exists()


def test_an_out_in_a_folder_that_cannot_be_written_to_is_refused_first(
    arguments: list[str],
    folder: Path,
    refusal: Refusal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # As on a disk that is mounted to be read only; root may write to any other.
    monkeypatch.setattr("salutary.runs.out.writable", lambda path: path != folder)
    out = folder / "deep" / "run"
    line = refusal(once([*arguments, "--out", str(out)]))
    assert f"{out}: cannot be made, as {folder} cannot be written to; fix its" in line
    assert capsys.readouterr().out == ""
    assert not (folder / "deep").exists()


def test_an_out_that_is_there_but_cannot_be_written_to_is_refused_first(
    arguments: list[str], folder: Path, refusal: Refusal, monkeypatch: Monkey
) -> None:
    out = folder / "run"
    out.mkdir()
    monkeypatch.setattr("salutary.runs.out.writable", lambda path: path != out)
    line = refusal(arguments)
    assert f"{out}: cannot be written to; fix its permissions, or pass anoth" in line
    assert not [*out.iterdir()]


@needs_proc
@pytest.mark.parametrize("command", ["label", "relabel", "advise"])
@pytest.mark.parametrize("out", ["/proc/salutary", "/proc/salutary/deep"])
def test_an_out_where_nobody_can_make_a_folder_is_refused_first(
    out: str, command: str, folder: Path, refusal: Refusal
) -> None:
    # A table that is not there would be found next.
    words = [command, str(folder / "nowhere.csv"), "--target", "kind", "--out", out]
    if command == "label":
        words += ["--pool", str(folder / "pool.csv")]
    line = refusal([*words, "--validation", str(folder / "validation.csv")])
    assert f"{out}: cannot be made, as /proc cannot be written to; fix its" in line


@pytest.mark.parametrize("command", ["label", "relabel", "advise"])
def test_an_out_below_a_file_is_refused_first(
    command: str, folder: Path, refusal: Refusal
) -> None:
    out, file = folder / "pool.csv" / "deep" / "run", folder / "pool.csv"
    words = [command, str(folder / "nowhere.csv"), "--target", "kind"]
    if command == "label":
        words += ["--pool", str(file)]
    words += ["--validation", str(folder / "validation.csv"), "--out", str(out)]
    assert f"{out}: cannot be made, as {file} is a file; pass an" in refusal(words)


@pytest.mark.parametrize("blank", ["", "  ", "\r\n"])
@pytest.mark.parametrize("text", [pa.string(), pa.large_string()], ids=str)
def test_a_blank_target_is_empty(
    text: pa.DataType,
    blank: str,
    arguments: list[str],
    folder: Path,
    refusal: Refusal,
) -> None:
    train = pa.Table.from_pandas(pd.read_csv(folder / "train.csv").drop(columns="kind"))
    kind = pa.array(["bird", "cat", blank] * 15, text)
    pa.parquet.write_table(train.append_column("kind", kind), folder / "train.parquet")
    arguments[1] = str(folder / "train.parquet")
    assert "train.parquet: target column 'kind' is empty in row 2" in refusal(arguments)


@pytest.mark.parametrize("value", [float("nan"), None], ids=["NaN", "null"])
def test_an_empty_number_as_a_target_is_named(
    value: float | None, arguments: list[str], folder: Path, refusal: Refusal
) -> None:
    train = pa.Table.from_pandas(pd.read_csv(folder / "train.csv").drop(columns="kind"))
    kind = pa.array([1.0, 2.0, value] * 15, pa.float64())
    pa.parquet.write_table(train.append_column("kind", kind), folder / "train.parquet")
    arguments[1] = str(folder / "train.parquet")
    line = refusal(arguments)
    assert "train.parquet: target column 'kind' is empty in row 2" in line
    assert not (folder / "run").exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 2.0, float("inf")], "holds real numbers"),
        ([1.0, 2.0, 2.5], "holds real numbers"),
        (pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"]), "is of type time"),
        ([b"a", b"b", b"c"], "is of type binary"),
        ([[1], [2], [3]], "is of type list"),
    ],
    ids=["infinity", "fraction", "date", "bytes", "list"],
)
def test_a_target_that_has_no_classes_is_refused(
    values: list[object],
    words: str,
    arguments: list[str],
    folder: Path,
    refusal: Refusal,
) -> None:
    train = pa.Table.from_pandas(pd.read_csv(folder / "train.csv").drop(columns="kind"))
    kind = pa.array(list(values) * 15)
    pa.parquet.write_table(train.append_column("kind", kind), folder / "train.parquet")
    arguments[1] = str(folder / "train.parquet")
    assert f"train.parquet: target column 'kind' {words}" in refusal(arguments)
    assert not (folder / "run").exists()


def test_an_out_that_cannot_be_made_is_refused(
    arguments: list[str], folder: Path, refusal: Refusal
) -> None:
    out = folder / "train.csv" / "deep" / "run"
    (folder / "pool.csv").write_text("no table")  # looked at later
    line = refusal(once([*arguments, "--out", str(out)]))
    words = f"cannot be made, as {folder / 'train.csv'} is a file; pass another --out"
    assert line == f"salutary: {out}: {words}"


LONG = "x" * 5000


@pytest.mark.parametrize(
    ("edits", "remedy"),
    [
        ([whole("train", LONG, "1")], "drop it there"),
        ([whole("train", LONG, "1"), whole("pool", f"{LONG}y", "1")], "drop it there"),
        (
            [cell("train", 3, "kind", LONG), cell("validation", 1, "kind", "other")],
            "training rows of that class",
        ),
        ([cell("validation", 1, "kind", LONG)], "training rows of that class"),
        ([cell("pool", 3, "id", LONG), cell("pool", 5, "id", LONG)], "make the ids un"),
        ([cell("pool", 3, "size", LONG)], "correct it or leave it empty"),
    ],
)
def test_a_refusal_repeats_no_long_value(
    edits: list[Edit],
    remedy: str,
    arguments: list[str],
    folder: Path,
    refusal: Refusal,
) -> None:
    for edit in edits:
        edit(folder)
    line = refusal(arguments)
    assert len(line) < 1100
    assert str(folder) in line
    assert remedy in line
