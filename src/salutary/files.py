"""Write files whole or not at all, and give a directory to one process at a time."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from salutary.errors import InputError

LOCK = "run.lock"
"""The file that a process locks while it writes to a directory."""

PAGE = "report.html"
"""The page about a run in its directory; it is made of the other files there."""

PART = ".part"
"""Ends the stem of a file that is being written."""


LARGEST_JSON = 64 * 1024 * 1024
"""Bytes of a JSON file that is read; a run's own are a thousand times smaller."""


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file under a temporary name, then rename it.

    After an interruption the file is either complete or as it was before. The temporary
    name is a new one each time and is created by this process, so that neither a link
    that waits in the folder nor another process that writes the same file is followed.

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
    temporary = _new_file(path)
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_folder(path: Path, write: Callable[[Path], None]) -> None:
    """Write a new folder under a temporary name, then rename it.

    After an interruption the folder is either complete or not there.

    Parameters
    ----------
    path : Path
        The folder; nothing is there yet.
    write : callable
        Called with a temporary folder beside it; writes the files there.

    Raises
    ------
    OSError
        If the folder cannot be written, or something is there by now.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "answers"
    ...     write_folder(path, lambda beside: write_text(beside / "a.txt", "42"))
    ...     (path / "a.txt").read_text()
    '42'
    """
    name = tempfile.mkdtemp(
        prefix=f".{path.name[:100]}.", suffix=PART, dir=path.parent.absolute()
    )
    temporary = Path(name)
    try:
        temporary.chmod(0o777 & ~_mask())
        write(temporary)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _mask() -> int:
    """The permissions that new files of this process lack."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _new_file(path: Path) -> Path:
    """An empty file beside a path, as readable as any new file of this process."""
    # Its name holds no part of a long one, which could then be too long. It is
    # absolute, since pyarrow takes a relative path such as 's3:runs' for an address.
    handle, name = tempfile.mkstemp(
        prefix=f".{path.stem[:100]}.",
        suffix=f"{PART}{path.suffix}",
        dir=path.parent.absolute(),
    )
    os.close(handle)
    temporary = Path(name)
    temporary.chmod(0o666 & ~_mask())
    return temporary


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, completely or not at all; see `write_whole`."""
    write_whole(path, lambda temporary: _write(temporary, text))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write indented JSON, completely or not at all; see `write_whole`."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def toml_lines(content: Mapping[str, Any]) -> str:
    r"""Keys and values of a TOML table, a line each.

    Parameters
    ----------
    content : dict
        Keys of letters, digits, dashes and underscores; texts, numbers, booleans and
        lists of them.

    Examples
    --------
    >>> print(toml_lines({"budget": 10, "C": 0.5, "target": 'a "b"'}), end="")
    budget = 10
    C = 0.5
    target = "a \"b\""
    """
    return "".join(f"{key} = {_toml(value)}\n" for key, value in content.items())


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # A text of JSON is one of TOML, apart from the character DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def read_json(path: Path) -> Any:
    """Read a JSON file that someone else may have made.

    Raises
    ------
    OSError
        If it is missing or cannot be read.
    ValueError
        If it is not JSON, is nested too deep, is larger than 64 MB, or is no file but
        a device or a pipe, from which reading might never end.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path}: is not a file")
    if status.st_size > LARGEST_JSON:
        raise ValueError(f"{path}: is larger than {LARGEST_JSON // 2**20} MB")
    try:
        return json.loads(path.read_text("utf-8"))
    except RecursionError:
        raise ValueError(f"{path}: is nested too deep") from None


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def writable(folder: Path) -> bool:
    """Whether this process can create files in a folder."""
    # Tried, by a file without a name: permissions alone let root write everywhere.
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


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
        If another process that is still running has claimed the directory, or a link
        is in it: what is written there would change a file somewhere else.

    Notes
    -----
    Files that an interrupted process left half written are removed. If the block ends
    in an InputError, so are the lock and the folders that were made for it.
    """
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    out.mkdir(parents=True, exist_ok=True)
    refuse_links(out)
    had_lock = (out / LOCK).exists()
    lock = FileLock(out / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"{out}: another run is live in this directory; wait until it ends, or "
            "pass another --out"
        ) from None
    try:
        for leftover in out.glob(f".*{PART}*"):
            if leftover.is_file():
                leftover.unlink()
        yield
    except InputError:
        # Windows removes no file that is open, and a folder may hold something by now.
        with suppress(OSError):
            if not had_lock:
                (out / LOCK).unlink()
            for folder in missing:
                folder.rmdir()
        raise
    finally:
        lock.release()


def refuse_links(folder: Path) -> None:
    """Refuse a directory, or one in it, that holds a link.

    Raises
    ------
    InputError
        Names the first one.
    """
    for place, folders, files in os.walk(folder):
        for name in sorted((*folders, *files)):
            path = Path(place) / name
            if path.is_symlink():
                raise InputError(
                    f"{path}: is a link, which a run's directory never holds; remove "
                    "it, or pass another --out"
                )
