"""Pictures of a run's results, in the look of the displays of `salutary`.

``frame()`` returns the figures of a picture, and ``plot()`` draws it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from salutary.displays import curves, style
from salutary.names import TRAIN_AND_VALIDATION, TRAIN_ONLY, VALIDATION_ONLY
from salutary_benchmark.experiments.statistics import final, ranks
from salutary_benchmark.strategies.no_labels import CONTROLS, NO_LABELS
from salutary_benchmark.strategies.registry import in_order

Rows = TypeVar("Rows")


def draw_panels(
    groups: Iterable[tuple[Any, Rows]],
    draw: Callable[[Axes, Rows], None],
    *,
    columns: int = 3,
    xlabel: str = "",
    ylabel: str = "",
    title_size: int = 10,
) -> Figure:
    """Draw a panel for each group, with one legend for all of them.

    Parameters
    ----------
    groups : iterable of (title, rows)
        As `DataFrame.groupby` yields them; a title of several parts is a tuple.
    draw : callable
        Draws rows into a panel.
    columns : int, default=3
        Panels side by side.
    xlabel, ylabel : str, optional
        Labels of the first panel's axes, which hold for all panels.
    title_size : int, default=10
        Font size of the titles.

    Returns
    -------
    Figure
    """
    groups = list(groups)
    n_rows = -(-len(groups) // columns)
    figure = Figure(figsize=(11, 3.1 * n_rows), layout="constrained")
    panels = list(figure.subplots(n_rows, columns, squeeze=False).flat)
    for panel in panels[len(groups) :]:
        panel.set_axis_off()
    for panel, (title, rows) in zip(panels, groups, strict=False):
        draw(panel, rows)
        parts = title if isinstance(title, tuple) else (title,)
        panel.set_title(" ".join(map(str, parts)), fontsize=title_size)
    if xlabel:
        panels[0].set_xlabel(xlabel)
    if ylabel:
        panels[0].set_ylabel(ylabel)
    _add_legend(figure, panels)
    return figure


def _add_legend(figure: Figure, panels: list[Axes]) -> None:
    """Add a legend beside the panels, with each line of any panel once."""
    handles = {
        label: handle
        for panel in panels
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        list(handles.values()), list(handles), loc="outside right upper", fontsize=7
    )


def styles_of(strategies: list[str]) -> dict[str, dict[str, Any]]:
    """Line styles, in the colors and markers of the displays of a run.

    Salutary labels are thick, bought labels thin, and single fits in the color of
    texts, with the dashes of a run's baselines.
    """
    return {name: _style_of(name, k) for k, name in enumerate(strategies)}


def _style_of(name: str, number: int) -> dict[str, Any]:
    look: dict[str, Any] = {
        "color": style.CLASSES[number % len(style.CLASSES)]["color"],
        "marker": MARKERS[number % len(MARKERS)],
        "markersize": 3,
        "linewidth": 0.9,
    }
    group = _group(name)
    if group == "salutary":
        return look | {"linewidth": 2.2, "zorder": 3}
    if group == "single fits":
        dashes = curves.DASHES.get(BASELINES.get(name, ""), "-")
        return look | {"color": style.ink(), "linestyle": dashes}
    return look | {"linestyle": "-" if group == "bought" else "--"}


def _group(name: str) -> str:
    if name.startswith("Salutary"):
        return "salutary"
    if name in CONTROLS:
        return "single fits"
    return "no labels" if name in NO_LABELS else "bought"


MARKERS = (*(look["marker"] for look in style.CLASSES), *"X<>*phd")
"""As many have no divisor in common with the colors, a pair comes again late."""

SPACED = 0.3
"""Of a curve's panel, how far its markers are from each other."""

BASELINES = {
    "TrainOnly": TRAIN_ONLY,
    "ValidationOnly": VALIDATION_ONLY,
    "TrainPlusValidation": TRAIN_AND_VALIDATION,
}
"""Single fits by their names in the displays of a run."""


