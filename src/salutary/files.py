"""Write files whole or not at all, and give a directory to one process at a time."""

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
"""The file that a process locks while it writes to a directory."""


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file under a temporary name, then rename it.

    After an interruption the file is either complete or as it was before.

    Parameters
    ----------
    path : Path
        The file to write or replace.
    write : callable
        Called with a temporary path in the same folder, with the suffix of ``path``;
        writes the content there.

    Raises
    ------
    OSError
        If the file cannot be written; ``path`` is then as it was before.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "answer.txt"
    ...     write_whole(path, lambda temporary: temporary.write_text("42"))
    ...     path.read_text()
    '42'
    """
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, completely or not at all; see `write_whole`."""
    write_whole(path, lambda temporary: _write(temporary, text))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write indented JSON, completely or not at all; see `write_whole`."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def writable(folder: Path) -> bool:
    """Whether this process may create files in a folder."""
    return os.access(folder, os.W_OK | os.X_OK)


@contextmanager
def claim(out: Path) -> Iterator[None]:
    """Keep other processes out of a directory while the block runs.

    Parameters
    ----------
    out : Path
        The directory; it is created if it does not exist.

    Raises
    ------
    InputError
        If another process that is still running has claimed the directory.
    """
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"{out}: another run is live in this directory; wait until it ends, or "
            "pass another --out"
        ) from None
    try:
        yield
    finally:
        lock.release()
