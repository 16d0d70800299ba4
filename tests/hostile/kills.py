"""Kill commands at random moments, resume them, and compare with a run left alone.

``python -m tests.hostile.kills N [SEED]``
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.hostile.processes import command, fork, kill
from tests.hostile.trials import ROWS, write

COMMANDS = {
    "label": [
        *["label", "train.csv", "--validation", "val.csv", "--pool", "pool.csv"],
        *["--target", "label", "--id", "id", "--budget", "12", "--batch-size", "3"],
        *["--C", "0.03"],
    ],
    "relabel": [
        *["relabel", "train.csv", "--validation", "val.csv", "--target", "label"],
        *["--budget", "6", "--batch-size", "2", "--C", "0.03"],
    ],
}
RESULTS = {"label": "labels.parquet", "relabel": "switches.parquet"}


def kills(n: int, seed: int, show: Callable[[str], None] = print) -> int:
    """Kill runs N times; the number of those that ended otherwise than left alone.

    A run is killed once to three times, each time at a moment of its own, and then
    resumed to its end.
    """
    # Imported before the forks, so that none of them pays for it.
    import salutary.cli.main
    import salutary.runs.label
    import salutary.runs.relabel  # noqa: F401

    rng = np.random.default_rng(seed)
    done = wrong = runs = 0
    with tempfile.TemporaryDirectory(prefix="hostile-kills-") as name:
        folder = Path(name)
        _write_tables(folder)
        alone = {kind: _alone(kind, folder) for kind in COMMANDS}
        while done < n:
            kind = list(COMMANDS)[runs % len(COMMANDS)]
            seconds, expected = alone[kind]
            moments = rng.uniform(0, seconds, rng.integers(1, 4))
            done, runs = done + len(moments), runs + 1
            for moment in moments:
                pid = _start(kind, folder)
                time.sleep(moment)
                kill(pid)
            told = _finish(kind, folder)
            found = told or _differs(expected, _results(kind, folder))
            if found:
                wrong += 1
                show(f"{kind} killed after {moments.round(3)} s: {found}")
            shutil.rmtree(folder / "run", ignore_errors=True)
    show(f"{done} kills in {runs} runs from seed {seed}: {wrong} ended otherwise")
    return wrong


def _write_tables(folder: Path) -> None:
    import pandas as pd

    rng = np.random.default_rng(0)
    for role, n in ROWS.items():
        truth = rng.integers(0, 3, 3 * n)
        columns: dict[str, Any] = {"size": (truth + rng.normal(size=3 * n)).round(3)}
        columns["color"] = np.array(["red", "green", "blue"])[truth]
        if role == "pool":
            columns = {"id": np.arange(3 * n), **columns}
        else:
            wrong = rng.random(3 * n) < 0.2
            columns["label"] = np.array(list("abc"))[np.where(wrong, 0, truth)]
        write(pd.DataFrame(columns), folder / f"{role}.csv")


def _start(kind: str, folder: Path) -> int:
    words = [*COMMANDS[kind], "--out", "run"]
    if (folder / "run").exists():
        words.append("--resume")
    return fork(lambda: command(words), folder, folder / "log")


def _finish(kind: str, folder: Path) -> str:
    """Run to the end; what the command said if it failed."""
    _, status = os.waitpid(_start(kind, folder), 0)
    return (folder / "log.err").read_text() if status else ""


def _alone(kind: str, folder: Path) -> tuple[float, dict[str, Any]]:
    """Seconds and results of a run that nobody kills."""
    began = time.monotonic()
    told = _finish(kind, folder)
    if told:
        raise RuntimeError(told)
    seconds, results = time.monotonic() - began, _results(kind, folder)
    shutil.rmtree(folder / "run")
    return seconds, results


def _results(kind: str, folder: Path) -> dict[str, Any]:
    run = folder / "run"
    report = json.loads((run / "run.json").read_text("utf-8"))
    return {
        "files": sorted(path.name for path in run.iterdir()),
        RESULTS[kind]: (run / RESULTS[kind]).read_bytes(),
        "outcome": report["outcome"],
    }


def _differs(expected: dict[str, Any], found: dict[str, Any]) -> str:
    return ", ".join(name for name in expected if found[name] != expected[name])


if __name__ == "__main__":
    count, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    sys.exit(min(kills(count, first), 1))
