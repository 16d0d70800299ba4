"""``salutary predict``: what it writes, against the model and pandas."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import salutary
from salutary.cli import terminal
from salutary.cli.main import main
from salutary.errors import InputError

Refusal = Callable[[list[str]], str]


READERS = {
    ".csv": pd.read_csv,
    ".parquet": pd.read_parquet,
    ".jsonl": lambda path: pd.read_json(path, lines=True, precise_float=True),
}


def predicted(run_dir: Path, table: Path, suffix: str = ".parquet") -> pd.DataFrame:
    out = table.parent / f"predictions{suffix}"
    main(["predict", str(run_dir), str(table), "--out", str(out)])
    return READERS[suffix](out)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", READERS)
def test_predictions_are_the_models(
    suffix: str, run_dir: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    found = predicted(run_dir, folder / "pool.csv", suffix)
    out, err = capsys.readouterr()
    assert out == f"Wrote 60 predictions to {folder / f'predictions{suffix}'}\n"
    assert err == "predicting\n"
    model = salutary.load(run_dir)
    frame = pa.csv.read_csv(
        folder / "pool.csv",
        convert_options=pa.csv.ConvertOptions(strings_can_be_null=True),
    ).to_pandas()
    assert list(found) == [
        *["id", "prediction"],
        *["probability_bird", "probability_cat", "probability_dog"],
    ]
    assert found["id"].tolist() == frame["id"].tolist()
    assert found["prediction"].tolist() == model.predict(frame).tolist()
    probability = found.iloc[:, 2:].to_numpy()
    np.testing.assert_allclose(probability, model.predict_proba(frame), atol=1e-9)
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-9)


@pytest.mark.slow
def test_order_of_columns_and_further_columns_do_not_matter(
    run_dir: Path, folder: Path
) -> None:
    expected = predicted(run_dir, folder / "pool.csv")
    pool = pd.read_csv(folder / "pool.csv", dtype=str)
    pool["kind"], pool["further"] = "cow", "x"
    pool[pool.columns[::-1]].to_csv(folder / "shuffled.csv", index=False)
    found = predicted(run_dir, folder / "shuffled.csv")
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.slow
def test_a_row_gets_the_same_prediction_alone(run_dir: Path, folder: Path) -> None:
    expected = predicted(run_dir, folder / "pool.csv")
    pool = pd.read_csv(folder / "pool.csv", dtype=str)
    for row in (0, 17):
        pool[row : row + 1].to_csv(folder / "one.csv", index=False)
        found = predicted(run_dir, folder / "one.csv")
        np.testing.assert_allclose(
            found.iloc[:, 2:], expected.iloc[row : row + 1, 2:], rtol=1e-5
        )


def test_without_the_id_column_rows_go_by_their_number(
    run_dir: Path, folder: Path
) -> None:
    found = predicted(run_dir, folder / "train.csv")
    assert found["row"].tolist() == list(range(45))
    assert "id" not in found


def test_an_id_of_leading_zeros_keeps_them(run_dir: Path, folder: Path) -> None:
    pool = pd.read_csv(folder / "pool.csv")
    pool["id"] = [f"{row:03d}" for row in range(60)]
    pool.to_csv(folder / "pool.csv", index=False)
    assert predicted(run_dir, folder / "pool.csv")["id"].tolist() == [*pool["id"]]


@pytest.mark.parametrize("suffix", READERS)
def test_ids_that_are_moments_stay_so(suffix: str, run_dir: Path, folder: Path) -> None:
    pool = pd.read_csv(folder / "pool.csv")
    moments = pd.date_range("2020-01-01 00:00:00.000001", periods=60, freq="us")
    pool.assign(id=moments).to_parquet(folder / "pool.parquet")
    out = folder / f"predictions{suffix}"
    main(["predict", str(run_dir), str(folder / "pool.parquet"), "--out", str(out)])
    if suffix == ".jsonl":
        found = [json.loads(line)["id"] for line in out.read_text().splitlines()]
    else:
        found = READERS[suffix](out)["id"]
    assert pd.to_datetime(found).tolist() == moments.tolist()


def test_whole_numbers_from_2_to_the_63_are_predicted(
    folder: Path, frames: dict[str, pd.DataFrame], run: Callable[..., Path]
) -> None:
    named = {"bird": 2**63, "cat": 2**63 + 1, "dog": 7}
    for name in ("train", "validation"):
        frame = frames[name].drop(columns="kind")
        table = pa.Table.from_pandas(frame, preserve_index=False)
        labels = pa.array(frames[name]["kind"].map(named).tolist(), pa.uint64())
        table = table.append_column("kind", labels)
        pa.parquet.write_table(table, folder / f"{name}.parquet")
    paths = [str(folder / f"{name}.parquet") for name in ("train", "validation")]
    main(
        [
            *["label", paths[0], "--validation", paths[1], "--target", "kind"],
            *["--pool", str(folder / "pool.csv"), "--out", str(folder / "run")],
            *["--budget", "3", "--id", "id", "--no-guard"],
        ]
    )
    found = folder / "predictions.parquet"
    table = str(folder / "pool.csv")
    main(["predict", str(folder / "run"), table, "--out", str(found)])
    predictions = pa.parquet.read_table(found)["prediction"]
    assert predictions.type == pa.uint64()
    assert len(set(predictions.to_pylist())) > 1
    assert set(predictions.to_pylist()) <= set(named.values())


def test_a_table_of_any_library_is_predicted_alike(run_dir: Path, folder: Path) -> None:
    model = salutary.load(run_dir)
    texts = pd.read_csv(folder / "pool.csv", dtype=str)
    expected = model.predict_proba(texts)
    options = pa.csv.ConvertOptions(strings_can_be_null=True)
    typed = pa.csv.read_csv(folder / "pool.csv", convert_options=options)
    tables = {
        "pandas": pd.read_csv(folder / "pool.csv"),
        "pandas of arrow": typed.to_pandas(types_mapper=pd.ArrowDtype),
        "categories": texts.astype("category"),
        "arrow": typed,
        "arrow of texts": pa.Table.from_pandas(texts),
    }
    for name, table in tables.items():
        found = model.predict_proba(table)
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_a_polars_frame_is_predicted(run_dir: Path, folder: Path) -> None:
    pl = pytest.importorskip("polars")
    model = salutary.load(run_dir)
    expected = model.predict_proba(pd.read_csv(folder / "pool.csv", dtype=str))
    found = model.predict_proba(pl.read_csv(folder / "pool.csv"))
    np.testing.assert_array_equal(found, expected)


class Frame:
    """What polars shows of a frame: names of the columns, and columns with to_arrow."""

    class Column:
        def __init__(self, values: pa.ChunkedArray) -> None:
            self.to_arrow = values.combine_chunks

    def __init__(self, table: pa.Table) -> None:
        self.columns, self.table = table.column_names, table

    def __getitem__(self, name: str) -> Column:
        return Frame.Column(self.table[name])


def test_a_frame_with_arrow_columns_is_predicted(run_dir: Path, folder: Path) -> None:
    model = salutary.load(run_dir)
    texts = pd.read_csv(folder / "pool.csv", dtype=str)
    found = model.predict_proba(Frame(pa.Table.from_pandas(texts)))
    np.testing.assert_array_equal(found, model.predict_proba(texts))


NO_TABLES = {
    "array": (lambda frame: frame.to_numpy(), "is of type ndarray; pass a DataFrame"),
    "list": (lambda frame: frame.to_numpy().tolist(), "is of type list; pass a Data"),
    "several types": (
        lambda frame: frame.assign(size=[1, "x"] * 30),
        "column 'size': cannot be read (Could not convert 'x' with type str",
    ),
    "repeated column": (
        lambda frame: pd.concat([frame, frame[["size"]]], axis=1),
        "column 'size' occurs more than once",
    ),
    "missing column": (lambda frame: frame.drop(columns="day"), "has no column 'day'"),
    "infinity": (
        lambda frame: frame.assign(size=[np.inf, 1.0] * 30),
        "column 'size', row 0: infinity cannot be a feature",
    ),
    "another format": (
        lambda frame: frame.assign(day=["2024-02-29", "29/02/2024"] * 30),
        "column 'day', row 1: '29/02/2024' is not a date",
    ),
}


@pytest.mark.parametrize(("change", "words"), NO_TABLES.values(), ids=NO_TABLES)
def test_what_a_loaded_model_cannot_take_is_refused(
    change: Callable[[pd.DataFrame], object], words: str, run_dir: Path, folder: Path
) -> None:
    frame = pd.read_csv(folder / "pool.csv")
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        salutary.load(run_dir).predict(change(frame))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "arrow_type"),
    [([3, 5, 7], pa.int64()), ([False, True, True], pa.bool_())],
    ids=["integer", "boolean"],
)
def test_a_prediction_has_the_targets_own_type(
    values: list[object],
    arrow_type: pa.DataType,
    folder: Path,
    frames: dict[str, pd.DataFrame],
    run: Callable[..., Path],
) -> None:
    named = dict(zip(["bird", "cat", "dog"], values, strict=True))
    for name in ("train", "validation"):
        frame = frames[name].assign(kind=frames[name]["kind"].map(named))
        frame.to_csv(folder / f"{name}.csv", index=False)
    predicted(run(), folder / "pool.csv")
    schema = pa.parquet.read_schema(folder / "predictions.parquet")
    assert schema.field("prediction").type == arrow_type
    assert [name for name in schema.names if name.startswith("probability")] == [
        f"probability_{json.dumps(value)}" for value in sorted(set(values))
    ]


def test_categories_and_gaps_the_run_never_saw_are_predicted_silently(
    run_dir: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "new.csv").write_text(
        "color,size,member,day,at\nmauve,,,,\n,1,true,1999-01-01,00:00\n"
    )
    capsys.readouterr()
    assert len(predicted(run_dir, folder / "new.csv")) == 2
    assert capsys.readouterr().err == "predicting\n"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is shown on standard error as a command goes on."""
    lines: list[str] = []
    monkeypatch.setattr(terminal, "tell", lines.append)
    return lines


