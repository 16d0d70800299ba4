"""The target column: labels of one type in every table of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets

from salutary.errors import InputError
from salutary.tables.columns import cast_column, kind_of, whole_numbers


def typed_labels(table: pa.Table, target: str) -> pa.Table:
    """Labels that a .csv file has as text, as what all of them are written as.

    Whole numbers or booleans: "1" is the number, but "01", "1.0" and "1e0" are names,
    each another one. Fractions become numbers, which `target_labels` then judges.
    """
    if target not in table.column_names or not pa.types.is_string(
        table.schema.field(target).type
    ):
        return table
    labels = pc.utf8_trim_whitespace(table[target].combine_chunks())
    typed = whole_numbers(labels)
    if {*pc.unique(pc.utf8_lower(labels)).to_pylist()} <= {"true", "false", None}:
        typed = labels.cast(pa.bool_())
    elif pa.types.is_string(typed.type):
        try:
            typed = labels.cast(pa.float64())
        except pa.ArrowInvalid:
            return table
        if pc.all(pc.equal(pc.floor(typed), typed)).as_py():
            return table
    return table.set_column(table.column_names.index(target), target, typed)


def cast_labels(
    values: pa.ChunkedArray, arrow_type: pa.DataType, place: str
) -> pa.Array:
    """Labels as the training table's type; one written otherwise is another label.

    Raises
    ------
    InputError
        For a value that is not of the type; names the row, from 0.
    """
    labels = cast_column(values, arrow_type, place, "drop the row")
    if pa.types.is_string(values.type) and pa.types.is_integer(arrow_type):
        written = pc.utf8_trim_whitespace(values.combine_chunks())
        other = pc.not_equal(labels.cast(pa.string()), written)
        row = pc.index(other, True).as_py()
        if row >= 0:
            raise InputError(
                f"{place}, row {row}: {written[row].as_py()!r} is none of the whole "
                "numbers in the training table; write it as one"
            )
    return labels


def target_type(train: pa.Table, target: str, name: str) -> pa.DataType:
    """Type of the target column, for every table and the output.

    Raises
    ------
    InputError
        If the column is missing, or its type can have no classes.
    """
    if target not in train.column_names:
        hint = "; pass one of them as --target"
        if train.num_columns == 1 and ";" in train.column_names[0]:
            hint = "; the file seems to be separated by ';', save it with commas"
        shown = ", ".join(repr(column) for column in train.column_names[:20])
        raise InputError(f"{name}: has no target column {target!r}, only {shown}{hint}")
    found = train.schema.field(target).type
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_string_view(found):
        return pa.string()  # another way to store the same
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
    """The target as an array of labels, one for every row.

    Returns
    -------
    ndarray of shape (n_rows,)
        Of objects for text.

    Raises
    ------
    InputError
        For a missing column, an empty cell (names the row, from 0), a value of another
        type, or numbers that are no classes.
    """
    if target not in table.column_names:
        raise InputError(f"{name}: has no target column {target!r}; add it")
    values = cast_labels(table[target], arrow_type, f"{name}: column {target!r}")
    missing = values.is_null(nan_is_null=True)
    if kind_of(arrow_type) == "text":
        blank = pc.equal(pc.utf8_trim_whitespace(values), "")
        missing = pc.or_(missing, blank.fill_null(False))
    if pc.any(missing).as_py():
        row = pc.index(missing, True).as_py()
        raise InputError(
            f"{name}: target column {target!r} is empty in row {row} (as NA and null "
            "are, too); fill it or drop the row"
        )
    labels: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    try:
        if labels.dtype.kind == "f" and np.isinf(labels).any():
            raise ValueError
        check_classification_targets(labels)
    except ValueError:
        raise InputError(
            f"{name}: target column {target!r} holds real numbers, not classes; bin "
            "them first"
        ) from None
    return labels
