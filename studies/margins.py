"""How surely must a pool help before it is used, and by how many splits of the rows?

    python -m studies.margins

tunes each method of a whole pool by one split of the labeled rows and by three, and
uses the pool under several margins, with the pool as it is and with half of it from
another data set. It writes ``docs/studies/margins``, and resumes from the measurements
it finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from salutary.arrays import Float64Array
from salutary.influence.objectives import log_losses
from salutary.labeling.guard import mean_decrease
from salutary.labeling.rows import join
from salutary.labeling.tuning import N_PARTS, probabilities
from salutary.pools.arrays import ArrayPool
from salutary.semisupervised.calibration import tempered
from salutary.semisupervised.task import Method, SemiSupervisedTask
from salutary.semisupervised.tuning import (
    METHODS,
    Candidate,
    Tuning,
    begin_tuning,
    judged,
    unjudged,
)
from salutary_benchmark.experiments.experiment import Display
from studies.worth_data import DATA, Drawn, draw_rows
from studies.writing import environment, write_study

DRAWS = range(100, 103)
"""Not those of the study of the pool's worth."""

SIZES = (100, 400)
POOLS = ("its own", "half of another set")
MARGINS = (0.0, 0.5, 1.0)
ONE, THREE = "one split", "three splits"

READING = f"""\
Rows are drawn as in the [study of the pool's worth](../worth/README.md), other draws of
each set: N human labels, all right, and up to 2000 rows of pool. "Half of another set"
puts as many rows of another data set, cut or filled up to as many columns, in the place
of half of the pool. Settings of each method are compared by {N_PARTS}-fold
cross-validation of all labeled rows. The pool is used if the best of them lowers the
log loss of held-out rows by more than a number of their standard errors (se): by that
same split of the rows, or by three splits, a row's loss being the mean of its three.
`salutary advise` and `SemiSupervisedClassifier` take three splits and one standard
error. "Best of the three" is the method with the lowest loss by the one split, which
is the one that `salutary advise` takes.

Figures are of the log loss of test rows with the pool less that without it, in percent
of the latter; below zero the pool helps. "Used" counts trials in which the pool is
used; "worse" counts those in which the loss is higher by more than half a percent, and
"worst" is the worst mean of a set. Trials whose labeled rows lack five rows of a class
are left out.

Three splits were chosen by a first look at three other draws of all sets, where the
best of the three methods did better by them for both pools and sizes. On the draws
below they do no better where the pool is its own, and better where half of it is not.
The margin, of one standard error, was chosen before."""


def measure(data: str, draw: int, pool: str, size: int) -> Iterator[dict[str, Any]]:
    """Judge each method's best setting by one split and by three, and by test rows."""
    rows = draw_rows(data, size, 0.0, draw)
    task = SemiSupervisedTask(
        classes=np.unique(rows.train.labels),
        rows=join(rows.train, rows.validation),
        pool=ArrayPool.of(pool_of(rows, data, draw, pool)),
        seed=draw,
    )
    tuning = begin_tuning(task)
    if tuning is None or len(unjudged(task.rows)):
        yield {"method": "none"}
        return
    without = loss_on_test(tuning, rows, None, tuning.every.plain)
    for name, method in METHODS.items():
        best = min(tuning.walked(method), key=lambda candidate: candidate.loss)
        (again,) = judged(tuning.every.parts, method, [best.setting])
        loss = loss_on_test(tuning, rows, method, again)
        for splits, plain, found in (
            (ONE, tuning.first.plain, best),
            (THREE, tuning.every.plain, again),
        ):
            fall, se = mean_decrease(plain.losses, found.losses, task.rows.weight)
            yield {
                "method": name,
                "splits": splits,
                "fall": fall,
                "se": se,
                "log_loss": loss,
                "without": without,
            }


def pool_of(rows: Drawn, data: str, draw: int, kind: str) -> Float64Array:
    """The pool's own rows, or half of them and rows of another set."""
    own = np.asarray(rows.pool.X)
    if kind == "its own":
        return own
    n_own, n_columns = len(own) // 2, own.shape[1]
    other = DATA[(DATA.index(data) + 5) % len(DATA)]
    foreign = np.asarray(draw_rows(other, max(SIZES), 0.0, draw).pool.X)
    foreign = np.random.default_rng(draw).permutation(foreign)[:n_own, :n_columns]
    missing = n_columns - foreign.shape[1]
    return np.vstack([own[:n_own], np.pad(foreign, ((0, 0), (0, missing)))])


