"""What may be wrong with the tables of a trial.

Each function changes a table of a trial, or its file. It returns, for each thing that
is wrong from then on, words that a refusal must have, or None where it may pass.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tests.hostile.tables import STRAYS, as_text
from tests.hostile.trials import Trial

Must = list[str | None]


def _stray(made: Trial, role: str, rng: np.random.Generator) -> Must:
    """One value, or a few, where others are meant."""
    value = STRAYS[rng.integers(len(STRAYS))]
    frame = made.tables[role]
    column = str(rng.choice(frame.columns))
    rows = rng.integers(0, len(frame), int(rng.choice([1, 1, 3]))) if len(frame) else []
    values = frame[column].astype(object)
    values.iloc[rows] = value
    made.tables[role] = frame.assign(**{column: values.map(as_text)})
    return [None]


def _other_type(made: Trial, role: str, rng: np.random.Generator) -> Must:
    """A column of one table in another type."""
    frame = made.tables[role]
    column = str(rng.choice(frame.columns))
    to = str(rng.choice(["float64", "int64", "bool", "str", "category", "float32"]))
    if to == "category" and pd.api.types.is_timedelta64_dtype(frame[column]):
        return []  # as Parquet holds such a category, its numbers have no unit
    try:
        made.tables[role] = frame.assign(**{column: frame[column].astype(to)})
    except (TypeError, ValueError):
        return []
    return [None]


def _other_columns(made: Trial, role: str, rng: np.random.Generator) -> Must:
    """A column dropped, doubled, renamed or added."""
    frame = made.tables[role]
    column = str(rng.choice(frame.columns))
    kind = rng.integers(5)
    if kind == 0:
        made.tables[role] = frame.drop(columns=column)
    elif kind == 1:
        made.tables[role] = frame.assign(further=frame[column])
    elif kind == 2:
        made.tables[role] = frame.rename(columns={column: column.upper() + " "})
    elif kind == 3:
        made.tables[role] = frame[frame.columns[::-1]]
        return []
    else:
        made.tables[role] = frame.drop(columns=frame.columns)
        return [f"{role}."]
    return ["column"]


def _fewer_rows(made: Trial, role: str, rng: np.random.Generator) -> Must:
    """No row, one, or those of one class."""
    frame = made.tables[role]
    if "label" in frame and len(frame) and rng.random() < 0.5:
        label = frame["label"].iloc[0]
        made.tables[role] = frame[frame["label"] == label]
        # On its own the text "1" is a number, and then VAL's "01" is refused first.
        is_sure = role == "train" and not str(label)[:1].isdigit()
        return ["one class only"] if is_sure else [None]
    n_rows = int(rng.choice([0, 1, 2]))
    made.tables[role] = frame[:n_rows]
    return [None] if n_rows else [f"{role}."]


def _label_gap(made: Trial, role: str, rng: np.random.Generator) -> Must:
    """Labels that are missing, or that no other table has."""
    frame = made.tables[role]
    if "label" not in frame or frame.empty:
        return []
    values = frame["label"].astype(object)
    row = rng.integers(len(frame))
    value = [None, float("nan"), 7, 0.5, "other"][rng.integers(5)]
    values.iloc[row] = value
    if made.formats[role] == "parquet":
        values = pd.Series(values.map(as_text), index=frame.index)
    made.tables[role] = frame.assign(label=values)
    if value is None or value != value:
        return ["is empty in row"]
    # Among the training labels it may be a class of its own.
    return ["label"] if role == "val" else [None]


def _damage(made: Trial, role: str, rng: np.random.Generator) -> Must:
    """A file cut short, with other bytes, or that is no file."""
    name, kind = f"{role}.{made.formats[role]}", int(rng.integers(8))
    place, byte = rng.random(), int(rng.integers(256))

    def spoil(folder: Path) -> None:
        path = folder / name
        if not path.is_file():
            return
        content = path.read_bytes()
        cut = int(place * len(content))
        changed = {
            0: content[:cut],
            1: content[:cut] + bytes([byte]) + content[cut + 1 :],
            2: b"",
            3: b"\xef\xbb\xbf" + content,
            4: content.replace(b"\n", b"\r\n"),
            5: content.replace(b",", b";"),
        }
        path.unlink()
        if kind in changed:
            path.write_bytes(changed[kind])
        elif kind == 6:
            path.mkdir()
        else:
            os.mkfifo(path)

    made.spoil.append(spoil)
    return [f"{role}."] if kind in (2, 6, 7) else [None]


def _in_a_folder(made: Trial, role: str, rng: np.random.Generator) -> Must:
    """A table as a folder of .parquet files, with something else in it."""
    name, kind = f"{role}.{made.formats[role]}", int(rng.integers(5))

    def spoil(folder: Path) -> None:
        path = folder / name
        if not path.is_file():
            return
        moved = path.rename(folder / f"part.{role}")
        path.mkdir()
        moved.rename(path / "a.parquet")
        if kind == 1:
            os.mkfifo(path / "b.parquet")
        elif kind == 2:
            (path / "b.parquet").symlink_to("/dev/zero")
        elif kind == 3:
            (path / "loop").symlink_to(path)

    made.spoil.append(spoil)
    return [f"{role}."] if kind in (1, 2) else [None]


SPOILS: list[Callable[[Trial, str, np.random.Generator], Must]] = [
    *[_stray, _stray, _stray, _other_type, _other_type, _other_columns, _fewer_rows],
    *[_label_gap, _damage, _in_a_folder],
]
