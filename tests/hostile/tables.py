"""Random tables, and the same values in every format.

The values of a frame are known exactly: what a file has of them can be compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

FORMATS = ("csv", "parquet", "jsonl")

ROWS = {"train": 30, "val": 30, "pool": 25}
"""Rows of the tables; few, so that one trial takes part of a second."""

NAMES = [
    "size",
    "a,b",
    "größe 📏",
    "[bold]x[/]",
    "=1+1",
    "x\ty",
    "-v",
    "__len__",
    "e v",
]
"""Names that a column may have; each once."""

STRAYS = [
    *["inf", "-Infinity", "nan", "NULL", "None", "?", "-", " ", "", "n/a", "abc"],
    *["1e39", "1e400", "12%", "$5", "1,234", "0,75", "\N{MINUS SIGN}1", "1\u00a02"],
    *["0x10", "1_000", "٣", "01", "+7", "1e5", ".5", "5.", "TRUE", "yes", "2020-02-30"],
    *["31/12/2020", "12:61", "2020-01-01T00:00:00+99:00", "0001-01-01", "99999-01-01"],
    *["=cmd()", "<script>", "\x1b[31m", "a\nb", "\x00", "\ufeff", "'; DROP TABLE x;--"],
    *["9" * 30, "x" * 5000, "\\", '"', "\u202e", "é", "e\u0301"],
]
"""Values that stand where others are meant."""


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a table in the format of the suffix, its values exactly."""
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        rows = frame.astype(object).itertuples(index=False, name=None)
        columns = [*frame.columns]
        with path.open("w", encoding="utf-8") as file:
            for row in rows:
                cells = zip(columns, map(_as_json, row), strict=True)
                file.write(f"{json.dumps(dict(cells))}\n")
    elif path.suffix == ".parquet":
        pa.parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    else:
        raise ValueError(path)


def _as_json(value: Any) -> Any:
    if value is None or value is pd.NaT or value != value:
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, pd.Timedelta):
        return str(value)
    return value.item() if isinstance(value, np.generic) else value


def as_text(value: Any) -> Any:
    """The value as Python writes it; a gap stays one."""
    return None if value is None or value is pd.NaT or value != value else str(value)


def random_tables(
    rng: np.random.Generator, kinds_of: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Train, val and pool of columns of these kinds."""
    names = rng.permutation(NAMES)[: rng.integers(1, 5)].tolist()
    kinds = [KINDS[str(rng.choice(kinds_of))] for _ in names]
    labels: Sequence[Any] = LABELS[rng.integers(len(LABELS))]
    tables = {}
    for role, n in ROWS.items():
        truth = rng.integers(0, len(labels), n)
        columns: dict[str, Any] = {}
        for name, kind in zip(names, kinds, strict=True):
            values = pd.Series(kind(truth, rng))
            gaps = rng.random(n) < rng.choice([0, 0, 0.1])
            columns[name] = values.where(~gaps) if gaps.any() else values
        frame = pd.DataFrame(columns)
        if role == "pool":
            frame.insert(0, "id", [f"p{row}" for row in range(n)])
        else:
            frame["label"] = pd.Series([labels[k] for k in truth])
        tables[role] = frame
    return tables


def _day(truth: Any, rng: np.random.Generator) -> Any:
    days = 100 * truth + rng.integers(0, 100, len(truth))
    return pd.Timestamp("2021-03-01") + pd.to_timedelta(days, "D")


KINDS: dict[str, Callable[[Any, np.random.Generator], Any]] = {
    "float": lambda truth, rng: truth + rng.normal(size=len(truth)),
    "float32": lambda truth, rng: (truth + rng.normal(size=len(truth))).astype("f4"),
    "int8": lambda truth, rng: (5 * truth + rng.integers(0, 9, len(truth))).astype(
        "i1"
    ),
    "large int": lambda truth, rng: 2**60 + truth + rng.integers(0, 9, len(truth)),
    "bool": lambda truth, rng: rng.random(len(truth)) < 0.2 + 0.3 * truth,
    "text": lambda truth, rng: np.array(list("uvwxyz"))[truth + rng.integers(0, 2)],
    "category": lambda truth, rng: pd.Categorical(np.array(list("uvwxyz"))[truth]),
    "codes": lambda truth, rng: np.array([f"0{k}" for k in truth + rng.integers(0, 3)]),
    "code category": lambda truth, rng: pd.Categorical((truth + 3).astype(str)),
    "date text": lambda truth, rng: _day(truth, rng).strftime("%Y-%m-%d"),
    "day first": lambda truth, rng: _day(truth, rng).strftime("%d/%m/%Y"),
    "moment": _day,
    "moment of a zone": lambda truth, rng: _day(truth, rng).tz_localize("Asia/Kolkata"),
    "duration": lambda truth, rng: pd.to_timedelta(truth + rng.integers(0, 9), "h"),
    "nothing": lambda truth, rng: [None] * len(truth),
    "the same": lambda truth, rng: ["one"] * len(truth),
    "long text": lambda truth, rng: [
        f"note {k} of {rng.integers(10**6)}" for k in truth
    ],
}

LABELS: list[Sequence[Any]] = [
    ["no", "yes"],
    ["bird", "cat", "dog"],
    [0, 1],
    [2**62, 2**62 + 1],
    [False, True],
    ["01", "1", "1.0"],
    ["=cmd()", "a\nb", "\x1b[31mred"],
    [-1, 1],
]


NOTHING_DIFFERS = "all rows have the same features"
"""Words of the refusal of a training table whose rows are alike."""


def are_alike(train: pd.DataFrame) -> bool:
    """Whether no feature differs between rows, in the figures that a model is given."""
    features = train.drop(columns=["label", "id"], errors="ignore")
    return not any(_differs(column) for _, column in features.items())


def _differs(column: pd.Series) -> bool:
    values = column.dropna()
    if pd.api.types.is_numeric_dtype(values):
        values = values.astype("float32")  # whole numbers beyond 2**53 become one
    return bool(values.nunique() > 1)
