"""Tables and pictures of the study of rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import ttest_1samp
from statsmodels.stats.multitest import multipletests

from studies.rules_runs import GUARD

CELL = ["data", "validation", "C"]
LEVEL = 0.05
DEFAULT = ("tempered", GUARD)
PUBLISHED = ("paper", "off")


def change(found: pd.DataFrame) -> pd.Series:
    """Relative change of the log loss from the start to the end."""
    return found["log_loss"] / found["start_log_loss"] - 1


def worse_than_start(found: pd.DataFrame) -> pd.Series:
    """For each cell, the p-value of a paired t-test that its runs end worse than start.

    One-sided, over the draws. A cell where nothing is ever changed has p = 1.
    """

    def p_value(differences: pd.Series) -> float:
        if differences.nunique() < 2:
            return 0.0 if len(differences) > 1 and differences.iloc[0] > 0 else 1.0
        return float(ttest_1samp(differences, 0, alternative="greater").pvalue)

    worse = found["log_loss"] - found["start_log_loss"]
    return worse.groupby([found[key] for key in CELL]).apply(p_value)


def harmed(found: pd.DataFrame) -> int:
    """Number of cells that end significantly worse than they start (with Holm)."""
    p = worse_than_start(found)
    return int(multipletests(p, alpha=LEVEL, method="holm")[0].sum())


@dataclass(frozen=True)
class RulesCompared:
    """What each rule does to the log loss, over cells of data, validation and C.

    Parameters
    ----------
    found : DataFrame
        All measurements.
    """

    found: pd.DataFrame

    def _kinds(self) -> list[tuple[str, str]]:
        off = self.found.loc[self.found["guard"] == "off", "rule"].unique()
        return [DEFAULT, ("paper", GUARD), *((rule, "off") for rule in off)]

    def cells(self) -> pd.DataFrame:
        """Mean change of the log loss in percent, by cell and (rule, guard)."""
        percent = 100 * change(self.found)
        keys = [self.found[key] for key in [*CELL, "rule", "guard"]]
        wide = percent.groupby(keys).mean().unstack(["rule", "guard"])
        return wide[self._kinds()]

    def frame(self) -> pd.DataFrame:
        """A row for each rule."""
        wide, rows = self.cells(), []
        for kind in self._kinds():
            rule, guard = kind
            of_kind = self.found.query("rule == @rule and guard == @guard")
            small = wide.index.get_level_values("validation") > 1
            # A rule tried on fewer draws is compared with the published on those draws.
            seeds = of_kind["seed"].unique()
            same = RulesCompared(self.found[self.found["seed"].isin(seeds)])
            paper = same.cells()
            row = {
                "rule": rule,
                "guard": guard,
                "draws": len(seeds),
                "change, 100 to validate": _percent(wide.loc[small, kind].mean()),
                "change, 20% to validate": _percent(wide.loc[~small, kind].mean()),
                "worst cell": _percent(wide[kind].max()),
                "runs ending worse": _share(change(of_kind) > 0),
                "cells significantly worse": harmed(of_kind),
            }
            for name, other in (
                ("better than paper", PUBLISHED),
                ("better than guarded paper", ("paper", GUARD)),
                ("worse than guarded paper", ("paper", GUARD)),
            ):
                sign = -1 if name.startswith("better") else 1
                ahead = sign * (paper[kind] - paper[other]) > 1e-9
                row[name] = f"{ahead.sum()} of {len(paper)}"
            rows.append(row)
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """Every cell of the default rule against the published one."""
        wide = self.cells()
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        small = wide.index.get_level_values("validation") > 1
        for panel, chosen, title in (
            (panels[0], small, "100 rows to validate"),
            (panels[1], ~small, "20% to validate"),
        ):
            for C, of_penalty in wide[chosen].groupby(level="C"):
                panel.plot(
                    of_penalty[PUBLISHED],
                    of_penalty[DEFAULT],
                    "o",
                    ms=4,
                    label=f"C {C}",
                )
            panel.axhline(0, color="0.7", lw=0.8)
            panel.axvline(0, color="0.7", lw=0.8)
            ends = [wide.min().min(), wide.max().max()]
            panel.plot(ends, ends, color="0.7", lw=0.8, ls="--")
            panel.set_xscale("symlog", linthresh=1)
            panel.set_yscale("symlog", linthresh=1)
            panel.set_title(title, fontsize=10)
            panel.set_xlabel("published rule, unguarded: log loss, %")
        panels[0].set_ylabel("default: log loss, %")
        panels[0].legend(fontsize=7)
        return figure


@dataclass(frozen=True)
class GuardsCompared:
    """What each guard saves and costs, under the default rule.

    Parameters
    ----------
    found : DataFrame
        All measurements.
    """

    found: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """A row for each guard.

        "gain kept" is the sum of relative falls of the log loss over the cells where
        the same runs without a guard help, over that sum without a guard.
        """
        of_rule = self.found.query("rule == 'tempered' and guard != 'off'")
        rows = []
        for guard in of_rule["guard"].unique():
            own = of_rule[of_rule["guard"] == guard]
            seeds = own["seed"].unique()
            free = "one canary: none" if guard.startswith("one canary") else "none"
            fixed = of_rule[of_rule["seed"].isin(seeds)]
            wide = _by_guard(fixed)
            small = wide.index.get_level_values("validation") > 1
            row = {"guard": guard, "draws": len(seeds)}
            for name, chosen in (("100", small), ("20%", ~small)):
                cells = wide[chosen]
                helped = cells[cells[free] < 0]
                kept = helped[guard].sum() / helped[free].sum() if len(helped) else 1
                row |= {
                    f"change, {name}": _percent(cells[guard].mean()),
                    f"worst cell, {name}": _percent(cells[guard].max()),
                    f"gain kept, {name}": f"{kept:.0%}",
                }
            row |= {
                "runs ending worse": _share(change(own) > 0),
                "cells significantly worse": harmed(own),
                "rounds kept": f"{own['kept'].mean():.1f}",
            }
            rows.append(row)
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """Mean change, and how many runs end worse than they start."""
        own = self.found.query("rule == 'tempered' and guard != 'off'")
        size = own["validation"].map(lambda size: "100" if size > 1 else "20%")
        measures = {
            "mean change of the log loss, %": 100 * change(own),
            "runs ending worse, %": 100.0 * (change(own) > 0),
        }
        figure = Figure(figsize=(9, 5), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for panel, (name, values) in zip(panels, measures.items(), strict=True):
            means = values.groupby([own["guard"], size]).mean().unstack()
            means = means.loc[own["guard"].unique()[::-1]]
            places = np.arange(len(means))
            for number, validation in enumerate(means):
                bars = means[validation]
                panel.barh(
                    places - 0.4 * number,
                    bars,
                    0.4,
                    label=f"{validation} to validate",
                )
            panel.set_yticks(places - 0.2, means.index, fontsize=8)
            panel.set_xlabel(name)
        panels[1].legend(fontsize=8)
        return figure


def _by_guard(found: pd.DataFrame) -> pd.DataFrame:
    percent = 100 * change(found)
    keys = [found[key] for key in [*CELL, "guard"]]
    return percent.groupby(keys).mean().unstack("guard")


def _share(chosen: pd.Series) -> str:
    return f"{chosen.mean():.1%}"


def _percent(value: float) -> str:
    return f"{np.round(value, 2) + 0.0:.2f}%"
