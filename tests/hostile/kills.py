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
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.decoder import write_decoder
from tests.hostile.__main__ import import_all, import_models
from tests.hostile.processes import command, fork, kill
from tests.hostile.tables import ROWS, write
from tests.ledgers.contents import ledger_of


@dataclass(frozen=True)
class Kind:
    """A command that is killed, and what of its directory must come out the same."""

    words: tuple[str, ...]
    results: tuple[str, ...]
    share: int
    """How many of the runs are of it, beside the others."""


TABLES = ("train.csv", "--validation", "val.csv", "--target", "label")
POOL = ("--pool", "pool.csv", "--id", "id")

KINDS = {
    "label": Kind(
        ("label", *TABLES, *POOL, "--budget=12", "--batch-size=3", "--C=0.03"),
        ("labels.parquet",),
        40,
    ),
    "relabel": Kind(
        ("relabel", *TABLES, "--budget=6", "--batch-size=2", "--C=0.03"),
        ("switches.parquet", "cleaned.csv"),
        35,
    ),
    "advise": Kind(
        (
            *("advise", *TABLES, *POOL, "--budget=4", "--batch-size=2"),
            *("--splits=2", "--repeats=2"),
        ),
        ("config.toml",),
        15,
    ),
    "finetune": Kind(
        (
            *("finetune", *TABLES, *POOL, "--model=model", "--text-column=review"),
            *("--pooling=last", "--device=cpu", "--rank=2", "--epochs=1"),
            *("--budget=4", "--batch-size=2", "--learning-rate=0.05", "--no-guard"),
        ),
        ("labels.parquet", "adapter/layer.safetensors"),
        10,
    ),
}


def kills(n: int, seed: int, jobs: int, show: Callable[[str], None] = print) -> int:
    """Kill runs N times or a few more; the number of those that ended otherwise.

    A run is killed once to three times, each time at a moment of its own, and then
    resumed to its end.
    """
    import_all()
    rng = np.random.default_rng(seed)
    plans: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    shares = np.array([one.share for one in KINDS.values()])
    done = 0
    while done < n:
        kind = str(rng.choice([*KINDS], p=shares / shares.sum()))
        moments = rng.uniform(0, 1, rng.integers(1, 4)).tolist()
        plans[kind].append(moments)
        done += len(moments)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="hostile-kills-") as name:
        folder = Path(name)
        write_all(folder)
        for kind, moments_of in plans.items():
            if kind == "finetune" and moments_of:
                import_models()
            for found in _killed(kind, moments_of, folder, jobs):
                wrong += 1
                show(found)
    n_runs = sum(map(len, plans.values()))
    show(f"{done} kills in {n_runs} runs from seed {seed}: {wrong} ended otherwise")
    return wrong


def write_all(folder: Path) -> None:
    """Write the tables and the model that all runs are of."""
    rng = np.random.default_rng(0)
    for role, n in ROWS.items():
        truth = rng.integers(0, 3, 3 * n)
        columns: dict[str, Any] = {"size": (truth + rng.normal(size=3 * n)).round(3)}
        columns["color"] = np.array(["red", "green", "blue"])[truth]
        columns["review"] = [" ".join(rng.choice(list("abcdefgh"), 3)) for _ in truth]
        if role == "pool":
            columns = {"id": np.arange(3 * n), **columns}
        else:
            wrong = rng.random(3 * n) < 0.2
            columns["label"] = np.array(list("abc"))[np.where(wrong, 0, truth)]
        write(pd.DataFrame(columns), folder / f"{role}.csv")
    _wait(fork(lambda: write_decoder(folder / "model"), folder, folder / "log"), folder)


def _wait(pid: int, folder: Path) -> None:
    _, status = os.waitpid(pid, 0)
    if status:
        raise RuntimeError((folder / "log.err").read_text())


def start(kind: str, folder: Path, out: str) -> int:
    """Start or resume a run in a process of its own; its number."""
    words = [*KINDS[kind].words, "--out", out]
    if (folder / out).exists():
        words.append("--resume")
    return fork(lambda: command(words), folder, folder / f"{out}.log")


def results(kind: str, run: Path) -> dict[str, Any]:
    """What must be the same of a run, however it came about."""
    report = json.loads((run / "run.json").read_text("utf-8"))
    return {
        "files": sorted(path.name for path in run.iterdir()),
        **{name: (run / name).read_bytes() for name in KINDS[kind].results},
        "metrics": _metrics(run / "metrics.jsonl"),
        "outcome": report["outcome"],
        "ledger": ledger_of(run),
    }


def _metrics(path: Path) -> list[dict[str, Any]]:
    """Lines of a run's figures without the seconds; none of a comparison."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [{**json.loads(line), "seconds": 0} for line in lines]


def _killed(
    kind: str, plans: Iterable[list[float]], folder: Path, jobs: int
) -> Iterator[str]:
    """What was wrong with runs that were killed by plans, some at a time.

    As many processes as JOBS each see to runs of their own.
    """
    plans = [*plans]
    if not plans:
        return
    began = time.monotonic()
    _wait(start(kind, folder, "alone"), folder)
    seconds = time.monotonic() - began
    expected = results(kind, folder / "alone")
    shutil.rmtree(folder / "alone")

    def see_to(own: list[list[float]], worker: int) -> None:
        for place, plan in enumerate(own):
            told = _one(kind, plan, seconds, expected, folder, f"run-{worker}-{place}")
            if told:
                print(f"{kind} killed at {plan}: {' '.join(told.split())}")

    workers = [
        fork(partial(see_to, plans[k::jobs], k), folder, folder / f"see-{k}")
        for k in range(min(jobs, len(plans)))
    ]
    for k, pid in enumerate(workers):
        _, status = os.waitpid(pid, 0)
        yield from (folder / f"see-{k}.out").read_text().splitlines()
        if status:
            yield f"{kind}: {(folder / f'see-{k}.err').read_text()}"


def _one(
    kind: str,
    moments: list[float],
    seconds: float,
    expected: dict[str, Any],
    folder: Path,
    out: str,
) -> str:
    """Kill a run at moments, parts of its time; what was wrong in the end."""
    for moment in moments:
        pid = start(kind, folder, out)
        time.sleep(moment * seconds)
        kill(pid)
    _, status = os.waitpid(start(kind, folder, out), 0)
    if status:
        return (folder / f"{out}.log.err").read_text()
    found = results(kind, folder / out)
    shutil.rmtree(folder / out)
    with suppress(FileNotFoundError):
        for end in ("out", "err"):
            (folder / f"{out}.log.{end}").unlink()
    return ", ".join(name for name in expected if found[name] != expected[name])


if __name__ == "__main__":
    count, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    sys.exit(min(kills(count, first, os.cpu_count() or 1), 1))
