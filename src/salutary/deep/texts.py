"""Texts and pairs of texts, one a row."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from salutary.errors import InputError

Text = str | tuple[str, str]
"""A row's text, or its two texts, as of a question and an answer."""

Pooling = Literal["mean", "cls", "last"]
"""A text's vector: the mean over its tokens', the first, or the last one's."""


def as_texts(X: Any) -> list[Text]:
    """Rows of a table or sequence as texts or pairs.

    Parameters
    ----------
    X : sequence of str, Series, or DataFrame or array with one or two columns
        Two columns are pairs.

    Returns
    -------
    list of str, or of (str, str)

    Raises
    ------
    InputError
        For a missing value or anything but text; names the row, from 0.

    Examples
    --------
    >>> as_texts(["one", ""])
    ['one', '']
    >>> import pandas as pd
    >>> as_texts(pd.DataFrame({"question": ["Why?"], "answer": ["So."]}))
    [('Why?', 'So.')]
    """
    if isinstance(X, str):
        raise InputError(f"{X[:40]!r} is one text; pass a list of texts")
    names = [str(name) for name in getattr(X, "columns", [])]
    table = np.asarray(X if hasattr(X, "shape") else list(X), dtype=object)
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2 or table.shape[1] not in (1, 2):
        raise InputError(
            f"texts are of shape {table.shape}; pass one column, or two for pairs"
        )
    for column in range(table.shape[1]):
        for row, value in enumerate(table[:, column]):
            if not isinstance(value, str):
                place = (
                    f"column {names[column]!r}, row {row}" if names else f"row {row}"
                )
                what = f"{value!r} is no text"
                if pd.api.types.is_scalar(value) and pd.isna(value):
                    what = "the text is missing"
                raise InputError(f"{place}: {what}; fill it, or drop the row")
            if not value.isascii():
                _check_characters(value, row)
    if table.shape[1] == 1:
        return list(table[:, 0])
    return [(first, second) for first, second in table]


def _check_characters(text: str, row: int) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"row {row}: the text has half a character, {text[error.start]!r}; "
            "correct it, or drop the row"
        ) from None


def n_characters(text: Text) -> int:
    """Length of a text, or of both of a pair."""
    return len(text) if isinstance(text, str) else len(text[0]) + len(text[1])


def as_bytes(text: Text) -> bytes:
    """What tells texts and pairs apart."""
    parts = (text,) if isinstance(text, str) else text
    # With its length before it, no text can pass for another's end.
    encoded = [part.encode() for part in parts]
    return b"".join(b"%d:%b" % (len(part), part) for part in encoded)
