"""Runs that are killed, resumed, raced and starved: the labels stay the same."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

import salutary
from salutary.cli.main import main
from salutary.errors import InputError
from salutary.ledgers.run_ledger import Ledger
from tests.ledgers.contents import ledger_of
from tests.words import once

pytestmark = pytest.mark.slow

BUDGET = 200
TABLES = ("train", "validation", "pool")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with three tables of two features; the pool names its rows."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    for name, n_rows in zip(TABLES, (40, 40, 300), strict=True):
        kind = rng.integers(0, 3, n_rows)
        frame = pd.DataFrame(
            {
                "size": kind + rng.normal(size=n_rows),
                "color": rng.choice(["red", "green"], n_rows),
            }
        )
        if name == "pool":
            frame["id"] = [f"p{row}" for row in range(n_rows)]
        else:
            frame["kind"] = np.array(["bird", "cat", "dog"])[kind]
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


def arguments(folder: Path, out: Path, *further: str) -> list[str]:
    """Label 200 rows in 20 rounds."""
    words = [
        *["label", str(folder / "train.csv"), "--target", "kind", "--id", "id"],
        *["--validation", str(folder / "validation.csv")],
        *["--pool", str(folder / "pool.csv"), "--out", str(out)],
        *["--budget", str(BUDGET), "--batch-size", "10"],
        *["--rule", "plausible", "--C", "1", "--no-guard", *further],
    ]
    return once(words)


def guarded(folder: Path, out: Path, *further: str) -> list[str]:
    """With the guard, where the last rounds are still waiting when the run ends."""
    small = ["--budget", "50", "--batch-size", "5"]
    words = arguments(folder, out, "--rule", "tempered", *small, *further)
    return [word for word in words if word != "--no-guard"]


@pytest.fixture(scope="module")
def uninterrupted(folder: Path) -> Path:
    """A run that nothing happened to."""
    out = folder / "uninterrupted"
    with warnings.catch_warnings():
        main(arguments(folder, out))
    return out


@pytest.fixture(scope="module")
def waiting(folder: Path) -> Path:
    """A run with the guard that nothing happened to, with rounds of every fate."""
    out = folder / "waiting"
    with warnings.catch_warnings():
        main(guarded(folder, out))
    verdicts = [verdict for (verdict,) in query(out, "SELECT verdict FROM rounds")]
    last_kept = len(verdicts) - 1 - verdicts[::-1].index("kept")
    assert "waiting" in verdicts[:last_kept]
    assert last_kept > 0
    assert verdicts[last_kept + 1 :] == ["waiting"] * (len(verdicts) - 1 - last_kept)
    assert len(verdicts) - 1 - last_kept > 1
    return out


@pytest.fixture(autouse=True)
def _warnings_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command replaces the hook that shows warnings; undo that."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)


def labels_of(run: Path) -> pa.Table:
    return pa.parquet.read_table(run / "labels.parquet")


def query(run: Path, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(run / "ledger.sqlite")) as connection:
        return connection.execute(statement).fetchall()


def facts_of(run: Path) -> dict[str, Any]:
    """What the ledger says of the run, without the digests of what holds times."""
    facts = {key: json.loads(value) for key, value in query(run, "SELECT * FROM run")}
    del facts["digest"], facts["results"]["model.skops"]
    del facts["results"]["metrics.jsonl"]
    del facts["started"], facts["command"]
    return facts


def assert_same_run(run: Path, other: Path) -> None:
    """Same labels, same ledger to the bit, same coefficients, same report."""
    assert labels_of(run).equals(labels_of(other))
    assert ledger_of(run) == ledger_of(other)
    statement = "SELECT * FROM assigned"
    assert query(run, statement) == query(other, statement)
    assert facts_of(run) == facts_of(other)
    assert (run / "run.json").read_bytes() == (other / "run.json").read_bytes()
    models = [salutary.load(path)["classify"] for path in (run, other)]
    for name in ("coef_", "intercept_"):
        np.testing.assert_array_equal(*(getattr(model, name) for model in models))


FORKS = multiprocessing.get_context("forkserver")

SCRIPT = """
import os, signal, sys, time
from salutary.ledgers import run_ledger
from salutary.runs import artifacts, directory, label
from salutary.cli.main import main

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