def test_a_command_that_goes_well_shows_what_it_does(
    run_dir: Path, folder: Path, shown: list[str]
) -> None:
    predicted(run_dir, folder / "pool.csv")
    assert shown == ["predicting"]


BAD_TABLES = {
    "missing": (None, ["rows.csv", "no such file"]),
    "empty": ("", ["rows.csv"]),
    "no rows": ("size,color,day,at,member\n", ["rows.csv", "no rows"]),
    "feature": ("size,color,day,at\n1,red,,,\n", ["rows.csv"]),
    "missing feature": ("size,color,day,at\n1,red,,\n", ["rows.csv", "'member'"]),
    "wrong type": (
        "size,color,day,at,member\n1,red,,,\nabc,red,,,\n",
        ["rows.csv", "'size'", "row 1", "'abc'"],
    ),
    "infinity": (
        "size,color,day,at,member\n1,red,,,\ninf,red,,,\n",
        ["rows.csv", "'size'", "row 1"],
    ),
    "too large": (
        "size,color,day,at,member\n1,red,,,\n1e300,red,,,\n",
        ["rows.csv", "'size'", "row 1"],
    ),
}


@pytest.mark.parametrize(("text", "words"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_bad_table_is_refused_in_one_line_and_nothing_is_written(
    text: str | None,
    words: list[str],
    run_dir: Path,
    folder: Path,
    refusal: Refusal,
    shown: list[str],
) -> None:
    table, out = folder / "rows.csv", folder / "out.csv"
    if text is not None:
        table.write_text(text)
    line = refusal(["predict", str(run_dir), str(table), "--out", str(out)])
    assert all(word in line for word in words), line
    assert not out.exists()
    assert shown == []


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("pool.csv", "is the table to predict"),
        ("link.csv", "is the table to predict"),
        ("run/../pool.csv", "is the table to predict"),
        ("out.txt", "unknown kind"),
        ("out", "unknown kind"),
        ("nowhere/out.csv", "there is no folder '{}/nowhere'; make it"),
        ("folder.csv", "folder.csv: is a directory; pass a file"),
        ("train.csv/out.csv", "cannot be made, as '{}/train.csv' is a file; pass an"),
        ("locked/out.csv", "cannot be made, as '{}/locked' cannot be written to; fix"),
        ("run/labels.parquet", "labels.parquet"),
        ("run/adapter/out.csv", "out.csv: is in the run's own directory"),
    ],
)
def test_an_out_that_cannot_be_written_is_refused_and_left_alone(
    out: str,
    words: str,
    run_dir: Path,
    folder: Path,
    refusal: Refusal,
    shown: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder / "locked").mkdir()
    monkeypatch.setattr("salutary.files.writable", lambda path: path.name != "locked")
    (folder / "link.csv").symlink_to(folder / "pool.csv")
    (folder / "folder.csv").mkdir()
    files = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    table = str(folder / "pool.csv")
    line = refusal(["predict", str(run_dir), table, "--out", str(folder / out)])
    assert words.format(folder) in line
    assert shown == []
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == files


