"""Files that appear whole or not at all, and directories with one writer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from salutary.errors import InputError

LOCK = "run.lock"


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file beside its place and rename it, so that it appears whole or not.

    Parameters
    ----------
    path : Path
    write : callable
        Writes to the path it is given, which has the same suffix.

    Raises
    ------
    OSError
        When it cannot be written; ``path`` is then as it was.
    """
    beside = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        write(beside)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text whole, as UTF-8."""
    write_whole(path, lambda beside: _write(beside, text))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON whole, for people to read too."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def writable(folder: Path) -> bool:
    """Whether files can be made in a folder."""
    return os.access(folder, os.W_OK | os.X_OK)


@contextmanager
def claim(out: Path) -> Iterator[None]:
    """Make a directory this process's own while the block runs.

    Parameters
    ----------
    out : Path
        Made if it is not there.

    Raises
    ------
    InputError
        If another live process has it.
    """
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"{out}: another run is live in it; wait for it, or pass another --out"
        ) from None
    try:
        yield
    finally:
        lock.release()
