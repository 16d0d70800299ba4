"""The target column: labels of one type in every table of a run."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets

from salutary.errors import InputError
from salutary.influence.label_values import shown
from salutary.tables.conversion import LARGEST_WHOLE, as_plain, cast_column
from salutary.tables.lookup import instead_of
from salutary.tables.spelling import (
    MISSING_LABELS,
    spell_booleans,
    whole_numbers,
    with_gaps,
)

MARKERS = frozenset(
    {
        *("-1", "-1.0", "-", "unlabeled", "unlabelled", "unknown", "none", "no label"),
        *("nolabel", "missing", "tbd", "todo"),
    }
)
"""Texts in small letters that mark rows without a label, besides `MISSING_LABELS`.

scikit-learn marks them by -1.
"""

FEW_CLASSES = 20
"""So many classes may also have fewer than two rows each."""


def typed_labels(table: pa.Table, target: str) -> pa.Table:
    """Give the labels of a .csv file the type that their spelling shows.

    They become booleans or whole numbers if all of them are spelled so, and stay text
    otherwise. "1" is a whole number; "01", "1.0" and "1e0" are three different names.
    Numbers with a fraction become floats, for `target_labels` to refuse.

    Parameters
    ----------
    table : pyarrow.Table
    target : str
        Name of the column of labels, read as text.

    Examples
    --------
    >>> table = pa.table({"size": ["1", "02"], "kind": ["1", "2"]})
    >>> typed_labels(table, "kind").schema.types
    [DataType(string), DataType(int64)]
    """
    if target not in table.column_names or not pa.types.is_string(
        table.schema.field(target).type
    ):
        return table
    column = with_gaps(table[target], MISSING_LABELS)
    labels = pc.utf8_trim_whitespace(column.combine_chunks())
    typed = whole_numbers(labels)
    if spell_booleans(labels):
        typed = labels.cast(pa.bool_())
    elif pa.types.is_string(typed.type):
        try:
            typed = labels.cast(pa.float64())
        except pa.ArrowInvalid:
            return table
        if pc.all(pc.equal(pc.floor(typed), typed)).as_py():
            return table
    return table.set_column(table.column_names.index(target), target, typed)


def labels_with_gaps(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Labels in their plain type, with null for NaN and for `MISSING_LABELS`."""
    values = as_plain(values)
    if pa.types.is_string(values.type):
        return with_gaps(values, MISSING_LABELS)
    return values


