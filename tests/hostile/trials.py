"""Random inputs: three tables, what is wrong with them, and a command line.

Everything of a trial follows from its number. What was put into the tables is known, so
that what comes out can be compared with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

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


@dataclass
class Trial:
    """A command line, and what its files hold."""

    words: list[str]
    tables: dict[str, pd.DataFrame]
    formats: dict[str, str]
    spoil: list[Callable[[Path], None]] = field(default_factory=list)
    """What happens to the files after they are written."""

    honest: bool = True
    """Whether the tables hold only values of their columns' kinds."""

    def write(self, folder: Path) -> None:
        """Write the tables, and spoil them."""
        for name, frame in self.tables.items():
            write(frame, folder / f"{name}.{self.formats[name]}")
        for spoil in self.spoil:
            spoil(folder)


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a table in the format of the suffix; a folder of Parquet without one."""
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, date_format="iso")
    elif path.suffix == ".parquet":
        pa.parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    else:
        raise ValueError(path)


def trial(number: int, ready: str) -> Trial:
    """The trial of a number; ``ready`` is a finished run, for predictions."""
    rng = np.random.default_rng(number)
    tables = _tables(rng)
    formats = {name: str(rng.choice(["csv", "parquet", "jsonl"])) for name in tables}
    made = Trial([], tables, formats)
    for _ in range(int(rng.choice([0, 1, 1, 1, 2, 3]))):
        role = str(rng.choice(list(ROWS)))
        if len(made.tables[role].columns):
            SPOILS[rng.integers(len(SPOILS))](made, role, rng)
    made.words = _words(made, rng, ready)
    return made


def _tables(rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    names = rng.permutation(NAMES)[: rng.integers(1, 5)].tolist()
    kinds = [list(KINDS.values())[rng.integers(len(KINDS))] for _ in names]
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


def _stray(made: Trial, role: str, rng: np.random.Generator) -> None:
    """One value, or a few, where others are meant."""
    value = STRAYS[rng.integers(len(STRAYS))]
    frame = made.tables[role]
    column = str(rng.choice(frame.columns))
    rows = rng.integers(0, len(frame), int(rng.choice([1, 1, 3]))) if len(frame) else []
    values = frame[column].astype(object)
    values.iloc[rows] = value
    made.tables[role] = frame.assign(**{column: values.map(_as_text)})
    made.honest = False


def _as_text(value: Any) -> Any:
    return None if value is None or value is pd.NaT or value != value else str(value)


def _other_type(made: Trial, role: str, rng: np.random.Generator) -> None:
    """A column of one table in another type."""
    frame = made.tables[role]
    column = str(rng.choice(frame.columns))
    to = str(rng.choice(["float64", "int64", "bool", "str", "category", "float32"]))
    try:
        made.tables[role] = frame.assign(**{column: frame[column].astype(to)})
    except (TypeError, ValueError):
        return
    made.honest = False


def _other_columns(made: Trial, role: str, rng: np.random.Generator) -> None:
    """A column dropped, doubled, renamed or added."""
    frame = made.tables[role]
    column = str(rng.choice(frame.columns))
    changes: list[Callable[[], pd.DataFrame]] = [
        lambda: frame.drop(columns=column),
        lambda: pd.concat(
            [frame, frame[[column]].set_axis(["further"], axis=1)], axis=1
        ),
        lambda: frame.rename(columns={column: column.upper() + " "}),
        lambda: frame[frame.columns[::-1]],
        lambda: frame.drop(columns=frame.columns),
    ]
    made.tables[role] = changes[rng.integers(len(changes))]()
    made.honest = False


def _fewer_rows(made: Trial, role: str, rng: np.random.Generator) -> None:
    """No row, one, or those of one class."""
    frame = made.tables[role]
    if "label" in frame and len(frame) and rng.random() < 0.5:
        made.tables[role] = frame[frame["label"] == frame["label"].iloc[0]]
    else:
        made.tables[role] = frame[: int(rng.choice([0, 1, 2]))]


def _label_gap(made: Trial, role: str, rng: np.random.Generator) -> None:
    """Labels that are missing, or that no other table has."""
    frame = made.tables[role]
    if "label" not in frame or frame.empty:
        return
    values = frame["label"].astype(object)
    row = rng.integers(len(frame))
    values.iloc[row] = [None, float("nan"), 7, 0.5, "other"][rng.integers(5)]
    if made.formats[role] == "parquet":
        values = pd.Series(values.map(_as_text), index=frame.index)
    made.tables[role] = frame.assign(label=values)
    made.honest = False


def _damage(made: Trial, role: str, rng: np.random.Generator) -> None:
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
    made.honest = False


def _in_a_folder(made: Trial, role: str, rng: np.random.Generator) -> None:
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
    made.honest = False


SPOILS = [
    *[_stray, _stray, _stray, _other_type, _other_type, _other_columns, _fewer_rows],
    *[_label_gap, _damage, _in_a_folder],
]

OPTIONS = [
    *["--budget=-1", "--budget=0", "--budget=1", "--budget=99999999999999999999"],
    *["--batch-size=0", "--batch-size=3", "--C=nan", "--C=-1", "--C=1e-300", "--C=1e9"],
    *[
        "--rule=nonsense",
        "--rule=paper",
        "--seed=-1",
        "--seed=7",
        "--id=id",
        "--id=none",
    ],
    *["--no-guard", "--resume", "--out=train.csv", "--out=a/b/c", "--out=.", "--out="],
    *[
        "--out=\x1b[31m",
        "--target=none",
        "--target=id",
        "--target=",
        "--json",
        "--what",
    ],
    *["--objective=balanced", "--objective=worst_group", "--group=e v", "--help"],
    *["--min-influence-z=2", "--min-influence-z=nan", "--C=1", "--out=~"],
]


def _words(made: Trial, rng: np.random.Generator, ready: str) -> list[str]:
    train, val, pool = (f"{role}.{made.formats[role]}" for role in ROWS)
    command = str(rng.choice(["label", "label", "relabel", "advise", "predict"]))
    if command == "predict":
        words = ["predict", ready, str(rng.choice([train, val, pool]))]
        words += ["--out", str(rng.choice(["p.csv", "p.parquet", "p.jsonl", "p.txt"]))]
    else:
        words = [command, train, "--validation", val, "--target", "label"]
        words += ["--budget", "6", "--batch-size", "3"]
        if command != "relabel":
            words += ["--pool", pool]
        if command == "advise":
            words += ["--splits", "2", "--repeats", "1"]
        else:
            words += ["--out", "run"]
        if command == "label":
            words += ["--id", "id"]
    if rng.random() < 0.3:
        words += [str(rng.choice(OPTIONS))]
        made.honest = False
    return words
