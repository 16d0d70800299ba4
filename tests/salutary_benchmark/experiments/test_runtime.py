"""Seconds and memory of cells in processes of their own, and how they grow."""

import multiprocessing
import multiprocessing.forkserver
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.context import ForkServerProcess

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress

from salutary_benchmark.cells import run_cell
from salutary_benchmark.experiments import memory
from salutary_benchmark.experiments.experiment import Cell, Picture
from salutary_benchmark.experiments.runtime import SETTING, Size, _timed, synthetic
from salutary_benchmark.experiments.runtime_report import FACTORS, Growth, show, slopes
from salutary_benchmark.strategies.registry import COMPARED, STRATEGIES
from salutary_benchmark.strategies.task import Step, Task
from salutary_benchmark.suites import SUITES

SMALL = Size(n_pool=500, n_features=6, n_classes=3, seconds=3600.0)
SUITE = replace(
    SUITES["runtime"],
    settings={
        "small": SMALL,
        # So many rows that the strategy is not done before the limit is looked at.
        "impatient": replace(SMALL, n_pool=300_000, seconds=0.0),
        "tight": replace(SMALL, n_pool=50_000, n_features=60, gibibytes=0.1),
    },
)


@pytest.fixture(autouse=True, scope="module")
def _forks_of_the_server_that_all_tests_share() -> None:
    """The first to start it decides what it has imported."""
    multiprocessing.forkserver.ensure_running()


def run(strategy: str, setting: str) -> dict[str, object]:
    outcome = run_cell(Cell("synthetic", strategy, 0, setting), SUITE, None, 1e9)
    assert (outcome.status, outcome.error) == ("done", "")
    (row,) = outcome.rows
    assert set(row) == {"dataset", "strategy", "setting", "seed"} | set(
        SUITES["runtime"].experiment.columns
    )
    return row


@pytest.mark.parametrize("strategy", ["Margin", "Salutary-guarded"])
def test_a_cell_runs_in_a_process_of_its_own(strategy: str) -> None:
    before = os.times()
    row = run(strategy, "small")
    assert (row["ending"], row["n_rounds"]) == ("done", 2)
    assert (row["n_pool"], row["n_features"], row["n_classes"]) == (500, 6, 3)
    assert 0 < row["run_seconds"] < SMALL.seconds
    assert np.isnan(row["peak_mb"]) or 0 <= row["peak_mb"] < 500
    assert os.times().user - before.user < row["run_seconds"] + 2


IMPORTED = """
import multiprocessing
from salutary_benchmark.experiments.experiment import Cell
from salutary_benchmark.experiments.runtime import Size, measure

list(measure(Cell("synthetic", "Margin", 0, "small"), Size(500, 6, 3), None))
# Forked from the server that the cell was forked from.
context = multiprocessing.get_context("forkserver")
receiver, sender = context.Pipe(duplex=False)
report = "import sys; sender.send(set(sys.modules))"
child = context.Process(target=exec, args=(report, {"sender": sender}))
child.start()
print({"skactiveml.pool", "skactiveml.classifier"} <= receiver.recv())
child.join()
"""


@pytest.mark.slow
def test_what_is_timed_has_been_imported_before() -> None:
    # In a process of its own, as the server here has been started by other tests.
    words = [sys.executable, "-c", IMPORTED]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_a_cell_over_its_time_is_killed_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kill, killed = ForkServerProcess.kill, []

    def watched(process: ForkServerProcess) -> None:
        killed.append(process)
        kill(process)

    monkeypatch.setattr(ForkServerProcess, "kill", watched)
    row = run("Salutary-guarded", "impatient")
    assert [process.exitcode for process in killed] == [-signal.SIGKILL]
    assert (row["ending"], row["run_seconds"], row["n_rounds"]) == ("time limit", 0, 0)
    assert np.isnan(row["peak_mb"])


def test_a_cell_over_its_memory_says_so() -> None:
    # It joins the labeled rows and the pool, 24 MB, which are there already.
    row = run("CoreSet", "tight")
    assert (row["ending"], row["n_rounds"]) == ("memory limit", 0)
    assert 0 < row["run_seconds"] < SMALL.seconds


def test_seconds_are_of_the_strategy_and_memory_beyond_the_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hungry(task: Task) -> Iterator[Step]:
        held = np.ones(2**23)  # 64 MiB
        time.sleep(0.2)
        yield from STRATEGIES["TrainOnly"](task)
        yield from STRATEGIES["TrainOnly"](task)
        assert held.all()

    monkeypatch.setitem(STRATEGIES, "Margin", hungry)
    task = Task(synthetic(SMALL, 0), SETTING, 0)
    memory.release_memory()  # of tests before this one
    memory.reset_peak_memory()
    found = _timed(Cell("synthetic", "Margin", 0), task, memory.memory())
    assert (found["ending"], found["n_rounds"]) == ("done", 1)
    assert found["run_seconds"] > 0.2
    assert 60 < found["peak_mb"] < 100


def test_a_strategy_out_of_memory_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def greedy(task: Task) -> Iterator[Step]:
        raise MemoryError
        yield

    monkeypatch.setitem(STRATEGIES, "Margin", greedy)
    task = Task(synthetic(SMALL, 0), SETTING, 0)
    found = _timed(Cell("synthetic", "Margin", 0), task, 0.0)
    assert found["ending"] == "memory limit"