commit = run_ledger.Ledger.commit
insert = run_ledger.Ledger._insert_round
"""


def process(
    arguments: list[str], log: Path, first: str = "", **names: object
) -> BaseProcess:
    """The command in a process of its own, after a few lines of Python.

    What it prints goes to ``log``; its standard error to the same with suffix .err.
    The lines may use the names.
    """
    script = f"""
{SCRIPT}
sys.stdout = open({str(log)!r}, "w")
sys.stderr = open({str(log.with_suffix(".err"))!r}, "w")
{first}
main({arguments!r})
"""
    started = FORKS.Process(target=exec, args=(script, names))
    started.start()
    return started


def dying_after(last: int, part: float) -> str:
    """The process dies a part of a round after it has committed one, wherever it is.

    It dies once it has used as much of the processor as that part takes, so that a busy
    machine changes nothing.
    """
    return f"""
times = []
def timed(self, entry, *rest):
    commit(self, entry, *rest)
    times.append(time.process_time())
    if entry.round >= {last} and signal.getitimer(signal.ITIMER_PROF)[0] == 0:
        a_round = (times[-1] - times[0]) / (len(times) - 1) if times[1:] else 0.005
        signal.setitimer(signal.ITIMER_PROF, 1e-6 + {part} * a_round)
run_ledger.Ledger.commit = timed
"""


# Where the process kills itself, and the rounds its ledger must have by then.
PLACES = {
    "before its first transaction": ("run_ledger.Ledger.begin = die", None),
    "within its first transaction": ("run_ledger.Ledger._insert_round = die", None),
    "between a refit and its commit": (
        """
def fatal(self, entry, *rest):
    die() if entry.round == 7 else commit(self, entry, *rest)
run_ledger.Ledger.commit = fatal
""",
        6,
    ),
    "within a round's transaction": (
        """
def fatal(self, entry):
    insert(self, entry)
    if entry.round == 7:
        die()
run_ledger.Ledger._insert_round = fatal
""",
        6,
    ),
    "after a commit": (
        """
def fatal(self, entry, *rest):
    commit(self, entry, *rest)
    if entry.round == 7:
        die()
