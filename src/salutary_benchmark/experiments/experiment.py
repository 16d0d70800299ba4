"""What an experiment is: how a cell of a suite is measured, and how that is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from matplotlib.figure import Figure

UNCHECKED = {"assume_finite": True, "skip_parameter_validation": True}
"""Of scikit-learn, while cells run: their rows are encoded, and checks cost time."""

CELL_COLUMNS = {
    "dataset": "str",
    "strategy": "str",
    "setting": "str",
    "seed": "int16",
}
"""Of results.parquet, in every suite: the cell that a row is of."""


@dataclass(frozen=True, order=True)
class Cell:
    """A strategy on one split of a data set, under one setting of its suite.

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
    """Figures and a picture of them."""

    def frame(self) -> pd.DataFrame:
        """What the picture shows."""

    def plot(self) -> Figure:
        """Draw it."""


@dataclass(frozen=True)
class Table:
    """A table as text; of figures unless its cells are words."""

    title: str
    text: str
    header: list[str]
    rows: list[list[str]]
    of_words: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture and the file it goes to."""

    title: str
    text: str
    file: str
    display: Display


@dataclass(frozen=True)
class Shown:
    """What a report shows of results: the answer in a sentence, then the evidence."""

    verdict: str
    sections: list[Table | Picture] = field(default_factory=list)


@dataclass(frozen=True)
class Experiment:
    """What is measured in a cell, and what a report shows of all cells.

    Parameters
    ----------
    measure : callable
        From a cell, its setting and the folder of the data sets to rows of
        measurements, in order. Where a row has ``seconds``, those of the cell so far,
        a run gives up once they are over its time limit.
    columns : dict of str to str
        Of the rows, with their types in results.parquet.
    keys : tuple of str
        Columns that tell a cell's rows apart.
    measures : tuple of str
        Columns of numbers that are the same whenever a cell is run again.
    show : callable
        From results, whose settings are categories in the suite's order, to what a
        report shows.
    """

    measure: Callable[[Cell, Any, Path | None], Iterator[dict[str, Any]]]
    columns: dict[str, str]
    keys: tuple[str, ...]
    measures: tuple[str, ...]
    show: Callable[[pd.DataFrame], Shown]
