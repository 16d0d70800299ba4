"""A SQLite file that notices when someone else has edited it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from salutary.errors import InputError

UNREADABLE = (ValueError, KeyError, TypeError, IndexError, RecursionError)
"""What reading the content of an edited ledger can end in."""


class SealedFile:
    """An open SQLite file with facts in JSON and a digest of them.

    Parameters
    ----------
    path : Path
        Created if missing.

    Raises
    ------
    InputError
        If the file is of another kind, or one of another version.

    Notes
    -----
    A digest shows damage and careless edits. It does not protect from someone who makes
    the digest anew: there is no secret in it.
    """

    APPLICATION: ClassVar[int]
    """SQLite's application_id, by which the file is recognized."""

    FORMAT: ClassVar[int]
    """SQLite's user_version: the version of the schema and of a run's matrices."""

    SCHEMA: ClassVar[str]
    """Statements that make the tables, one of which is ``run(key, value)``."""

    def __init__(self, path: Path) -> None:
        # Absolute, or SQLite takes a path such as "file:runs" for an address.
        self._connection = sqlite3.connect(path.absolute(), isolation_level=None)
        try:
            self._connection.execute("PRAGMA trusted_schema = OFF")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            application = self._pragma("application_id")
            if not self.is_empty() and application != self.APPLICATION:
                raise sqlite3.DatabaseError
        except sqlite3.DatabaseError as error:
            self._connection.close()
            if isinstance(error, sqlite3.OperationalError):
                raise
            raise InputError(
                f"{path}: is not a ledger of this command, or is cut off; restore it, "
                "or pass another run directory"
            ) from None
        if not self.is_empty() and self._pragma("user_version") != self.FORMAT:
            self._connection.close()
            raise InputError(
                f"{path}: is of another version of salutary; continue it with that, or "
                "pass another run directory"
            )
        if not self.is_empty() and _objects(self._connection) != _made_by(self.SCHEMA):
            self._connection.close()
            raise InputError(
                f"{path}: has lost tables, or has others, views or triggers that no "
                "ledger has; restore it, or pass another run directory"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def is_empty(self) -> bool:
        """Whether no run was begun in the file."""
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master")
        return int(tables.fetchone()[0]) == 0

    def facts(self) -> dict[str, Any]:
        """All facts."""
        rows = self._all("SELECT key, value FROM run WHERE key != 'digest'")
        return {key: json.loads(value) for key, value in rows}

    def set_facts(self, **facts: Any) -> None:
        """Replace facts, in one transaction."""
        with self._transaction():
            self._set_facts(facts)

    def _facts_are_sound(self) -> bool:
        facts = dict(self._all("SELECT key, value FROM run"))
        found: str | None = facts.pop("digest", None)
        return found == json.dumps(digest(sorted(facts.items())))

    def _begin(self, facts: dict[str, Any]) -> None:
        """Write the schema and the facts; to be called in a transaction."""
        self._connection.execute(f"PRAGMA application_id = {self.APPLICATION}")
        self._connection.execute(f"PRAGMA user_version = {self.FORMAT}")
        for statement in self.SCHEMA.split(";\n"):
            if statement.strip():
                self._connection.execute(statement)
        self._set_facts(facts)

    def _set_facts(self, facts: dict[str, Any]) -> None:
        write = "INSERT OR REPLACE INTO run VALUES (?, ?)"
        for key, value in facts.items():
            self._connection.execute(write, (key, json.dumps(value)))
        query = "SELECT key, value FROM run WHERE key != 'digest' ORDER BY key"
        found = digest(self._all(query))
        self._connection.execute(write, ("digest", json.dumps(found)))

    def _all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit at the end of a with-block, or roll everything back."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


AnyLedger = TypeVar("AnyLedger", bound=SealedFile)


@contextmanager
def open_ledger(kind: type[AnyLedger], path: Path) -> Iterator[AnyLedger]:
    """Open a ledger of a kind; refuse one that is damaged.

    A new one is removed if a run is refused in the block before it begins.
    """
    is_new = not path.exists()
    try:
        with kind(path) as ledger:
            yield ledger
    except sqlite3.DatabaseError as error:
        missing = "no such" in str(error)  # a table or column was removed
        if isinstance(error, sqlite3.OperationalError) and not missing:
            raise
        raise damaged(path, error) from None
    except InputError:
        if is_new and path.stat().st_size == 0:
            path.unlink()
        raise


def damaged(path: Path, error: Exception) -> InputError:
    """What to say of a ledger that cannot be read."""
    cause = " ".join(str(error).split())[:200]
    return InputError(
        f"{path}: is damaged ({cause}); restore it, or pass another run directory"
    )


def not_as_written(path: Path) -> InputError:
    """What to say of a ledger whose digests do not hold."""
    return InputError(
        f"{path}: is not as it was written, so it was edited or damaged; restore it, "
        "or pass another run directory"
    )


def application_of(path: Path) -> int:
    """SQLite's application_id of a file, from its header; 0 for a shorter file."""
    with path.open("rb") as file:
        return int.from_bytes(file.read(72)[68:72], "big")


def digest(content: list[Any]) -> str:
    """SHA-256 of values that came from SQLite."""
    return hashlib.sha256(repr(content).encode()).hexdigest()


def _objects(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """All tables, indexes, views and triggers of a file, as it declares them.

    Nothing of them is run by reading this.
    """
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    return connection.execute(query).fetchall()


@cache
def _made_by(schema: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema)
        return _objects(connection)
