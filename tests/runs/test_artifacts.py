"""Files that appear whole or not at all, and models that load without running code."""

import json
import os
import pickle
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

import salutary
from salutary.errors import InputError
from salutary.files import write_json, write_whole
from salutary.progress import silent
from salutary.runs.artifacts import TRUSTED_TYPES, check_clock, load, write_model
from salutary.runs.directory import run_tables
from salutary.runs.kind import Request
from salutary.runs.label import LABELING
from salutary.runs.table_problem import Settings
from salutary.tables.encoding import ColumnTypes, table_encoder
from salutary.tables.sources import Sources
from salutary.tables.writing import write_table

pytestmark = pytest.mark.slow

TABLES = ("train", "validation", "pool")
COLUMNS = ["plain", "[bold]", "a,b", '=1+1"', "größe 📏", "x\ty", "-1", "__len__"]


def every_kind(n: int, seed: int) -> pd.DataFrame:
    """Columns that need each of skrub's encoders, under odd names."""
    rng = np.random.default_rng(seed)
    moment = pd.Timestamp("2024-02-29 23:59:58") + pd.to_timedelta(
        rng.integers(0, 10**7, n), "s"
    )
    columns = [
        rng.normal(size=n),
        np.where(rng.random(n) < 0.2, None, rng.choice(["u", "v", "ẃ"], n)),
        [f"note {row} of {rng.integers(10**6)}" for row in range(n)],
        moment,
        moment.time,
        rng.random(n) < 0.5,
        [None] * n,
        rng.choice(["yes", "no"], n),
    ]
    frame = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    frame.loc[rng.random(n) < 0.1, "plain"] = np.nan
    return frame


@pytest.fixture(scope="module")
def model_and_rows(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Pipeline, pd.DataFrame]:
    """A model of a table of every kind of column, and rows it has not seen."""
    folder = tmp_path_factory.mktemp("tables")
    for seed, name in enumerate(TABLES):
        frame = every_kind(60, seed).assign(target=np.arange(60) % 3)
        frame.to_parquet(folder / f"{name}.parquet")
    sources = Sources(*(folder / f"{name}.parquet" for name in TABLES), "target", None)
    settings = Settings("plausible", 1.0, 10, guard=False, seed=0)
    request = Request(sources, settings, 10, folder / "run", resume=False)
    prepared = LABELING.prepare(request, silent)
    rows = prepared.problem.labeled
    classifier = LogisticRegression().fit(rows.X, prepared.problem.classes[rows.labels])
    return prepared.encoded.model(classifier), every_kind(25, 9)


def test_every_type_in_a_saved_model_is_on_the_list(
    model_and_rows: tuple[Pipeline, pd.DataFrame], tmp_path: Path
) -> None:
    model, _ = model_and_rows
    encoders = {type(step).__name__ for _, step, _ in model["vectorize"].transformers_}
    assert encoders >= {"Numbers", "OneHotEncoder", "StringEncoder", "DatetimeEncoder"}
    assert [name for name, kind in model["types"].kinds.items() if kind == "text"] == [
        "a,b"
    ]
    skops.io.dump(model, tmp_path / "model.skops")
    found = skops.io.get_untrusted_types(file=tmp_path / "model.skops")
    assert set(found) <= set(TRUSTED_TYPES)


def test_a_loaded_model_predicts_as_the_saved_one(
    model_and_rows: tuple[Pipeline, pd.DataFrame], tmp_path: Path
) -> None:
    model, rows = model_and_rows
    write_model(model, tmp_path / "model.skops")
    loaded = salutary.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows))
    np.testing.assert_array_equal(loaded.predict_proba(rows), model.predict_proba(rows))
    shuffled = rows[reversed(COLUMNS)].assign(further="x")
    np.testing.assert_array_equal(
        loaded.predict_proba(shuffled), model.predict_proba(rows)
    )


