"""Which columns of the training table are what: the target, ids, texts, features."""

from __future__ import annotations

import pyarrow as pa

from salutary.errors import InputError
from salutary.tables.lookup import instead_of
from salutary.tables.sources import Sources


def check_roles(sources: Sources) -> None:
    """Refuse a column that is named as two things that exclude one another.

    The message names both options, as either may be the wrong one.

    Raises
    ------
    InputError
    """
    target, column = sources.target, sources.id_column
    if column == target:
        raise InputError(f"--id {column!r}: is the target; pass another column")
    options = ("--text-column", "--text-pair")
    # Without a column of texts there are no options for it.
    for option, name in zip(options, sources.documents, strict=False):
        if name == target:
            raise InputError(f"{option} {name!r}: is the target; pass another column")
        if name == column:
            raise InputError(
                f"{option} {name!r}: is --id too, which is never a feature; pass "
                "another column to one of them"
            )
    for name in sources.keep:
        if name == target:
            raise InputError(
                f"--keep {name!r}: is the target, which is never a feature; drop it"
            )
        if name == column:
            raise InputError(
                f"--keep {name!r}: is --id too, which is never a feature; leave out "
                "one of the two"
            )


def feature_columns(train: pa.Table, sources: Sources) -> list[str]:
    """Columns of the training table besides target and ids.

    Raises
    ------
    InputError
        If there are none, or a text column is not among them.
    """
    others = (sources.target, sources.id_column)
    columns = [name for name in train.column_names if name not in others]
    if not columns:
        raise InputError(
            f"{sources.train}: has no column besides {sources.target!r}; add features"
        )
    for name in sources.documents:
        if name not in columns:
            raise InputError(
                f"{sources.train}: has no text column {name!r} besides the target and "
                f"the ids; {instead_of(name, columns, 'name another')}"
            )
    return columns
