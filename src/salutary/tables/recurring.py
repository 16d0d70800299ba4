"""Rows of one table that stand in another, or twice in their own."""

from __future__ import annotations

import pandas as pd
from pandas.api.types import is_float_dtype


def count_recurring(rows: pd.DataFrame, *others: pd.DataFrame) -> int:
    """Number of rows that have the same features as a row of another table."""
    hashes = row_hashes(rows)
    known = pd.concat([row_hashes(other) for other in others])
    return int(hashes.isin(known).sum())


def share_of_twins(rows: pd.DataFrame) -> float:
    """Share of the rows that have the same features as another row of their table.

    It says how often rows would recur in another table without being copies of it.
    """
    return count_twins(rows) / len(rows)


def count_twins(rows: pd.DataFrame) -> int:
    """Number of rows that have the same features as another row of their table."""
    return int(row_hashes(rows).duplicated(keep=False).sum())


def row_hashes(rows: pd.DataFrame) -> pd.Series[int]:
    """A number for each row. Equal rows have equal ones, and others hardly ever."""
    columns = [column for _, column in rows.items()]
    if any(map(is_float_dtype, columns)):
        # pandas before 3 tells -0.0 from 0.0.
        plain = [each + 0.0 if is_float_dtype(each) else each for each in columns]
        rows = pd.concat(plain, axis=1)
    return pd.util.hash_pandas_object(rows, index=False)