def unlabeled_rows(values: pa.ChunkedArray, classes: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows of a pool have no label: none at all, or one of `MARKERS`.

    Parameters
    ----------
    values : pyarrow.ChunkedArray
        The pool's column of labels.
    classes : ndarray of shape (n_classes,)
        Classes of the training table. None of them is a marker.

    Returns
    -------
    ndarray of shape (n_pool,), dtype bool

    Examples
    --------
    >>> pool = pa.chunked_array([[-1, 1, None]])
    >>> unlabeled_rows(pool, np.array([0, 1])).tolist()
    [True, False, True]
    >>> unlabeled_rows(pool, np.array([-1, 1])).tolist()
    [False, False, True]
    """
    values = labels_with_gaps(values)
    missing = values.is_null().to_numpy()
    try:
        texts = cast_column(values, pa.string(), "")
    except InputError:  # refused later, with the table's name
        return np.asarray(missing)
    known = {str(label).casefold() for label in classes.tolist()}
    spelled = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    marked = pc.is_in(spelled, value_set=pa.array(sorted(MARKERS - known)))
    return np.asarray(missing | marked.to_numpy(zero_copy_only=False))


def cast_labels(
    values: pa.ChunkedArray, arrow_type: pa.DataType, place: str
) -> pa.Array:
    """Labels cast to the type of the training table's labels, with gaps where missing.

    Parameters
    ----------
    values : pyarrow.ChunkedArray
    arrow_type : pyarrow.DataType
    place : str
        File and column, for the message.

    Raises
    ------
    InputError
        For a value that is not of the type or, among whole numbers, is spelled in
        another way: "03" is not 3. Also for a number so large that the type, or the one
        it comes from, skips whole numbers. The message names the row, from zero.
    """
    values = labels_with_gaps(values)
    labels = cast_column(values, arrow_type, place, "drop the row")
    if pa.types.is_string(values.type) and pa.types.is_integer(arrow_type):
        written = pc.utf8_trim_whitespace(values.combine_chunks())
        other = pc.not_equal(labels.cast(pa.string()), written)
        row = pc.index(other, True).as_py()
        if row >= 0:
            raise InputError(
                f"{place}, row {row}: {shown(written[row].as_py())} is not a whole "
                f"number as the training table writes them; write {labels[row].as_py()}"
            )
    if pa.types.is_floating(arrow_type):
        large = pc.greater(pc.abs(labels.cast(pa.float64())), LARGEST_WHOLE)
        # Infinity is refused as a number that is no class.
        large = pc.and_(large, pc.is_finite(labels))
        row = pc.index(large, True).as_py()
        if row >= 0:
            raise InputError(
                f"{place}, row {row}: {labels[row].as_py()!r} is a floating-point "
                "number beyond 2**53, where two classes can become one; store the "
                "labels as whole numbers or text"
            )
    return labels


def target_type(train: pa.Table, target: str, name: str) -> pa.DataType:
    """Type of the labels, in every table and in the output.

    Parameters
    ----------
    train : pyarrow.Table
    target : str
        Name of the column of labels.
    name : str
        Name of the training table in messages.

    Raises
    ------
    InputError
        If the column is missing, or holds anything but text, numbers or booleans.
    """
    if target not in train.column_names:
        remedy = "pass one of them as --target"
        instead = instead_of(target, train.column_names, remedy)
        raise InputError(f"{name}: has no target column {target!r}; {instead}")
    found = train.schema.field(target).type
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_string_view(found):
        return pa.string()  # the same values, stored in another way
    allowed = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
    )
    if not any(check(found) for check in allowed):
        raise InputError(
            f"{name}: target column {target!r} is of type {found}; make it text, whole "
            "numbers or booleans"
        )
    return found


def target_labels(
    table: pa.Table, target: str, arrow_type: pa.DataType, name: str
) -> NDArray[Any]:
    """Labels of a table as an array, one for every row.

    Parameters
    ----------
    table : pyarrow.Table
    target : str
        Name of the column of labels.
    arrow_type : pyarrow.DataType
        As from `target_type`.
    name : str
        Name of the table in messages.

    Returns
    -------
    ndarray of shape (n_rows,)
        Of dtype object for text.

    Raises
    ------
    InputError
        For a missing column, an empty cell or a value of another type, with the row's
        number from zero; and for numbers with a fraction.
    """
    if target not in table.column_names:
        instead = instead_of(target, table.column_names, "add it")
        raise InputError(f"{name}: has no target column {target!r}; {instead}")
    values = cast_labels(table[target], arrow_type, f"{name}: column {target!r}")
    if values.null_count:
        row = pc.index(values.is_null(), True).as_py()
        raise InputError(
            f"{name}: target column {target!r} is empty in row {row} (NA, null and ? "
            "count as empty); fill it or drop the row"
        )
    labels: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    try:
        if labels.dtype.kind == "f" and np.isinf(labels).any():
            raise ValueError
        with warnings.catch_warnings():  # `check_classes` refuses many classes
            warnings.simplefilter("ignore", UserWarning)
            check_classification_targets(labels)
    except ValueError:
        raise InputError(
            f"{name}: target column {target!r} holds real numbers, not classes; sort "
            "them into bins first"
        ) from None
    return labels


def check_classes(n_classes: int, n_rows: int, target: str, name: str) -> None:
    """Refuse a training table whose labels are hardly ever the same.

    Parameters
    ----------
    n_classes : int
    n_rows : int
    target : str
        Name of the column of labels.
    name : str
        Name of the table in messages.

    Raises
    ------
    InputError
        If there are more than `FEW_CLASSES` classes, and fewer than two rows of each on
        average: these are amounts, names of rows, or texts.
    """
    if n_classes > max(FEW_CLASSES, n_rows / 2):
        raise InputError(
            f"{name}: target column {target!r} has {n_classes} different values in "
            f"{n_rows} rows, so they are hardly classes; pass the column that "
            "holds the classes as --target, or sort amounts into bins first"
        )
