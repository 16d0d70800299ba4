"""What a label may be, and columns of labels as arrays that change none of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salutary.arrays import IntArray

LABEL_TYPES = (str, bool, int, float, np.bool_, np.integer, np.floating)

PLAIN_KINDS = "biufUTO"
"""Kinds of NumPy types that labels may have; each value of another is looked at."""
LONGEST_SHOWN = 60
"""Characters of a value that a message shows."""

MOST_SHOWN = 10
"""Values of a list that a message shows."""


def shown(value: Any) -> str:
    """A user's value as a message shows it: as Python writes it, long ones cut.

    Examples
    --------
    >>> shown("no"), shown(7)
    ("'no'", '7')
    >>> shown("x" * 5000) == repr("x" * 60 + "...")
    True
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        cut = value if len(value) <= LONGEST_SHOWN else f"{value[:LONGEST_SHOWN]}..."
        return repr(cut)
    try:
        written = repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        return f"(a huge {type(value).__name__})"
    return written if len(written) <= LONGEST_SHOWN else f"{written[:LONGEST_SHOWN]}..."


def shown_all(values: Iterable[Any]) -> str:
    """A user's values as a message lists them: the first ten, long ones cut.

    Examples
    --------
    >>> shown_all(["no", "yes"])
    "['no', 'yes']"
    >>> shown_all(range(12))
    '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 2 more]'
    """
    every = [*values]
    listed = [shown(value) for value in every[:MOST_SHOWN]]
    if len(every) > MOST_SHOWN:
        listed.append(f"and {len(every) - MOST_SHOWN} more")
    return f"[{', '.join(listed)}]"


def one_line(error: ValueError) -> str:
    r"""What scikit-learn says of an array, without the values that it prints.

    Examples
    --------
    >>> one_line(ValueError("Complex data not supported\n[[1.+0.j]\n [2.+0.j]]\n"))
    'Complex data not supported'
    """
    first, *others = str(error).strip().splitlines()
    remedy = others[-1] if others and not others[-1].endswith("]") else ""
    return f"{first} {remedy}".strip()


def as_given(values: Any) -> Any:
    """NumPy arrays as they are; lists and columns of tables as arrays of objects.

    NumPy itself would make text of every value in a list if one is text, and floats of
    whole numbers and booleans in a column with gaps. Moments, complex numbers and bytes
    become objects too, so that they are refused like all that is no label.
    """
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype):
        plain = dtype.kind in PLAIN_KINDS or np.ndim(values) != 1
        return values if plain else _objects(values)
    categorical = getattr(values, "cat", values)
    if hasattr(categorical, "categories") and hasattr(categorical, "codes"):
        # pandas would make floats of categories that are whole numbers.
        codes = np.asarray(categorical.codes)
        categories = np.asarray([*categorical.categories, None], dtype=object)
        return categories[codes]  # the code of a gap is -1
    for to_list in ("to_pylist", "to_list"):  # pyarrow; polars
        if hasattr(values, to_list):
            values = getattr(values, to_list)()
            break
    if isinstance(values, list | tuple):
        return _objects(values)
    return np.asarray(values, dtype=object)


def _objects(values: Any) -> NDArray[Any]:
    """One object for each value, also where NumPy would read tuples as a matrix."""
    return np.fromiter(values, dtype=object, count=len(values))


def missing_rows(values: NDArray[Any]) -> IntArray:
    """Numbers of the rows that hold None, NaN, or pandas' NA or NaT."""
    if values.dtype != object:
        return np.flatnonzero(values != values)
    return np.flatnonzero([is_missing(value) for value in values])


def blank_rows(values: NDArray[Any]) -> IntArray:
    """Numbers of the rows that hold a text of nothing but white space."""
    if values.dtype.kind not in "OUT":
        return np.zeros(0, dtype=np.intp)
    return np.flatnonzero(
        [isinstance(value, str) and not value.strip() for value in values.tolist()]
    )


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, or pandas' NA or NaT."""
    # NA is known by its name, as this folder does not import pandas. Comparing with NA
    # gives neither true nor false.
    if value is None or type(value).__name__ == "NAType":
        return True
    return bool(np.ndim(value) == 0 and value != value)


def as_typed(labels: NDArray[Any], rows: IntArray, name: str) -> NDArray[Any]:
    """Labels of one kind that came as objects in NumPy's own type, none changed.

    Raises
    ------
    ValueError
        For whole numbers that no array holds as they are.
    """
    values = labels.tolist()
    typed = _exact(values)
    if typed is None:
        row, label = max(zip(rows, values, strict=True), key=lambda pair: abs(pair[1]))
        raise ValueError(
            f"{name} has the label {shown(label)} in row {row}, too large a number to "
            "stay what it is among the others; make all of them text"
        )
    return typed


def _exact(values: list[Any]) -> NDArray[Any] | None:
    """Labels of one kind as an array that changes none, or None if there is none."""
    is_whole = all(isinstance(value, int | np.integer) for value in values)
    if _kind(values[0]) != "number" or not is_whole:
        typed = np.array(values)
        return typed if typed.tolist() == values else None
    # NumPy by itself makes floats of large whole numbers among others.
    for dtype in (np.int64, np.uint64):
        try:
            return np.array(values, dtype=dtype)
        except OverflowError:
            continue
    return None


def check_kinds(labels: NDArray[Any], rows: IntArray, name: str) -> None:
    """Refuse labels that are not all texts, all booleans or all numbers."""
    first = _kind(labels[0])
    for row, label in zip(rows, labels, strict=True):
        if not _may_be_label(label):
            raise ValueError(
                f"{name} has the label {shown(label)} in row {row}, of type "
                f"{type(label).__name__}; make it text, a whole number or a boolean"
            )
        if _kind(label) != first:
            raise ValueError(
                f"{name} has labels of several kinds, {shown(labels[0])} in row "
                f"{rows[0]} and {shown(label)} in row {row}; make all of them text, "
                "all numbers or all booleans"
            )


def _may_be_label(label: Any) -> bool:
    # To NumPy a duration is a whole number.
    return isinstance(label, LABEL_TYPES) and not isinstance(label, np.timedelta64)


def _kind(label: Any) -> str:
    if isinstance(label, bool | np.bool_):
        return "boolean"
    return "text" if isinstance(label, str) else "number"


def plain_if_alike(labels: NDArray[Any]) -> NDArray[Any]:
    """The objects of a list in NumPy's own type, if that changes none of them."""
    if all(isinstance(label, float) for label in labels):
        return labels.astype(np.float64)
    known = all(_may_be_label(label) for label in labels)
    if not known or len({_kind(label) for label in labels}) > 1:
        return labels
    plain = _exact(labels.tolist())
    return labels if plain is None else plain
