"""How often are few rows to be split to choose C, and when to weigh validation rows?

    python -m studies.weights

fits training on both tables, and on both with a tuned weight of the validation rows, in
several ways to choose C and the weight, on draws of the data sets of the study of the
pool's worth that no other study has. It writes ``docs/studies/weights``, and resumes
from the measurements it finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from salutary.advice.options import VALIDATION_WEIGHTS, weighted_validation
from salutary.advice.task import TUNING_PARTS, weighed
from salutary.influence.objectives import log_losses
from salutary.labeling.rows import join
from salutary.labeling.splits import repeated_parts
from salutary.labeling.tuning import (
    N_PARTS,
    PENALTIES,
    best_C,
    fit_penalized,
    probabilities,
)
from salutary_benchmark.experiments.experiment import Display
from studies.worth_data import DATA, Drawn, draw_rows
from studies.worth_rules import CHOSEN_ON
from studies.worth_trials import task_of
from studies.writing import environment, write_study

DRAWS = range(100, 103)
"""Not those of other studies."""

SIZES, WRONG = (100, 400), (0.0, 0.2, 0.4)
FIRST = "train + validation, C by one split"
SPLITS = {1: "one split", 3: "three splits", 5: "five splits"}

WEIGHTS = (1.0, *VALIDATION_WEIGHTS)

AS_ADVISED = "weighted, as by salutary advise"

READING = f"""\
Rows are drawn as in the [study of the pool's worth](../worth/README.md), three other
draws of each set: N human labels, half of training rows, half of validation rows, which
are always right. C of training on both tables is chosen by {N_PARTS}-fold
cross-validation of all rows. A weight of the validation rows, of
{", ".join(map("{:g}".format, WEIGHTS))}, and its C are chosen by {TUNING_PARTS}-fold
cross-validation of the validation rows. "Three splits" repeats that with other folds,
and takes the mean loss. `salutary advise` takes three splits, and weighs validation
rows only where that lowers their cross-validated loss, beside training on both, by one
standard error.

Figures are mean changes of the log loss of test rows in percent of that of training on
both tables with C by one split, below zero better.

Three splits and the standard error were chosen on {", ".join(CHOSEN_ON)}, by a first
look at these draws and three more, and checked on the other sets."""


def measure(data: str, draw: int, wrong: float, size: int) -> Iterator[dict[str, Any]]:
    """Fit in every way, and judge by test rows."""
    rows = draw_rows(data, size, wrong, draw)
    for name, C, weight in _chosen(rows, draw):
        fitted = join(rows.train, weighed(rows.validation, weight))
        model = fit_penalized(C, fitted, _classes(rows))
        chance = probabilities(model, rows.test.X, _classes(rows))
        loss = float(log_losses(chance, rows.test.labels).mean())
        yield {"way": name, "C": C, "weight": weight, "log_loss": loss}


def _classes(rows: Drawn) -> Any:
    return np.unique(rows.train.labels)


def _chosen(rows: Drawn, seed: int) -> Iterator[tuple[str, float, float]]:
    """Each way, and the C and weight that it chooses."""
    both, classes = join(rows.train, rows.validation), _classes(rows)
    for repeats, splits in SPLITS.items():
        parts = [
            (both.take(rest), both.take(part))
            for rest, part in repeated_parts(both.labels, N_PARTS, repeats, seed)
        ]
        C, _ = best_C(parts, classes, PENALTIES)
        yield f"train + validation, C by {splits}", C, 1.0
    for repeats in (1, 3):
        found = {
            weight: best_C(_parts(rows, weight, repeats, seed), classes, PENALTIES)
            for weight in WEIGHTS
        }
        weight = min(found, key=lambda weight: found[weight][1])
        C, _ = found[weight]
        yield f"weighted, {SPLITS[repeats]}", C, weight
    advised = weighted_validation(task_of(rows, seed))
    yield AS_ADVISED, advised.C, advised.validation_weight


def _parts(rows: Drawn, weight: float, repeats: int, seed: int) -> list[Any]:
    own = rows.validation
    return [
        (join(rows.train, weighed(own.take(rest), weight)), own.take(part))
        for rest, part in repeated_parts(own.labels, TUNING_PARTS, repeats, seed)
    ]


@dataclass(frozen=True)
class Changes:
    """What every way changes, beside C by one split.

    Parameters
    ----------
    found : DataFrame
    """

    found: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """Mean changes in percent, on the sets that chose and on the others."""
        each = self._of_sets().reset_index()
        each["sets"] = np.where(each["data"].isin(CHOSEN_ON), "chosen on", "checked on")
        means = each.drop(columns="data").groupby(["sets", "wrong", "size"]).mean()
        shown = means.map("{:+z.1f}%".format).reset_index()
        shown["wrong"] = shown["wrong"].map("{:.0%}".format)
        return shown.rename(columns={"wrong": "wrong labels", "size": "N"})

    def plot(self) -> Figure:
        """Every set's change, for every way, with right labels and N = 100."""
        figure = Figure(figsize=(9, 4), layout="constrained")
        axes = figure.subplots()
        changes = self._of_sets().xs((0.0, 100))
        for place, name in enumerate(changes.columns):
            for part, color in ((True, "C0"), (False, "C1")):
                values = changes.loc[changes.index.isin(CHOSEN_ON) == part, name]
                places = np.full(len(values), place + (0.1 if part else -0.1))
                label = None if place else ("checked on", "chosen on")[part]
                axes.plot(values, places, "o", color=color, alpha=0.6, label=label)
        axes.axvline(0, color="gray", linewidth=0.8)
        axes.set_yticks(range(changes.shape[1]), changes.columns, fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel("change of the log loss, %, set by set; N = 100, right labels")
        axes.legend()
        return figure

    def _of_sets(self) -> pd.DataFrame:
        """Mean changes in percent, by part of wrong labels, size and set."""
        keys = ["wrong", "size", "data"]
        table = self.found.pivot_table(
            index=[*keys, "draw"], columns="way", values="log_loss", sort=False
        )
        first = table.pop(FIRST)
        change = table.sub(first, axis=0).groupby(keys).mean()
        return 100 * change.div(first.groupby(keys).mean(), axis=0)


def shown(found: pd.DataFrame) -> dict[str, Display]:
    return {"Change of the log loss": Changes(found)}


def main() -> None:
    factors = {"draw": DRAWS, "wrong": WRONG, "size": SIZES}
    write_study(
        "weights",
        [{"data": [name], **factors} for name in DATA],
        measure,
        shown,
        heading=(
            "How often to split few rows, and when to weigh some",
            f"{environment()}.\n\n{READING}",
        ),
    )


if __name__ == "__main__":
    main()
