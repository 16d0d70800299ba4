"""A pool of many rows is read in batches; what becomes of it is the same in any format.

Here 25 rows are many, and a batch has 7.
"""

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from salutary.cli.main import main
from salutary.pools.files import FilePool
from salutary.progress import silent
from salutary.runs.kind import Request
from salutary.runs.label import LABELING
from salutary.runs.table_problem import Settings
from salutary.tables import batches
from salutary.tables.casting import cast_features
from salutary.tables.formats import read_table
from salutary.tables.reading import read_tables
from salutary.tables.sources import Sources
from tests.words import once

Refusal = Callable[[list[str]], str]


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MANY_ROWS", 25)
    monkeypatch.setattr(batches, "BATCH_ROWS", 7)
    # The smallest text file that may have many rows.
    assert 2 * batches.MANY_ROWS < 100


def typed(folder: Path) -> pd.DataFrame:
    """The pool with numbers and booleans as such, and empty texts missing."""
    pool = pd.read_csv(folder / "pool.csv")
    return pool.astype({"color": object})


def as_folder(pool: pd.DataFrame, path: Path) -> Path:
    path.mkdir()
    for number, start in enumerate(range(0, len(pool), 20)):
        pool[start : start + 20].to_parquet(path / f"{number}.parquet", index=False)
    return path


def written(pool: pd.DataFrame, path: Path) -> Path:
    if path.suffix == "":
        return as_folder(pool, path)
    if path.suffix == ".parquet":
        pool.to_parquet(path, row_group_size=11)
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(pool, path, chunksize=9)
    elif path.suffix == ".jsonl":
        pool.to_json(path, orient="records", lines=True)
    else:
        pool.to_csv(path, index=False)
    return path


def figures(run: Path) -> list[dict[str, Any]]:
    """The labels of a run, and the metrics of its rounds but for their times."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    metrics = [json.loads(line) for line in lines]
    assert len(metrics) == 4
    for round_ in metrics:
        round_.pop("seconds", None)
        round_.pop("time", None)
    return [*pq.read_table(run / "labels.parquet").to_pylist(), *metrics]


FORMATS = ["pool.tsv.gz", "pool.parquet", "pool.feather", "pool.jsonl", "pool_of_files"]


@pytest.mark.parametrize("name", FORMATS)
def test_labels_are_the_same_in_any_format(
    run: Callable[..., Path], folder: Path, name: str
) -> None:
    path = folder / name
    if name == "pool.tsv.gz":
        typed(folder).to_csv(path, index=False, sep="\t")
    else:
        written(typed(folder), path)
    out = run()
    run("--pool", str(path), "--out", str(folder / "again"))
    again = folder / "again"
    assert len(pq.read_table(out / "labels.parquet")) == 15
    assert figures(again) == figures(out)
    checks = [
        json.loads((each / "run.json").read_text())["checks"] for each in (out, again)
    ]
    assert checks[0] == checks[1]
    assert checks[0]["rows"]["pool"] == 60
    assert checks[0]["examined"] == {"train": 45, "validation": 45, "pool": 25}


def sources_of(folder: Path) -> Sources:
    paths = (folder / f"{name}.csv" for name in ("train", "validation", "pool"))
    return Sources(*paths, "kind", "id", scratch=folder)


def test_each_row_is_encoded_as_the_saved_model_encodes_it(folder: Path) -> None:
    sources, settings = sources_of(folder), Settings("plausible", 0.5, 7, False, 0)
    request = Request(sources, settings, 10, folder / "run", resume=False)
    prepared = LABELING.prepare(request, silent)
    encoded, pool = prepared.encoded, prepared.problem.pool
    assert isinstance(pool, FilePool)
    table = read_table(folder / "pool.csv")
    frame = cast_features(table, encoded.tables.kinds, "POOL")
    expected = encoded.encoder.transform(frame)
    assert_array_equal(pool.take(np.arange(60)), expected)
    assert_array_equal(pool.X, expected)
    assert prepared.ids.to_pylist() == [f"p{row}" for row in range(60)]


def test_a_sample_fits_the_encoder_and_decides_with_the_training_table(
    folder: Path,
) -> None:
    whole, sampled = read_tables(sources_of(folder)), read_tables(sources_of(folder), 0)
    assert sampled.kinds == whole.kinds
    assert (sampled.n_rows, whole.n_rows) == (whole.n_rows, sampled.n_rows)
    drawn, rows = sampled.features["pool"], whole.features["pool"]
    assert len(drawn) == 25
    assert (
        drawn.merge(rows.drop_duplicates(), how="left", indicator=True)["_merge"]
        .eq("both")
        .all()
    )
    assert sampled.pool_row(33).equals(rows.iloc[33])


def test_all_else_takes_such_a_run(
    run: Callable[..., Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run()
    labels = pq.read_table(out / "labels.parquet").to_pandas()
    main(["report", str(out)])
    page = (out / "report.html").read_text()
    capsys.readouterr()
    main(["explain", str(out), "--id", labels["id"][0], "--json"])
    explained = json.loads(capsys.readouterr().out)
    pool = pd.read_csv(folder / "pool.csv").set_index("id")
    assert explained["row"] == int(labels["id"][0][1:])
    main(["export", str(out), "--to", "csv", "--out", str(folder / "labels.csv")])
    exported = pd.read_csv(folder / "labels.csv")
    own = pool.loc[labels["id"]]
    assert exported["day"].tolist() == own["day"].tolist()
    assert sum(day in page for day in own["day"]) >= 10  # the ones most to be looked at
    for name in ("all.parquet", "few.parquet"):
        table = folder / "pool.csv"
        if name == "few.parquet":
            table = folder / "few.csv"
            pool.reset_index()[40:].to_csv(table, index=False)
        main(["predict", str(out), str(table), "--out", str(folder / name)])
    of_all, of_few = (
        pq.read_table(folder / name).to_pandas()
        for name in ("all.parquet", "few.parquet")
    )
    assert of_all["id"].tolist() == pool.index.tolist()
    pd.testing.assert_frame_equal(of_all[40:].reset_index(drop=True), of_few)


KILLED = """
import os, signal
from salutary.tables import batches
batches.MANY_ROWS, batches.BATCH_ROWS = 25, 7
from salutary.ledgers.run_ledger import Ledger
from salutary.pools.files import FilePool
append, commit = FilePool._append, Ledger.commit
def after_a_part(self, rows):
    append(self, rows)
    os.kill(os.getpid(), signal.SIGKILL)
