"""Whether the tables of a run have the same columns, all that differs said at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from salutary.errors import InputError
from salutary.tables.lookup import alike
from salutary.tables.sources import Sources

MOST_NAMED = 10
"""Columns of one table that a message names."""


def check_columns(
    tables: Mapping[str, pa.Table],
    features: Collection[str],
    left_out: Collection[str],
    sources: Sources,
) -> None:
    """Refuse tables that lack features, or have columns that the training table lacks.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        By name, "train" among them.
    features, left_out : collection of str
        Columns of the training table that are features, and those that are none. The
        latter may be absent elsewhere.
    sources : Sources

    Raises
    ------
    InputError
        One line about all tables. It names ``--id`` if the pool alone has the column.
    """
    train, paths = sources.train, sources.tables()
    missing, further = {}, {}
    for name, table in tables.items():
        known = {*features, *left_out, sources.target, sources.id_column}
        if name == "validation":
            known.add(sources.group_column)
        found = dict.fromkeys(table.column_names)
        missing[name] = [column for column in features if column not in found]
        if not sources.only_texts:
            further[name] = [column for column in found if column not in known]
    parts = [
        *(
            f"{paths[name]}: has no {_columns(columns)}, which {train} has"
            for name, columns in missing.items()
            if columns
        ),
        *(
            f"{paths[name]}: has the {_columns(columns)}, which {train} lacks"
            for name, columns in further.items()
            if columns
        ),
    ]
    if not parts:
        return
    renames = [
        f"{spelled[0]!r} to {column!r}"
        for name in further
        for column in missing[name][:MOST_NAMED]
        if (spelled := alike(column, further[name]))
    ]
    remedies = (
        [f"perhaps rename {', '.join(dict.fromkeys(renames))}"] if renames else []
    )
    if any(missing.values()):
        remedies.append("add what is missing, or drop it there")
    if any(further.values()):
        remedies.append(_remedy(tables, further, sources))
    raise InputError(f"{'; '.join(parts)}; {'; '.join(remedies)}")


def _remedy(
    tables: Mapping[str, pa.Table], further: Mapping[str, list[str]], sources: Sources
) -> str:
    """What to do about columns that the training table lacks."""
    drop = f"drop what {sources.train} lacks, or add it there"
    names = [
        column
        for column in further.get("pool", ())
        if sources.id_column is None and _names_rows(tables["pool"][column])
    ]
    if not names:
        return drop
    return f"pass --id {names[0]!r} if it names the rows of {sources.pool}; else {drop}"


def _names_rows(values: pa.ChunkedArray) -> bool:
    """Whether each row has a value of its own, as an id column must."""
    if pa.types.is_nested(values.type):
        return False
    distinct: int = pc.count_distinct(values, mode="all").as_py()
    return distinct == len(values)


def _columns(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"column{'s' if len(names) > 1 else ''} {shown}{more}"
