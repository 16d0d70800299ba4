"""What a run goes on from: budgets, results and ledgers that were touched meanwhile."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from salutary.cli.main import main


def write_rows(path: Path, n: int, seed: int, *, target: bool = True) -> None:
    rng = np.random.RandomState(seed)
    kind = np.arange(n) % 2
    frame = pd.DataFrame({"x0": rng.randn(n) + kind, "x1": rng.randn(n)})
    if target:
        frame["y"] = np.array(["a", "b"])[kind]
    frame.to_csv(path, index=False)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two normal clusters; rounds of ten label fewer rows than ten."""
    folder = tmp_path_factory.mktemp("tables")
    write_rows(folder / "train.csv", 100, 0)
    write_rows(folder / "validation.csv", 60, 1)
    write_rows(folder / "pool.csv", 300, 2, target=False)
    return folder


def label(tables: Path, out: Path, budget: int, *more: str) -> list[str]:
    return [
        *["label", str(tables / "train.csv"), "--target", "y", "--no-guard"],
        *["--validation", str(tables / "validation.csv"), "--C", "1.0"],
        *["--pool", str(tables / "pool.csv"), "--out", str(out)],
        *["--budget", str(budget), *more],
    ]


def labels_of(run: Path) -> dict[str, list]:
    return pq.read_table(run / "labels.parquet").to_pydict()


def query(run: Path, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(run / "ledger.sqlite")) as connection:
        found = connection.execute(statement).fetchall()
        connection.commit()
        return found


@pytest.mark.slow
@pytest.mark.parametrize("steps", [(10, 20), (5, 10, 20), (3, 17, 20)], ids=str)
def test_a_larger_budget_gives_the_labels_of_that_budget_at_once(
    steps: tuple[int, ...], tables: Path, tmp_path: Path
) -> None:
    main(label(tables, tmp_path / "once", steps[-1]))
    rounds = query(tmp_path / "once", "SELECT round, n_labeled FROM rounds")
    assert any(now - before < 10 for (_, before), (_, now) in pairwise(rounds))
    for budget in steps:
        main(label(tables, tmp_path / "grown", budget, "--resume"))
    assert labels_of(tmp_path / "grown") == labels_of(tmp_path / "once")
    assert query(tmp_path / "grown", "SELECT round, n_labeled FROM rounds") == rounds


@pytest.fixture(scope="module")
def finished(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("finished") / "run"
    main(label(tables, run, 10))
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of a finished run."""
    (tmp_path / "run").mkdir()
    for file in finished.iterdir():
        (tmp_path / "run" / file.name).write_bytes(file.read_bytes())
    return tmp_path / "run"


RESULTS = ("run.json", "labels.parquet", "model.skops")


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("damage", [b"", b"PAR1", None], ids=str)
def test_a_damaged_result_is_written_again_as_it_was(
    damage: bytes | None, name: str, tables: Path, run: Path, finished: Path
) -> None:
    if damage is None:
        (run / name).write_bytes((run / name).read_bytes()[:-1])
    else:
        (run / name).write_bytes(damage)
    main(label(tables, run, 10, "--resume"))
    assert labels_of(run) == labels_of(finished)
    reports = [json.loads((path / "run.json").read_text()) for path in (run, finished)]
    assert reports[0] == reports[1]
    main(["predict", str(run), str(tables / "pool.csv"), "--out", str(run) + ".csv"])


def test_results_that_are_whole_are_left_alone(tables: Path, run: Path) -> None:
    before = {name: (run / name).stat().st_mtime_ns for name in RESULTS}
    main(label(tables, run, 10, "--resume"))
    assert {name: (run / name).stat().st_mtime_ns for name in RESULTS} == before


FOREIGN = {
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON class_scores BEGIN "
    "UPDATE labels SET class = 0 WHERE round > 1; END",
    "a view in a table's place": "ALTER TABLE labels RENAME TO own",
    "a view without end": "CREATE VIEW v AS WITH RECURSIVE n(i) AS "
    "(SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    "a table": "CREATE TABLE more (i INTEGER)",
    "an index": "CREATE INDEX i ON labels (class)",
    "a lost view": "DROP VIEW assigned",
}


@pytest.mark.parametrize("statement", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_ledger_of_another_schema_is_refused(
    statement: str, tables: Path, run: Path, refusal: Callable[[list[str]], str]
) -> None:
    query(run, statement)
    before = (run / "ledger.sqlite").read_bytes()
    line = refusal(label(tables, run, 20, "--resume"))
    assert "ledger.sqlite: has lost tables, or has others, views or triggers" in line
    assert (run / "ledger.sqlite").read_bytes() == before


def with_digests_made_again(run: Path, statement: str) -> None:
    """Edit a ledger as somebody does who knows how its digests are made."""
    from salutary.ledgers.run_ledger import Ledger

    query(run, statement)
    numbers = [number for (number,) in query(run, "SELECT round FROM rounds")]
    with Ledger(run / "ledger.sqlite") as ledger:
        for number in numbers:
            ledger._seal(number)
        ledger.set_facts()
        assert ledger.is_sound()


EDITS = {
    "a model of another width": "UPDATE rounds SET coef = x'0000000000000000'",
    "a model of no number": "UPDATE rounds SET coef = x'00'",
    "a lost fact": "DELETE FROM run WHERE key = 'data'",
    "a fact that is none": "UPDATE run SET value = '{' WHERE key = 'settings'",
    "a lost class": "DELETE FROM class_scores WHERE position = 0 AND class = 0",
    "a row of no pool": "UPDATE labels SET row = 10000 WHERE position = 0",
}


@pytest.mark.parametrize("statement", EDITS.values(), ids=EDITS.keys())
def test_an_edited_ledger_ends_in_one_line(
    statement: str, tables: Path, run: Path, refusal: Callable[[list[str]], str]
) -> None:
    with_digests_made_again(run, statement)
    line = refusal(label(tables, run, 20, "--resume"))
    assert "ledger.sqlite: is damaged (" in line
