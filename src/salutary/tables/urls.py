"""Tables at URLs, by fsspec, with what is used of the path of a table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, cast

from salutary.errors import InputError, needs
from salutary.tables.fetched import Fetched, bare, is_missing, reaching

BLOCK = 1 << 22
"""Bytes of a file that are fetched at once, where it is read from start to end."""

TELLING = (
    *("ETag", "etag", "Content-MD5", "md5Hash", "generation", "blob_id", "xet_hash"),
    *("LastModified", "Last-Modified", "last_modified", "updated", "mtime", "modify"),
    "created",
)
"""What a store says of a file that is another once the file is."""

WEB = ("http", "https")


class Size(NamedTuple):
    """The part of `os.stat_result` that is used."""

    st_size: int


def is_url(text: str) -> bool:
    """Whether a text is a URL, not a path."""
    return "://" in text


def table_at(text: str) -> Path:
    """The path of a table, or its `TableURL`, by what a user calls it.

    To the type checker both are paths: what is used of a table's path, a `TableURL`
    has too.

    Raises
    ------
    InputError
        For a URL that names a file of this machine, or holds what may be a secret.

    Examples
    --------
    >>> table_at("rows/train.csv").name, str(table_at("s3://bucket/train.csv"))
    ('train.csv', 's3://bucket/train.csv')
    """
    if not is_url(text):
        return Path(text)
    shown = bare(text)
    protocol, _, rest = text.partition("://")
    user, at, _ = rest.partition("/")[0].rpartition("@")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", protocol):
        raise InputError(f"{shown}: is no plain URL; pass one such as s3://bucket/file")
    if protocol in ("file", "local"):
        raise InputError(f"{shown}: is on this machine; pass its path alone")
    if ":" in user or (at and protocol in WEB):
        raise InputError(
            f"{shown}: there is a user or a password before the host, which a run "
            "would write down; take it out, and give fsspec the credentials as "
            "docs/tables.md says"
        )
    if "?" in rest or "#" in rest:
        raise InputError(
            f"{shown}: goes on with a '?' or '#', and a run would write down a secret "
            "there; pass it without, or download the file"
        )
    return cast(Path, TableURL(text))


def local_path(text: str) -> Path:
    """The path of what is written, which must be on this machine.

    Raises
    ------
    InputError
        For a URL.
    """
    if is_url(text):
        raise InputError(f"{bare(text)}: is a URL; pass a path on this machine")
    return Path(text)


@dataclass(frozen=True, order=True)
class TableURL:
    """A table at a URL: a file, or a folder where the store can list one.

    Each method raises an InputError of one line if the URL cannot be reached.

    Parameters
    ----------
    url : str
        Without secrets, see `table_at`.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        return PurePosixPath(self.url).name

    @property
    def stem(self) -> str:
        return PurePosixPath(self.url).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.url).suffix

    def absolute(self) -> TableURL:
        return self

    def is_symlink(self) -> bool:
        return False

    def exists(self) -> bool:
        with reaching(self.url):
            try:
                self._info(afresh=True)
            except FileNotFoundError as error:
                if not is_missing(error):
                    raise
                return False
        return True

    def is_dir(self) -> bool:
        # The web has no folders, and fsspec would read a whole file to look for links.
        if self.url.startswith(tuple(f"{protocol}:" for protocol in WEB)):
            return False
        with reaching(self.url):
            return bool(self._info()["type"] == "directory")

    def is_file(self) -> bool:
        return not self.is_dir()

    def stat(self) -> Size:
        with reaching(self.url):
            return Size(self._info()["size"] or 0)

    def open(self, mode: str = "rb", cache: str = "readahead") -> BinaryIO:
        """Open the file to read its bytes.

        Parameters
        ----------
        mode : "rb"
        cache : {"readahead", "none"}
            Whether more may be fetched than is asked for, as for a reader of all.
        """
        with reaching(self.url):
            fs, path = self._place()
            file = fs.open(path, mode, block_size=BLOCK, cache_type=cache)
        return cast(BinaryIO, Fetched(self.url, file))

    def read_bytes(self) -> bytes:
        with self.open() as file:
            return file.read()

    def listed(self, pattern: str) -> list[tuple[Path, bool]]:
        """What is in a folder by names like a pattern, and whether it is a folder."""
        return [
            (table_at(f"{self.url.rstrip('/')}/{name}"), info["type"] == "directory")
            for name, info in self._inside(pattern)
        ]

    def stamp(self, pattern: str) -> list[tuple[str, int, str]]:
        """Name, size and what else tells of a change, of a file or all in a folder."""
        with reaching(self.url):
            own = self._info(afresh=True)
        is_folder = own["type"] == "directory"
        described = self._inside(pattern) if is_folder else [(self.name, own)]
        return [
            (name, info["size"] or 0, str([info.get(key) for key in TELLING]))
            for name, info in described
        ]

    def _inside(self, pattern: str) -> list[tuple[str, dict[str, Any]]]:
        """Name and description of what is in a folder, by name."""
        with reaching(self.url):
            fs, path = self._place()
            listed = fs.ls(path, detail=True)
        named = [(PurePosixPath(info["name"]).name, info) for info in listed]
        matching = [each for each in named if fnmatchcase(each[0], pattern)]
        return sorted(matching, key=lambda each: each[0])

    def _info(self, afresh: bool = False) -> dict[str, Any]:
        """What the store says of the place; afresh, what it says now."""
        fs, path = self._place()
        if afresh:
            fs.invalidate_cache()
        return cast(dict[str, Any], fs.info(path))

    def _place(self) -> tuple[Any, str]:
        """The store as a file system of fsspec, and what it calls the place."""
        with needs("remote"):
            from fsspec.core import url_to_fs
        return cast(tuple[Any, str], url_to_fs(self.url))