run_ledger.Ledger.commit = fatal
""",
        7,
    ),
    "before it writes": ("label.write_table = die", 20),
    # The first file to be written whole is metrics.jsonl, when the run begins.
    "before the figures of the start are in place": ("os.fsync = die", 0),
    "before the labels are in place": (
        "left = [None]; os.fsync = lambda file: left.pop() if left else die()",
        20,
    ),
    "before the model is in place": (
        "left = [None] * 2; os.fsync = lambda file: left.pop() if left else die()",
        20,
    ),
    "before the report is in place": (
        "left = [None] * 5; os.fsync = lambda file: left.pop() if left else die()",
        20,
    ),
    "before the ledger calls it finished": ("run_ledger.Ledger.set_facts = die", 20),
}


@pytest.mark.parametrize(("place", "rounds"), PLACES.values(), ids=PLACES.keys())
def test_a_run_killed_at_a_given_place_resumes_to_the_same_labels(
    place: str, rounds: int | None, folder: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    killed = process(arguments(folder, out), tmp_path / "log", place)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    if rounds is not None:
        assert query(out, "SELECT max(round) FROM rounds") == [(rounds,)]
    main(arguments(folder, out, "--resume"))
    assert_same_run(out, uninterrupted)


@pytest.mark.parametrize("place", [*PLACES][2:])
def test_a_guarded_run_killed_at_a_given_place_resumes_to_the_same_labels(
    place: str, folder: Path, waiting: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    # Round 4 of these is one that waits, after one that was kept.
    verdicts = query(waiting, "SELECT verdict FROM rounds")
    assert verdicts[3:5] == [("kept",), ("waiting",)]
    words, _ = PLACES[place]
    killed = process(
        guarded(folder, out), tmp_path / "log", words.replace("== 7", "== 4")
    )
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    (found,) = query(out, "SELECT max(round) FROM rounds")
    last = 0 if "start" in place else len(verdicts) - 1
    assert found[0] in (3, 4) if "== 7" in words else found[0] == last
    main(guarded(folder, out, "--resume"))
    assert_same_run(out, waiting)


@pytest.mark.parametrize("seed", range(3))
def test_a_guarded_run_killed_at_any_moments_resumes_to_the_same_labels(
    seed: int, folder: Path, waiting: Path, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    out = tmp_path / "run"
    n_rounds = query(waiting, "SELECT max(round) FROM rounds")[0][0]
    for last in sorted(rng.sample(range(1, n_rounds), 3)):
        dies = dying_after(last, rng.uniform(0, 1))
        run = process(guarded(folder, out, "--resume"), tmp_path / "log", dies)
        run.join()
        assert run.exitcode == -signal.SIGPROF
    main(guarded(folder, out, "--resume"))
    assert_same_run(out, waiting)


@pytest.mark.parametrize("seed", range(3))
def test_a_run_killed_at_any_moments_resumes_to_the_same_labels(
    seed: int, folder: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    out = tmp_path / "run"
    for last in sorted(rng.sample(range(1, 16), 2)):
        dies = dying_after(last, rng.uniform(0, 1))
        run = process(arguments(folder, out, "--resume"), tmp_path / "log", dies)
        run.join()
        assert run.exitcode == -signal.SIGPROF
    main(arguments(folder, out, "--resume"))
    assert_same_run(out, uninterrupted)


def test_a_killed_run_that_abstains_resumes_to_the_same_labels(
    folder: Path, tmp_path: Path
) -> None:
    def abstaining(out: Path, *further: str) -> list[str]:
        return arguments(folder, out, "--min-influence-z", "0.3", *further)

    main(abstaining(tmp_path / "whole"))
    labels = labels_of(tmp_path / "whole").to_pandas()
    assert (labels["influence"] / labels["influence_se"]).min() >= 0.3
    place, rounds = PLACES["between a refit and its commit"]
    assert labels["round"].max() > rounds
    killed = process(abstaining(tmp_path / "run"), tmp_path / "log", place)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    main(abstaining(tmp_path / "run", "--resume"))
    assert_same_run(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize("place", ["label.write_table = die", "os.fsync = die"])
def test_a_run_killed_after_a_harmful_round_ends_there(
    place: str, folder: Path, tmp_path: Path
) -> None:
    def harmful(out: Path, *further: str) -> list[str]:
        words = ["--rule", "paper", "--C", "100", "--batch-size", "80", "--seed", "5"]
        return guarded(folder, out, "--budget", "200", *words, *further)

    main(harmful(tmp_path / "whole"))
    verdicts = query(tmp_path / "whole", "SELECT verdict FROM rounds")
    assert verdicts[-1] == ("harmful",)
    killed = process(harmful(tmp_path / "run"), tmp_path / "log", place)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    main(harmful(tmp_path / "run", "--resume"))
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    main(harmful(tmp_path / "run", "--resume", "--budget", "300"))
    assert query(tmp_path / "run", "SELECT verdict FROM rounds") == verdicts
    assert labels_of(tmp_path / "run").equals(labels_of(tmp_path / "whole"))


def test_rounds_that_wait_at_the_end_are_undone_in_every_output(waiting: Path) -> None:
    kept = query(waiting, "SELECT max(round) FROM rounds WHERE verdict = 'kept'")[0][0]
    rounds, labels = query(waiting, "SELECT max(round), count(*) FROM labels")[0]
    shown = labels_of(waiting)
    assert (rounds > kept, labels) == (True, 50)
    assert 0 < shown.num_rows < 50
    assert set(shown["round"].to_pylist()) <= set(range(1, kept + 1))
    columns = ["id", "label", "influence", "influence_se", "probability", "round"]
    rows = query(waiting, f"SELECT {', '.join(columns)} FROM assigned")
    assert rows == list(
        zip(*(shown[name].to_pylist() for name in columns), strict=True)
    )
    bias = query(waiting, f"SELECT intercept FROM rounds WHERE round = {kept}")[0][0]
    model = salutary.load(waiting)["classify"]
    assert model.intercept_.tolist() == np.frombuffer(bias).tolist()
    outcome = json.loads((waiting / "run.json").read_text())["outcome"]
    figures = query(waiting, f"SELECT * FROM rounds WHERE round IN (0, {kept})")
    start, last = (
        dict(
            zip(
                [name for _, name, *_ in query(waiting, "PRAGMA table_info(rounds)")],
                row,
                strict=True,
            )
        )
        for row in figures
    )
    expected = {
        "termination": "guard",
        "rounds": rounds,
        "refused_rounds": rounds - kept,
        "labels": shown.num_rows,
        "validation_rows": 40,
        "validation_loss": [start["validation_loss"], last["validation_loss"]],
        "canary_rows": 40,
        "canary_loss": [start["canary_loss"], last["canary_loss"]],
        "canary_se": last["canary_se"],
    }
    assert {name: outcome[name] for name in expected} == expected
    fall = start["canary_loss"] - last["canary_loss"]
    assert fall == pytest.approx(last["canary_fall"])
    assert fall > last["canary_se"] > 0


@pytest.fixture(scope="module")
def unfinished(folder: Path) -> Path:
    """A run that stopped after three rounds."""
    out = folder / "unfinished"
    commit = Ledger.commit

    def stop(self: Ledger, entry: object, *rest: object) -> None:
        if entry.round == 4:
            raise sqlite3.OperationalError("as if the disk were full")
        commit(self, entry, *rest)

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(Ledger, "commit", stop)
        with pytest.raises(SystemExit):
            main(arguments(folder, out))
    return out


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file's time of change and content."""
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.iterdir()
    }


