"""The same values in two formats, through one command: the same results or refusal."""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from tests.hostile.processes import command, take_few_rows_for_many
from tests.hostile.tables import (
    FORMATS,
    KINDS,
    NOTHING_DIFFERS,
    ROWS,
    STRAYS,
    are_alike,
    as_text,
    random_tables,
    write,
)
from tests.hostile.verdict import Ended
from tests.words import once

ALIKE = [kind for kind in KINDS if kind not in ("code category", "duration")]
"""Kinds that every format can hold; a .csv file has no categories and durations."""

OPTIONS = [
    *["--budget=1", "--batch-size=2", "--C=0.01", "--C=1e9", "--seed=7"],
    *["--rule=paper", "--no-guard", "--objective=balanced", "--min-influence-z=1"],
]

FOLDERS = ("one", "other")


@dataclass
class Twins:
    """A command line, and tables that are written twice, each time in other formats."""

    words: list[str]
    tables: dict[str, pd.DataFrame]
    formats: list[dict[str, str]]
    may_be_refused: bool
    has_many_rows: bool

    @property
    def name(self) -> str:
        """What a person needs to know to repeat it."""
        many = " (many rows)" * self.has_many_rows
        return f"{' '.join(self.words)} {self.formats}{many}"

    def write(self, folder: Path) -> None:
        """Write the tables into two folders."""
        for name, formats in zip(FOLDERS, self.formats, strict=True):
            (folder / name).mkdir()
            for role, frame in self.tables.items():
                write(frame, folder / name / f"{role}.{formats[role]}")

    def work(self) -> None:
        """Run both; the first one's refusal if both are refused."""
        if self.has_many_rows:
            take_few_rows_for_many()
        told = [self._told(number) for number in (0, 1)]
        if any(told):
            if self._common(told[0]) != self._common(told[1]):
                raise AssertionError(f"two ends: {told}")
            print(told[0], end="", file=sys.stderr)
            raise SystemExit(2)
        if self.words[0] != "advise":
            _compare_results(self.words[0])
            self._compare_predictions()

    def _told(self, number: int) -> str:
        """What a command refused; nothing if it worked."""
        files = [
            f"{FOLDERS[number]}/{role}.{self.formats[number][role]}" for role in ROWS
        ]
        words = [self.words[0], files[0], "--validation", files[1], *self.words[1:]]
        words += ["--pool", files[2]] if self.words[0] != "relabel" else []
        words += ["--out", f"run-{number}"] if self.words[0] != "advise" else []
        with redirect_stderr(StringIO()) as err:
            try:
                command(words)
            except SystemExit:
                return err.getvalue()
        return ""

    def _common(self, told: str) -> str:
        """A message without names of files and types, which differ."""
        last = told.splitlines()[-1] if told else ""
        place = re.search(r"column '(.*?)'(?:, row| in row)? ?(\d*)", last)
        return (
            re.sub(r"\w+/\w+\.\w+", "FILE", last)
            if place is None
            else str(place.groups())
        )

    def _compare_predictions(self) -> None:
        """Each run's model, and the same rows in its formats."""
        role = "pool" if self.words[0] == "label" else "val"
        found = []
        for number, folder in enumerate(FOLDERS):
            path = f"{folder}/{role}.{self.formats[number][role]}"
            command(["predict", f"run-{number}", path, "--out", f"{folder}.csv"])
            found.append(Path(f"{folder}.csv").read_bytes())
        if found[0] != found[1]:
            raise AssertionError("the same rows have other predictions")

    def faults(self, ended: Ended) -> list[str]:
        """Whether it was refused without a reason."""
        told_alike = NOTHING_DIFFERS in ended.err and are_alike(self.tables["train"])
        refused = ended.code == 2 and not self.may_be_refused and not told_alike
        return ["was refused without a reason"] if refused else []


def _compare_results(kind: str) -> None:
    name = "switches.parquet" if kind == "relabel" else "labels.parquet"
    one, other = (pd.read_parquet(Path(f"run-{number}") / name) for number in (0, 1))
    texts = [name for name in one if one[name].dtype.kind not in "fi"]
    for column in one:
        pair = [frame[column] for frame in (one, other)]
        if column in texts or column in ("id", "label"):
            pair = [values.map(lambda v: str(v).lower()) for values in pair]
        if not pair[0].equals(pair[1]):
            raise AssertionError(f"{name}: other {column}: {pair}")


def twins(number: int) -> Twins:
    """The twins of a number."""
    rng = np.random.default_rng(number)
    tables = random_tables(rng, ALIKE)
    wrong = int(rng.choice([0, 0, 1, 2]))
    for _ in range(wrong):
        _stray(tables, rng)
    kind = str(rng.choice(["label", "label", "relabel", "advise"]))
    words = [kind, "--target", "label"]
    if kind != "relabel":
        words += ["--id", "id"]
    if kind == "advise":
        words += ["--splits", "2", "--repeats", "1"]
    words += ["--budget", "6", "--batch-size", "3"]
    if kind != "advise" and rng.random() < 0.3:
        words.append(str(rng.choice(OPTIONS)))
    formats = [{role: str(rng.choice(FORMATS)) for role in ROWS} for _ in FOLDERS]
    features = tables["train"].drop(columns="label")
    may_be_refused = bool(wrong) or bool(features.isna().all(axis=None))
    many = number % 3 == 0
    return Twins(once(words), tables, formats, may_be_refused, many)


def _stray(tables: dict[str, pd.DataFrame], rng: np.random.Generator) -> None:
    """A value among others of a feature, which all become texts, in every table.

    One of two tables with typed values, the other with texts, would not say the same in
    every format: the number 7.0 and the text "7.0" are two texts.
    """
    # No text file holds a zero byte.
    value = rng.choice([stray for stray in STRAYS if stray != "\x00"])
    role = str(rng.choice([*ROWS]))
    column = str(rng.choice([name for name in tables["val"] if name != "label"]))
    for name, frame in tables.items():
        values = frame[column].astype(object).map(as_text).astype(object)
        if name == role:
            values.iloc[rng.integers(len(frame))] = str(value)
        tables[name] = frame.assign(**{column: values})