@dataclass(frozen=True)
class LearningCurves:
    """Mean of a measure after each round, with bands of one standard error.

    Parameters
    ----------
    results : DataFrame
        Rows of results.parquet.
    measure : str, default="accuracy"
    """

    results: pd.DataFrame
    measure: str = "accuracy"

    def frame(self) -> pd.DataFrame:
        """Columns dataset, strategy, round, mean and sem.

        A run that ended early keeps its last model. LabelSpreading is left out: it has
        no rounds, and its values would sometimes flatten all other curves.
        """
        keys = ["dataset", "strategy", "seed"]
        wide = self.results.pivot_table(
            index=keys, columns="round", values=self.measure
        ).ffill(axis=1)
        wide = wide.drop(index="LabelSpreading", level="strategy", errors="ignore")
        means = wide.stack().groupby(["dataset", "strategy", "round"])
        return means.agg(["mean", "sem"]).reset_index()

    def plot(self) -> Figure:
        """A panel for each data set."""
        found = self.frame()
        styles = styles_of(in_order(found["strategy"].unique()))

        def draw(panel: Axes, of_set: pd.DataFrame) -> None:
            for number, (strategy, look) in enumerate(styles.items()):
                line = of_set[of_set["strategy"] == strategy]
                if strategy in CONTROLS and len(line):
                    name = BASELINES.get(strategy, strategy)
                    level = line["mean"].iloc[0]
                    curves.baseline(panel, level, name, label=strategy)
                    continue
                # Few markers, each in a place of its own, as the lines lie close.
                where = (SPACED * number / len(styles), SPACED)
                panel.plot(
                    *(line["round"], line["mean"]),
                    **look | {"label": strategy, "markevery": where},
                )
                if strategy.startswith("Salutary"):
                    low, high = line["mean"] - line["sem"], line["mean"] + line["sem"]
                    curves.band(panel, line["round"], low, high, look["color"])
            style.whole_numbers(panel)

        return draw_panels(
            found.groupby("dataset"),
            draw,
            xlabel="round",
            ylabel=self.measure.replace("_", " "),
        )


@dataclass(frozen=True)
class AverageRanks:
    """Mean rank over data sets; bars join strategies that do not differ significantly.

    By Nemenyi's test at 5%, as in Demšar, Statistical Comparisons of Classifiers over
    Multiple Data Sets, JMLR 7, 2006.

    Parameters
    ----------
    results : DataFrame
        Rows of results.parquet.
    measure : str, default="accuracy"
    """

    results: pd.DataFrame
    measure: str = "accuracy"

    def frame(self) -> pd.DataFrame:
        """Columns strategy and rank, the best first."""
        mean = ranks(self.results, self.measure).mean().sort_values()
        return mean.rename_axis("strategy").rename("rank").reset_index()

    def plot(self) -> Figure:
        """The critical-difference diagram; for a single data set only the ranks."""
        import scikit_posthocs

        ranked = ranks(self.results, self.measure)
        figure = Figure(figsize=(10, 1.2 + 0.2 * ranked.shape[1]), layout="constrained")
        panel = figure.subplots()
        if min(ranked.shape) < 2:
            alike = np.ones((ranked.shape[1], ranked.shape[1]))
            same = pd.DataFrame(alike, ranked.columns, ranked.columns)
        else:
            same = scikit_posthocs.posthoc_nemenyi_friedman(ranked)
        scikit_posthocs.critical_difference_diagram(
            ranked.mean(), same, ax=panel, label_props={"fontsize": 8}
        )
        return figure


@dataclass(frozen=True)
class TimeAgainstAccuracy:
    """Time and final accuracy of each strategy on each data set.

    Parameters
    ----------
    results : DataFrame
        Rows of results.parquet.
    """

    results: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """Columns dataset, strategy, seconds (median) and accuracy (mean)."""
        grouped = final(self.results).groupby(["dataset", "strategy"])
        return grouped.agg(
            seconds=("seconds", "median"), accuracy=("accuracy", "mean")
        ).reset_index()

    def plot(self) -> Figure:
        """A panel for each data set, with time on a logarithmic axis."""
        found = self.frame()
        styles = styles_of(in_order(found["strategy"].unique()))

        def draw(panel: Axes, of_set: pd.DataFrame) -> None:
            points = of_set.set_index("strategy")
            for strategy, look in styles.items():
                if strategy in points.index:
                    point = points.loc[strategy]
                    panel.plot(
                        max(point["seconds"], 1e-3),
                        point["accuracy"],
                        **look | {"linestyle": "", "markersize": 6},
                        label=strategy,
                    )
            panel.set_xscale("log")
            panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.xaxis.set_major_formatter("{x:g}")
            panel.xaxis.set_minor_locator(NullLocator())

        return draw_panels(
            found.groupby("dataset"), draw, xlabel="seconds", ylabel="accuracy"
        )
