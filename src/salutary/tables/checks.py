"""What a user should know of the tables before a run begins, as figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from salutary.arrays import IntArray, Matrix
from salutary.tables.drift import differences, drift
from salutary.tables.identifiers import FEWEST_ROWS, perhaps_ids
from salutary.tables.reading import Tables
from salutary.tables.recurring import count_recurring, count_twins, share_of_twins
from salutary.tables.scaling import far_from_others, far_outside
from salutary.tables.spelling import spells_number

MOST_DIFFERENT = 3
"""Columns that are named as those that differ most between two tables."""


@dataclass(frozen=True)
class Beside:
    """What a table has that the training table has too, or has not.

    Parameters
    ----------
    recurring : int
        Number of rows with the features of a training row.
    twins : int
        Number of rows with the features of another row of the same table.
    unseen_categories : dict of str to int
        Number of rows with a category that no training row has, by column.
    numbers_among_texts : dict of str to int
        Number of rows with a number, by column of categories or texts that has none in
        the training table. Among categories they are unseen ones too.
    far_outside : dict of str to int
        Number of rows with a number outside the training table's range by more than the
        width of that range, by column.
    empty : list of str
        Columns without any value here, but with some in the training table.
    drift : float or None
        See `salutary.tables.drift.drift`; None if it was not measured.
    drift_se : float or None
        Its standard error where the tables do not differ.
    most_different : dict of str to float
        The columns that differ most, see `differences`, and by how much.
    """

    recurring: int
    twins: int
    unseen_categories: dict[str, int]
    numbers_among_texts: dict[str, int]
    far_outside: dict[str, int]
    empty: list[str]
    drift: float | None
    drift_se: float | None
    most_different: dict[str, float]


@dataclass(frozen=True)
class Checks:
    """Facts about the tables of a run.

    Parameters
    ----------
    rows : dict of str to int
        Number of rows of each table.
    examined : dict of str to int
        Number of rows that were looked at: of a large pool `MANY_ROWS`, drawn at
        random, of any other table all. What is beside the training table counts these.
    twins : float
        Share of the training rows that have the features of another one.
    classes : dict of str to dict
        Number of rows of each class, by table, that of the pool too if it has labels.
    pool_marker : str or None
        What stands in the pool's column of labels if no row has one.
    features : dict of str to str
        Kind of each feature, see `column_kinds`.
    left_out : dict of str to str
        Columns that are no features as they name rows, and what they hold, see
        `id_like`.
    constant : list of str
        Features with one value at most in the training table. A gap among categories is
        a value, and elsewhere filled.
    perhaps_ids : list of str
        Features that may name rows, see `salutary.tables.identifiers.perhaps_ids`.
    tell_the_class : list of str
        Features with a value of its own for each class of the training table.
    far_from_others : dict of str to int
        Number of training rows with a number that is `far_from_others`, by column.
    validation_in_pool : int
        Number of validation rows with the features of a row of the pool.
    beside : dict of str to Beside
        The validation table and the pool beside the training table.
    """

    rows: dict[str, int]
    examined: dict[str, int]
    twins: float
    classes: dict[str, dict[str, int]]
    pool_marker: str | None
    features: dict[str, str]
    left_out: dict[str, str]
    constant: list[str]
    perhaps_ids: list[str]
    tell_the_class: list[str]
    far_from_others: dict[str, int]
    validation_in_pool: int
    beside: dict[str, Beside]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, as run.json has it."""
        return asdict(self)


