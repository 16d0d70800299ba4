"""Vectors of rows that were embedded before, kept on disk."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salutary.errors import InputError, needs
from salutary.progress import report

FILE = "embeddings.sqlite"

PATIENCE = 60.0
"""Seconds to wait for another process that is writing."""

REMEDIES = {
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_IOERR: "make room on the disk",
    sqlite3.SQLITE_BUSY: "wait for the process that uses it",
    sqlite3.SQLITE_LOCKED: "wait for the process that uses it",
    sqlite3.SQLITE_READONLY: "mend the permissions",
    sqlite3.SQLITE_CANTOPEN: "mend the permissions",
}
"""By what SQLite says of a store; one that is damaged is to be deleted."""

Vectors = NDArray[np.float32]


def default_folder() -> Path:
    """Where vectors are kept for all runs of a user."""
    with needs("text"):
        from platformdirs import user_cache_path
    return user_cache_path("salutary")


class VectorStore:
    """Vectors by key in one SQLite file, which several processes may share.

    Each `add` is a transaction: after a kill, what was added is there.

    Parameters
    ----------
    connection : sqlite3.Connection
        Of a database that has the table.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, keys: Sequence[bytes], n_features: int) -> dict[bytes, Vectors]:
        """The vectors that there are, of shape (n_features,) each; no damaged ones."""
        found = {}
        for key in keys:
            row = self._connection.execute(
                "SELECT vector FROM vectors WHERE key = ?", (key,)
            ).fetchone()
            if row is None or not isinstance(row[0], bytes):
                continue
            if len(row[0]) == 4 * n_features:
                vector = np.frombuffer(row[0], dtype="<f4")
                if np.isfinite(vector).all():
                    found[key] = vector
        return found

    def add(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Keep vectors, one a row, in place of those that are there already."""
        rows = [
            (key, np.ascontiguousarray(vector, dtype="<f4").tobytes())
            for key, vector in zip(keys, vectors, strict=True)
        ]
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO vectors (key, vector) VALUES (?, ?)", rows
            )


@contextmanager
def open_store(folder: Path | None) -> Iterator[VectorStore]:
    """The store in a folder, or without one a store that is gone afterwards.

    Raises
    ------
    InputError
        If it cannot be made, or what is there is no store.
    """
    where = ":memory:"
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be made ({error.strerror}); pass another folder for "
                "embeddings"
            ) from None
        where = str(folder / FILE)
    connection = None
    try:
        connection = sqlite3.connect(where, timeout=PATIENCE)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors "
            "(key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"
        )
        yield VectorStore(connection)
    except sqlite3.DatabaseError as error:
        # Of the extended codes the lowest byte says what kind it is.
        kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
        remedy = REMEDIES.get(kind, "delete it")
        raise InputError(
            f"{where}: cannot be used ({error}); {remedy}, or pass another folder for "
            "embeddings"
        ) from None
    finally:
        if connection is not None:
            connection.close()


Encode = Callable[[list[Any]], Vectors]
"""A batch of rows to their vectors, shape (n_rows, n_features), float32."""


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
    """Vectors of rows, from the store where it has them.

    Parameters
    ----------
    rows : sequence
    encode : callable
        Asked for each different row that the store lacks, once.
    model : bytes
        Fingerprint of all that makes the vectors.
    as_bytes : callable
        A row's content.
    size : callable
        What an encoded row costs; rows of like size share a batch, the largest first,
        so that too large a batch fails at once.
    batch_size, n_features : int
    folder : Path, optional
        Of the store; without it nothing is kept.

    Returns
    -------
    ndarray of shape (n_rows, n_features), float32

    Raises
    ------
    InputError
        If the model makes anything but finite numbers, or the store cannot be used.
    """
    keys = [hashlib.sha256(model + as_bytes(row)).digest() for row in rows]
    different = dict(zip(keys, rows, strict=True))
    with open_store(folder) as store:
        found = store.get(list(different), n_features)
        missing = [key for key in different if key not in found]
        missing.sort(key=lambda key: -size(different[key]))
        new = _encoded(missing, different, encode, batch_size, store)
    known = {**found, **new}
    return np.stack([known[key] for key in keys])


def _encoded(
    missing: list[bytes],
    rows: dict[bytes, Any],
    encode: Encode,
    batch_size: int,
    store: VectorStore,
) -> dict[bytes, Vectors]:
    """Vectors of the missing rows, each batch in the store before the next is made."""
    found: dict[bytes, Vectors] = {}
    for first in range(0, len(missing), batch_size):
        batch = missing[first : first + batch_size]
        vectors = encode([rows[key] for key in batch])
        if not np.isfinite(vectors).all():
            raise InputError(
                "the embedding model makes vectors that are not finite; pass a "
                "sound one, or rows of another scale"
            )
        store.add(batch, vectors)
        found.update(zip(batch, vectors, strict=True))
        report(first + len(batch), len(missing))
    return found