@pytest.mark.parametrize("suffix", READERS)
def test_an_earlier_file_is_replaced(suffix: str, run_dir: Path, folder: Path) -> None:
    (folder / f"predictions{suffix}").write_text("earlier")
    assert len(predicted(run_dir, folder / "pool.csv", suffix)) == 60


def test_a_directory_that_is_no_run_is_refused(folder: Path, refusal: Refusal) -> None:
    for place in (folder, folder / "nowhere", folder / "pool.csv"):
        line = refusal(
            ["predict", str(place), str(folder / "pool.csv"), "--out", "x.csv"]
        )
        assert f"{place}: holds no model.skops" in line


def test_an_unfinished_run_has_no_model(
    run_dir: Path, folder: Path, refusal: Refusal
) -> None:
    (run_dir / "model.skops").unlink()
    line = refusal(
        ["predict", str(run_dir), str(folder / "pool.csv"), "--out", "x.csv"]
    )
    assert "finished" in line


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prediction", "probability_cat"])
def test_an_id_column_named_as_an_output_column_is_refused(
    name: str, run: Callable[..., Path], folder: Path, refusal: Refusal
) -> None:
    pool = pd.read_csv(folder / "pool.csv").rename(columns={"id": name})
    pool.to_csv(folder / "pool.csv", index=False)
    out = run("--id", name)
    command = ["predict", str(out), str(folder / "pool.csv")]
    line = refusal([*command, "--out", str(folder / "out.csv")])
    assert f"the id column {name!r} has the name of an output column" in line
    assert not (folder / "out.csv").exists()


