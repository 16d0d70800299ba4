"""Runs that were never run, as a review finds them in a directory."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from salutary.labeling.standing import Spread
from salutary.ledgers.record import AssignedLabels, RoundDetails, RoundEntry
from salutary.ledgers.run_ledger import Ledger
from salutary.tables.formats import file_sha256
from tests.report.made import CHECKS

START = RoundEntry(
    *(0, 30, 0.5, 0.8, 0.7, None, None, None, None, None, None, None, "kept", 0.1),
    model=(np.zeros((1, 2)), np.zeros(1)),
    folds=(),
)


def made_run(
    folder: Path,
    n_labels: int,
    classes: Sequence[str] = ("bad", "good"),
    ids: Sequence[str] | None = None,
    columns: dict[str, Sequence[str]] | None = None,
) -> Path:
    """A finished run of one round, and the table of its pool with some columns."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = columns or {"size": [str(row) for row in range(n_labels)]}
    ids = [f"p{row}" for row in range(n_labels)] if ids is None else ids
    pq.write_table(pa.table(columns), folder / "pool.parquet")
    (folder / "train.csv").write_text("y,size\ngood,1\nbad,2\n")
    paths = {"train": folder / "train.csv", "pool": folder / "pool.parquet"}
    outcome = {"termination": "budget", "refused_rounds": 0, "labels": n_labels}
    outcome |= {"validation_loss": [0.5, 0.4], "guessing_loss": 0.7, "verdict": None}
    facts: dict[str, Any] = {
        "kind": "label",
        "settings": {"target": "y", "id": "id", "seed": 0, "budget": n_labels},
        "files": {name: str(path) for name, path in paths.items()},
        "data": {name: file_sha256(path) for name, path in paths.items()},
        "versions": {"salutary": "0"},
        "report": {"outcome": outcome, "checks": {**CHECKS, "features": {}}},
    }
    facts["settings"] |= {"text": None, "objective": "log_loss"}
    out = folder / "run"
    out.mkdir()
    rng, n_classes = np.random.default_rng(0), len(classes)
    losses = np.full((n_classes, 2), np.nan)
    nothing = RoundDetails(losses, {}, Spread.empty())
    codes = rng.integers(0, n_classes, n_labels)
    labels = AssignedLabels(
        rows=np.arange(n_labels),
        rounds=np.ones(n_labels, dtype=np.intp),
        classes=codes,
        influence=rng.normal(size=(n_labels, n_classes)) * 0.01,
        probability=rng.dirichlet(np.ones(n_classes), n_labels),
        influence_se=rng.gamma(2, 0.002, n_labels),
        scores=rng.uniform(size=n_labels),
        rank=1.0 + np.arange(n_labels),
        distance=rng.gamma(4, 1.0, n_labels),
    )
    with Ledger(out / "ledger.sqlite") as ledger:
        ledger.begin(facts, list(classes), START, nothing)
        after = replace(START, round=1, n_labeled=30 + n_labels)
        ledger.commit(after, nothing, labels, list(ids), ())
    return out


@contextmanager
def served(run: Path, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a review of a run in a process of its own, and the process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "salutary", "review", str(run), "--no-browser", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        ready, _, _ = select.select([process.stdout], [], [], 120)
        assert ready, "the review has not started"
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.communicate()[1]
        yield address, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