CHANGED = {
    "--target": ("size", "target = 'kind', not 'size'"),
    "--rule": ("paper", "rule = 'plausible', not 'paper'"),
    "--C": ("0.1", "C = 1.0, not 0.1"),
    "--batch-size": ("3", "batch_size = 10, not 3"),
    "--id": ("size", "id = 'id', not 'size'"),
    "--seed": ("1", "seed = 0, not 1"),
    "--min-influence-z": ("2", "min_influence_z = 0.0, not 2.0"),
    "--estimate": ("newton", "estimate = 'first_order', not 'newton'"),
    "--budget": ("199", "budget = 200, which cannot be lowered to 199"),
}


@pytest.mark.parametrize("option", CHANGED)
def test_resuming_with_another_setting_is_refused_and_changes_nothing(
    option: str, folder: Path, unfinished: Path, refusal: Callable[[list[str]], str]
) -> None:
    value, words = CHANGED[option]
    before = snapshot(unfinished)
    line = refusal(arguments(folder, unfinished, "--resume", option, value))
    assert words in line
    assert snapshot(unfinished) == before


def test_resuming_with_a_guard_is_refused_where_there_was_none(
    folder: Path, unfinished: Path, refusal: Callable[[list[str]], str]
) -> None:
    further = arguments(folder, unfinished, "--resume")
    further.remove("--no-guard")
    assert "guard = False, not True" in refusal(further)


@pytest.mark.parametrize("name", TABLES)
def test_resuming_with_other_data_is_refused_and_names_the_table(
    name: str,
    folder: Path,
    unfinished: Path,
    tmp_path: Path,
    refusal: Callable[[list[str]], str],
) -> None:
    for table in TABLES:
        shutil.copy(folder / f"{table}.csv", tmp_path)
    path = tmp_path / f"{name}.csv"
    path.write_text(path.read_text().replace("red", "rot", 1))
    before = snapshot(unfinished)
    line = refusal(arguments(tmp_path, unfinished, "--resume"))
    assert str(path) in line
    assert f"the {name} table" in line
    assert snapshot(unfinished) == before


@pytest.mark.parametrize("state", ["unfinished", "uninterrupted"])
def test_an_existing_run_is_refused_without_resume(
    state: str,
    folder: Path,
    request: pytest.FixtureRequest,
    refusal: Callable[[list[str]], str],
) -> None:
    run = request.getfixturevalue(state)
    before = snapshot(run)
    assert "--resume" in refusal(arguments(folder, run))
    assert snapshot(run) == before


