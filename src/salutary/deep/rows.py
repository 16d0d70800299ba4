"""Rows as callers pass them: what is taken, what is refused, and two tables joined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set, ValuesView
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from salutary.errors import InputError
from salutary.influence.inputs import column_names
from salutary.influence.label_values import shown, shown_all


def as_pandas(X: Any, name: str) -> Any:
    """Rows of Arrow, polars and the like as pandas has them; other rows as they are.

    Parameters
    ----------
    X : rows
    name : str
        Name of ``X`` in messages.

    Raises
    ------
    InputError
        For a single text; for a dict, as a slice of Hugging Face datasets is: its keys
        would be taken for rows; and for a set, whose rows have no order.

    Examples
    --------
    >>> import pyarrow as pa
    >>> as_pandas(pa.table({"text": ["good", "bad"]}), "X")["text"].tolist()
    ['good', 'bad']
    """
    if isinstance(X, str):
        raise InputError(f"{name} is one text, {X[:40]!r}; pass a list of texts")
    if sparse.issparse(X):
        return X.tocsr()  # some kinds have no rows to take, and one is a dict
    if isinstance(X, Mapping):
        keys = ", ".join(map(shown, list(X)[:3]))
        raise InputError(
            f"{name} is a dict with the keys {keys}; pass one of its columns, or the "
            "pandas.DataFrame of those that are meant"
        )
    if isinstance(X, Set):
        raise InputError(
            f"{name} is of type {type(X).__name__}, whose rows have no order; pass a "
            "list"
        )
    if isinstance(X, Iterator | ValuesView):
        return list(X)
    if isinstance(X, pa.Array):
        return X.to_pandas()
    if isinstance(X, pd.DataFrame | pd.Series) or not hasattr(X, "__arrow_c_stream__"):
        return X
    return (pa.table(X) if hasattr(X, "columns") else pa.chunked_array(X)).to_pandas()


def joined(first: Any, second: Any, name: str = "X_val") -> Any:
    """The rows of X and of others, one after the other.

    Parameters
    ----------
    first, second : rows of the same type
        Tables of pandas, polars or Arrow, arrays, sparse matrices, or sequences.
    name : str
        Name of ``second`` in messages.

    Raises
    ------
    ValueError
        If they are of different types, or tables with different columns.
    """
    kinds = [
        type(rows) if hasattr(rows, "shape") else Sequence for rows in (first, second)
    ]
    if sparse.issparse(first) and sparse.issparse(second):
        return sparse.vstack([first, second], format="csr")
    if kinds[0] is not kinds[1]:
        raise ValueError(
            f"X is of type {type(first).__name__}, {name} of {type(second).__name__}; "
            "pass both as the same type"
        )
    columns, others = column_names(first), column_names(second)
    if columns is not None and others is not None and [*columns] != [*others]:
        raise ValueError(
            f"{name} has the columns {shown_all(others)}, but X has "
            f"{shown_all(columns)}; pass the same"
        )
    if hasattr(first, "iloc"):
        return pd.concat([first, second], ignore_index=True)
    if isinstance(first, pa.Table):
        return pa.concat_tables([first, second], promote_options="permissive")
    if hasattr(first, "vstack"):  # of polars
        return first.vstack(second)
    if isinstance(first, np.ndarray):
        return np.concatenate([first, second])
    return [*first, *second]
