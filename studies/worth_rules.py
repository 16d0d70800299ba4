"""Ways to decide between options, on stored trials, for the study of a pool's worth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import ttest_1samp
from statsmodels.stats.multitest import multipletests

from salutary.advice.cross_fitting import Judged
from salutary.advice.measure import Measure
from salutary.advice.verdict import reach_verdict
from salutary.influence.objectives import Truth
from salutary.labeling.guard import mean_decrease
from salutary.names import TRAIN_AND_VALIDATION, WHOLE_POOL
from studies.worth_data import DATA
from studies.worth_trials import EVERYTHING

TRIAL = ["wrong", "size", "data", "draw"]

CHOSEN_ON = tuple(sorted(DATA)[1::2])
"""Data sets that a way to decide is chosen on; the others check it."""

LEVEL = 0.05
LARGEST_HARM = 0.02
"""Part of the log loss that a way to decide may cost on the average of a set."""

TINY = 1e-12
"""A loss of zero would need an infinite logit."""

Decide = Callable[[pd.DataFrame], str]
"""From the options of a trial, with their cross-fitted losses, to the one to follow."""


def present(trial: pd.DataFrame) -> str:
    """What ``advise`` says of these losses.

    Whatever rule it had when the trial was measured: the verdict compares losses row by
    row, so the mean ones of two classes in turn stand for the options' predictions.
    """
    rows = trial.dropna(subset="seen_losses").set_index("option")
    judged = {
        str(name): _with_losses(np.asarray(row["seen_losses"]), row["taking_part"])
        for name, row in rows.iterrows()
    }
    n_rows = len(rows["seen_losses"].iloc[0])
    truth = Truth(np.arange(n_rows) % 2, np.ones(n_rows))
    return reach_verdict(judged, Measure(truth)).option


def _with_losses(losses: NDArray[np.float64], taking_part: float) -> Judged:
    """Predictions that have these losses where the truth is 0 and 1 in turn."""
    own = -np.maximum(losses, TINY)
    logits = np.stack([own, np.log(-np.expm1(own))], axis=1)
    logits[1::2] = logits[1::2, ::-1]
    unknown = np.zeros(1)
    return Judged(logits[None], unknown, unknown, np.array([taking_part]))


def always_both(trial: pd.DataFrame) -> str:
    """Train on both tables, whatever the folds say."""
    return TRAIN_AND_VALIDATION


def lowest_by(
    trial: pd.DataFrame,
    errors: float,
    among: Iterable[str] | None = None,
    wrong: float = 0.0,
) -> str:
    """The lowest cross-fitted loss, if it is lower than train + validation's by enough.

    Parameters
    ----------
    trial : DataFrame
    errors : float
        Standard errors of the difference that are enough.
    among : iterable of str, optional
        Options to choose from besides train + validation; all by default.
    wrong : float, default=0.0
        Number of rows more that every model gets wrong, see `Measure.cautious_loss`.
    """
    losses = trial.set_index("option")["seen_losses"].dropna().map(np.asarray)
    losses = losses.map(partial(_with_errors, wrong=wrong))
    both = losses.pop(TRAIN_AND_VALIDATION)
    if among is not None:
        losses = losses[losses.index.isin(list(among))]
    best = str(losses.map(np.mean).idxmin())
    fall, error = mean_decrease(both, losses[best], np.ones(len(both)))
    return best if fall > errors * error else TRAIN_AND_VALIDATION


def _with_errors(losses: NDArray[np.float64], wrong: float) -> NDArray[np.float64]:
    """Losses of rows, a part of each as if its label were another."""
    losses = np.maximum(losses, TINY)
    others = -np.log(-np.expm1(-losses))
    share = wrong / (len(losses) + wrong)
    return np.asarray((1 - share) * losses + share * others)


WAYS: dict[str, Decide] = {
    "the present rule": present,
    "always train + validation": always_both,
    "the lowest": partial(lowest_by, errors=0.0),
    **{f"lowest by {k:g} se": partial(lowest_by, errors=k) for k in (0.5, 1, 1.5, 2)},
    **{
        f"whole pool, lowest by {k:g} se": partial(
            lowest_by, errors=k, among=[WHOLE_POOL]
        )
        for k in (0, 0.5, 1, 1.5, 2)
    },
    **{
        f"whole pool, lowest with {m} errors more": partial(
            lowest_by, errors=0.0, among=[WHOLE_POOL], wrong=m
        )
        for m in (1, 2, 4, 8)
    },
}
"""Ways to decide, by name."""


def followed(found: pd.DataFrame, decide: Decide = present) -> pd.DataFrame:
    """The rows of the options that are decided on, one for each trial."""
    rows = []
    for _, trial in found[found["option"] != EVERYTHING].groupby(TRIAL, sort=False):
        rows.append(trial[trial["option"] == decide(trial)])
    return pd.concat(rows, ignore_index=True)


def by_set(own: pd.DataFrame, measure: str = "difference") -> pd.DataFrame:
    """Means over the draws of each data set, and whether they are surely not zero.

    A draw with several sizes counts once, by their mean. Tested by Student's t over the
    draws, with Holm's correction over the data sets.
    """
    columns = list({measure, "log_loss", "difference"})
    draws = own.groupby(["data", "draw"])[columns].mean()
    sets = draws.groupby("data")
    both = (draws["log_loss"] - draws["difference"]).groupby("data").mean()
    table = pd.DataFrame(
        {
            "draws": sets.size(),
            "mean": sets[measure].mean(),
            "se": sets[measure].sem(),
            "relative": sets["difference"].mean() / both,
            "p": sets[measure].agg(_p_value),
        }
    )
    table["is_sure"] = multipletests(table["p"], alpha=LEVEL, method="holm")[0]
    return table


def _p_value(values: pd.Series) -> float:
    """Of a mean of zero; 1 for too few draws to tell, or all alike."""
    if len(values) < 2 or np.ptp(values) == 0:
        return 1.0
    return float(ttest_1samp(values, 0.0).pvalue)


def half_and_half(found: pd.DataFrame) -> pd.DataFrame:
    """How every way to decide does on the sets it may be chosen on, and on the others.

    ``is_chosen`` is the way with the lowest mean log loss on the first half, of those
    that are surely worse on none of its sets and by no more than 2% on any. Of equal
    ones it is the last, which is the most cautious.
    """
    rows = []
    for name, decide in WAYS.items():
        own = followed(found, decide)
        row: dict[str, Any] = {"way": name}
        choosing = own["data"].isin(CHOSEN_ON)
        for half, part in (("chosen", own[choosing]), ("checked", own[~choosing])):
            sets = by_set(part) if len(part) else pd.DataFrame()
            row |= {f"{half}_{key}": value for key, value in _summary(sets).items()}
        row["within"] = (own["behind"] <= own["behind_se"]).mean()
        rows.append(row)
    table = pd.DataFrame(rows)
    harmless = (table["chosen_worse"] == 0) & (table["chosen_worst"] <= LARGEST_HARM)
    means = table["chosen_mean"].where(harmless)
    return table.assign(
        is_chosen=means.eq(means.min()) & ~means.duplicated(keep="last")
    )


def _summary(sets: pd.DataFrame) -> dict[str, Any]:
    if not len(sets):
        nothing = dict.fromkeys(("mean", "worst"), np.nan)
        return {**nothing, "worst_set": "", "better": 0, "worse": 0}
    relative = sets["relative"]
    return {
        "mean": relative.mean(),
        "worst": relative.max(),
        "worst_set": relative.idxmax(),
        "better": int((sets["is_sure"] & (sets["mean"] < 0)).sum()),
        "worse": int((sets["is_sure"] & (sets["mean"] > 0)).sum()),
    }


@dataclass(frozen=True)
class Ways:
    """Ways to decide, chosen on half of the data sets and checked on the others.

    Parameters
    ----------
    found : DataFrame
        All measurements.
    """

    found: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """A row for each way, for each part of wrong labels."""
        rows = []
        for wrong, own in self.found.groupby("wrong"):
            for row in half_and_half(own).to_dict("records"):
                shown = {"wrong labels": f"{wrong:.0%}", "decided by": row["way"]}
                if row["is_chosen"]:
                    shown["decided by"] += " (chosen)"
                for half in ("chosen", "checked"):
                    shown |= _half(half, row)
                shown["within a standard error"] = f"{row['within']:.0%}"
                rows.append(shown)
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """Mean change of the log loss, and that on the worst set, with right labels."""
        table = half_and_half(self.found[self.found["wrong"] == 0])[::-1]
        figure = Figure(figsize=(9, 4.5), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for half, axes in zip(("chosen", "checked"), panels, strict=True):
            for key, mark in (("mean", "o"), ("worst", "x")):
                axes.plot(100 * table[f"{half}_{key}"], table["way"], mark, label=key)
            axes.axvline(0, color="0.4", lw=0.8)
            axes.axvline(100 * LARGEST_HARM, color="0.4", ls="--", lw=0.8)
            axes.set_title(f"sets it is {half} on")
            axes.set_xlabel("log loss less train + validation's, %")
        panels[0].legend()
        return figure


def _half(half: str, row: dict[str, Any]) -> dict[str, Any]:
    """What is shown of one half; nothing where none of its sets is measured."""
    mean, worst, name, better, worse = (
        row[f"{half}_{key}"]
        for key in ("mean", "worst", "worst_set", "better", "worse")
    )
    shown = {
        "mean": f"{mean:+z.1%}",
        "worst set": f"{worst:+z.1%} ({name})",
        "better, worse": f"{better}, {worse}",
    }
    return {f"{half} on: {key}": text if name else "" for key, text in shown.items()}