def test_resume_of_moved_tables_goes_on(
    folder: Path, unfinished: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    shutil.copytree(unfinished, tmp_path / "run")
    for table in TABLES:
        shutil.copy(folder / f"{table}.csv", tmp_path)
    main(arguments(tmp_path, tmp_path / "run", "--resume"))
    assert labels_of(tmp_path / "run").equals(labels_of(uninterrupted))


@pytest.mark.parametrize("exists", [False, True])
def test_resume_starts_a_run_where_there_is_none(
    exists: bool, folder: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "run"
    if exists:
        out.mkdir(parents=True)
    main(arguments(folder, out, "--resume"))
    assert_same_run(out, uninterrupted)


@pytest.mark.parametrize("budget", [BUDGET, 10])
def test_resume_of_a_finished_run_changes_no_file(
    budget: int,
    folder: Path,
    uninterrupted: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = snapshot(uninterrupted)
    main(arguments(folder, uninterrupted, "--resume", "--budget", str(budget)))
    assert snapshot(uninterrupted) == before
    assert "Labels assigned: 200" in capsys.readouterr().out


def test_a_finished_run_that_nobody_may_write_to_is_called_finished(
    folder: Path,
    uninterrupted: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = shutil.copytree(uninterrupted, tmp_path / "run")
    (out / "run.lock").unlink()
    for path in (*out.iterdir(), out):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        # What is made and removed again changes the folder's time, also for root.
        before = out.stat().st_mtime_ns, snapshot(out)
        main(arguments(folder, out, "--resume"))
        assert (out.stat().st_mtime_ns, snapshot(out)) == before
    finally:
        out.chmod(0o755)
    assert "nothing is changed" in capsys.readouterr().err


@pytest.mark.parametrize("state", ["unfinished", "uninterrupted", "damaged"])
def test_a_resume_that_is_refused_leaves_no_lock(
    state: str,
    folder: Path,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    refusal: Callable[[list[str]], str],
) -> None:
    run = "uninterrupted" if state == "damaged" else state
    out = shutil.copytree(request.getfixturevalue(run), tmp_path / "run")
    (out / "run.lock").unlink()
    if state == "damaged":
        (out / "ledger.sqlite").write_text("no ledger")
    before = snapshot(out)
    refusal(arguments(folder, out, "--resume", "--seed", "1"))
    assert snapshot(out) == before


@pytest.mark.parametrize("made", [[], ["a"], ["a", "a/b"]])
def test_a_run_that_is_refused_as_it_begins_leaves_no_folder(
    made: list[str],
    folder: Path,
    tmp_path: Path,
    refusal: Callable[[list[str]], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(problem: object) -> None:
        raise InputError("the first model cannot be fitted")

    monkeypatch.setattr("salutary.runs.directory.start", refuse)
    for name in made:
        (tmp_path / name).mkdir()
    refusal(arguments(folder, tmp_path / "a" / "b"))
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == set(made)


@pytest.mark.parametrize("budget", [BUDGET, 10])
@pytest.mark.parametrize("lost", ["labels.parquet", "model.skops", "run.json"])
def test_a_result_that_was_lost_is_written_anew(
    lost: str,
    budget: int,
    folder: Path,
    uninterrupted: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = shutil.copytree(uninterrupted, tmp_path / "run")
    (out / lost).unlink()
    main(arguments(folder, out, "--resume", "--budget", str(budget)))
    assert_same_run(out, uninterrupted)
    assert "nothing is changed" not in capsys.readouterr().out


@pytest.mark.parametrize("state", ["uninterrupted", "unfinished"])
def test_a_larger_budget_continues_as_if_it_had_been_given_at_once(
    state: str,
    folder: Path,
    uninterrupted: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    run = request.getfixturevalue(state)
    shutil.copytree(run, tmp_path / "run")
    main(arguments(folder, tmp_path / "run", "--resume", "--budget", "230"))
    main(arguments(folder, tmp_path / "other", "--budget", "230"))
    assert_same_run(tmp_path / "run", tmp_path / "other")


@pytest.mark.parametrize("budget", ["53", "60", "110"])
def test_a_larger_budget_goes_on_from_rounds_that_wait(
    budget: str, folder: Path, waiting: Path, tmp_path: Path
) -> None:
    # The first budget cut its last round short.
    sizes = query(waiting, "SELECT count(*) FROM labels GROUP BY round")
    assert sum(size for (size,) in sizes[:-1]) + 10 > 50
    shutil.copytree(waiting, tmp_path / "run")
    main(guarded(folder, tmp_path / "run", "--resume", "--budget", budget))
    main(guarded(folder, tmp_path / "other", "--budget", budget))
    assert_same_run(tmp_path / "run", tmp_path / "other")
    assert query(tmp_path / "run", "SELECT count(*) FROM labels")[0][0] > 50


def test_a_round_the_budget_cut_short_is_run_anew_under_a_larger_one(
    folder: Path, tmp_path: Path
) -> None:
    main(arguments(folder, tmp_path / "run", "--budget", "25"))
    assert labels_of(tmp_path / "run")["round"].to_pylist()[20:] == [3] * 5
    main(arguments(folder, tmp_path / "run", "--resume", "--budget", "40"))
    main(arguments(folder, tmp_path / "other", "--budget", "40"))
    assert_same_run(tmp_path / "run", tmp_path / "other")


def test_a_run_without_any_penalty_to_speak_of_can_be_resumed(
    folder: Path, tmp_path: Path
) -> None:
    # Separable rows have no optimum then, and every fit stops elsewhere.
    for name in TABLES:
        frame = pd.read_csv(folder / f"{name}.csv")
        kind = np.arange(len(frame)) % 3
        if name != "pool":
            frame["kind"] = np.array(["bird", "cat", "dog"])[kind]
        frame["size"], frame["color"] = 10.0 * (kind == 0) + frame["size"] / 99, kind
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    weak = ["--C", "1e10", "--budget", "10"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main(guarded(tmp_path, tmp_path / "run", *weak))
        main(guarded(tmp_path, tmp_path / "run", *weak[:3], "20", "--resume"))


def test_a_live_run_keeps_others_out_until_it_dies(
    folder: Path,
    uninterrupted: Path,
    tmp_path: Path,
    refusal: Callable[[list[str]], str],
) -> None:
    waits = """
def wait(self, entry, *rest):
    commit(self, entry, *rest)
    if entry.round == 3:
        reached.set()
        signal.pause()
run_ledger.Ledger.commit = wait
"""
    out, reached = tmp_path / "run", FORKS.Event()
    live = process(arguments(folder, out), tmp_path / "log", waits, reached=reached)
    try:
        assert reached.wait(600)
        before = snapshot(out)
        assert "another run is live" in refusal(arguments(folder, out, "--resume"))
        assert str(out) in refusal(arguments(folder, out))
        assert snapshot(out) == before
    finally:
        live.kill()
        live.join()
    main(arguments(folder, out, "--resume"))
    assert_same_run(out, uninterrupted)


def told(log: Path) -> str:
    """The line of the error, which is the last one and the only one of its kind."""
    *progress, last = log.with_suffix(".err").read_text().splitlines()
    assert not [line for line in progress if line.startswith("salutary: ")]
    assert "Traceback" not in progress
    return last


def test_an_interrupted_run_says_so_and_exits_130(
    folder: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    interrupts = """
def interrupt(self, entry, *rest):
    commit(self, entry, *rest)
    if entry.round == 3:
        os.kill(os.getpid(), signal.SIGINT)
run_ledger.Ledger.commit = interrupt
"""
    out, log = tmp_path / "run", tmp_path / "log"
    # A shell starts what it runs in the background with interrupts ignored.
    heard = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    run = process(arguments(folder, out), log, interrupts + heard)
    run.join()
    assert run.exitcode == 130
    assert told(log).startswith("salutary: interrupted")
    main(arguments(folder, out, "--resume"))
    assert_same_run(out, uninterrupted)


@pytest.mark.parametrize(
    ("starve", "rounds", "written"),
    [
        ("no_file_beyond(3_000)", None, set()),  # no room for the ledger's tables
        ("no_file_beyond(110_000)", range(1, 20), {"metrics.jsonl"}),  # nor for rounds
        (
            """
def starved(model, path):
    no_file_beyond(1_000)
    artifacts.write_model(model, path)
label.write_model = starved
""",
            [20],
            {"metrics.jsonl", "labels.parquet"},
        ),
    ],
    ids=["no ledger", "some rounds", "no model"],
)
def test_a_full_disk_ends_the_run_in_one_line_and_it_can_be_resumed(
    starve: str,
    rounds: list[int] | None,
    written: set[str],
    folder: Path,
    uninterrupted: Path,
    tmp_path: Path,
) -> None:
    limit = f"""
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def no_file_beyond(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
{starve}
"""
    out, log = tmp_path / "run", tmp_path / "log"
    # Lines of progress would find no room either.
    starved = process(arguments(folder, out, "--quiet"), log, limit)
    starved.join()
    assert starved.exitcode == 2
    assert told(log).startswith("salutary: cannot read or write: ")
    assert query(out, "PRAGMA integrity_check") == [("ok",)]
    if rounds is not None:
        assert query(out, "SELECT max(round) FROM rounds")[0][0] in rounds
    files = {path.name for path in out.iterdir()}
    assert files == {"run.lock", "ledger.sqlite", *written}
    main(arguments(folder, out, "--resume"))
    assert_same_run(out, uninterrupted)


def test_the_number_of_threads_changes_no_bit(tmp_path: Path) -> None:
    # So many rows that BLAS would share them out, which changes the sums' last digits.
    rng = np.random.default_rng(0)
    for name, n_rows in zip(TABLES, (3000, 300, 1000), strict=True):
        kind = rng.integers(0, 3, n_rows)
        X = rng.normal(size=(n_rows, 60)) + 0.1 * kind[:, None]
        frame = pd.DataFrame(X).add_prefix("x")
        frame["id" if name == "pool" else "kind"] = (
            range(n_rows) if name == "pool" else kind
        )
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    found = []
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, threads)}
        out = tmp_path / threads
        command = arguments(tmp_path, out, "--budget", "20")
        quick = "label.write_model = lambda _, path: path.touch()"
        subprocess.run(
            [sys.executable, "-c", f"{SCRIPT}{quick}\nmain({command!r})"],
            check=True,
            capture_output=True,
            env=environment,
        )
        rounds = query(out, "SELECT coef, intercept FROM rounds")
        found.append((rounds, labels_of(out)))
    assert len(found[0][0]) == 3
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("resume", "words"), [([], ""), (["--resume"], "is not a ledger")]
)
def test_another_programs_database_is_refused_and_left_alone(
    resume: list[str],
    words: str,
    folder: Path,
    tmp_path: Path,
    refusal: Callable[[list[str]], str],
) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as connection:
        connection.execute("CREATE TABLE accounts (balance REAL)")
    before = (tmp_path / "ledger.sqlite").read_bytes()
    assert words in refusal(arguments(folder, tmp_path, *resume))
    assert (tmp_path / "ledger.sqlite").read_bytes() == before


def test_a_damaged_ledger_is_refused_in_one_line(
    folder: Path,
    unfinished: Path,
    tmp_path: Path,
    refusal: Callable[[list[str]], str],
) -> None:
    shutil.copytree(unfinished, tmp_path / "run")
    ledger = tmp_path / "run" / "ledger.sqlite"
    data = ledger.read_bytes()
    ledger.write_bytes(data[:4096] + bytes(len(data) - 4096))
    assert str(ledger) in refusal(arguments(folder, tmp_path / "run", "--resume"))


EDITS = {
    "labels": "UPDATE labels SET class = (class + 1) % 3 WHERE position < 3",
    "no such row": "UPDATE labels SET row = 100000 WHERE position = 1",
    "no label": "DELETE FROM labels WHERE position = 1",
    "model": "UPDATE rounds SET coef = zeroblob(length(coef)) WHERE round > 0",
    "intercept": "UPDATE rounds SET intercept = zeroblob(24) WHERE round > 0",
    "torn model": "UPDATE rounds SET coef = x'00' WHERE round > 0",
    "model as text": "UPDATE rounds SET coef = 'abc' WHERE round > 0",
    "no round": "UPDATE rounds SET verdict = 'waiting'",
    "scores": "DELETE FROM class_scores WHERE position = 1 AND class = 1",
    "a score": "UPDATE class_scores SET influence = 99 WHERE position = 2",
    "an id": "UPDATE labels SET id = 'p7' WHERE position = 2",
    "rounds of labels": "UPDATE labels SET round = 1",
    "a round": "DELETE FROM rounds WHERE round = 1",
    "last round": "DELETE FROM rounds WHERE round = (SELECT max(round) FROM rounds)",
    "first round": "DELETE FROM rounds WHERE round = 0",
    "a loss": "UPDATE rounds SET validation_loss = 0.1 WHERE round = 0",
    "a verdict": "UPDATE rounds SET verdict = 'better' WHERE round = 2",
    "a class": "UPDATE classes SET label = 'horse' WHERE class = 1",
    "settings": "UPDATE run SET value = '{' WHERE key = 'settings'",
    "no settings": "DELETE FROM run WHERE key = 'settings'",
    "data": "UPDATE run SET value = '{}' WHERE key = 'data'",
    "versions": "UPDATE run SET value = 'null' WHERE key = 'versions'",
    "report": "UPDATE run SET value = '[' WHERE key = 'report'",
    "digest": "DELETE FROM run WHERE key = 'digest'",
}
FOLD_EDITS = {
    "start": "UPDATE rounds SET coef = zeroblob(length(coef)) WHERE round = 0",
    "kept model": (
        "UPDATE rounds SET coef = zeroblob(length(coef)) WHERE round = "
        "(SELECT max(round) FROM rounds WHERE verdict = 'kept')"
    ),
    "fold label": (
        "UPDATE fold_labels SET class = (class + 1) % 3 WHERE fold = 1 AND position < 3"
    ),
    "last fold label": (
        "UPDATE fold_labels SET class = (class + 1) % 3 WHERE fold = 2 AND position = "
        "(SELECT max(position) FROM fold_labels WHERE fold = 2)"
    ),
    "no fold label": "DELETE FROM fold_labels WHERE fold = 2 AND position = 1",
    "no such row": "UPDATE fold_labels SET row = 100000 WHERE fold = 0",
    "last fold model": (
        "UPDATE fold_models SET coef = zeroblob(length(coef)) WHERE fold = 2 AND "
        "round = (SELECT max(round) FROM rounds)"
    ),
    "kept fold model": (
        "UPDATE fold_models SET coef = zeroblob(length(coef)) WHERE fold = 0 AND "
        "round = (SELECT max(round) FROM rounds WHERE verdict = 'kept')"
    ),
    "first fold model": (
        "UPDATE fold_models SET intercept = zeroblob(24) WHERE fold = 1 AND round = 0"
    ),
    "no fold model": "DELETE FROM fold_models WHERE fold = 1",
}


@pytest.mark.parametrize(
    ("state", "edit"),
    [
        *(pytest.param("uninterrupted", EDITS[name], id=name) for name in EDITS),
        *(pytest.param("waiting", edit, id=name) for name, edit in FOLD_EDITS.items()),
    ],
)
def test_an_edited_ledger_is_not_believed(
    state: str,
    edit: str,
    folder: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    refusal: Callable[[list[str]], str],
) -> None:
    out = tmp_path / "run"
    shutil.copytree(request.getfixturevalue(state), out)
    with closing(sqlite3.connect(out / "ledger.sqlite")) as connection, connection:
        assert connection.execute(edit).rowcount > 0
    before = snapshot(out)
    again = guarded if state == "waiting" else arguments
    message = refusal(again(folder, out, "--resume", "--budget", "210"))
    assert "ledger.sqlite: is not as it was written" in message
    assert snapshot(out) == before


def test_results_of_two_budgets_are_not_taken_for_a_runs(
    folder: Path,
    uninterrupted: Path,
    tmp_path: Path,
    refusal: Callable[[list[str]], str],
) -> None:
    out = shutil.copytree(uninterrupted, tmp_path / "run")
    longer = arguments(folder, out, "--resume", "--budget", "210")
    killed = process(longer, tmp_path / "log", "label.write_model = die")
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert len(labels_of(out)) == 210  # beside the model of 200
    predictions = ["predict", str(out), str(folder / "pool.csv")]
    predictions += ["--out", str(tmp_path / "predictions.csv")]
    assert "run.json: is missing" in refusal(predictions)
    main(longer)
    main(predictions)


def test_a_ledger_without_a_table_is_damaged(
    folder: Path,
    unfinished: Path,
    tmp_path: Path,
    refusal: Callable[[list[str]], str],
) -> None:
    out = shutil.copytree(unfinished, tmp_path / "run")
    with closing(sqlite3.connect(out / "ledger.sqlite")) as connection, connection:
        connection.execute("DROP TABLE class_scores")
    message = refusal(arguments(folder, out, "--resume"))
    assert f"{out / 'ledger.sqlite'}: has lost tables" in message


@pytest.mark.parametrize("empty", [True, False])
def test_results_without_a_ledger_are_not_written_over(
    empty: bool,
    folder: Path,
    uninterrupted: Path,
    tmp_path: Path,
    refusal: Callable[[list[str]], str],
) -> None:
    out = shutil.copytree(uninterrupted, tmp_path / "run")
    (out / "ledger.sqlite").unlink()
    if empty:
        (out / "ledger.sqlite").touch()
    before = snapshot(out)
    message = refusal(arguments(folder, out, "--resume"))
    assert "holds results, but no ledger.sqlite" in message
    assert snapshot(out) == before


@pytest.mark.parametrize("version", [0, 99])
def test_a_ledger_of_another_format_is_refused_in_one_line_and_left_alone(
    version: int,
    folder: Path,
    unfinished: Path,
    tmp_path: Path,
    refusal: Callable[[list[str]], str],
) -> None:
    out = tmp_path / "run"
    shutil.copytree(unfinished, out)
    with closing(sqlite3.connect(out / "ledger.sqlite")) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    before = snapshot(out)
    message = refusal(arguments(folder, out, "--resume"))
    assert "ledger.sqlite: is of another version of salutary" in message
    assert snapshot(out) == before


def test_what_a_killed_process_left_half_written_is_removed(
    folder: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    killed = process(arguments(folder, out), tmp_path / "log", "os.fsync = die")
    killed.join()
    main(arguments(folder, out, "--resume"))
    assert {path.name for path in out.iterdir()} == {
        path.name for path in uninterrupted.iterdir()
    }