def test_a_loaded_model_names_its_features_as_scikit_learn_does(
    model_and_rows: tuple[Pipeline, pd.DataFrame], tmp_path: Path
) -> None:
    model, rows = model_and_rows
    write_model(model, tmp_path / "model.skops")
    loaded = salutary.load(tmp_path)
    assert loaded.feature_names_in_.tolist() == COLUMNS
    assert loaded.n_features_in_ == len(COLUMNS)
    steps = loaded[:-1]
    names = steps.get_feature_names_out()
    assert_array_equal(names, steps.get_feature_names_out(COLUMNS))
    with pytest.raises(ValueError, match="input_features is not equal"):
        steps.get_feature_names_out(COLUMNS[::-1])
    assert {"plain", "[bold]_u", "[bold]_ẃ", "x\ty", "a,b_00"} <= set(names)
    assert loaded[-1].feature_names_in_.tolist() == names.tolist()
    frame = steps.transform(rows)
    assert_array_equal(frame.columns, names)
    again = steps.set_output(transform="pandas").transform(rows)
    pd.testing.assert_frame_equal(again, frame)
    logits = loaded.decision_function(rows)  # none of this with a warning
    assert_allclose(
        frame.to_numpy() @ loaded[-1].coef_.T + loaded[-1].intercept_, logits, rtol=1e-5
    )


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_a_loaded_model_takes_tables_of_others(
    kind: str, model_and_rows: tuple[Pipeline, pd.DataFrame], tmp_path: Path
) -> None:
    model, rows = model_and_rows
    write_model(model, tmp_path / "model.skops")
    table = pa.Table.from_pandas(rows, preserve_index=False)
    given = pl.from_arrow(table) if kind == "polars" else table
    assert_array_equal(load(tmp_path).predict_proba(given), model.predict_proba(rows))


def test_a_loaded_model_takes_what_pandas_reads_from_csv(
    model_and_rows: tuple[Pipeline, pd.DataFrame], tmp_path: Path
) -> None:
    model, rows = model_and_rows
    write_model(model, tmp_path / "model.skops")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    texts = pd.read_csv(tmp_path / "rows.csv")
    np.testing.assert_allclose(
        load(tmp_path).predict_proba(texts), model.predict_proba(rows), rtol=1e-5
    )


