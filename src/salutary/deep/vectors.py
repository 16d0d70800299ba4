"""Embed rows in batches, and keep their vectors on disk for later calls and runs."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salutary.errors import InputError, needs
from salutary.progress import report

Vectors = NDArray[np.float32]
"""One vector a row, shape (n_rows, n_features), float32."""

Encode = Callable[[list[Any]], Vectors]
"""Takes a batch of rows and returns their vectors, shape (n_rows, n_features)."""

FILE = "embeddings.sqlite"

LARGEST_STORE = 4 * 2**30
"""Bytes that a store may have, which is about two million vectors of 384 numbers.

A larger one loses the vectors that were not used for longest, until a tenth is free.
"""

LONGEST_UNUSED = 90
"""Days after which a vector that was not used is removed from a store."""

LOCK_TIMEOUT = 60.0
"""Seconds to wait for another process that is writing to the store."""

REMEDIES = {
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_IOERR: "make room on the disk",
    sqlite3.SQLITE_BUSY: "wait for the process that uses it",
    sqlite3.SQLITE_LOCKED: "wait for the process that uses it",
    sqlite3.SQLITE_READONLY: "fix the permissions",
    sqlite3.SQLITE_CANTOPEN: "fix the permissions",
}
"""What to do, by SQLite's error code. A store with any other error is damaged."""


def default_folder() -> Path:
    """The user's cache folder for salutary, which all runs share."""
    with needs("text"):
        from platformdirs import user_cache_path
    return user_cache_path("salutary")


def embed(
    rows: Sequence[Any],
    encode: Encode,
    *,
    model: bytes,
    as_bytes: Callable[[Any], bytes],
    size: Callable[[Any], int],
    batch_size: int,
    n_features: int,
    folder: Path | None = None,
) -> Vectors:
    """Vectors of rows, taken from the store where it has them.

    Parameters
    ----------
    rows : sequence of length n_rows
        May repeat rows; each distinct row is encoded at most once.
    encode : callable
        Called with batches of distinct rows that the store lacks; returns their
        vectors.
    model : bytes
        Digest of everything besides the row that the vectors depend on.
    as_bytes : callable
        Returns a row's content as bytes.
    size : callable
        Returns what a row costs to encode. Rows of similar size share a batch. The
        largest rows come first, so that too large a batch fails at once.
    batch_size : int
        Maximum number of rows that are encoded together.
    n_features : int
        Length of a vector.
    folder : Path, optional
        Folder of the store. With None, no vectors are kept.

    Returns
    -------
    ndarray of shape (n_rows, n_features), float32

    Raises
    ------
    InputError
        If a vector is not finite, or the store cannot be used.

    Examples
    --------
    >>> def lengths(texts):
    ...     return np.array([[len(text)] for text in texts], dtype=np.float32)
    >>> embed(
    ...     ["a", "bcd", "a"],
    ...     lengths,
    ...     model=b"lengths",
    ...     as_bytes=str.encode,
    ...     size=len,
    ...     batch_size=2,
    ...     n_features=1,
    ... ).ravel()
    array([1., 3., 1.], dtype=float32)
    """
    keys = [hashlib.sha256(model + as_bytes(row)).digest() for row in rows]
    distinct = dict(zip(keys, rows, strict=True))
    with open_store(folder) as store:
        found = store.get(list(distinct), n_features)
        missing = [key for key in distinct if key not in found]
        missing.sort(key=lambda key: -size(distinct[key]))
        new = _encoded(missing, distinct, encode, batch_size, store)
    known = {**found, **new}
    return np.stack([known[key] for key in keys])


def _encoded(
    missing: list[bytes],
    rows: dict[bytes, Any],
    encode: Encode,
    batch_size: int,
    store: VectorStore,
) -> dict[bytes, Vectors]:
    """Vectors of the missing rows; each batch is stored before the next is encoded."""
    found: dict[bytes, Vectors] = {}
    for first in range(0, len(missing), batch_size):
        batch = missing[first : first + batch_size]
        vectors = encode([rows[key] for key in batch])
        if not np.isfinite(vectors).all():
            raise InputError(
                "the embedding model returns vectors that are not finite; pass "
                "another model, or scale the rows"
            )
        store.add(batch, vectors)
        found.update(zip(batch, vectors, strict=True))
        report(first + len(batch), len(missing))
    return found


@dataclass(frozen=True)
class StoreFacts:
    """What a store holds.

    Parameters
    ----------
    n_vectors : int
    n_bytes : int
        On the disk, without what waits to be used again.
    first_day, last_day : int or None
        Days, counted from 1970, on which the vector that was not used for longest and
        the one used last were used. None if there is none.
    """

    n_vectors: int
    n_bytes: int
    first_day: int | None
    last_day: int | None


