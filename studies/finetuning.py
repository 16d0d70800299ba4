"""What salutary labels bring to a fine-tuned language model and a small CNN.

    python -m studies.finetuning

fine-tunes all-MiniLM-L6-v2 by LoRA on texts, and trains a CNN on images, with and
without labels by influence, beside people's labels and training on the validation rows.
It writes ``docs/results/finetuning`` and resumes from the measurements it finds.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from salutary_benchmark.experiments.experiment import Display
from studies.finetuning_runs import (
    BUDGET,
    FEWER_EPOCHS_FROM,
    IF_WORTH,
    IMAGES,
    N_POOL,
    N_TEST,
    SEEDS,
    TEXTS,
    VALIDATION,
    measure,
)
from studies.writing import RESULTS, environment, write_study


@dataclass(frozen=True)
class Ways:
    """Accuracy of every way to train, data set by data set.

    Parameters
    ----------
    found : DataFrame
        Measurements with one number of validation rows.
    measure : {"accuracy", "log_loss", "right"}
    """

    found: pd.DataFrame
    measure: str = "accuracy"

    def _means(self) -> pd.DataFrame:
        grouped = self.found.groupby(["trained_on", "data"], sort=False)
        return grouped[self.measure].agg(["mean", "sem", "count"]).unstack("data")

    def frame(self) -> pd.DataFrame:
        """Means and standard errors over the draws."""
        means = self._means()
        columns: dict[str, Any] = {"trained on": means.index}
        for data in means["mean"]:
            cells = zip(
                means["mean"][data],
                means["sem"][data],
                means["count"][data],
                strict=True,
            )
            columns[f"{data} ({int(means['count'][data].max())} draws)"] = [
                f"{mean:.3f} ± {error:.3f}" if count > 0 else "-"
                for mean, error, count in cells
            ]
        return pd.DataFrame(columns)

    def plot(self) -> Figure:
        """Points with bars of one standard error for each data set."""
        means = self._means()
        figure = Figure(figsize=(9, 4.5), layout="constrained")
        axes = figure.subplots()
        places = np.arange(len(means))
        for data in means["mean"]:
            axes.errorbar(
                means["mean"][data],
                places,
                xerr=means["sem"][data],
                fmt="o",
                capsize=2,
                label=data,
            )
        axes.set_yticks(places, list(means.index), fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel(f"{self.measure.replace('_', ' ')} on test rows")
        axes.grid(axis="x", alpha=0.3)
        figure.legend(loc="outside upper right", fontsize=7, ncols=6)
        return figure


@dataclass(frozen=True)
class Goals:
    """What the labels bring, next to what true labels bring.

    Parameters
    ----------
    found : DataFrame
    """

    found: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """A row for each data set and number of validation rows."""
        rows = []
        for (data, n_val), part in self.found.groupby(["data", "n_val"], sort=False):
            table = part.pivot(index="seed", columns="trained_on", values="accuracy")
            start, both = table["labeled only"], table["train + validation"]
            gain = table[f"+ {BUDGET} salutary"] - start
            bought = table[f"+ {BUDGET} random true"] - start
            further = table[f"+ {2 * BUDGET} salutary"] - table[f"+ {BUDGET} salutary"]
            rows.append(
                {
                    "data": data,
                    "validation rows": n_val,
                    f"gain of {BUDGET} salutary": _paired(gain),
                    f"of {BUDGET} random true": _paired(bought),
                    "recovered": f"{gain.mean() / bought.mean():.0%}"
                    if bought.mean() > 0
                    else "-",
                    f"of {2 * BUDGET} over {BUDGET} salutary": _paired(further),
                    "of salutary over train + validation": _paired(
                        table[f"train + validation + {BUDGET} salutary"] - both
                    ),
                    "the same, if the folds say so": _paired(table[IF_WORTH] - both),
                }
            )
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """Accuracy by the number of labels."""
        sets = list(self.found["data"].unique())
        n_rows = -(-len(sets) // 3)
        figure = Figure(figsize=(9, 2.9 * n_rows), layout="constrained")
        axes = figure.subplots(n_rows, min(3, len(sets)), squeeze=False)
        for axis in axes.flat[len(sets) :]:
            axis.remove()
        for axis, data in zip(axes.flat, sets, strict=False):
            for n_val, part in self.found[self.found["data"] == data].groupby("n_val"):
                means = part.groupby("trained_on")["accuracy"].mean()
                curve = [
                    means["labeled only"],
                    means[f"+ {BUDGET} salutary"],
                    means[f"+ {2 * BUDGET} salutary"],
                ]
                axis.plot(
                    [0, BUDGET, 2 * BUDGET], curve, "o-", label=f"{n_val} validation"
                )
                axis.plot(
                    [BUDGET],
                    [means[f"+ {BUDGET} random true"]],
                    "x",
                    color=axis.lines[-1].get_color(),
                )
            axis.set_title(data, fontsize=9)
        figure.supxlabel("labels (x: random true)", fontsize=8)
        figure.supylabel("accuracy", fontsize=8)
        lines, names = axes.flat[0].get_legend_handles_labels()
        figure.legend(lines, names, loc="outside upper right", fontsize=7, ncols=2)
        return figure


def _paired(differences: pd.Series[float]) -> str:
    return f"{differences.mean():+.3f} ± {differences.sem():.3f}"


def shown(found: pd.DataFrame) -> dict[str, Display]:
    """Goals first, then every way to train."""
    displays: dict[str, Display] = {"What the labels bring": Goals(found)}
    for n_val in VALIDATION:
        part = found[found["n_val"] == n_val]
        displays[f"Accuracy, {n_val} validation rows"] = Ways(part)
        displays[f"Log loss, {n_val} validation rows"] = Ways(part, "log_loss")
        displays[f"Right labels, {n_val} validation rows"] = Ways(
            part.dropna(subset=["right"]), "right"
        )
    return displays


READING = f"""\
100 labeled texts or 300 images, a pool of {N_POOL}, {N_TEST} test rows, drawn anew for
each seed. Texts (SST-2 sentences, AG News, MRPC, RTE): all-MiniLM-L6-v2 with LoRA of
rank 8, learning rate 1e-3, five epochs, two for more than {FEWER_EPOCHS_FROM} rows, 48
tokens (AG News 32, pairs 64). Images (MNIST, CIFAR-10): a CNN of three convolutions,
trained from nothing. RTE has 400 validation rows where others have 800. Models that
leave the validation rows alone stop early by three in ten of them, the canary, which
the default keeps from influence; the published rule has no guard and looks at all
validation rows.
"If the folds say so": with the labels only where surrogates with and without them,
judged on validation rows they have not seen, say that these help; the tool does that.
"+ 200 salutary" is a second round of the run with 100. "Everything labeled" is the
labeled rows and the pool with its true labels. Models that are trained on the
validation rows have none to stop early by and run all epochs; since 0.2.0 the tool
chooses the epochs by cross-validation and calibrates (the study of distillation)."""


def main() -> None:
    """Measure the data sets named on the command line, by default all."""
    sets = sys.argv[1:] or [*TEXTS, *IMAGES]
    write_study(
        "finetuning",
        {"data": sets, "n_val": VALIDATION, "seed": SEEDS},
        measure,
        shown,
        heading=(
            "Fine-tuning on salutary labels",
            f"{environment()}, torch {version('torch')}, transformers "
            f"{version('transformers')}, peft {version('peft')}.\n\n{READING}",
        ),
        jobs=2,
        root=RESULTS,
    )


if __name__ == "__main__":
    main()
