"""What is shown of the study of what advice with a whole pool is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from salutary.names import TRAIN_AND_VALIDATION
from studies.worth_rules import TRIAL, by_set, followed
from studies.worth_trials import EVERYTHING

CELL = ["wrong", "size"]


def with_gains(found: pd.DataFrame) -> pd.DataFrame:
    """The measurements, with how much more accurate each is than train + validation."""
    both = found[found["option"] == TRAIN_AND_VALIDATION].set_index(TRIAL)["accuracy"]
    own = pd.MultiIndex.from_frame(found[TRIAL])
    return found.assign(gain=found["accuracy"].to_numpy() - both[own].to_numpy())


def gap_closed(found: pd.DataFrame, followed: pd.DataFrame) -> float:
    """Share of the way from train + validation's loss to that with everything labeled.

    By the mean losses; NaN where everything labeled is no better.
    """
    everything = found.loc[found["option"] == EVERYTHING, "difference"].mean()
    if everything >= 0:
        return float("nan")
    return float(followed["difference"].mean() / everything)


def best_in_hindsight(found: pd.DataFrame) -> tuple[str, float]:
    """The option with the lowest mean loss on test rows, and its mean difference."""
    options = found[found["option"] != EVERYTHING]
    means = options.groupby("option", sort=False)["difference"].mean()
    return str(means.idxmin()), float(means.min())


@dataclass(frozen=True)
class Worth:
    """What following the advice gains over always training on both tables.

    Parameters
    ----------
    found : DataFrame
        All measurements.
    """

    found: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """A row for each data set, size and part of wrong labels."""
        rows = []
        for (wrong, size), own in with_gains(self.found).groupby(CELL):
            taken = followed(own)
            losses, gains = by_set(taken), by_set(taken, "gain")
            for data, part in own.groupby("data"):
                row = {"wrong labels": f"{wrong:.0%}", "N": size, "data": data}
                row |= _row(part, taken[taken["data"] == data])
                row["log loss"] = _mean(losses.loc[data], 1, 4)
                row["accuracy, points"] = _mean(gains.loc[data], 100, 1)
                rows.append(row)
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """Advice and the best in hindsight less train + validation, right labels."""
        found = self.found[self.found["wrong"] == 0]
        sizes = sorted(found["size"].unique())
        figure = Figure(figsize=(3 * len(sizes) + 2, 4.5), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(sizes), sharey=True))
        for size, axes in zip(sizes, panels, strict=True):
            own = found[found["size"] == size]
            sets = by_set(followed(own))[::-1]
            axes.errorbar(
                sets["mean"], sets.index, xerr=sets["se"], fmt="o", label="the advice"
            )
            best = [
                best_in_hindsight(own[own["data"] == name])[1] for name in sets.index
            ]
            axes.plot(best, sets.index, "x", color="0.3", label="best in hindsight")
            axes.axvline(0, color="0.4", lw=0.8)
            axes.set_title(f"{size} labels")
            axes.set_xlabel("log loss less train + validation's")
        panels[0].legend()
        return figure


def _row(found: pd.DataFrame, taken: pd.DataFrame) -> dict[str, Any]:
    """What is not a mean with a test, of one data set."""
    best, difference = best_in_hindsight(found)
    closed = gap_closed(found, taken)
    most = taken["option"].value_counts()
    return {
        "draws": len(taken),
        "log loss": "",
        "accuracy, points": "",
        "best in hindsight": f"{best}, {difference:+.4f}",
        "within a standard error of the best": _share(
            taken["behind"] <= taken["behind_se"]
        ),
        "gap closed": "" if np.isnan(closed) else f"{closed:z.0%}",
        "advised": ", ".join(f"{option} {n}" for option, n in most.items()),
    }


def _mean(row: pd.Series, times: float, digits: int) -> str:
    """A mean with its standard error, and a star where it is surely not zero."""
    text = f"{times * row['mean']:+.{digits}f}"
    if np.isfinite(row["se"]):
        text += f" ± {times * row['se']:.{digits}f}"
    return f"{text} *" if row["is_sure"] else text


def _share(values: pd.Series) -> str:
    return f"{values.mean():.0%}"


@dataclass(frozen=True)
class Options:
    """Every option, always followed.

    Parameters
    ----------
    found : DataFrame
        All measurements.
    """

    found: pd.DataFrame

    def _means(self) -> pd.DataFrame:
        order = self.found["option"].unique()
        others = order[order != TRAIN_AND_VALIDATION]
        table = self.found.pivot_table(
            index=[*CELL, "option"], columns="data", values="difference"
        )
        return table[table.index.isin(others, level="option")]

    def frame(self) -> pd.DataFrame:
        """A row for each option, size and part of wrong labels; a column a set."""
        means = self._means()
        shown = means.map(lambda value: "" if np.isnan(value) else f"{value:+.3f}")
        table = shown.reset_index().rename(columns={"size": "N"})
        wrong = table.pop("wrong").map("{:.0%}".format)
        table.insert(0, "wrong labels", wrong)
        return table.rename_axis(columns=None)

    def plot(self) -> Figure:
        """The differences of each option, a dot for each data set, right labels."""
        means = self._means().xs(0.0, level="wrong")
        sizes = sorted(means.index.get_level_values("size").unique())
        figure = Figure(figsize=(3 * len(sizes) + 3, 4.5), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(sizes), sharey=True))
        for size, axes in zip(sizes, panels, strict=True):
            own = means.xs(size, level="size")[::-1]
            for data in own.columns:
                axes.plot(own[data], own.index, "o", alpha=0.5)
            axes.axvline(0, color="0.4", lw=0.8)
            axes.set_xscale("symlog", linthresh=0.1)
            axes.set_title(f"{size} labels")
            axes.set_xlabel("log loss less train + validation's")
        return figure
