"""Run hostile inputs: ``python -m tests.hostile N [SEED]``.

Prints each fault with the number of its trial, and how all of them ended. To repeat a
trial: ``python -m tests.hostile 1 NUMBER``.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.hostile.processes import command, fork, run_all
from tests.hostile.trials import ROWS, Trial, trial, write
from tests.hostile.verdict import faults


def ready_run(folder: Path) -> str:
    """Label honest tables in a process of its own; the run that predictions are of."""

    def label() -> None:
        import numpy as np
        import pandas as pd

        rng = np.random.default_rng(0)
        for role, n in ROWS.items():
            truth = rng.integers(0, 2, n)
            frame = pd.DataFrame({"size": truth + rng.normal(size=n), "e v": "u"})
            if role == "pool":
                frame["id"] = np.arange(n)
            else:
                frame["label"] = np.where(truth == 1, "yes", "no")
            write(frame, folder / f"{role}.csv")
        words = ["label", "train.csv", "--validation", "val.csv", "--pool", "pool.csv"]
        command([*words, "--target", "label", "--id", "id", "--out", "run"])

    _, status = os.waitpid(fork(label, folder, folder / "log"), 0)
    if status:
        raise RuntimeError((folder / "log.err").read_text())
    return str(folder / "run")


def main(n: int, seed: int, jobs: int) -> int:
    """Run trials ``seed`` to ``seed + n``; the number of those with a fault."""
    # Imported before the forks, so that none of them pays for it.
    import salutary.cli.main
    import salutary.runs.advise
    import salutary.runs.label
    import salutary.runs.relabel  # noqa: F401

    ended_as: Counter[str] = Counter()
    numbers: dict[int, int] = {}

    def trials() -> Iterator[Trial]:
        for number in range(seed, seed + n):
            made = trial(number, ready)
            numbers[id(made)] = number
            yield made

    with tempfile.TemporaryDirectory(prefix="hostile-ready-") as folder:
        ready = ready_run(Path(folder))
        for made, ended in run_all(trials(), jobs):
            found = faults(made, ended)
            well = "worked" if ended.code == 0 else "refused"
            ended_as["faulty" if found else well] += 1
            if found:
                number = numbers[id(made)]
                print(f"{number}: {'; '.join(found)}\n  {made.words}")
                print("  " + "\n  ".join(ended.err.splitlines()[-4:]), flush=True)
            shutil.rmtree(ended.folder, ignore_errors=True)
    ends = ("worked", "refused", "faulty")
    told = ", ".join(f"{ended_as[end]} {end}" for end in ends)
    print(f"{n} inputs from seed {seed}: {told}")
    return ended_as["faulty"]


if __name__ == "__main__":
    count, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    sys.exit(min(main(count, first, os.cpu_count() or 1), 1))
