"""How many labels a round and how many rounds: where gains end or turn into losses."""

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
"""Strategies that fit once and have no rounds."""


@dataclass(frozen=True)
class TurningPoints:
    """Log loss round by round, and the round where it is lowest.

    Parameters
    ----------
    results : DataFrame
        Rows of results.parquet.
    """

    results: pd.DataFrame

    def curves(self) -> pd.DataFrame:
        """Log losses, with a row for each cell and a column for each round.

        A run that ended early keeps its last model.
        """
        wide = self.results.pivot_table(
            index=["dataset", "setting", "strategy", "seed"],
            columns="round",
            values="log_loss",
            observed=True,
        )
        # All runs under one setting may end before the last round of another.
        return wide.ffill(axis=1)

    def frame(self) -> pd.DataFrame:
        """Mean log loss at the start, in the round where it is lowest, and at the end.

        ``rise`` is how much the loss has risen from the lowest round to the end, and
        ``sem`` the standard error of that over splits. ``turned`` says whether the rise
        is more than two standard errors.
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
        """A panel for each data set and setting, with crosses at the curves' minima."""
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
    """Final figures by labels a round, then every curve and where it turns."""
    turning = TurningPoints(results)
    found = turning.frame()
    ours = found[found["strategy"].str.startswith("Salutary")]
    counts = ", ".join(
        f"{strategy} in {int(of['turned'].sum())} of {len(of)}"
        for strategy, of in ours.groupby("strategy")
    )
    opponents = ("Margin", "TrainPlusValidation")
    strategies = ("Salutary-paper", "Salutary-guarded")
    return Shown(
        f"{factors.verdict(results, strategies, opponents)} Log loss rises again by "
        f"more than {factors.ERRORS:g} standard errors before the last round: "
        f"{counts}.",
        [
            *factors.sections(results),
            Picture(
                "Log loss by round",
                "Means over splits. A cross marks where a curve is lowest.",
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
        "last round; and its rise from the lowest round to the end, ± standard error "
        "over splits. A curve has turned if the rise is more than two standard errors.",
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
"""Strategies are judged after every round, by labels a round."""
