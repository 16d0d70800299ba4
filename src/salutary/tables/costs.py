"""A table of what each mistake costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from salutary.arrays import IntArray
from salutary.errors import InputError
from salutary.influence.label_values import shown, shown_all
from salutary.influence.objectives import LARGEST_COST
from salutary.tables.columns import plain_kind
from salutary.tables.conversion import as_plain
from salutary.tables.formats import read_table
from salutary.tables.spelling import only_where, spells_number
from salutary.tables.targets import cast_labels

COLUMNS = ("label", "predicted", "cost")


def read_costs(
    path: Path, classes: NDArray[Any], label_type: pa.DataType
) -> NDArray[np.float64]:
    """Read what predicting each class costs for a row of each class.

    Parameters
    ----------
    path : Path
        A table with the columns "label", "predicted" and "cost", and a row for each
        pair of different classes. A right prediction costs nothing unless the table
        gives it a cost. A negative cost is a gain.
    classes : ndarray of shape (n_classes,), sorted
    label_type : pyarrow.DataType
        Type of the training table's labels.

    Returns
    -------
    ndarray of shape (n_classes, n_classes), dtype float64
        A row for each true class, a column for each predicted one.

    Raises
    ------
    InputError
        For a pair of classes that is missing or occurs twice, for an unknown class, and
        for a cost that is not a finite number between -1e30 and 1e30.
    """
    table = read_table(path)
    for name in COLUMNS:
        if name not in table.column_names:
            raise InputError(
                f"{path}: has no column {name!r}; add it (a table of costs has "
                f"{', '.join(COLUMNS)})"
            )
    cost = _numbers(table["cost"], f"{path}: column 'cost'")
    label, predicted = (
        _positions(table[name], classes, label_type, f"{path}: column {name!r}")
        for name in COLUMNS[:2]
    )
    costs = np.full((len(classes), len(classes)), np.nan)
    for row, pair in enumerate(zip(label.tolist(), predicted.tolist(), strict=True)):
        if not np.isnan(costs[pair]):
            raise InputError(
                f"{path}: row {row} gives a second cost of predicting "
                f"{shown(classes[pair[1]])} for {shown(classes[pair[0]])}; keep one "
                "of the two"
            )
        costs[pair] = cost[row]
    own = np.arange(len(classes))
    costs[own, own] = np.where(np.isnan(costs[own, own]), 0.0, costs[own, own])
    if np.isnan(costs).any():
        true, other = np.argwhere(np.isnan(costs))[0]
        raise InputError(
            f"{path}: has no cost of predicting {shown(classes[other])} for "
            f"{shown(classes[true])}; add a row"
        )
    return costs


def _numbers(values: pa.ChunkedArray, place: str) -> NDArray[np.float64]:
    """Costs, all of them finite and small enough to compute with."""
    if plain_kind(values.type) not in ("number", "text"):
        raise InputError(f"{place} is of type {values.type}; make it numbers")
    written = as_plain(values)
    if pa.types.is_string(written.type):
        texts = pc.utf8_trim_whitespace(written)
        numbers = only_where(spells_number(texts), texts)
    else:
        numbers = written
    cost: NDArray[np.float64] = numbers.cast(pa.float64(), safe=False).to_numpy()
    if not np.isfinite(cost).all():
        row = int(np.argmin(np.isfinite(cost)))
        value = written[row].as_py()
        given = "" if value is None else f": {shown(value)}"
        raise InputError(
            f"{place} does not have a finite number in row {row}{given}; write one"
        )
    if (np.abs(cost) > LARGEST_COST).any():
        row = int(np.argmax(np.abs(cost) > LARGEST_COST))
        raise InputError(
            f"{place} has {cost[row]:g} in row {row}, beyond {LARGEST_COST:g}; give "
            "all costs in a larger unit"
        )
    return cost


def _positions(
    values: pa.ChunkedArray, classes: NDArray[Any], label_type: pa.DataType, place: str
) -> IntArray:
    """Positions of a column's labels among the classes."""
    labels = cast_labels(values, label_type, place).to_pylist()
    position = {label: code for code, label in enumerate(classes.tolist())}
    for row, label in enumerate(labels):
        if label is None:
            raise InputError(f"{place} is empty in row {row}; fill it or drop the row")
        if label not in position:
            raise InputError(
                f"{place} has the class {shown(label)} (row {row}), which the training "
                f"table lacks; drop the row, or correct it (known classes: "
                f"{shown_all(classes.tolist())})"
            )
    return np.array([position[label] for label in labels], dtype=np.intp)