def check_tables(
    tables: Tables, matrices: Mapping[str, Matrix] | None = None, seed: int = 0
) -> Checks:
    """Look at the tables of a run before it begins.

    Parameters
    ----------
    tables : Tables
    matrices : mapping of str to matrix, optional
        The tables as encoded, by which drift is measured.
    seed : int, default=0
        Random state of the figure of drift.
    """
    frames = tables.features
    train, kinds = frames["train"], tables.kinds
    plain = {name: kind for name, kind in kinds.items() if name in train.columns}
    far = {
        name: int(far_from_others(train[name].to_numpy()).sum())
        for name, kind in plain.items()
        if kind == "number"
    }
    return Checks(
        rows=tables.n_rows,
        examined={name: len(frame) for name, frame in frames.items()},
        twins=share_of_twins(train),
        classes=_classes(tables),
        pool_marker=tables.pool_marker,
        features=dict(kinds),
        left_out=dict(tables.left_out),
        constant=[name for name in plain if _is_constant(train[name], plain[name])],
        perhaps_ids=perhaps_ids(train, plain),
        tell_the_class=[
            name for name in plain if _tells(train[name], tables.train_labels)
        ],
        far_from_others={name: count for name, count in far.items() if count},
        validation_in_pool=(
            count_recurring(frames["validation"], frames["pool"])
            if "pool" in frames
            else 0
        ),
        beside={
            name: _beside(
                train,
                frame,
                plain,
                None
                if matrices is None
                else drift(matrices["train"], matrices[name], seed),
            )
            for name, frame in frames.items()
            if name != "train"
        },
    )


def _is_constant(values: pd.Series[Any], kind: str) -> bool:
    return bool(values.nunique(dropna=kind != "category") < 2)


def _tells(values: pd.Series[Any], labels: IntArray) -> bool:
    """Whether a column is the labels under other names."""
    if len(values) < FEWEST_ROWS:
        return False
    pairs = pd.DataFrame({"value": values.to_numpy(), "label": labels})
    n_pairs = len(pairs.drop_duplicates())
    return bool(n_pairs == pairs["value"].nunique(dropna=False) == len(set(labels)))


def _classes(tables: Tables) -> dict[str, dict[str, int]]:
    counts = {
        "train": _of_codes(tables.classes, tables.train_labels),
        "validation": _of_codes(tables.classes, tables.validation_labels),
    }
    if tables.pool_labels is not None:
        labels, number = np.unique(tables.pool_labels, return_counts=True)
        counts["pool"] = dict(
            zip(map(str, labels.tolist()), number.tolist(), strict=True)
        )
    return counts


def _of_codes(classes: NDArray[Any], codes: IntArray) -> dict[str, int]:
    number = np.bincount(codes, minlength=len(classes))
    return dict(zip(map(str, classes.tolist()), number.tolist(), strict=True))


def _beside(
    train: pd.DataFrame,
    other: pd.DataFrame,
    kinds: Mapping[str, str],
    drifted: tuple[float, float] | None,
) -> Beside:
    different = {} if drifted is None else differences(train, other, kinds)
    unseen = {
        name: int((other[name].notna() & ~other[name].isin(train[name].dropna())).sum())
        for name, kind in kinds.items()
        if kind == "category"
    }
    stray = {
        name: int(_spell_numbers(other[name]).sum())
        for name, kind in kinds.items()
        if kind in ("category", "text") and not _spell_numbers(train[name]).any()
    }
    far = {
        name: int(far_outside(train[name].to_numpy(), other[name].to_numpy()).sum())
        for name, kind in kinds.items()
        if kind == "number"
    }
    return Beside(
        recurring=count_recurring(other, train),
        twins=count_twins(other),
        unseen_categories={name: count for name, count in unseen.items() if count},
        numbers_among_texts={name: count for name, count in stray.items() if count},
        far_outside={name: count for name, count in far.items() if count},
        empty=[
            name
            for name in kinds
            if train[name].notna().any() and not other[name].notna().any()
        ],
        drift=None if drifted is None else drifted[0],
        drift_se=None if drifted is None else drifted[1],
        most_different=dict([*different.items()][:MOST_DIFFERENT]),
    )


def _spell_numbers(texts: pd.Series[Any]) -> NDArray[np.bool_]:
    """Which texts spell a number; gaps spell none."""
    values = pa.chunked_array([pa.array(texts, pa.string())])
    found = spells_number(pc.utf8_trim_whitespace(values))
    return np.asarray(found.fill_null(False))
