"""What is read from a URL, and one line about what fails there."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from salutary.errors import InputError

PACKAGES = {
    "http": "salutary[remote]",
    "https": "salutary[remote]",
    "hf": "huggingface_hub",
}
"""What to install for a protocol, where it is not an extra of fsspec."""


WHOLE = (
    "the server gives this file only whole, not in parts; download it, and pass that "
    "file"
)


def bare(text: str) -> str:
    """A text whose URLs have lost what may be secret: users, passwords and queries.

    Examples
    --------
    >>> bare("'https://me:secret@host/rows.csv?token=abc': 403")
    "'https://host/rows.csv': 403"
    """
    without_query = re.sub(r"(://[^\s?#'\"]*)[?#][^\s'\"]*", r"\1", text)
    return re.sub(r"://[^/\s'\"]*@", "://", without_query)


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Refuse, in one line, a URL that something in the block cannot reach.

    Raises
    ------
    InputError
        In place of any error, as stores raise those of any class.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{url}: {_reason(error, url.partition(':')[0])}") from None


def is_missing(error: FileNotFoundError) -> bool:
    """Whether a file is not there; fsspec says so of any that HTTP does not give."""
    return error.__cause__ is None or _status(error) in (404, 410)


def _status(error: Exception) -> int | None:
    """The status that a web server has answered with, if this is what fails."""
    return getattr(error.__cause__ or error, "status", None)


def _reason(error: Exception, protocol: str) -> str:
    """What is wrong, and the remedy."""
    cause = error
    if isinstance(error, FileNotFoundError):
        if is_missing(error):
            return "no such file; check the path"
        cause = error.__cause__  # type: ignore[assignment]
    words = [*bare(str(cause)).strip().splitlines(), type(cause).__name__][0]
    if isinstance(error, ImportError):
        package = PACKAGES.get(protocol, f"fsspec[{protocol}]")
        return f"{protocol}:// needs a package ({words}); pip install '{package}'"
    if "Protocol not known" in words:
        return (
            f"{protocol}:// is not known; pass a path, or a URL such as "
            "s3://bucket/rows.parquet"
        )
    if "block_size=0" in words:  # of fsspec, to those who open it themselves
        return WHOLE
    if isinstance(error, PermissionError) or _status(error) in (401, 403):
        return f"may not be read ({words}); check the address and your credentials"
    return (
        f"cannot be fetched: {words}; check the address, the network and your "
        "credentials"
    )


class Fetched(io.RawIOBase):
    """A file of fsspec, of which each read that fails is told in one line."""

    def __init__(self, url: str, file: BinaryIO) -> None:
        self.url, self.file = url, file

    def read(self, size: int = -1) -> bytes:
        with reaching(self.url):
            return self.file.read(size)

    def readinto(self, buffer: Any) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self.file.seek(offset, whence)
        except ValueError:
            raise InputError(f"{self.url}: {WHOLE}") from None

    def tell(self) -> int:
        return self.file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self.file.close()
        super().close()
