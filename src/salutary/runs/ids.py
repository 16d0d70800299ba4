"""The row that an id names, as a user types it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path

import pyarrow as pa

from salutary.errors import InputError
from salutary.tables.lookup import instead_of

MOST_COMPARED = 100_000
"""Ids that a mistyped one is compared with."""


def row_of_id(id_: str, ids: pa.Array, path: Path, column: str | None) -> int:
    """The row of an id, which may be a number that is written otherwise.

    Parameters
    ----------
    id_ : str
    ids : pyarrow.Array
        Ids of the rows.
    path : Path
        The table that has them.
    column : str or None
        Their column; None if rows go by their numbers.

    Raises
    ------
    InputError
        If no row has it; close ids are named.
    """
    names = [str(value) for value in ids.to_pylist()]
    if id_ in names:
        return names.index(id_)
    as_number = same_number(id_, ids)
    if as_number is not None:
        return as_number
    place = "" if column is None else f" in column {column!r}"
    hint = instead_of(id_, names[:MOST_COMPARED], "pass one of them")
    raise InputError(f"--id {id_!r}: {path} has no such row{place}; {hint}")


def same_number(text: str, ids: pa.Array) -> int | None:
    """The row whose id is a number that is written otherwise, as 07 or 7.0 for 7."""
    if not (pa.types.is_integer(ids.type) or pa.types.is_floating(ids.type)):
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    if not value.is_finite():
        return None
    # Python compares a Decimal with an int or a float by their exact values.
    found = [row for row, number in enumerate(ids.to_pylist()) if number == value]
    return found[0] if len(found) == 1 else None