class VectorStore:
    """Vectors by key in one SQLite file, which several processes may share.

    Each `add` is a transaction, so an interruption loses no vector that was added.

    Parameters
    ----------
    connection : sqlite3.Connection
        A connection to a database with the table of vectors, see `open_store`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, keys: Sequence[bytes], n_features: int) -> dict[bytes, Vectors]:
        """Vectors by key, each of shape (n_features,).

        Keys that are missing and vectors that are damaged are left out.
        """
        found, idle, today = {}, [], _today()
        for key in keys:
            row = self._connection.execute(
                "SELECT vector, used FROM vectors WHERE key = ?", (key,)
            ).fetchone()
            if row is None or not isinstance(row[0], bytes):
                continue
            if len(row[0]) == 4 * n_features:
                vector = np.frombuffer(row[0], dtype="<f4")
                if np.isfinite(vector).all():
                    found[key] = vector
                    if row[1] != today:
                        idle.append((today, key))
        # No more than once a day, as it writes the whole row.
        with suppress(sqlite3.OperationalError), self._connection:
            self._connection.executemany(
                "UPDATE vectors SET used = ? WHERE key = ?", idle
            )
        return found

    def add(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Store one vector for each key, and replace vectors stored before."""
        today = _today()
        rows = [
            (key, np.ascontiguousarray(vector, dtype="<f4").tobytes(), today)
            for key, vector in zip(keys, vectors, strict=True)
        ]
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO vectors (key, vector, used) VALUES (?, ?, ?)",
                rows,
            )

    def facts(self) -> StoreFacts:
        """How much the store holds, and when that was used."""
        count, first, last = self._connection.execute(
            "SELECT count(*), min(used), max(used) FROM vectors"
        ).fetchone()
        return StoreFacts(count, self._n_bytes(), first, last)

    def forget(self, unused_for: int) -> None:
        """Remove the vectors that were not used for more than so many days."""
        with self._connection:
            self._connection.execute(
                "DELETE FROM vectors WHERE used < ?", (_today() - unused_for,)
            )

    def clear(self) -> None:
        """Remove all vectors."""
        with self._connection:
            self._connection.execute("DELETE FROM vectors")

    def compact(self) -> None:
        """Give the space of removed vectors back to the disk, which takes a while."""
        self._connection.execute("VACUUM")

    def _n_bytes(self) -> int:
        pages, free, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def shrink(self, largest: int) -> None:
        """Remove the vectors that were not used for longest from too large a store.

        Parameters
        ----------
        largest : int
            Number of bytes that the store may have. If it has more, a tenth of this
            number is free afterwards.
        """
        used = self._n_bytes()
        if used <= largest:
            return
        count = self._connection.execute("SELECT count(*) FROM vectors").fetchone()[0]
        n_removed = ceil(count * (1 - 0.9 * largest / used))
        with self._connection:
            self._connection.execute(
                "DELETE FROM vectors WHERE key IN "
                "(SELECT key FROM vectors ORDER BY used LIMIT ?)",
                (n_removed,),
            )
        # Most pages still hold a vector, and only this gives up the space.
        self.compact()


def _today() -> int:
    """Number of the day, counted from 1970."""
    return int(time.time() // 86_400)


@contextmanager
def open_store(folder: Path | None) -> Iterator[VectorStore]:
    """Open the store of a folder for the block.

    Parameters
    ----------
    folder : Path or None
        The folder; it is created if it does not exist. With None, the store is in
        memory and its vectors are gone after the block. After the block, vectors that
        were not used for `LONGEST_UNUSED` days are removed, and a store of more than
        `LARGEST_STORE` bytes is made smaller.

    Raises
    ------
    InputError
        If the folder cannot be created, or the store is damaged, locked or full.
    """
    where = ":memory:"
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be created ({error.strerror}); pass another folder "
                "for embeddings"
            ) from None
        where = str(folder / FILE)
    connection = None
    try:
        connection = sqlite3.connect(where, timeout=LOCK_TIMEOUT)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors "
            "(key BLOB PRIMARY KEY, vector BLOB NOT NULL, "
            "used INTEGER NOT NULL DEFAULT 0)"
        )
        _add_use(connection)
        store = VectorStore(connection)
        yield store
        # Another process may be using the store, which then shrinks at a later call.
        with suppress(sqlite3.OperationalError):
            store.forget(LONGEST_UNUSED)
            store.shrink(LARGEST_STORE)
    except sqlite3.DatabaseError as error:
        # The lowest byte of an extended error code is the primary code.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        remedy = REMEDIES.get(code, "delete it")
        raise InputError(
            f"{where}: cannot be used ({error}); {remedy}, or pass another folder for "
            "embeddings"
        ) from None
    finally:
        if connection is not None:
            connection.close()


def _add_use(connection: sqlite3.Connection) -> None:
    """Add the day of last use to a store of before, and an index of it."""
    columns = connection.execute("SELECT name FROM pragma_table_info('vectors')")
    if ("used",) not in columns.fetchall():
        # Another process may have added it since.
        with suppress(sqlite3.OperationalError):
            connection.execute(
                "ALTER TABLE vectors ADD COLUMN used INTEGER NOT NULL DEFAULT 0"
            )
            with connection:
                connection.execute("UPDATE vectors SET used = ?", (_today(),))
    connection.execute("CREATE INDEX IF NOT EXISTS by_use ON vectors (used)")
