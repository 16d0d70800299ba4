"""What an experiment is: how a cell is measured, and how a report shows all cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from matplotlib.figure import Figure

UNCHECKED = {"assume_finite": True, "skip_parameter_validation": True}
"""Settings of scikit-learn while cells run: their rows are checked already."""

CELL_COLUMNS = {
    "dataset": "str",
    "strategy": "str",
    "setting": "str",
    "seed": "int16",
}
"""Columns of results.parquet in every suite: the cell that a row belongs to."""


@dataclass(frozen=True, order=True)
class Cell:
    """A strategy on one split of a data set, under one setting of a suite.

    The setting's name is empty where a suite has only one.
    """

    dataset: str
    strategy: str
    seed: int
    setting: str = ""

    def __str__(self) -> str:
        parts = [self.dataset, self.strategy, self.setting, str(self.seed)]
        return "/".join(part for part in parts if part)


class Display(Protocol):
    """Figures, and a picture of them."""

    def frame(self) -> pd.DataFrame:
        """What the picture shows."""

    def plot(self) -> Figure:
        """Draw it."""


@dataclass(frozen=True)
class Table:
    """A table of texts; ``of_words`` says that they are words and not figures."""

    title: str
    text: str
    header: list[str]
    rows: list[list[str]]
    of_words: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture, and the file it is written to."""

    title: str
    text: str
    file: str
    display: Display


@dataclass(frozen=True)
class Shown:
    """What a report shows: the answer in a sentence, then tables and pictures."""

    verdict: str
    sections: list[Table | Picture] = field(default_factory=list)


@dataclass(frozen=True)
class Experiment:
    """What is measured in a cell, and what a report shows of all cells.

    Parameters
    ----------
    measure : callable
        Takes a cell, its setting and the folder of the data sets; yields rows of
        measurements. If a row has ``seconds``, the time of the cell so far, a run gives
        the cell up once that is over its time limit.
    columns : dict of str to str
        Columns of these rows, with their types in results.parquet.
    keys : tuple of str
        Columns that tell the rows of a cell apart.
    measures : tuple of str
        Columns of numbers that stay the same when a cell is run again.
    show : callable
        Takes results, whose settings are categories in the suite's order; returns what
        a report shows.
    """

    measure: Callable[[Cell, Any, Path | None], Iterator[dict[str, Any]]]
    columns: dict[str, str]
    keys: tuple[str, ...]
    measures: tuple[str, ...]
    show: Callable[[pd.DataFrame], Shown]
