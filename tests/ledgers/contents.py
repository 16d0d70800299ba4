"""What a ledger holds, to compare runs that came about in different ways."""

import sqlite3
from contextlib import closing
from pathlib import Path

NOT_COMPARED = ("seconds", "digest")
"""Columns that hang on how long a round took."""


def ledger_of(run: Path) -> dict[str, list[tuple]]:
    """The rows of each table of a run's ledger, apart from its facts."""
    with closing(sqlite3.connect(run / "ledger.sqlite")) as connection:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'run'"
        names = [name for (name,) in connection.execute(query)]
        return {name: _rows(connection, name) for name in names}


def _rows(connection: sqlite3.Connection, name: str) -> list[tuple]:
    rows = connection.execute(f"SELECT * FROM {name}")
    kept = [
        place
        for place, column in enumerate(rows.description)
        if column[0] not in NOT_COMPARED
    ]
    return [tuple(row[place] for place in kept) for row in rows]