def test_loading_unpickles_nothing(
    model_and_rows: tuple[Pipeline, pd.DataFrame],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_model(model_and_rows[0], tmp_path / "model.skops")
    with zipfile.ZipFile(tmp_path / "model.skops") as archive:
        suffixes = {Path(name).suffix for name in archive.namelist()}
    assert suffixes <= {".json", ".npy", ".npz"}

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    load(tmp_path)


def test_a_model_of_many_columns_of_numbers_is_small(tmp_path: Path) -> None:
    sizes = []
    for n_columns in (10, 1000):
        X = pd.DataFrame(np.random.default_rng(0).normal(size=(20, n_columns)))
        X.columns = [f"column {column}" for column in X]
        kinds = dict.fromkeys(X, "number")
        encoder = table_encoder(kinds, 0)
        classifier = LogisticRegression().fit(encoder.fit_transform(X), [0, 1] * 10)
        steps = [("types", ColumnTypes(kinds)), *encoder.steps]
        model = Pipeline([*steps, ("classify", classifier)])
        write_model(model, tmp_path / "model.skops")
        np.testing.assert_array_equal(load(tmp_path).predict(X), model.predict(X))
        with zipfile.ZipFile(tmp_path / "model.skops") as archive:
            sizes.append(len(archive.namelist()))
    # As many arrays for a thousand columns as for ten: no transformer for each.
    assert sizes[0] == sizes[1]


class Reducing:
    """Makes a directory when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "function": lambda path: os.mkdir,
    "partial": lambda path: partial(os.mkdir, str(path)),
    "transformer": lambda path: make_pipeline(FunctionTransformer(os.mkdir)),
    "object": Reducing,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_model_of_types_off_the_list_is_refused_and_not_run(
    kind: str, tmp_path: Path
) -> None:
    target = tmp_path / "made"
    skops.io.dump(HOSTILE[kind](target), tmp_path / "model.skops")
    with pytest.raises(InputError, match=r"model\.skops: is not a model"):
        load(tmp_path)
    assert not target.exists()


def test_an_honest_model_with_one_type_exchanged_is_refused(
    model_and_rows: tuple[Pipeline, pd.DataFrame], tmp_path: Path
) -> None:
    write_model(model_and_rows[0], tmp_path / "honest.skops")
    with (
        zipfile.ZipFile(tmp_path / "honest.skops") as honest,
        zipfile.ZipFile(tmp_path / "model.skops", "w") as forged,
    ):
        for name in honest.namelist():
            content = honest.read(name)
            if name == "schema.json":
                text = content.decode()
                assert '"StandardScaler"' in text
                text = text.replace('"StandardScaler"', '"Popen"')
                text = text.replace('"sklearn.preprocessing._data"', '"subprocess"')
                content = text.encode()
            forged.writestr(name, content)
    with pytest.raises(InputError, match=r"subprocess\.Popen"):
        load(tmp_path)


@pytest.mark.parametrize("damage", ["torn", "empty", "pickle", "random", "directory"])
def test_a_file_that_is_no_model_is_refused(
    damage: str,
    model_and_rows: tuple[Pipeline, pd.DataFrame],
    tmp_path: Path,
) -> None:
    path, target = tmp_path / "model.skops", tmp_path / "made"
    if damage == "directory":
        path.mkdir()
    elif damage == "torn":
        write_model(model_and_rows[0], path)
        path.write_bytes(path.read_bytes()[:-100])
    else:
        content = {
            "empty": b"",
            "pickle": pickle.dumps(Reducing(target)),
            "random": np.random.default_rng(0).bytes(5000),
        }
        path.write_bytes(content[damage])
    with pytest.raises(InputError):
        load(tmp_path)
    assert not target.exists()


def test_a_flipped_byte_is_refused_or_changes_nothing(
    model_and_rows: tuple[Pipeline, pd.DataFrame], tmp_path: Path
) -> None:
    model, rows = model_and_rows
    write_model(model, tmp_path / "model.skops")
    whole = (tmp_path / "model.skops").read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for place in rng.integers(len(whole), size=20).tolist():
        flipped = bytearray(whole)
        flipped[place] ^= 0x40
        (tmp_path / "model.skops").write_bytes(flipped)
        try:
            loaded = load(tmp_path)
        except InputError:
            refused += 1
        else:
            np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows))
    assert refused > 10


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path, zeros = tmp_path / "model.skops", b"0" * 2**24
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", "{}")
        with archive.open("0.npy", "w", force_zip64=True) as part:
            for _ in range(2**30 // len(zeros) + 1):
                part.write(zeros)
    assert path.stat().st_size < 2**21
    with pytest.raises(InputError, match=r"it unpacks to 1\.0 GB, and at most 1 GB"):
        load(tmp_path)


def test_other_estimators_of_trusted_types_are_no_models(tmp_path: Path) -> None:
    X, y = np.eye(4), [0, 1, 0, 1]
    for other in (
        LogisticRegression().fit(X, y),
        make_pipeline(LogisticRegression()).fit(X, y),
    ):
        skops.io.dump(other, tmp_path / "model.skops")
        with pytest.raises(InputError, match="is not a model of salutary"):
            load(tmp_path)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no model\.skops"):
        load(tmp_path)
    with pytest.raises(InputError, match=r"holds no model\.skops"):
        salutary.load(str(tmp_path / "nowhere"))


def test_a_model_that_could_not_be_loaded_is_not_saved(
    model_and_rows: tuple[Pipeline, pd.DataFrame], tmp_path: Path
) -> None:
    path = tmp_path / "model.skops"
    write_model(model_and_rows[0], path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match=r"posix\.mkdir|nt\.mkdir"):
        write_model(make_pipeline(FunctionTransformer(os.mkdir)), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.skops"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_failed_write_leaves_the_directory_as_it_was(
    exists: bool, tmp_path: Path
) -> None:
    path = tmp_path / "labels.parquet"
    if exists:
        path.write_text("before")
    during = []

    def fail(beside: Path) -> None:
        beside.write_text("half")
        during.append(path.read_text() if path.exists() else None)
        assert beside.suffix == ".parquet"
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        write_whole(path, fail)
    assert during == ["before" if exists else None]
    files = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert files == ({"labels.parquet": "before"} if exists else {})


def test_tables_and_reports_come_back_as_written(tmp_path: Path) -> None:
    table = pa.table({"id": ["ä", None], "label": pa.array([1, 2], pa.int8())})
    report = {"größe": ["📏", None, 0.1]}
    for _ in range(2):  # the second replaces the first
        write_table(table, tmp_path / "labels.parquet")
        write_json(tmp_path / "run.json", report)
    assert pa.parquet.read_table(tmp_path / "labels.parquet").equals(table)
    assert json.loads((tmp_path / "run.json").read_text("utf-8")) == report
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("year", [1971, 1979, 2108])
def test_a_clock_that_no_saved_model_can_hold_is_refused_first(
    year: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.mktime((year, 6, 1, 0, 0, 0, 0, 0, -1))
    monkeypatch.setattr(time, "time", lambda: now)
    with pytest.raises(InputError, match=f"says that it is {year}, .*; set the clock"):
        run_tables(LABELING, None, silent, print)  # type: ignore[arg-type]
    for possible in (1980, 2107):
        now = time.mktime((possible, 6, 1, 0, 0, 0, 0, 0, -1))
        check_clock()
        with zipfile.ZipFile(tmp_path / "dated.zip", "w") as archive:
            archive.writestr("a", "")
