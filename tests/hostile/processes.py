"""Run commands in processes of their own, under limits of time and memory.

Each is forked from a process that has imported everything, so that it begins at once.
"""

from __future__ import annotations

import os
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
from typing import NoReturn

from tests.hostile.trials import Trial
from tests.hostile.verdict import Ended, files

PROCESSOR_SECONDS = 60
"""A command may compute so long; the slowest honest one takes a few seconds."""

SECONDS = 600.0
"""And may take so long, on a machine as busy as can be: one that waits has hung."""

MEMORY = 4 * 2**30
"""Bytes that a command may use beside what it shares with the others."""


@dataclass
class _Live:
    trial: Trial
    folder: Path
    before: dict[str, bytes]
    deadline: float


def run_all(trials: Iterable[Trial], jobs: int) -> Iterator[tuple[Trial, Ended]]:
    """Run trials, some at a time; yields each when it has ended."""
    live: dict[int, _Live] = {}
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


def _start(trial: Trial) -> tuple[int, _Live]:
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    # Written by a process of its own, as threads of pyarrow do not survive a fork.
    os.waitpid(fork(lambda: trial.write(folder), folder.parent, folder / ".writing"), 0)
    for log in ("out", "err"):
        (folder / f".writing.{log}").unlink()
    before = files(folder)
    pid = fork(lambda: command(trial.words), folder, folder.with_suffix(".log"))
    return pid, _Live(trial, folder, before, time.monotonic() + SECONDS)


def command(words: list[str]) -> None:
    """The command in this process."""
    from salutary.cli.main import main

    main(words)


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


def _ended(one: _Live, code: object) -> Ended:
    log = one.folder.with_suffix(".log")
    out, err = (Path(f"{log}.{end}") for end in ("out", "err"))
    ended = Ended(
        code if isinstance(code, int) else None,
        out.read_text("utf-8", "replace"),
        err.read_text("utf-8", "replace"),
        one.before,
        one.folder,
    )
    out.unlink()
    err.unlink()
    return ended
