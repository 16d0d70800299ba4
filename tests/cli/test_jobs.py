"""``--jobs``: the same labels, and advice, on any number of threads or processes."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from joblib import Parallel

from salutary.cli.main import main
from salutary.labeling import fitting
from tests.words import once


def content(out: Path, results: str) -> tuple[bytes, bytes, list[Any]]:
    """What a run decided, and the coefficients of each of its models."""
    query = "SELECT round, coef, canary_loss, verdict FROM rounds ORDER BY round"
    with closing(sqlite3.connect(out / "ledger.sqlite")) as ledger:
        rounds = ledger.execute(query).fetchall()
    return (out / results).read_bytes(), (out / "run.json").read_bytes(), rounds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "results"),
    [("label", "labels.parquet"), ("relabel", "switches.parquet")],
)
def test_labels_are_the_same_on_any_number_of_threads(
    command: str, results: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, own = [], Parallel.__init__

    def noted(self: Any, n_jobs: int | None = None, **options: Any) -> None:
        asked.append(n_jobs)
        own(self, n_jobs=n_jobs, **options)

    monkeypatch.setattr(Parallel, "__init__", noted)
    monkeypatch.setattr(fitting, "MANY_VALUES", 0)
    words = [
        *[command, str(folder / "train.csv"), "--target", "kind", "--seed", "3"],
        *["--validation", str(folder / "validation.csv"), "--C", "0.5"],
        *["--budget", "12", "--batch-size", "4", "-q"],
    ]
    if command == "label":
        words += ["--pool", str(folder / "pool.csv"), "--id", "id"]
    found = {}
    for jobs in (1, 2):
        out, before = folder / str(jobs), len(asked)
        main([*words, "--jobs", str(jobs), "--out", str(out)])
        assert asked[before:].count(jobs) > 0
        found[jobs] = content(out, results)
    assert len(found[1][-1]) > 1
    assert found[1] == found[2]
    main([*words, "--out", str(folder / "2"), "--resume"])  # with another number
    assert content(folder / "2", results) == found[1]


@pytest.mark.slow
def test_the_advice_is_the_same_by_any_number_of_processes(folder: Path) -> None:
    words = [
        *["advise", str(folder / "train.csv"), "--target", "kind", "--id", "id"],
        *["--validation", str(folder / "validation.csv"), "--budget", "4", "-q"],
        *["--pool", str(folder / "pool.csv"), "--batch-size", "2", "--repeats", "1"],
    ]
    found = []
    for jobs in ("1", "3"):
        out = folder / jobs
        main([*words, "--jobs", jobs, "--out", str(out)])
        with closing(sqlite3.connect(out / "ledger.sqlite")) as ledger:
            folds = ledger.execute("SELECT * FROM fits").fetchall()
        results = ("run.json", "metrics.jsonl")
        found.append((folds, *((out / name).read_bytes() for name in results)))
    assert len(found[0][0]) > 5
    assert found[0] == found[1]


@pytest.mark.parametrize("command", ["label", "advise"])
@pytest.mark.parametrize("jobs", ["0", "-2"])
def test_a_number_of_threads_that_there_cannot_be_is_refused(
    jobs: str, command: str, arguments: list[str], refusal: Callable[[list[str]], str]
) -> None:
    line = refusal(once([command, *arguments[1:-2], f"--jobs={jobs}"]))
    assert f"--jobs {jobs}: must be at least 1, or -1 for as many as" in line


def children(of: int) -> list[int]:
    """Processes that this one has started, as Linux names them."""
    return [
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if parent_of(int(stat.parent.name)) == of
    ]


def parent_of(process: int) -> int | None:
    """The parent of a process that still runs."""
    try:
        after_name = (
            Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        )
    except OSError:
        return None
    return None if after_name[0] == "Z" else int(after_name[1])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks Linux")
def test_workers_end_with_a_command_that_is_killed(folder: Path) -> None:
    words = [
        *["advise", "train.csv", "--validation", "validation.csv", "--target", "kind"],
        *["--pool", "pool.csv", "--id", "id", "--budget", "6", "--jobs", "2", "-v"],
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "salutary", *words],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        # Once a fold is done, its worker knows whom it works for.
        assert any("fold 2 of 10" in line for line in process.stderr)
        workers = children(process.pid)
        assert len(workers) >= 2
        process.kill()
        process.wait()
        ends = time.monotonic() + 30
        while any(parent_of(worker) is not None for worker in workers):
            assert time.monotonic() < ends
            time.sleep(0.1)
