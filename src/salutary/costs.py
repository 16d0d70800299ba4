"""A user's table of what each mistake costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from salutary.columns import cast_column
from salutary.errors import InputError
from salutary.influence.inputs import encode_labels
from salutary.tables import read_table
from salutary.targets import cast_labels

COLUMNS = ("label", "predicted", "cost")


def read_costs(
    path: Path, classes: NDArray[Any], label_type: pa.DataType
) -> NDArray[np.float64]:
    """Read the cost of every predicted class for rows of every class.

    Parameters
    ----------
    path : Path
        Of a table with the columns label, predicted and cost, a line for each pair of
        different classes. A right prediction costs nothing unless the table says so.
    classes : ndarray of shape (n_classes,), sorted
    label_type : pyarrow.DataType
        Of the target column.

    Returns
    -------
    ndarray of shape (n_classes, n_classes)
        Rows for true classes, columns for predicted ones.

    Raises
    ------
    InputError
        For a pair that is missing or stands twice, an unknown class, or a cost that is
        no finite number.
    """
    table = read_table(path, COLUMNS)
    for name in COLUMNS:
        if name not in table.column_names:
            raise InputError(
                f"{path}: has no column {name!r}; a table of costs has "
                f"{', '.join(COLUMNS)}"
            )
    values = cast_column(table["cost"], pa.float64(), f"{path}: column 'cost'")
    cost = values.to_numpy(zero_copy_only=False)
    if not np.isfinite(cost).all():
        row = int(np.argmin(np.isfinite(cost)))
        raise InputError(f"{path}: column 'cost' has no finite number in row {row}")
    label, predicted = (
        _positions(table[name], classes, label_type, f"{path}: column {name!r}")
        for name in COLUMNS[:2]
    )
    costs = np.full((len(classes), len(classes)), np.nan)
    for row, pair in enumerate(zip(label.tolist(), predicted.tolist(), strict=True)):
        if not np.isnan(costs[pair]):
            raise InputError(
                f"{path}: row {row} gives a second cost of predicting "
                f"{classes[pair[1]]!r} for {classes[pair[0]]!r}; keep one"
            )
        costs[pair] = cost[row]
    own = np.arange(len(classes))
    costs[own, own] = np.where(np.isnan(costs[own, own]), 0.0, costs[own, own])
    if np.isnan(costs).any():
        true, other = np.argwhere(np.isnan(costs))[0]
        raise InputError(
            f"{path}: has no cost of predicting {classes[other]!r} for "
            f"{classes[true]!r}; add a row"
        )
    return costs


def _positions(
    values: pa.ChunkedArray, classes: NDArray[Any], label_type: pa.DataType, place: str
) -> NDArray[np.intp]:
    labels = cast_labels(values, label_type, place)
    try:
        return encode_labels(labels.to_numpy(zero_copy_only=False), classes, place)
    except ValueError as error:
        raise InputError(str(error)) from None
