"""How many labels a round, and how many rounds: where gains end and where they turn."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from salutary_benchmark.experiments import factors
from salutary_benchmark.experiments.experiment import Picture, Shown, Table
from salutary_benchmark.experiments.pictures import draw_panels, styles_of
from salutary_benchmark.experiments.side_by_side import SIDE_BY_SIDE, mean_and_error
from salutary_benchmark.strategies.registry import in_order

ONE_FIT = ("TrainOnly", "TrainPlusValidation")
"""Strategies without rounds."""


@dataclass(frozen=True)
class TurningPoints:
    """Log loss round by round, and the round after which it no longer falls.

    Parameters
    ----------
    results : DataFrame
        As in results.parquet.
    """

    results: pd.DataFrame

    def curves(self) -> pd.DataFrame:
        """Log loss: a row for each cell, a column for each round.

        A run that ended early keeps its last model.
        """
        wide = self.results.pivot_table(
            index=["dataset", "setting", "strategy", "seed"],
            columns="round",
            values="log_loss",
            observed=True,
        )
        # Runs under one setting may all end before those under another.
        return wide.ffill(axis=1)

    def frame(self) -> pd.DataFrame:
        """The round of the lowest mean log loss, the loss before, there and at the end.

        ``rise`` is how much the loss has risen since, ``sem`` the standard error of
        that over splits; ``turned`` says whether it is more than two of them.
        """
        rows = []
        keys = ["dataset", "setting", "strategy"]
        for key, runs in self.curves().groupby(level=keys, observed=True):
            if key[2] in ONE_FIT:
                continue
            mean = runs.mean()
            best = int(mean.to_numpy().argmin())
            rise = runs.iloc[:, -1] - runs[best]
            rows.append(
                {
                    **dict(zip(keys, key, strict=True)),
                    "start": mean.iloc[0],
                    "best_round": best,
                    "best": mean[best],
                    "end": mean.iloc[-1],
                    "rise": rise.mean(),
                    "sem": rise.sem(),
                }
            )
        found = pd.DataFrame(rows)
        error = found["sem"].fillna(0)
        return found.assign(turned=found["rise"] > factors.ERRORS * error)

    def plot(self) -> Figure:
        """A panel for each data set and setting; a cross where a curve is lowest."""
        keys = ["dataset", "setting", "strategy"]
        means = self.curves().groupby(level=keys, observed=True).mean()
        styles = styles_of(in_order(means.index.unique("strategy")))

        def draw(panel: Axes, curves: pd.DataFrame) -> None:
            of_pair = curves.droplevel(["dataset", "setting"])
            for strategy, style in styles.items():
                if strategy in of_pair.index:
                    line = of_pair.loc[strategy]
                    panel.plot(line.index, line, label=strategy, **style)
                    if strategy not in ONE_FIT:
                        lowest = int(line.to_numpy().argmin())
                        panel.plot(lowest, line.iloc[lowest], "x", color=style["color"])

        return draw_panels(
            means.groupby(level=["dataset", "setting"], observed=True),
            draw,
            columns=4,
            xlabel="round",
            ylabel="log loss",
            title_size=9,
        )


def show(results: pd.DataFrame) -> Shown:
    """Final figures against labels a round, then every curve and its turning point."""
    turning = TurningPoints(results)
    found = turning.frame()
    ours = found[found["strategy"].str.startswith("Salutary")]
    told = ", ".join(
        f"{strategy} in {int(of['turned'].sum())} of {len(of)}"
        for strategy, of in ours.groupby("strategy")
    )
    opponents = ("Margin", "TrainPlusValidation")
    strategies = ("Salutary-paper", "Salutary-guarded")
    return Shown(
        f"{factors.verdict(results, strategies, opponents)} Log loss rises again "
        f"before the last round, by more than {factors.ERRORS:g} standard errors, with "
        f"{told}.",
        [
            *factors.sections(results),
            Picture(
                "Log loss by round",
                "Means over splits; a cross where a curve is lowest.",
                "rounds.png",
                turning,
            ),
            turning_table(found),
        ],
    )


def turning_table(found: pd.DataFrame) -> Table:
    """The frame of `TurningPoints` as text."""
    rows = [
        [
            row["strategy"],
            row["dataset"],
            row["setting"],
            f"{row['start']:.4f}",
            str(row["best_round"]),
            f"{row['best']:.4f}",
            f"{row['end']:.4f}",
            mean_and_error(row["rise"], row["sem"]),
            "yes" if row["turned"] else "no",
        ]
        for row in found.to_dict("records")
    ]
    return Table(
        "Where gains end",
        "Mean log loss at the start, in the round where it is lowest, and after the "
        "last; the rise since the lowest and its standard error over splits. A curve "
        "has turned where the rise is more than two of them.",
        [
            "strategy",
            "data set",
            "setting",
            "start",
            "round",
            "lowest",
            "end",
            "rise",
            "turned",
        ],
        rows,
    )


BUDGETS = replace(SIDE_BY_SIDE, show=show)
"""Strategies judged after every round, against labels a round."""
