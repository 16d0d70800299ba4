"""Data frames prepared as the command line prepares the tables of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.pipeline import Pipeline

from salutary.errors import InputError
from salutary.tables.casting import cast_features
from salutary.tables.columns import column_kinds, doubts
from salutary.tables.encoding import ColumnTypes, as_table, table_encoder
from salutary.tables.identifiers import id_like
from salutary.tables.lookup import instead_of

CALLED = {"train": "X", "validation": "X_val", "pool": "X_pool"}
"""What the caller calls the tables, and so do messages."""


@dataclass(frozen=True)
class Preparation:
    """How data frames become a matrix, and what to know of it.

    Parameters
    ----------
    frames : dict of str to DataFrame or pyarrow.Table
        The frames without the columns that are left out.
    encoder : Pipeline
        Unfitted. It takes frames, with or without the columns that are left out, and is
        to be fitted on the training rows and the pool.
    left_out : dict of str to str
        Columns that name rows, and what they hold, see `id_like`.
    doubts : list of str
        What may be meant otherwise than it is read, see `doubts`.
    """

    frames: dict[str, Any]
    encoder: Pipeline
    left_out: dict[str, str]
    doubts: list[str]


def prepare_frames(
    frames: Mapping[str, Any], keep: Collection[str], seed: int
) -> Preparation:
    """Decide how frames are prepared.

    Parameters
    ----------
    frames : mapping of str to DataFrame of pandas or polars, or to pyarrow.Table
        "train", whose rows decide the kind of every column, "validation", and "pool" if
        there is one. Only features.
    keep : collection of str
        Columns that are features even if they name rows.
    seed : int
        Random state of the encoder of text columns.

    Raises
    ------
    InputError
        If a column or a value cannot be used, if no feature has a value, or if a column
        to keep is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"size": ["1.5", "2"], "color": ["red", "blue"]})
    >>> frames = {"train": rows, "validation": rows}
    >>> prepare_frames(frames, keep=[], seed=0).encoder.fit_transform(rows)
    array([[-1., -1.,  1.],
           [ 1.,  1., -1.]], dtype=float32)
    """
    names = _names(frames["train"])
    for column in keep:
        if column not in names:
            others = instead_of(str(column), names, "pass names of columns")
            raise InputError(f"keep: X has no column {column!r}; {others}")
    tables = {
        name: as_table(frame, names, CALLED[name]) for name, frame in frames.items()
    }
    train = tables["train"]
    pool = tables.get("pool", train)
    try:
        kinds = column_kinds(train, pool, names)
    except InputError as error:
        raise InputError(f"X: {error}") from None
    found = id_like(tables, kinds)
    left_out = {name: what for name, what in found.items() if name not in keep}
    kinds = {name: kind for name, kind in kinds.items() if name not in left_out}
    if not kinds:
        raise InputError(
            f"X: has no column besides {', '.join(map(repr, left_out))}, which names "
            f"rows; add features, or pass keep=[{next(iter(left_out))!r}]"
        )
    # Validation rows too, so that what is refused of them is refused as theirs.
    filled = {
        name: cast_features(table, kinds, CALLED[name]).notna().any(axis=0)
        for name, table in tables.items()
    }
    del filled["validation"]
    used = {
        column: kinds.get(column, "vector")
        for column in filled["train"].index
        if any(found[column] for found in filled.values())
    }
    if not used:
        raise InputError("X: no feature has a value; fill at least one column")
    return Preparation(
        frames={name: _without(frame, left_out) for name, frame in frames.items()},
        encoder=Pipeline(
            [("types", ColumnTypes(kinds)), *table_encoder(used, seed).steps]
        ),
        left_out=left_out,
        doubts=[*doubts(train, pool, kinds)],
    )


def _names(frame: Any) -> list[str]:
    return [*getattr(frame, "column_names", frame.columns)]


def _without(frame: Any, columns: Collection[str]) -> Any:
    """A frame without some columns; the same one if it has none of them."""
    names = _names(frame)
    kept = [name for name in names if name not in columns]
    if len(kept) == len(names):
        return frame
    return frame.select(kept) if hasattr(frame, "select") else frame[kept]
