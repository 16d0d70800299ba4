"""Rows of one table that stand in another, or twice in their own."""

from __future__ import annotations

import pandas as pd


def count_recurring(rows: pd.DataFrame, *others: pd.DataFrame) -> int:
    """Number of rows that have the same features as a row of another table."""
    hashes = _hashes(rows)
    known = pd.concat([_hashes(other) for other in others])
    return int(hashes.isin(known).sum())


def share_of_twins(rows: pd.DataFrame) -> float:
    """Share of the rows that have the same features as another row of their table.

    It says how often rows would recur in another table without being copies of it.
    """
    return count_twins(rows) / len(rows)


def count_twins(rows: pd.DataFrame) -> int:
    """Number of rows that have the same features as another row of their table."""
    return int(_hashes(rows).duplicated(keep=False).sum())


def _hashes(rows: pd.DataFrame) -> pd.Series[int]:
    return pd.util.hash_pandas_object(rows, index=False)
