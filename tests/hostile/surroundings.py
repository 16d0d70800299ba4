"""Runs on a full disk, in read-only folders, and while the clock jumps.

``python -m tests.hostile.surroundings [KIND ...]``
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.hostile.__main__ import import_models
from tests.hostile.kills import KINDS, import_for_runs, results, write_all
from tests.hostile.processes import command
from tests.hostile.run_files import end, interrupted, predict, resume
from tests.hostile.verdict import files

NOBODY = 65534

SIZES = [600, 4_000, 12_000, 30_000, 60_000, 120_000]
"""Bytes that a file may have, or that are free on a disk; a refusal takes a few."""

YEARS = [1971, 1979, 2001, 2037, 2120]

SECONDS_A_YEAR = 31_556_952


def limited(size: int, work: Callable[[], None]) -> None:
    """Work while no file can be larger than a size, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    work()


def as_nobody(work: Callable[[], None]) -> None:
    """Work without root's right to write everywhere."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    work()


def in_year(year: int, work: Callable[[], None]) -> None:
    """Work while the clock says that it is another year."""
    ahead = (year - time.gmtime().tm_year) * SECONDS_A_YEAR
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + ahead
    time.time_ns = lambda: now_ns() + ahead * 10**9
    work()


def of_full_disks(kind: str, folder: Path, expected: dict[str, Any]) -> Iterator[str]:
    """What was wrong with runs that met a full disk, and went on when it had room."""
    for size in SIZES:
        run = folder / f"limited-{size}" / "run"
        run.parent.mkdir()
        end(partial(limited, size, resume(kind, run)), folder / "log")
        yield from _goes_on(kind, run, expected, f"files of at most {size} bytes")
    for size in SIZES[2:]:
        disk = folder / f"disk-{size}"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        if subprocess.run(mount, capture_output=True).returncode:
            print("no small disks: this user may not mount one")
            return
        try:
            end(resume(kind, disk / "run"), folder / "log")
            subprocess.run([*mount[:4], "remount,size=64m", *mount[5:]], check=True)
            yield from _goes_on(kind, disk / "run", expected, f"a disk of {size} bytes")
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def _goes_on(
    kind: str, run: Path, expected: dict[str, Any], after: str
) -> Iterator[str]:
    """Resume a run; what was wrong if its results are not as expected."""
    log = run.parent.parent / "log"
    refused = end(resume(kind, run), log)
    if refused:
        yield f"{kind} after {after}: {refused}"
    elif results(kind, run) != expected:
        yield f"{kind} after {after}: other results"


def of_read_only_folders(kind: str, folder: Path, finished: Path) -> Iterator[str]:
    """What was wrong with runs and predictions that nobody may write."""
    closed = folder / "closed"
    (closed / "open").mkdir(parents=True)
    begun = shutil.copytree(folder / "interrupted", closed / "interrupted") / "run"
    whole = shutil.copytree(finished, closed / "finished") / "run"
    commands = {
        "a new run": resume(kind, closed / "new"),
        "a run that goes on": resume(kind, begun),
        "predictions": predict(whole, closed / "predictions.csv"),
    }
    for path in (closed, *closed.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    folder.chmod(0o755)
    before = files(closed)
    for what, work in commands.items():
        if not end(partial(as_nobody, work), folder / "log"):
            yield f"{kind}: {what} in a folder that cannot be written to worked"
    (folder / "secret.csv").write_bytes((folder / "train.csv").read_bytes())
    (folder / "secret.csv").chmod(0)
    hidden = [word.replace("train.csv", "secret.csv") for word in KINDS[kind].words]
    out = tempfile.mkdtemp(dir=folder)
    Path(out).chmod(0o777)
    work = partial(command, [*hidden, "--out", f"{out}/run"])
    if not end(partial(as_nobody, work), folder / "log"):
        yield f"{kind}: a table that cannot be read was read"
    if files(closed) != before or any(Path(out).iterdir()):
        yield f"{kind}: wrote where it must not"
    for path in (closed, *closed.rglob("*")):
        path.chmod(0o755)


def of_clocks(kind: str, folder: Path, expected: dict[str, Any]) -> Iterator[str]:
    """What was wrong with runs in other years, and with files of the future."""
    for year in YEARS:
        run = folder / f"year-{year}" / "run"
        run.parent.mkdir()
        end(partial(in_year, year, resume(kind, run)), folder / "log")
        yield from _goes_on(kind, run, expected, f"a run in {year}")
    run = shutil.copytree(folder / "interrupted", folder / "later") / "run"
    for path in (run, *run.rglob("*")):
        os.utime(path, (2**32, 2**32))
    end(partial(in_year, 2001, resume(kind, run)), folder / "log")
    yield from _goes_on(kind, run, expected, "a clock set back")


def tried(kind: str) -> list[str]:
    """What was wrong with a kind of run in all surroundings."""
    with tempfile.TemporaryDirectory(prefix="hostile-around-") as name:
        folder = Path(name)
        write_all(folder)
        for part in ("finished", "interrupted"):
            (folder / part).mkdir()
        end(resume(kind, folder / "finished" / "run"), folder / "log")
        expected = results(kind, folder / "finished" / "run")
        end(partial(interrupted, kind, folder / "interrupted" / "run"), folder / "log")
        return [
            *of_full_disks(kind, folder, expected),
            *of_read_only_folders(kind, folder, folder / "finished"),
            *of_clocks(kind, folder, expected),
        ]


if __name__ == "__main__":
    import_for_runs()
    n_wrong = 0
    for kind in sys.argv[1:] or [*KINDS]:
        if kind == "finetune":
            import_models()
        wrong = tried(kind)
        print(*wrong, sep="\n", end="\n" if wrong else "")
        print(f"{kind}: {len(wrong)} ended otherwise")
        n_wrong += len(wrong)
    sys.exit(min(n_wrong, 1))