def test_a_mistake_in_the_process_fails_the_cell() -> None:
    suite = replace(SUITE, settings={"small": SMALL}, strategies=("Absent",))
    outcome = run_cell(Cell("synthetic", "Absent", 0, "small"), suite, None, 1e9)
    assert outcome.status == "failed"
    assert "KeyError: 'Absent'" in outcome.error


def test_synthetic_rows_are_as_many_as_asked_and_seeded() -> None:
    first, again, other = (synthetic(SMALL, seed) for seed in (0, 0, 1))
    assert first.pool[0].shape == (500, 6)
    for part in (first.labeled, first.validation):
        assert part[0].shape == (300, 6)
        assert np.bincount(part[1]).min() > 80
    np.testing.assert_array_equal(first.pool[0], again.pool[0])
    assert not np.array_equal(first.pool[0], other.pool[0])
    rows = {row.tobytes() for part in (first.labeled, first.pool) for row in part[0]}
    assert len(rows) == 800
    assert not rows & {row.tobytes() for row in first.validation[0]}


def made() -> pd.DataFrame:
    """Two seeds; Margin is quadratic in rows, Random stopped on the largest pool."""
    rows = []
    for strategy in ("Random", "Margin", "Salutary-paper"):
        for n_pool, n_features in ((100, 20), (1000, 20), (10_000, 20), (1000, 80)):
            for seed in (0, 1):
                power = 2 if strategy == "Margin" else 1
                stopped = strategy == "Random" and n_pool == 10_000 and seed
                rows.append(
                    {
                        "dataset": "synthetic",
                        "strategy": strategy,
                        "setting": f"{n_pool},{n_features}",
                        "seed": seed,
                        "n_pool": n_pool,
                        "n_features": n_features,
                        "n_classes": 4,
                        "ending": "time limit" if stopped else "done",
                        "run_seconds": (n_pool / 1e4) ** power
                        * (n_features / 20) ** 0.5
                        * (1 + seed),
                        "peak_mb": float(n_features),
                    }
                )
    table = pd.DataFrame(rows)
    table.loc[table["ending"] == "time limit", "run_seconds"] = 20.0
    return table.astype({"setting": "category"})


def test_growth_is_along_one_factor_with_the_others_as_usual() -> None:
    found = Growth(made()).frame()
    along = found[found["strategy"] == "Margin"].groupby("factor")["level"].agg(list)
    assert along.to_dict() == {
        "n_pool": [100, 1000, 10_000],
        "n_features": [20, 80],
        "n_classes": [4],
    }
    row = found.query("strategy == 'Margin' and factor == 'n_pool' and level == 10000")
    assert row[["median", "low", "high"]].to_numpy().ravel().tolist() == [1.5, 1, 2]
    row = found.query("strategy == 'Random' and factor == 'n_pool' and level == 10000")
    assert row[["n_done", "n_cells", "median"]].to_numpy().ravel().tolist() == [1, 2, 1]


def test_slopes_are_those_of_whole_levels_on_log_log_axes() -> None:
    found = slopes(Growth(made()).frame())
    assert found.loc["Margin"].tolist()[:2] == pytest.approx([2, 0.5])
    # Without the pool on which a cell was stopped it is still linear.
    assert found.loc["Random", "n_pool"] == pytest.approx(1)
    assert np.isnan(found.loc["Margin", "n_classes"])
    noisy = Growth(made().assign(run_seconds=np.arange(1.0, 25.0))).frame()
    line = noisy.query("strategy == 'Margin' and factor == 'n_pool'")
    expected = linregress(np.log10(line["level"]), np.log10(line["median"])).slope
    assert slopes(noisy).loc["Margin", "n_pool"] == pytest.approx(expected)


def test_stopped_cells_are_shown_as_such() -> None:
    shown = show(made())
    assert "2 of 3 strategies end within the limits" in shown.verdict
    assert "Salutary-paper 1.00" in shown.verdict
    seconds, table, *_, stopped = shown.sections
    random = next(row for row in table.rows if row[0] == "Random")
    at_largest = table.header.index("10,000 pool rows")
    assert random[at_largest] == "time limit (1 of 2)"
    margin = next(row for row in table.rows if row[0] == "Margin")
    assert margin[at_largest] == "1.5"
    assert margin[table.header.index("slope by pool rows")] == "2.00"
    assert stopped.rows == [["Random", "10000,20", "time limit", "1"]]
    assert isinstance(seconds, Picture)
    panels = seconds.display.plot().axes
    assert [panel.get_xscale() for panel in panels] == ["log"] * len(FACTORS)
    limits = [line for line in panels[0].lines if line.get_label() == "time limit"]
    assert [line.get_ydata()[0] for line in limits] == [20.0]


def test_the_suite_times_every_strategy_that_suites_compare() -> None:
    assert set(SUITES["runtime"].strategies) == set(COMPARED)
    sizes = SUITES["runtime"].settings
    assert {size.n_pool for size in sizes.values()} >= {10**3, 10**4, 10**5, 10**6}
