"""Run trials in processes of their own, under limits of time and memory.

Each is forked from a process that has imported everything, so that it begins at once.
"""

from __future__ import annotations

import gc
import os
import pickle
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NoReturn, Protocol, TypeVar

from tests.hostile.verdict import Ended, files

PROCESSOR_SECONDS = 60
"""A command may compute so long; the slowest honest one takes a few seconds."""

SECONDS = 600.0
"""And may take so long, on a machine as busy as can be: one that waits has hung."""

MEMORY = 4 * 2**30
"""Bytes that a command may use beside what it shares with the others."""


class Task(Protocol):
    """What is done in a process, and in a folder, of its own."""

    def write(self, folder: Path) -> None:
        """Make the files that are there before the work; they must stay as they are."""

    def work(self) -> None:
        """Do the work, in the folder; as a command, end by SystemExit or not at all."""


T = TypeVar("T", bound=Task)


@dataclass
class _Live(Generic[T]):
    trial: T
    folder: Path
    deadline: float


def prepare() -> None:
    """Make forks of this process cheap: call it when all is imported.

    A collection of garbage in a child would otherwise copy every page of its parent.
    """
    gc.collect()
    gc.freeze()


def run_all(trials: Iterable[T], jobs: int) -> Iterator[tuple[T, Ended]]:
    """Run trials, some at a time; yields each when it has ended."""
    live: dict[int, _Live[T]] = {}
    waiting = iter(trials)
    more = True
    try:
        while more or live:
            while more and len(live) < jobs:
                trial = next(waiting, None)
                if trial is None:
                    more = False
                    break
                pid, started = _start(trial)
                live[pid] = started
            for pid in list(live):
                code = _code(pid, live[pid].deadline)
                if code is not _RUNNING:
                    yield live[pid].trial, _ended(live.pop(pid), code)
            time.sleep(0.005)
    finally:
        for pid, one in live.items():
            kill(pid)
            shutil.rmtree(one.folder, ignore_errors=True)


_RUNNING = object()


def _start(trial: T) -> tuple[int, _Live[T]]:
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))

    def work() -> None:
        trial.write(folder)
        _beside(folder, "before").write_bytes(pickle.dumps(files(folder)))
        trial.work()

    pid = fork(work, folder, _beside(folder, "log"))
    return pid, _Live(trial, folder, time.monotonic() + SECONDS)


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_suffix(f".{suffix}")


def command(words: list[str]) -> None:
    """The command in this process."""
    from salutary.cli.main import main

    main(words)


def take_few_rows_for_many() -> None:
    """Let this process read every pool in batches, as it would one of many rows."""
    from salutary.tables import batches

    batches.MANY_ROWS, batches.BATCH_ROWS = 5, 3


def fork(work: Callable[[], None], folder: Path, log: Path) -> int:
    """Do work in a new process, in a folder; its output goes to LOG.out and .err."""
    pid = os.fork()
    if pid == 0:
        _child(work, folder, log)
    return pid


def _child(work: Callable[[], None], folder: Path, log: Path) -> NoReturn:
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        for number, name in ((0, os.devnull), (1, f"{log}.out"), (2, f"{log}.err")):
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(name, flags), number)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(
            resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS + 5)
        )
        try:
            work()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        os._exit(code)


def _code(pid: int, deadline: float) -> object:
    """The exit code, None after a kill for its time, or that it is running."""
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        return os.waitstatus_to_exitcode(status)
    if time.monotonic() < deadline:
        return _RUNNING
    kill(pid)
    return None


def kill(pid: int) -> None:
    """Kill a process and what it has started, and wait for its end."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _ended(one: _Live[T], code: object) -> Ended:
    ends = {end: _beside(one.folder, end) for end in ("log.out", "log.err", "before")}
    out, err = (
        ends[end].read_text("utf-8", "replace") for end in ("log.out", "log.err")
    )
    if not ends["before"].exists():
        raise RuntimeError(f"the files of a trial could not be written: {err}")
    ended = Ended(
        code if isinstance(code, int) else None,
        out,
        err,
        pickle.loads(ends["before"].read_bytes()),
        one.folder,
    )
    for path in ends.values():
        path.unlink()
    return ended
