"""Text files as bytes and as text, gzipped or not, after a look at all of them."""

from __future__ import annotations

import codecs
import gzip
from dataclasses import dataclass
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import TextIO

from salutary.errors import InputError
from salutary.tables.urls import TableURL

GZIPPED = ".gz"
"""Second suffix of a gzipped text file."""

LARGEST_UNPACKED = 2**30
"""Bytes that a packed table may unpack to; a file of one megabyte can hold 1,000."""

CHUNK = 1 << 20
"""Bytes of a text file that are checked at once."""

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""First bytes of files in UTF-16."""


@dataclass(frozen=True)
class Contents:
    """What a look at a text file has found.

    Parameters
    ----------
    size : int
        Number of its bytes, unpacked.
    n_quotes : int
        Number of its quotation marks.
    n_lines : int
        Number of its lines, whether they end with a line feed or a carriage return.
    """

    size: int
    n_quotes: int
    n_lines: int


def is_gzipped(path: Path) -> bool:
    """Whether the name says that the file is gzipped."""
    return path.suffix.lower() == GZIPPED


def open_bytes(path: Path) -> BufferedReader | gzip.GzipFile:
    """Open a file to read its bytes, unpacked where they are gzipped."""
    if is_gzipped(path):
        return gzip.open(path.open() if isinstance(path, TableURL) else path)
    return path.open("rb")


def open_text(path: Path) -> TextIO:
    """Open a file in UTF-8 to read its text, whose line ends stay as they are."""
    return TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="")


def check_text(path: Path) -> Contents:
    """Look at a whole text file, which must be in UTF-8 and not unpack without end.

    Raises
    ------
    InputError
        For another encoding, and for more than `LARGEST_UNPACKED` bytes out of a
        gzipped file.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, size, n_quotes, n_returns, chunk = 1, 0, 0, 0, None
    with open_bytes(path) as file:
        while chunk != b"":
            first, chunk = chunk is None, file.read(CHUNK)
            if first and (chunk.startswith(UTF_16) or b"\0" in chunk):
                raise InputError(
                    f"{path}: is in UTF-16 or is not a text file; save it as UTF-8"
                )
            size += len(chunk)
            if is_gzipped(path) and size > LARGEST_UNPACKED:
                raise InputError(
                    f"{path}: unpacks to more than {LARGEST_UNPACKED // 2**30} GB; "
                    "unpack it yourself, and pass that file"
                )
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                raise InputError(
                    f"{path}: line {line} is not in UTF-8 (perhaps in Latin-1); save "
                    "the file as UTF-8"
                ) from None
            line += chunk.count(b"\n")
            n_quotes += chunk.count(b'"')
            n_returns += chunk.count(b"\r")
    return Contents(size, n_quotes, max(line, n_returns))
