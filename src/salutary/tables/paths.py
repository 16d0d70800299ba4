"""What a path may lead to, and files that cannot be read."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from salutary.errors import InputError

FORMATS = (
    ".csv, .tsv or .jsonl (also with .gz), .parquet, .feather, .arrow, .xlsx, or a "
    "folder of .parquet files"
)
"""What tables can be read from."""


def check_exists(path: Path) -> None:
    """Refuse a path that leads nowhere, or to a pipe or device, which may never end.

    Raises
    ------
    InputError
    """
    if not path.exists():
        reason = "no such file"
        if path.is_symlink():
            reason = "is a link that leads nowhere"
        raise InputError(f"{path}: {reason}; check the path")
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: is a pipe or device; save the table in a file")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Refuse, in one line, a file that Arrow cannot read in the block."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        cause = [*str(error).splitlines(), type(error).__name__][0]
        raise InputError(
            f"{path}: cannot be read: {cause}; save the table again"
        ) from None
