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
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr, suppress
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from tests.decoder import write_decoder
from tests.hostile.arrays import PER_PROCESS, Arrays
from tests.hostile.command_lines import trial
from tests.hostile.processes import command, fork, prepare, run_all
from tests.hostile.tables import ROWS, write
from tests.hostile.trials import Ready, Trial
from tests.hostile.twins import Twins, twins
from tests.hostile.verdict import faults

SORTS = {
    "python": 40,
    "label": 16,
    "twins": 12,
    "predict": 12,
    "relabel": 10,
    "advise": 8,
    "finetune": 2,
}
"""What a trial is of, and how many in a hundred are."""


def sort_of(number: int) -> str:
    """What the trial of a number is of; 29 and 100 have no common divisor."""
    place = number * 29 % 100
    for sort, share in SORTS.items():
        if place < share:
            return sort
        place -= share
    raise AssertionError("the shares are of a hundred")


def ready(folder: Path) -> Ready:
    """Make what all trials share, each in a process of its own."""
    words = ["label", "train.csv", "--validation", "val.csv", "--pool", "pool.csv"]
    words += ["--target", "label", "--id", "id", "--out", "run"]

    def label() -> None:
        rng = np.random.default_rng(0)
        for role, n in ROWS.items():
            truth = rng.integers(0, 2, n)
            frame = pd.DataFrame({"size": truth + rng.normal(size=n), "e v": "u"})
            if role == "pool":
                frame["id"] = np.arange(n)
            else:
                frame["label"] = np.where(truth == 1, "yes", "no")
            write(frame, folder / f"{role}.csv")
        command(words)

    made = Ready(run=str(folder / "run"), model=str(folder / "model"))
    for work in (label, lambda: write_decoder(folder / "model")):
        _, status = os.waitpid(fork(work, folder, folder / "log"), 0)
        if status:
            raise RuntimeError((folder / "log.err").read_text())
    return made


def main(n: int, seed: int, jobs: int) -> int:
    """Run trials ``seed`` to ``seed + n``; the number of faults."""
    numbers = range(seed, seed + n)
    ends: Counter[str] = Counter()
    import_all()
    with tempfile.TemporaryDirectory(prefix="hostile-ready-") as folder:
        shared = ready(Path(folder))
        light = [number for number in numbers if sort_of(number) != "finetune"]
        ends += run(tasks(light, shared), jobs)
        heavy = [number for number in numbers if sort_of(number) == "finetune"]
        if heavy:
            import_models()
            ends += run(tasks(heavy, shared), jobs)
    told = ", ".join(f"{ends[end]} {end}" for end in ("worked", "refused", "faulty"))
    print(f"{n} inputs from seed {seed}: {told}")
    return ends["faulty"]


def import_all() -> None:
    """Import what commands need before the forks, so that none of them pays for it.

    Without torch, of which forks are slow: skops imports it if it can.
    """
    sys.modules["torch"] = None  # type: ignore[assignment]
    import matplotlib.backends.backend_svg  # noqa: F401

    import salutary.cli.main
    import salutary.report.page
    import salutary.runs.advise
    import salutary.runs.label
    import salutary.runs.relabel  # noqa: F401

    # Words that are parsed once import what parses them.
    with redirect_stderr(StringIO()), suppress(SystemExit):
        command(["predict", "nothing", "nothing.csv", "--out", "nothing.csv"])
    del sys.modules["torch"]
    prepare()


def import_models() -> None:
    """Import what fine-tuning needs."""
    import transformers.models.gpt2  # noqa: F401

    prepare()


def tasks(numbers: Iterable[int], shared: Ready) -> Iterator[Trial | Twins | Arrays]:
    """The trials of numbers; those of Python many in one process."""
    waiting: list[int] = []
    for number in numbers:
        sort = sort_of(number)
        if sort == "twins":
            yield twins(number)
        elif sort == "python":
            waiting.append(number)
            if len(waiting) == PER_PROCESS:
                yield Arrays(waiting)
                waiting = []
        else:
            yield trial(number, shared, sort)
    if waiting:
        yield Arrays(waiting)


def run(trials: Iterator[Trial | Twins | Arrays], jobs: int) -> Counter[str]:
    """Run trials and print the faults; how all ended."""
    ends: Counter[str] = Counter()
    for made, ended in run_all(trials, jobs):
        found = [*faults(ended), *made.faults(ended)]
        if isinstance(made, Arrays):
            ends += made.ends(ended)
        else:
            ends["faulty" if found else "worked" if ended.code == 0 else "refused"] += 1
        if found:
            print(f"{made.name}: {'; '.join(found)}")
            print("  " + "\n  ".join(ended.err.splitlines()[-4:]), flush=True)
        shutil.rmtree(ended.folder, ignore_errors=True)
    return ends


if __name__ == "__main__":
    count, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    sys.exit(min(main(count, first, os.cpu_count() or 1), 1))