MODELS: dict[str, object] = {
    "function": os.system,
    "transformer": make_pipeline(FunctionTransformer(os.system)),
    "trusted types only": make_pipeline(LogisticRegression()).fit(np.eye(2), [0, 1]),
    "no pipeline": LogisticRegression().fit(np.eye(2), [0, 1]),
    "random bytes": np.random.default_rng(0).bytes(2000),
    "no bytes": b"",
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_hostile_or_foreign_model_is_refused_in_one_line(
    kind: str, run_dir: Path, folder: Path, refusal: Refusal
) -> None:
    forged = folder / "forged"
    shutil.copytree(run_dir, forged)
    if isinstance(MODELS[kind], bytes):
        (forged / "model.skops").write_bytes(MODELS[kind])
    else:
        skops.io.dump(MODELS[kind], forged / "model.skops")
    out = folder / "out.csv"
    line = refusal(
        ["predict", str(forged), str(folder / "pool.csv"), "--out", str(out)]
    )
    assert "model.skops: is not a model of salutary" in line
    assert not out.exists()


@pytest.mark.parametrize("report", [None, "", "{}"])
def test_a_run_whose_report_is_damaged_is_refused(
    report: str | None, run_dir: Path, folder: Path, refusal: Refusal
) -> None:
    (run_dir / "run.json").unlink()
    if report is not None:
        (run_dir / "run.json").write_text(report)
    line = refusal(
        ["predict", str(run_dir), str(folder / "pool.csv"), "--out", "x.csv"]
    )
    assert "run.json" in line
