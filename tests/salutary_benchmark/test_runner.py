"""Runs that are killed, resumed, damaged and repeated: the figures stay the same."""

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from salutary.errors import InputError
from salutary.files import claim
from salutary_benchmark import runner, versions
from salutary_benchmark.cells import Outcome
from salutary_benchmark.experiments.experiment import Cell
from salutary_benchmark.report import write
from salutary_benchmark.runner import JOURNAL, RESULTS, RUN, Request, read_results
from salutary_benchmark.strategies.no_labels import WHOLE_POOL
from salutary_benchmark.strategies.registry import STRATEGIES
from salutary_benchmark.suites import SUITES, Suite

EXAMPLE = Path(__file__).parents[2] / "examples" / "benchmark_on_ray.py"

pytestmark = pytest.mark.slow

QUICK = SUITES["quick"]
CELLS = 2 * len(QUICK.strategies) * 2
FIGURES = ["accuracy", "log_loss", "balanced_accuracy", "validation_loss", "agreement"]


def request(out: Path, **changes: object) -> Request:
    return replace(Request(QUICK, 2, None, out, jobs=1), **changes)


def figures(out: Path) -> pd.DataFrame:
    """The results without what depends on the machine."""
    return read_results(out, QUICK).drop(columns=["seconds", "peak_mb"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run of two data sets, all strategies and two seeds."""
    out = tmp_path_factory.mktemp("finished") / "run"
    runner.run(request(out))
    return out


def test_there_is_a_row_for_each_data_set_strategy_seed_and_round(
    finished: Path,
) -> None:
    results = read_results(finished, QUICK)
    assert list(results) == list(runner.columns_of(QUICK))
    counts = results.groupby(["dataset", "strategy", "seed"])["round"].agg(list)
    assert len(counts) == CELLS
    for (_, strategy, _), rounds in counts.items():
        # The guard may end a run early.
        ends = {"TrainPlusValidation": {1}, "Salutary-guarded": {2, 3}}
        ends |= {name: {1} for name in WHOLE_POOL}
        assert rounds == list(range(len(rounds)))
        assert len(rounds) in ends.get(strategy, {3})
    assert (
        results.loc[results["strategy"] == "Margin", "agreement"].dropna() == 1
    ).all()
    assert results["peak_mb"].gt(10).all()
    report = json.loads((finished / RUN).read_text())
    assert (report["cells"], report["missing"], report["not_done"]) == (CELLS, 0, {})


# After the third cell the run waits, while its workers go on.
WAITING = """
import signal, sys
from salutary.cli.main import main
from salutary_benchmark import runner

record, recorded = runner._record, []

def waiting(*arguments):
    record(*arguments)
    recorded.append(arguments)
    if len(recorded) == 3:
        print("waiting", flush=True)
        signal.pause()

runner._record = waiting
main(sys.argv[1:])
"""


def test_a_run_killed_at_any_moment_resumes_to_the_same_results(
    finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-c", WAITING, "benchmark", "run", "--suite", "quick"]
    command += ["--seeds", "2", "--jobs", "2", "--out", str(out)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line == b"waiting\n":
            break
    else:
        pytest.fail("the run ended by itself")
    os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait()
    done = (out / JOURNAL).read_text()
    assert done.count("\n") == 3
    with (out / JOURNAL).open("a") as journal:
        journal.write('{"cell": {"dataset": "dig')  # as a kill amid writing leaves it
    ran: list[Cell] = []
    runner.run(request(out), on_cell=lambda outcome: ran.append(outcome.cell))
    assert (out / JOURNAL).read_text().startswith(done)
    assert len(ran) == CELLS - done.count("\n")
    pd.testing.assert_frame_equal(figures(out), figures(finished))
    write(out)
    assert {path.name for path in out.iterdir()} >= {"report.md", "report.html"}


def test_a_finished_run_is_not_run_again_and_more_seeds_only_add(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    runner.run(request(out, n_seeds=1))
    before = figures(out)
    ran: list[Cell] = []
    runner.run(request(out), on_cell=lambda outcome: ran.append(outcome.cell))
    assert {cell.seed for cell in ran} == {1}
    after = figures(out)
    pd.testing.assert_frame_equal(
        after[after["seed"] == 0].reset_index(drop=True), before
    )
    monkeypatch.setattr(runner, "run_cell", None)
    runner.run(request(out))


def test_results_do_not_depend_on_the_number_of_processes(
    finished: Path, tmp_path: Path
) -> None:
    runner.run(request(tmp_path / "run", jobs=2))
    pd.testing.assert_frame_equal(figures(tmp_path / "run"), figures(finished))


def fails(task: object) -> object:
    raise RuntimeError("no <luck>")


def test_a_failing_cell_is_recorded_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    monkeypatch.setitem(STRATEGIES, "Margin", fails)
    report = runner.run(request(out))
    assert set(report["not_done"]) == {
        f"{data}/Margin/{seed}" for data in QUICK.data_sets for seed in (0, 1)
    }
    assert "failed: RuntimeError: no <luck>" in report["not_done"]["digits/Margin/0"]
    assert set(read_results(out, QUICK)["strategy"]) == set(QUICK.strategies) - {
        "Margin"
    }
    write(out)
    assert "no &lt;luck&gt;" in (out / "report.html").read_text()
    monkeypatch.undo()
    assert runner.run(request(out))["not_done"] == report["not_done"]
    assert runner.run(request(out, retry=True))["not_done"] == {}
    assert "Margin" in set(read_results(out, QUICK)["strategy"])


def test_a_cell_over_its_time_is_recorded_as_such(tmp_path: Path) -> None:
    report = runner.run(request(tmp_path / "run", time_limit=1e-9))
    assert set(report["not_done"].values()) == {"time limit: over 1e-09 s"}
    assert read_results(tmp_path / "run", QUICK).empty
    with pytest.raises(InputError, match="no cell is done"):
        write(tmp_path / "run")


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        (SUITES["paper"], "name: 'quick', not 'paper'"),
        (
            replace(QUICK, settings={"": replace(QUICK.settings[""], C=0.5)}),
            "C: 1.0, not 0.5",
        ),
    ],
)
def test_a_run_of_another_suite_or_setting_is_refused(
    finished: Path, suite: Suite, message: str
) -> None:
    before = (finished / RESULTS).read_bytes()
    with pytest.raises(InputError, match=message):
        runner.run(request(finished, suite=suite))
    assert (finished / RESULTS).read_bytes() == before


def test_a_run_of_other_versions_is_refused(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "version", lambda package: "0.0")
    with pytest.raises(InputError, match=r"salutary: '.*', not '0.0'"):
        runner.run(request(finished))


def test_a_live_run_is_left_alone(finished: Path) -> None:
    with claim(finished), pytest.raises(InputError, match="another run is live"):
        runner.run(request(finished))


def test_a_directory_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match=r"holds 'thesis.tex'; pass another --out"):
        runner.run(request(tmp_path))
    with pytest.raises(InputError, match="is a file"):
        runner.run(request(tmp_path / "thesis.tex"))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("line", ["{}", "[1]", "not JSON", '{"cell": {"dataset": 1}}'])
def test_a_damaged_line_of_the_journal_is_named(
    finished: Path, tmp_path: Path, line: str
) -> None:
    out = shutil.copytree(finished, tmp_path / "run")
    journal = (out / JOURNAL).read_text().splitlines()
    journal[1] = line
    (out / JOURNAL).write_text("\n".join(journal) + "\n")
    with pytest.raises(InputError, match=r"cells.jsonl: line 2 is damaged; delete it"):
        runner.run(request(out))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"wall_seconds": null}'])
def test_a_damaged_record_of_the_run_is_named(tmp_path: Path, text: str) -> None:
    tmp_path.joinpath(RUN).write_text(text)
    with pytest.raises(InputError, match=r"run.json: is damaged"):
        runner.run(request(tmp_path))


def test_results_that_are_missing_or_damaged_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; pass the --out"):
        read_results(tmp_path, QUICK)
    (tmp_path / RESULTS).write_bytes(b"PAR1 no more")
    with pytest.raises(InputError, match="is damaged"):
        read_results(tmp_path, QUICK)
    pd.DataFrame({"dataset": ["a"]}).to_parquet(tmp_path / RESULTS)
    with pytest.raises(InputError, match="has no column 'strategy'"):
        read_results(tmp_path, QUICK)


def test_an_outcome_survives_the_journal(tmp_path: Path) -> None:
    outcome = Outcome(Cell("a", "b|<i>", 3), "failed", 'said "\n"', 1.5, [])
    runner._record(tmp_path / JOURNAL, outcome)
    assert runner._recorded(tmp_path / JOURNAL) == {outcome.cell: outcome}


def test_cells_run_on_a_ray_cluster(finished: Path, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="needs salutary[ray]")
    example = runpy.run_path(str(EXAMPLE))
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    lines = (out / JOURNAL).read_text().splitlines(keepends=True)
    (out / JOURNAL).write_text("".join(lines[:-5]))
    try:
        example["main"](str(out))
    finally:
        ray.shutdown()
    again = (out / JOURNAL).read_text().splitlines(keepends=True)
    assert again[: len(lines) - 5] == lines[:-5]
    assert len(again) == len(lines)
    pd.testing.assert_frame_equal(figures(out), figures(finished))
