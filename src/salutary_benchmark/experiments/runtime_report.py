"""What a report shows of strategies' seconds and memory by size."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from scipy.stats import linregress

from salutary_benchmark.experiments import runtime
from salutary_benchmark.experiments.experiment import Experiment, Picture, Shown, Table
from salutary_benchmark.experiments.pictures import draw_panels, styles_of
from salutary_benchmark.strategies.registry import in_order

FACTORS = ("n_pool", "n_features", "n_classes")

_NAMES = {"n_pool": "pool rows", "n_features": "features", "n_classes": "classes"}

_MEASURES = {"run_seconds": "seconds", "peak_mb": "MiB beyond the data"}


@dataclass(frozen=True)
class Growth:
    """Seconds or memory by number of pool rows, features and classes.

    Parameters
    ----------
    results : DataFrame
        Rows of results.parquet.
    measure : {"run_seconds", "peak_mb"}
    """

    results: pd.DataFrame
    measure: str = "run_seconds"

    def frame(self) -> pd.DataFrame:
        """Columns level, strategy, n_done, n_cells, median, low, high, factor.

        The figures are those of cells that were done, and NaN where none was. For each
        factor only settings count where the other two have their most frequent value.
        """
        base = {factor: self.results[factor].mode().iloc[0] for factor in FACTORS}
        parts = []
        for factor in FACTORS:
            others = [name for name in FACTORS if name != factor]
            at_base = np.all([self.results[n] == base[n] for n in others], axis=0)
            along = self.results[at_base]
            value = along[self.measure].where(along["ending"] == "done")
            grouped = along.assign(value=value).groupby([factor, "strategy"])["value"]
            found = grouped.agg(["count", "size", "median", "min", "max"])
            found.index.names = ["level", "strategy"]
            parts.append(found.reset_index().assign(factor=factor))
        names = {"count": "n_done", "size": "n_cells", "min": "low", "max": "high"}
        return pd.concat(parts, ignore_index=True).rename(columns=names)

    def plot(self) -> Figure:
        """A log-log panel for each factor, with bars from smallest to largest."""
        found = self.frame()
        styles = styles_of(in_order(found["strategy"].unique()))

        def draw(panel: Axes, factor: str) -> None:
            along = found[(found["factor"] == factor) & (found["n_done"] > 0)]
            for strategy, style in styles.items():
                line = along[along["strategy"] == strategy]
                level, median, least, most = (
                    line[name].to_numpy() for name in ("level", "median", "low", "high")
                )
                middle = np.maximum(median, 1e-3)
                low = middle - np.clip(least, 1e-3, middle)
                high = np.maximum(most - middle, 0)
                bars = np.stack([low, high])
                panel.errorbar(level, middle, bars, label=strategy, **style)
            panel.set_xscale("log")
            panel.set_yscale("log")
            levels = sorted(along["level"].unique())
            panel.set_xticks(levels, [f"{level:g}" for level in levels], fontsize=8)
            panel.xaxis.set_minor_locator(NullLocator())
            panel.set_xlabel(_NAMES[factor])
            if self.measure == "run_seconds":
                self._mark_limits(panel)

        untitled = [("", factor) for factor in FACTORS]
        figure = draw_panels(untitled, draw, ylabel=_MEASURES[self.measure])
        figure.set_size_inches(13, 5)
        return figure

    def _mark_limits(self, panel: Axes) -> None:
        """Draw a line at the time limit of the cells that were stopped."""
        stopped = self.results[self.results["ending"] == "time limit"]
        for limit in stopped["run_seconds"].unique():
            panel.axhline(limit, color="0.4", linestyle=":", label="time limit")


def slopes(found: pd.DataFrame) -> pd.DataFrame:
    """Slopes of the medians on log-log axes, by least squares.

    Parameters
    ----------
    found : DataFrame
        The frame of a `Growth`.

    Returns
    -------
    DataFrame
        Indexed by strategy, with a column for each factor; NaN with fewer than two
        levels. Only levels where all cells were done count, as any other median would
        leave out the slowest cells.
    """
    whole = found[(found["n_done"] == found["n_cells"]) & (found["median"] > 0)]
    slope = {}
    for key, line in whole.groupby(["strategy", "factor"]):
        if len(line) > 1:
            slope[key] = linregress(np.log(line["level"]), np.log(line["median"])).slope
    strategies, columns = found["strategy"].unique(), list(FACTORS)
    table = pd.DataFrame(np.nan, index=in_order(strategies), columns=columns)
    for (strategy, factor), value in slope.items():
        table.loc[strategy, factor] = value
    return table


def show(results: pd.DataFrame) -> Shown:
    """Growth by size, its slopes, and the cells that were stopped."""
    seconds, memory = Growth(results), Growth(results, "peak_mb")
    return Shown(
        _verdict(results, seconds.frame()),
        [
            Picture(
                "Seconds against size",
                "Time of two rounds of ten labels: medians over splits, with bars from "
                "the fastest split to the slowest. A line ends before the size where "
                "all cells were stopped.",
                "seconds.png",
                seconds,
            ),
            _table(results, "run_seconds"),
            Picture(
                "Memory against size",
                "Peak memory beyond the data: medians over splits, with bars from the "
                "smallest to the largest.",
                "memory.png",
                memory,
            ),
            _table(results, "peak_mb"),
            *_stopped(results),
        ],
    )


def _verdict(results: pd.DataFrame, found: pd.DataFrame) -> str:
    largest = results["n_pool"].max()
    at = found[(found["factor"] == "n_pool") & (found["level"] == largest)]
    whole = at[at["n_done"] == at["n_cells"]]
    slope = slopes(found)["n_pool"].filter(like="Salutary").dropna()
    grows = ", ".join(f"{name} {value:.2f}" for name, value in slope.items())
    return (
        f"{len(whole)} of {len(at)} strategies end within the limits on every pool of "
        f"{largest:,} rows. Slopes of seconds by pool rows on log-log axes: "
        f"{grows or 'none yet'}."
    )


def _table(results: pd.DataFrame, measure: str) -> Table:
    found = Growth(results, measure).frame()
    figures = [_figure(row, results) for row in found.to_dict("records")]
    wide = found.assign(text=figures).pivot_table(
        index="strategy", columns=["factor", "level"], values="text", aggfunc="first"
    )
    columns = [(factor, level) for factor in FACTORS for level in wide[factor]]
    slope = slopes(found)
    grows = slope.map("{:.2f}".format).mask(slope.isna(), "-")
    return Table(
        f"{_MEASURES[measure][0].upper()}{_MEASURES[measure][1:]} by size",
        "Medians over splits, and their slopes on log-log axes. If any of a size's "
        "cells were stopped, the limit that stopped them and their number are given "
        "instead of the median.",
        [
            "strategy",
            *(f"{level:,} {_NAMES[factor]}" for factor, level in columns),
            *(f"slope by {_NAMES[factor]}" for factor in FACTORS),
        ],
        [
            [name, *wide.loc[name, columns].fillna("-"), *grows.loc[name]]
            for name in slope.index
        ],
    )


def _figure(row: dict[Hashable, Any], results: pd.DataFrame) -> str:
    """A median, or the limit that stopped cells and how many it stopped."""
    missing = row["n_cells"] - row["n_done"]
    if not missing:
        return f"{row['median']:.3g}"
    at = (results["strategy"] == row["strategy"]) & (
        results[row["factor"]] == row["level"]
    )
    endings = results.loc[at & (results["ending"] != "done"), "ending"]
    return f"{endings.mode().iloc[0]} ({missing} of {row['n_cells']})"


def _stopped(results: pd.DataFrame) -> Iterator[Table]:
    stopped = results[results["ending"] != "done"]
    if stopped.empty:
        return
    keys = ["strategy", "setting", "ending"]
    counts = stopped.groupby(keys, observed=True).size().rename("cells").reset_index()
    yield Table(
        "Cells stopped at a limit",
        f"The limits are {runtime.Size().seconds:g} seconds and "
        f"{runtime.Size().gibibytes:g} GiB.",
        ["strategy", "setting", "by", "cells"],
        counts.astype("str").to_numpy().tolist(),
        of_words=True,
    )


RUNTIME = Experiment(
    runtime.measure,
    {
        **dict.fromkeys(FACTORS, "int32"),
        "ending": "str",
        "run_seconds": "float32",
        "peak_mb": "float32",
        "n_rounds": "int16",
    },
    ("n_pool",),
    ("n_rounds",),
    show,
)
"""Seconds and memory are measured on synthetic rows, each cell in its own process."""
