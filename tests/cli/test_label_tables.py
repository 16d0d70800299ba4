"""``salutary label``: what kinds of tables it takes, and what it makes of them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

import salutary
from salutary.cli.main import main
from tests.words import once

pytestmark = pytest.mark.slow

Run = Callable[..., Path]
Frames = dict[str, pd.DataFrame]


def labels_of(run: Path) -> pa.Table:
    return pa.parquet.read_table(run / "labels.parquet")


def outcome_of(run: Path) -> dict:
    return json.loads((run / "run.json").read_text())["outcome"]


def read(path: Path) -> pa.Table:
    """Read a .csv file by types; empty texts are missing."""
    options = pa.csv.ConvertOptions(strings_can_be_null=True)
    return pa.csv.read_csv(path, convert_options=options)


def write(table: pa.Table, folder: Path, name: str, kind: str) -> None:
    """Write a table as a file, or a folder of two, of a kind."""
    if kind == "folder":
        (folder / name).mkdir()
        half = table.num_rows // 2
        pa.parquet.write_table(table[:half], folder / name / "part-0.parquet")
        pa.parquet.write_table(table[half:], folder / name / "part-1.parquet")
    elif kind == ".parquet":
        pa.parquet.write_table(table, folder / f"{name}.parquet", row_group_size=7)
    elif kind == ".jsonl":
        table.to_pandas(date_as_object=False).to_json(
            folder / f"{name}.jsonl", orient="records", lines=True, date_format="iso"
        )
    else:
        pa.csv.write_csv(table, folder / f"{name}.csv")


@pytest.mark.parametrize("kind", [".csv", ".parquet", ".jsonl", "folder"])
def test_the_same_rows_get_the_same_labels_from_every_kind_of_table(
    kind: str, run: Run, folder: Path, arguments: list[str]
) -> None:
    # JSON has no times of day: all kinds go without.
    for name in ("train", "validation", "pool"):
        table = read(folder / f"{name}.csv").drop_columns("at")
        write(table, folder, name, kind)
        pa.csv.write_csv(table, folder / f"{name}.csv")
    expected = labels_of(run("--no-guard"))
    suffix = "" if kind == "folder" else kind
    paths = [word.replace(".csv", suffix) for word in arguments]
    main(once([*paths, "--no-guard", "--out", str(folder / "other")]))
    assert labels_of(folder / "other").equals(expected)
    assert expected.num_rows == 15


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_numbers_and_dates_that_are_stored_as_text_are_what_they_spell(
    suffix: str, run: Run, folder: Path, arguments: list[str]
) -> None:
    expected = labels_of(run("--no-guard"))
    for name in ("train", "validation", "pool"):
        texts = pd.read_csv(folder / f"{name}.csv", dtype=str)
        if suffix == ".parquet":
            texts.to_parquet(folder / f"{name}.parquet", index=False)
        else:
            texts.to_json(folder / f"{name}.jsonl", orient="records", lines=True)
    paths = [word.replace(".csv", suffix) for word in arguments]
    main(once([*paths, "--no-guard", "--out", str(folder / "other")]))
    found = labels_of(folder / "other")
    assert found.cast(expected.schema).equals(expected)


@pytest.mark.parametrize("numbers", [False, True])
def test_categories_that_look_like_numbers_are_categories(
    numbers: bool, run: Run, folder: Path, arguments: list[str]
) -> None:
    expected = labels_of(run("--no-guard"))
    codes = {"blue": "10", "green": "20", "red": "30"}  # sorted as the colors are
    for name in ("train", "validation", "pool"):
        frame = pd.read_csv(folder / f"{name}.csv")
        color = frame["color"].map(codes)
        color = color.astype("Int64") if numbers else color
        frame["color"] = color.astype("category")
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    paths = [word.replace(".csv", ".parquet") for word in arguments]
    main(once([*paths, "--no-guard", "--out", str(folder / "other")]))
    found = labels_of(folder / "other")
    assert found.cast(expected.schema).equals(expected)


@pytest.mark.parametrize("mark", ["?", "N/A", "None", " ", "nan"])
def test_every_marker_of_a_missing_value_is_a_gap(
    mark: str, run: Run, folder: Path, arguments: list[str]
) -> None:
    expected = labels_of(run("--no-guard"))
    for name in ("train", "validation", "pool"):
        frame = pd.read_csv(folder / f"{name}.csv", dtype=str)
        frame[["size", "color"]] = frame[["size", "color"]].fillna(mark)
        frame.to_csv(folder / f"{name}.csv", index=False)
    main(once([*arguments, "--no-guard", "--out", str(folder / "other")]))
    assert labels_of(folder / "other").equals(expected)


TARGETS = {
    "text": (pa.string(), ["007", "Katze 🐈, [bold]", " x"]),
    "large text": (pa.large_string(), ["x", " x", "x\n"]),
    "integer": (pa.int64(), [-1, 0, 7]),
    "small integer": (pa.int8(), [-1, 0, 7]),
    "boolean": (pa.bool_(), [True, False, False]),
    "whole double": (pa.float64(), [1.0, 2.0, 3.0]),
    "categorical": (pa.dictionary(pa.int8(), pa.string()), ["b", "c", "d"]),
}


@pytest.mark.parametrize(("arrow_type", "names"), TARGETS.values(), ids=TARGETS.keys())
def test_a_label_has_the_targets_own_type(
    arrow_type: pa.DataType,
    names: list[object],
    folder: Path,
    frames: Frames,
    arguments: list[str],
    run: Run,
) -> None:
    named = dict(zip(["bird", "cat", "dog"], names, strict=True))
    for name in ("train", "validation"):
        table = pa.Table.from_pandas(frames[name].drop(columns="kind"))
        kind = pa.array(frames[name]["kind"].map(named).tolist()).cast(arrow_type)
        table = table.append_column("kind", kind)
        pa.parquet.write_table(table, folder / f"{name}.parquet")
    arguments[1] = str(folder / "train.parquet")
    path = run("--no-guard", "--validation", str(folder / "validation.parquet"))
    labels = labels_of(path)["label"]
    assert labels.type == (pa.string() if arrow_type.id == 29 else arrow_type)
    assert set(labels.to_pylist()) <= set(names)
    assert len(labels) == 15


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([f"r {row}" for row in range(60)]),
        pa.array([2**62 + row for row in range(60)]),
        pa.array(range(60)).cast(pa.timestamp("ms")),
    ],
    ids=["text", "large integer", "timestamp"],
)
def test_an_id_has_its_columns_type_and_names_its_row(
    ids: pa.Array, run: Run, folder: Path
) -> None:
    numbers = labels_of(run())["id"].to_pylist()
    rows = [int(name.removeprefix("p")) for name in numbers]
    pool = read(folder / "pool.csv").drop_columns("id")
    pool = pool.append_column("id", ids)
    pa.parquet.write_table(pool, folder / "pool.parquet")
    further = ["--pool", str(folder / "pool.parquet"), "--out", str(folder / "other")]
    run(*further)
    assert labels_of(folder / "other")["id"].equals(pa.chunked_array([ids.take(rows)]))


def test_without_an_id_column_rows_go_by_their_number(
    run: Run, folder: Path, arguments: list[str]
) -> None:
    names = labels_of(run())["id"].to_pylist()
    pool = pd.read_csv(folder / "pool.csv").drop(columns="id")
    pool.to_csv(folder / "pool.csv", index=False)
    without = [word for word in arguments if word not in ("--id", "id")]
    main(once([*without, "--out", str(folder / "other")]))
    rows = labels_of(folder / "other")["id"]
    assert rows.type == pa.int64()
    assert [f"p{row}" for row in rows.to_pylist()] == names


def test_an_id_of_leading_zeros_keeps_them(run: Run, folder: Path) -> None:
    pool = pd.read_csv(folder / "pool.csv")
    pool["id"] = [f"{row:03d}" for row in range(len(pool))]
    pool.to_csv(folder / "pool.csv", index=False)
    ids = labels_of(run())["id"].to_pylist()
    assert set(ids) <= set(pool["id"])


def test_an_id_column_in_train_is_no_feature(run: Run, folder: Path) -> None:
    expected = labels_of(run())
    for name in ("train", "validation"):
        frame = pd.read_csv(folder / f"{name}.csv").assign(id=range(45))
        frame.to_csv(folder / f"{name}.csv", index=False)
    run("--out", str(folder / "other"))
    assert labels_of(folder / "other").equals(expected)


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
def test_a_target_column_in_the_pool_is_never_a_feature(
    filled: bool,
    run: Run,
    folder: Path,
    frames: Frames,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = labels_of(run())
    pool = pd.read_csv(folder / "pool.csv")
    truth = frames["pool"]["kind"].to_numpy()
    pool["kind"] = truth if filled else None
    pool.to_csv(folder / "pool.csv", index=False)
    capsys.readouterr()
    run("--out", str(folder / "other"))
    assert labels_of(folder / "other").equals(expected)
    agreement = None
    if filled:
        rows = [int(name.removeprefix("p")) for name in expected["id"].to_pylist()]
        agreement = sum(truth[rows] == expected["label"].to_pylist()) / len(rows)
        assert f"{agreement:.1%}" in capsys.readouterr().out
    assert outcome_of(folder / "other")["agreement"] == agreement


def test_rows_of_a_category_train_lacks_are_labeled_and_counted(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = pd.read_csv(folder / "pool.csv")
    pool.loc[[3, 7, 8], "color"] = ["mauve", "mauve", "teal"]
    pool.to_csv(folder / "pool.csv", index=False)
    path = run("--budget", "60", "--no-guard")
    assert {"p3", "p7", "p8"} <= set(labels_of(path)["id"].to_pylist())
    assert outcome_of(path)["unseen_categories"] == {"color": 3}
    assert "color 3" in capsys.readouterr().out


def test_leading_zeros_in_a_text_feature_survive(run: Run, folder: Path) -> None:
    # The pool alone looks like numbers; "007" is not the category "7".
    for name in ("train", "validation", "pool"):
        frame = pd.read_csv(folder / f"{name}.csv")
        codes = ["007", "012"] if name == "pool" else ["007", "012", "7", "x"]
        frame["code"] = [codes[row % len(codes)] for row in range(len(frame))]
        frame.to_csv(folder / f"{name}.csv", index=False)
    assert outcome_of(run())["unseen_categories"] == {}


def test_validation_rows_that_recur_are_counted_and_warned_of(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = {
        name: pd.read_csv(folder / f"{name}.csv", dtype=str)
        for name in ("train", "validation", "pool")
    }
    shared = [frames["train"][:4], frames["pool"][:3].assign(kind="cat")]
    validation = pd.concat([frames["validation"], *shared]).drop(columns="id")
    validation.to_csv(folder / "validation.csv", index=False)
    path = run()
    assert outcome_of(path)["recurring_validation_rows"] == 7
    assert "warning: 7 validation rows" in capsys.readouterr().err


def test_a_class_that_no_validation_row_has_is_told(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    validation = pd.read_csv(folder / "validation.csv", dtype=str)
    validation = validation[validation["kind"] != "cat"]
    validation.to_csv(folder / "validation.csv", index=False)
    assert outcome_of(run())["classes_not_validated"] == ["cat"]
    assert "no validation row has class cat, so" in capsys.readouterr().err


def test_the_index_pandas_writes_to_parquet_is_no_feature(
    run: Run, folder: Path, arguments: list[str]
) -> None:
    expected = labels_of(run())
    for name in ("train", "validation", "pool"):
        frame = read(folder / f"{name}.csv").to_pandas()
        shuffled = frame.set_axis(reversed(range(len(frame))), axis=0)
        shuffled.to_parquet(folder / f"{name}.parquet", index=True)
    paths = [word.replace(".csv", ".parquet") for word in arguments]
    main(once([*paths, "--out", str(folder / "other")]))
    found = labels_of(folder / "other")
    assert found.to_pylist() == expected.to_pylist()


def test_the_index_pandas_writes_to_csv_is_no_feature(run: Run, folder: Path) -> None:
    expected = labels_of(run())
    for name in ("train", "validation", "pool"):
        frame = pd.read_csv(folder / f"{name}.csv", dtype=str)
        frame.to_csv(folder / f"{name}.csv", index=True)
    run("--out", str(folder / "other"))
    assert labels_of(folder / "other").equals(expected)


@pytest.mark.parametrize("column", ["2024-03-01T10:00:00Z", "1152921504606846977"])
def test_zoned_times_and_large_integers_are_taken_from_csv(
    column: str, run: Run, folder: Path
) -> None:
    for name in ("train", "validation", "pool"):
        frame = pd.read_csv(folder / f"{name}.csv").assign(extra=column)
        frame.to_csv(folder / f"{name}.csv", index=False)
    assert labels_of(run()).num_rows > 0


def test_an_unseen_category_in_validation_is_no_reason_to_warn(
    run: Run, folder: Path
) -> None:
    validation = pd.read_csv(folder / "validation.csv")
    validation.loc[0, "color"] = "mauve"
    validation.to_csv(folder / "validation.csv", index=False)
    run()


@pytest.mark.filterwarnings("default")
def test_too_few_validation_rows_for_a_guard_are_told_of_in_the_commands_words(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    validation = pd.read_csv(folder / "validation.csv")
    validation.groupby("kind").head(1).to_csv(folder / "validation.csv", index=False)
    run()
    err = capsys.readouterr().err
    assert "warning: 3 validation rows" in err
    assert "guard=False" not in err


def test_the_same_seed_gives_the_same_labels_and_another_seed_another_guard(
    run: Run, folder: Path
) -> None:
    first = labels_of(run("--seed", "3", "--out", str(folder / "a")).parent / "a")
    second = labels_of(run("--seed", "3", "--out", str(folder / "b")).parent / "b")
    assert first.equals(second)
    run("--seed", "4", "--out", str(folder / "c"))
    losses = [outcome_of(folder / name)["canary_loss"] for name in ("a", "b", "c")]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["01", "1", "1.0"], ["01", "1", "1.0"]),
        (["1e1", "10", "x"], ["1e1", "10", "x"]),
        (["1", "2", "10"], [1, 2, 10]),
        (["-1", "0", "1"], [-1, 0, 1]),
        (["1.0", "2.0", "3.0"], ["1.0", "2.0", "3.0"]),
        (["9223372036854775808", "1", "2"], ["9223372036854775808", "1", "2"]),
    ],
)
def test_labels_of_a_csv_are_as_they_are_written(
    written: list[str],
    expected: list[object],
    run: Callable[..., Path],
    folder: Path,
    frames: dict[str, pd.DataFrame],
) -> None:
    named = dict(zip(["bird", "cat", "dog"], written, strict=True))
    for name in ("train", "validation"):
        frame = frames[name].assign(kind=frames[name]["kind"].map(named))
        frame.to_csv(folder / f"{name}.csv", index=False)
    out = run("--no-guard")
    labels = pd.read_parquet(out / "labels.parquet")["label"]
    assert set(labels) <= set(expected)
    assert salutary.load(out).classes_.tolist() == sorted(expected)
    main(
        ["predict", str(out), str(folder / "pool.csv"), "--out", str(folder / "p.csv")]
    )
    found = pd.read_csv(folder / "p.csv", dtype="str")
    assert list(found)[2:] == [f"probability_{label}" for label in sorted(expected)]
    assert set(found["prediction"]) <= {str(label) for label in expected}


def test_a_label_written_otherwise_than_the_training_tables_is_named(
    arguments: list[str],
    folder: Path,
    frames: dict[str, pd.DataFrame],
    refusal: Callable[[list[str]], str],
) -> None:
    named = {"bird": "1", "cat": "2", "dog": "3"}
    for name in ("train", "validation"):
        frame = frames[name].assign(kind=frames[name]["kind"].map(named))
        if name == "validation":
            frame.loc[7, "kind"] = "03"
        frame.to_csv(folder / f"{name}.csv", index=False)
    message = refusal(arguments)
    assert "column 'kind', row 7: '03' is not a whole number as the train" in message
    assert message.endswith("; write 3")


@pytest.mark.parametrize("words", [("true", "false"), ("True", "False")])
def test_booleans_have_one_name_in_predictions(
    words: tuple[str, str],
    run: Callable[..., Path],
    folder: Path,
    frames: dict[str, pd.DataFrame],
) -> None:
    for name in ("train", "validation"):
        kind = np.where(frames[name]["kind"] == "dog", *words)
        frames[name].assign(kind=kind).to_csv(folder / f"{name}.csv", index=False)
    out = run("--no-guard")
    main(
        ["predict", str(out), str(folder / "pool.csv"), "--out", str(folder / "p.csv")]
    )
    found = pd.read_csv(folder / "p.csv", dtype="str")
    assert list(found)[2:] == ["probability_false", "probability_true"]
    assert set(found["prediction"]) <= {"false", "true"}


@pytest.mark.parametrize("text", ["n.a.", "\x1b[31m?"])
@pytest.mark.filterwarnings("default")
def test_a_stray_text_among_numbers_is_warned_of(
    text: str, run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = pd.read_csv(folder / "train.csv", dtype=str)
    train.loc[[7, 9], "size"] = text
    train.to_csv(folder / "train.csv", index=False)
    assert labels_of(run()).num_rows > 0
    shown = ascii(text).replace("\\x", "\\x")
    assert (
        f"warning: {folder / 'train.csv'}: column 'size' is taken as text, not "
        f"numbers, because of {shown} in row 7; correct it or leave it empty, unless "
        "these are codes"
    ) in capsys.readouterr().err.splitlines()


def test_a_pool_smaller_than_a_batch_is_labeled(run: Run, folder: Path) -> None:
    pool = pd.read_csv(folder / "pool.csv")
    for n_rows in (1, 3):
        pool[:n_rows].to_csv(folder / "pool.csv", index=False)
        out = run("--no-guard", "--out", str(folder / f"of {n_rows}"))
        labels = labels_of(out.parent / f"of {n_rows}")
        assert sorted(labels["id"].to_pylist()) == [f"p{row}" for row in range(n_rows)]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("guard", [[], ["--no-guard"]], ids=["guard", "no guard"])
@pytest.mark.parametrize("n_rows", range(1, 8))
def test_few_validation_rows_are_enough(
    n_rows: int,
    guard: list[str],
    run: Run,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    validation = pd.read_csv(folder / "validation.csv")
    validation[:n_rows].to_csv(folder / "validation.csv", index=False)
    outcome = outcome_of(run(*guard))
    err = capsys.readouterr().err
    guarded = not guard and n_rows >= 6
    assert outcome["canary_rows"] == (n_rows if guarded else 0)
    assert err.count("too few to guard") == (not guard and not guarded)
    if not guarded:
        assert outcome["labels"] == 15


def test_names_that_would_steer_a_terminal_are_shown_harmless(
    run: Run, folder: Path, frames: Frames, capsys: pytest.CaptureFixture[str]
) -> None:
    color, cat = "co\x1b[31m\nlor", "c\x1b[31mat"
    for name in ("train", "validation", "pool"):
        frame = pd.read_csv(folder / f"{name}.csv").rename(columns={"color": color})
        if name == "pool":
            frame.loc[3, color] = "mauve"
        else:
            frame["kind"] = frame["kind"].replace("cat", cat)
        frame.to_csv(folder / f"{name}.csv", index=False)
    steering = folder / "r\x1b[31mun"
    run("--no-guard", "--out", str(steering))
    out, predictions = steering.rename(folder / "run"), folder / "p\x1b[31m.csv"
    main(["predict", str(out), str(folder / "pool.csv"), "--out", str(predictions)])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "r\\x1b[31mun: labels.parquet" in shown
    assert "p\\x1b[31m.csv" in shown
    assert "co\\x1b[31m lor 1" in shown
    assert "c\\x1b[31mat" in shown
    main(
        ["predict", str(out), str(folder / "pool.csv"), "--out", str(folder / "p.csv")]
    )
    assert f"probability_{cat}" in pd.read_csv(folder / "p.csv")


def test_numbers_no_machine_integer_holds_are_taken(run: Run) -> None:
    huge = str(10**30)
    out = run("--budget", huge, "--batch-size", huge, "--no-guard")
    assert labels_of(out).num_rows > 0


@pytest.mark.filterwarnings("default")
def test_what_every_round_warns_of_is_shown_once(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train", "validation", "pool"):
        frame = pd.read_csv(folder / f"{name}.csv")
        # Other columns could tell the classes apart, and then the penalty counts.
        frame = frame.drop(columns=["color", "day", "at", "member"])
        frame.assign(twice=2 * frame["size"]).to_csv(
            folder / f"{name}.csv", index=False
        )
    run("--C", "1e16")
    shown = capsys.readouterr().err.splitlines()
    lines = [line for line in shown if line.startswith("warning: ")]
    assert sum("ill-conditioned" in line for line in lines) == 1
    assert len(lines) == len(set(lines))


DAYS = ["05/02/2021", "01/12/2020", "11/11/2020"]
OPEN = {
    "nothing tells": (DAYS, DAYS, "'05/02/2021' as 2021-05-02"),
    "moments with a zone": (
        ["05.02.2021 10:00+0100", "01.12.2020 09:30+0200"],
        ["03.04.2020 09:30+0200"],
        "'05.02.2021 10:00+0100' as 2021-05-02",
    ),
    "a day of the pool tells": (DAYS, [*DAYS, "31/12/2020"], ""),
    "a day of train tells": ([*DAYS, "13/12/2020"], DAYS, ""),
    "the year comes first": (["2020/05/02", "2021/03/04"], ["2020/01/02"], ""),
    "as 2024-02-29": (["2020-05-02", "2021-03-04"], ["2020-01-02"], ""),
    "both are the same": (["05/05/2021", "11/11/2020"], ["01/01/2021"], ""),
    "a name of the month": (["05 Feb 2021", "01 Dec 2020"], ["03 Mar 2020"], ""),
}


@pytest.mark.parametrize(("train", "pool", "reading"), OPEN.values(), ids=OPEN)
@pytest.mark.filterwarnings("default")
def test_dates_that_may_be_read_in_two_ways_are_warned_of_once(
    train: list[str],
    pool: list[str],
    reading: str,
    run: Run,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, days in (("train", train), ("validation", pool), ("pool", pool)):
        frame = pd.read_csv(folder / f"{name}.csv")
        frame["day"] = [days[row % len(days)] for row in range(len(frame))]
        frame.to_csv(folder / f"{name}.csv", index=False)
    run("--no-guard")
    shown = capsys.readouterr().err.splitlines()
    lines = [line for line in shown if "the dates of column" in line]
    if not reading:
        assert lines == []
        return
    (line,) = lines
    assert line.startswith(
        f"warning: {folder / 'train.csv'}: the dates of column 'day'"
    )
    assert f"({reading})" in line
    assert line.endswith("write them as 2024-02-29")
