"""Read a table or sequence as texts or pairs of texts, one for each row."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from salutary.deep.rows import as_pandas
from salutary.errors import InputError

Text = str | tuple[str, str]
"""A row's text, or its pair of texts, for instance a question and an answer."""


CUT = "have more than"
"""What the warning of truncated texts says, by which it is known."""


def as_texts(X: Any) -> list[Text]:
    """Rows of a table or sequence as texts or pairs of texts.

    Parameters
    ----------
    X : sequence of str, Series, or DataFrame or array with one or two columns
        Two columns are read as pairs of texts.

    Returns
    -------
    list of str, or of (str, str)

    Raises
    ------
    InputError
        If a value is missing or not a string; the message names its row, counted
        from 0. Also if ``X`` is a single string, a dict, or a sparse matrix, or has
        more than two columns.

    Examples
    --------
    >>> as_texts(["one", ""])
    ['one', '']
    >>> import pandas as pd
    >>> as_texts(pd.DataFrame({"question": ["Why?"], "answer": ["So."]}))
    [('Why?', 'So.')]
    """
    if sparse.issparse(X):
        raise InputError("X is a sparse matrix, which holds no texts; pass texts")
    X = as_pandas(X, "X")
    names = [str(name) for name in getattr(X, "columns", [])]
    table = np.asarray(X if hasattr(X, "shape") else list(X), dtype=object)
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2 or table.shape[1] not in (1, 2):
        raise InputError(
            f"texts have shape {table.shape}; pass one column of texts, or two columns "
            "for pairs"
        )
    for column in range(table.shape[1]):
        for row, value in enumerate(table[:, column]):
            place = f"column {names[column]!r}, row {row}" if names else f"row {row}"
            _check_text(value, place)
    if table.shape[1] == 1:
        return list(table[:, 0])
    return [(first, second) for first, second in table]


def _check_text(value: Any, place: str) -> None:
    """Refuse a value that is missing, not a string, or not valid Unicode."""
    if not isinstance(value, str):
        problem = f"{value!r} is not a text"
        if pd.api.types.is_scalar(value) and pd.isna(value):
            problem = "the text is missing"
        raise InputError(f"{place}: {problem}; fill it, or drop the row")
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{place}: the text contains half a character (the lone surrogate "
            f"{value[error.start]!r}); correct it, or drop the row"
        ) from None


def n_characters(text: Text) -> int:
    """Number of characters of a text, or of both texts of a pair."""
    return len(text) if isinstance(text, str) else len(text[0]) + len(text[1])


def as_bytes(text: Text) -> bytes:
    """A text or pair as bytes; two different rows never have the same bytes."""
    parts = (text,) if isinstance(text, str) else text
    # The length before each part tells ("ab", "c") from ("a", "bc").
    encoded = [part.encode() for part in parts]
    return b"".join(b"%d:%b" % (len(part), part) for part in encoded)


def warn_of_cut(model: Any, texts: list[Text]) -> None:
    """Warn the caller's caller if texts have more tokens than a language model reads.

    Parameters
    ----------
    model : LanguageModel
    texts : list of str, or of (str, str)

    Warns
    -----
    UserWarning
        Says how many texts are truncated.
    """
    n_truncated = model.n_truncated(texts)
    if n_truncated:
        _warn(f"{n_truncated} of {len(texts)} texts", model)


def warn_of_cut_in(tables: Mapping[str, list[Text]], model: Any) -> None:
    """Warn the caller's caller once of all tables that have too long texts.

    Parameters
    ----------
    tables : mapping of str to list of texts
        Texts of each table, by its name.
    model : LanguageModel

    Warns
    -----
    UserWarning
        Says of each table how many texts are truncated.
    """
    counts = {name: model.n_truncated(texts) for name, texts in tables.items()}
    parts = [
        f"{name}: {count} of {len(tables[name])} texts"
        for name, count in counts.items()
        if count
    ]
    if parts:
        _warn(", ".join(parts), model)


def _warn(which: str, model: Any) -> None:
    warnings.warn(
        f"{which} {CUT} {model.max_length} tokens; the rest of each is ignored",
        UserWarning,
        stacklevel=4,
    )


@contextmanager
def cuts_told() -> Iterator[None]:
    """Do not warn of truncated texts in the block, as `warn_of_cut_in` does."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=f".* {CUT} ")
        yield