def loss_on_test(
    tuning: Tuning, rows: Drawn, method: Method | None, found: Candidate
) -> float:
    """Mean log loss of the test rows under a setting that is fitted on all rows."""
    task = tuning.task
    model = task.plain(found.setting.C)
    if method is not None:
        (model,) = method.models(task, [found.setting])
    chance = probabilities(
        tempered(model, found.temperature), rows.test.X, task.classes
    )
    return float(log_losses(chance, rows.test.labels).mean())


@dataclass(frozen=True)
class Margins:
    """What every way to use a pool changes.

    Parameters
    ----------
    found : DataFrame
    """

    found: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """A row for each pool, size, method, number of splits and margin."""
        keys = ["pool", "size", "method", "splits", "margin"]
        each = self._changes()
        groups = each.groupby(keys, sort=False)
        sets = each.groupby([*keys, "data"], sort=False)["change"].mean()
        table = pd.DataFrame(
            {
                "used": groups["used"].mean().map("{:.0%}".format),
                "log loss": groups["change"].mean().map("{:+z.1f}%".format),
                "worse": groups["change"].agg(lambda c: f"{(c > 0.5).mean():.0%}"),
                "worst": sets.groupby(keys, sort=False).agg(_worst),
            }
        ).reset_index()
        table["margin"] = table["margin"].map("{:g} se".format)
        return table.rename(columns={"size": "N"}).replace({"method": _IN_WORDS})

    def plot(self) -> Figure:
        """Mean changes for every way, of the best of the three."""
        figure = Figure(figsize=(8, 3.5), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        each = self._changes()
        each = each[each["method"] == "best"]
        for panel, kind in zip(axes, POOLS, strict=True):
            part = each[each["pool"] == kind]
            for (size, splits), own in part.groupby(["size", "splits"], sort=False):
                means = own.groupby("margin")["change"].mean()
                style = "-" if splits == THREE else "--"
                color = "C0" if size == SIZES[0] else "C1"
                label = f"N = {size}, {splits}"
                panel.plot(means.index, means, f"{style}o", color=color, label=label)
            panel.set_title(f"pool: {kind}", fontsize=10)
            panel.set_xlabel("margin, standard errors")
            panel.axhline(0, color="gray", linewidth=0.8)
        axes[0].set_ylabel("change of the log loss, %")
        axes[0].legend(fontsize=8, loc=(0.3, 0.28))
        return figure

    def _changes(self) -> pd.DataFrame:
        """The change of the loss in percent, for every trial, method and margin."""
        found = self.found[self.found["method"] != "none"]
        trial = ["data", "draw", "pool", "size"]
        by_one = found[found["splits"] == ONE]
        lowest = by_one.loc[by_one.groupby(trial)["fall"].idxmax(), [*trial, "method"]]
        best = found.merge(lowest, on=[*trial, "method"]).assign(method="best")
        every = pd.concat([found, best], ignore_index=True)
        parts = [every.assign(margin=margin) for margin in MARGINS]
        table = pd.concat(parts, ignore_index=True)
        table["used"] = table["fall"] > table["margin"] * table["se"]
        change = 100 * (table["log_loss"] / table["without"] - 1)
        order = {
            key: place
            for place, key in enumerate(product(POOLS, SIZES, [*METHODS, "best"]))
        }
        places = zip(table["pool"], table["size"], table["method"], strict=True)
        table["place"] = [order[key] for key in places]
        table["change"] = change.where(table["used"], 0.0)
        return table.sort_values(["place", "splits", "margin"], kind="stable")


_IN_WORDS = {
    "information_maximization": "information maximization",
    "self_training": "whole-pool self-training",
    "label_spreading": "label spreading",
    "best": "best of the three",
}


def _worst(means: pd.Series[float]) -> str:
    name = means.index[int(means.argmax())]
    return f"{means.max():+z.1f}% ({name[-1]})"


def shown(found: pd.DataFrame) -> dict[str, Display]:
    return {"With the pool, less without": Margins(found)}


def main() -> None:
    factors = {"draw": DRAWS, "pool": POOLS, "size": SIZES}
    write_study(
        "margins",
        [{"data": [name], **factors} for name in DATA],
        measure,
        shown,
        heading=(
            "How surely must a pool help before it is used?",
            f"{environment()}.\n\n{READING}",
        ),
        jobs=2,
    )


if __name__ == "__main__":
    main()