def after_round_1(self, entry, *rest):
    commit(self, entry, *rest)
    if entry.round == 1:
        os.kill(os.getpid(), signal.SIGKILL)
{what}
from salutary.cli.main import main
main({arguments!r})
"""


@pytest.mark.parametrize(
    "what", ["FilePool._append = after_a_part", "Ledger.commit = after_round_1"]
)
def test_a_killed_run_leaves_nothing_and_resumes(
    killed: Callable[[str], None],
    run: Callable[..., Path],
    arguments: list[str],
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    what: str,
) -> None:
    scratch = tmp_path_factory.mktemp("scratch")
    killed(KILLED.format(what=what, arguments=[*arguments, "--scratch", str(scratch)]))
    assert list(scratch.iterdir()) == []
    resumed = run("--resume", "--scratch", str(scratch))
    run("--out", str(folder / "other"))
    other = folder / "other"
    assert figures(resumed) == figures(other)


def test_advice_takes_it(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    words = [*arguments[:10], "--splits", "2", "--repeats", "1"]
    main(["advise", *words[1:], "--out", str(folder / "advised")])
    assert "Advice: " in capsys.readouterr().out


def changed(folder: Path, row: int, column: str, value: str) -> None:
    pool = pd.read_csv(folder / "pool.csv", dtype=str, keep_default_na=False)
    pool.loc[row, column] = value
    pool.to_csv(folder / "pool.csv", index=False)


@pytest.mark.parametrize("row", range(0, 60, 6))
def test_a_value_that_cannot_be_used_is_named_by_its_row(
    refusal: Refusal, arguments: list[str], folder: Path, row: int
) -> None:
    changed(folder, row, "size", "large")
    found = refusal(arguments)
    assert f"pool.csv: column 'size', row {row}: 'large' is not a number" in found
    assert not (folder / "run").exists()


@pytest.mark.parametrize("row", [3, 47])
def test_in_a_folder_it_is_named_by_its_file(
    refusal: Refusal, arguments: list[str], folder: Path, row: int
) -> None:
    pool = typed(folder)
    pool.loc[row, "size"] = np.inf
    path = written(pool, folder / "files")
    found = refusal(once([*arguments, "--pool", str(path)]))
    name = f"{row // 20}.parquet"
    assert f"files/{name}: column 'size', row {row % 20}: infinity cannot be" in found


def test_ids_that_recur_across_files_are_refused(
    refusal: Refusal, arguments: list[str], folder: Path
) -> None:
    pool = typed(folder)
    pool.loc[58, "id"] = pool.loc[2, "id"]
    path = written(pool, folder / "files")
    found = refusal(once([*arguments, "--pool", str(path)]))
    assert "files: id column 'id' has 'p2' in rows 2 and 58" in found


def test_a_table_that_changes_while_it_is_read_is_refused(
    refusal: Refusal,
    arguments: list[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    append = FilePool._append

    def while_written(self: FilePool, rows: np.ndarray) -> int:
        with (folder / "pool.csv").open("a") as file:
            file.write("p60,1.0,red,2024-01-01,00:00:00,True\n")
        return append(self, rows)

    monkeypatch.setattr(FilePool, "_append", while_written)
    assert "pool.csv: has changed while it was read; start again" in refusal(arguments)


def test_too_small_a_disk_is_told_before_the_work(
    refusal: Refusal, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(9, 9, 0))
    found = refusal(arguments)
    assert "the encoded pool takes 0.1 MB, 0.1 MB more than its disk has free" in found
    assert "make room, or pass --scratch with a folder on another disk" in found


def test_scratch_must_be_a_folder(
    refusal: Refusal, arguments: list[str], folder: Path
) -> None:
    found = refusal([*arguments, "--scratch", str(folder / "none")])
    assert "none: is no folder; make it" in found


def test_a_pool_with_labels_or_markers_is_told_by_all_its_rows(
    refusal: Refusal, arguments: list[str], folder: Path, run: Callable[..., Path]
) -> None:
    pool = pd.read_csv(folder / "pool.csv")
    pool["kind"] = "cat"
    pool.to_csv(folder / "pool.csv", index=False)
    report = json.loads((run() / "run.json").read_text())
    assert report["checks"]["classes"]["pool"] == {"cat": 60}
    assert report["outcome"]["agreement"] is not None
    changed(folder, 59, "kind", "")
    other = once([*arguments, "--out", str(folder / "other")])
    assert "only partly filled (row 59 has no label)" in refusal(other)


def test_true_among_numbers_is_refused_wherever_the_batches_are_cut(
    refusal: Refusal, arguments: list[str], folder: Path, run: Callable[..., Path]
) -> None:
    run("--out", str(folder / "whole"))
    whole = folder / "whole"
    pool = pd.read_csv(folder / "pool.csv", dtype=str, keep_default_na=False)
    pool.loc[42:48, "size"] = "true"  # a batch of its own
    pool.to_csv(folder / "pool.csv", index=False)
    words = "column 'size', row 42: 'true' stands in a column that has numbers"
    assert words in refusal(arguments)
    predict = ["predict", str(whole), str(folder / "pool.csv")]
    assert words in refusal([*predict, "--out", str(folder / "out.csv")])
    assert not (folder / "out.csv").exists()


def test_what_stops_a_run_stops_a_check(
    refusal: Refusal, arguments: list[str], folder: Path
) -> None:
    changed(folder, 57, "size", "large")
    words = "pool.csv: column 'size', row 57: 'large' is not a number"
    assert words in refusal(arguments)
    end = arguments.index("--out")
    assert words in refusal(["check", *arguments[1:end]])


def test_a_table_that_changes_after_its_content_was_noted_is_refused(
    refusal: Refusal,
    arguments: list[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare = type(LABELING).prepare

    def after_a_change(*words: Any) -> Any:
        with (folder / "pool.csv").open("a") as file:
            file.write("p60,1.0,red,2024-01-01,00:00:00,True\n")
        return prepare(*words)

    monkeypatch.setattr(type(LABELING), "prepare", after_a_change)
    assert "pool.csv: has changed while it was read; start again" in refusal(arguments)
    assert not (folder / "run").exists()
